//! What the server itself writes into kinds that make pods.

use serde_json::{Map, Value, json};

use super::super::look::{at, is_true, section, text_of};

/// Where the generation of a DaemonSet's template stands since it is no field any more.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Labels by which a Job's pods tell their Job's name and uid; each has an older one beside it.
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// A Job that does not select its pods itself selects them by its uid (`generateSelector`).
pub(super) fn select_by_uid(job: &mut Map<String, Value>) {
    if job
        .get("spec")
        .is_some_and(|spec| is_true(spec, "/manualSelector"))
    {
        return;
    }
    let metadata = section(job, "metadata");
    let (name, uid) = (
        text_of(metadata, "name").to_owned(),
        text_of(metadata, "uid").to_owned(),
    );
    let spec = section(job, "spec");
    let labels = section(section(section(spec, "template"), "metadata"), "labels");
    for label in NAME_LABELS {
        labels.entry(label).or_insert_with(|| json!(name));
    }
    for label in UID_LABELS {
        labels.entry(label).or_insert_with(|| json!(uid));
    }
    let [_, label] = UID_LABELS;
    let selected = section(section(spec, "selector"), "matchLabels");
    selected.entry(label).or_insert_with(|| json!(uid));
}

/// What a DaemonSet shows that is none of its fields, before anything was counted.
pub(super) fn show_template(set: &mut Map<String, Value>) {
    let annotations = section(section(set, "metadata"), "annotations");
    annotations
        .entry(TEMPLATE_GENERATION)
        .or_insert_with(|| json!("0"));
}

/// Counts the changes of a DaemonSet's template.
pub(super) fn count_template(set: &mut Map<String, Value>, old: &Value) {
    let before = at(old, "/metadata/annotations").get(TEMPLATE_GENERATION);
    let before = before
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<i64>().ok());
    let template = set.get("spec").map(|spec| at(spec, "/template"));
    let changed = !old.is_null() && template != Some(at(old, "/spec/template"));
    let annotations = section(section(set, "metadata"), "annotations");
    let generation = match before {
        Some(before) => before.saturating_add(i64::from(changed)),
        None => text_of(annotations, TEMPLATE_GENERATION)
            .parse()
            .unwrap_or(1)
            .max(1),
    };
    annotations.insert(
        TEMPLATE_GENERATION.to_owned(),
        json!(generation.to_string()),
    );
}

#[cfg(test)]
mod tests {
    use super::super::super::look::text;
    use super::*;

    #[test]
    fn a_jobs_own_labels_stay() {
        let mut job = json!({
            "metadata": {"name": "j", "uid": "u"},
            "spec": {"template": {"metadata": {"labels": {"job-name": "mine"}}}},
        });
        select_by_uid(job.as_object_mut().unwrap());
        assert_eq!(
            text(&job, "/spec/template/metadata/labels/job-name"),
            "mine"
        );
        assert_eq!(
            at(&job, "/spec/selector"),
            &json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}})
        );
    }
}
