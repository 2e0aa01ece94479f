use std::cell::Cell;

use super::*;
use crate::{Description, Relation, Subject};

/// A plugin that breaks the rule its settings name.
struct Breaking {
    rule: String,
    calls: Cell<i64>,
}

impl Plugin for Breaking {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let rule = settings.text_at("/rule").unwrap_or_default().to_owned();
        let subject = Subject::new("v1/Pod")
            .reads(["/status/phase"])
            .play_reads(["/spec"])
            .writes(["/status"])
            .facts(["addresses"])
            .relation(Relation::by_name("node", "v1/Node", "/spec/nodeName").reads(["/status"]));
        let description = Description::new("breaking", "1")
            .stages(["go"])
            .subject(subject);
        let plugin = Self {
            rule,
            calls: Cell::new(0),
        };
        Ok((plugin, description))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        assert_eq!(object.at("/spec"), None, "not declared");
        assert_eq!(ctx.addresses()?.pod_ips.len(), 0, "not while deciding");
        self.calls.set(self.calls.get() + 1);
        Ok(match self.rule.as_str() {
            "stage" => Answer::stage("gone", ctx.since),
            "drift" => Answer::stage("go", ctx.now),
            "memory" => Answer::stage("go", Time(self.calls.get())),
            "forever" => {
                let played = object
                    .at("/status/phase")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                Answer::stage("go", ctx.since + Duration::from_secs(played + 1))
            }
            _ if object.text_at("/status/phase") == Some("Done") => Answer::idle("done"),
            _ => Answer::stage("go", ctx.since + Duration::from_secs(10)),
        })
    }

    fn play(&self, _: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        assert_eq!(object.at("/status"), None, "not declared");
        let nodes = ctx.related("node")?;
        Ok(vec![match self.rule.as_str() {
            "writes" => Patch::merge(json!({"metadata": {"labels": {"a": "b"}}})).into(),
            "nothing" => Patch::status(json!({})).into(),
            "forever" => Patch::status(json!({"phase": ctx.now.since(ctx.since).as_secs()})).into(),
            "delete" => Effect::delete(0),
            _ => Patch::status(
                json!({"phase": "Done", "ip": ctx.addresses()?.pod_ips, "nodes": nodes.len()}),
            )
            .into(),
        }])
    }
}

fn live(rule: &str, pod: Value) -> Result<Life, String> {
    let harness = Harness::<Breaking>::new(&json!({ "rule": rule }))?;
    harness
        .related("node", vec![json!({"status": {}})])
        .live(pod, "2026-01-01T01:00:00Z")
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}})
}

#[test]
fn a_life_is_played_when_it_is_due() {
    let life = live("", pod()).unwrap();
    assert_eq!(
        life.step("go").unwrap().at,
        Time::parse("2026-01-01T00:00:10Z").unwrap()
    );
    let status = &life.object().unwrap()["status"];
    assert_eq!(
        *status,
        json!({"phase": "Done", "ip": ["10.244.0.5"], "nodes": 1})
    );
    assert_eq!(life.last, Answer::idle("done"));
}

#[test]
fn what_is_due_later_is_left() {
    let mut harness = Harness::<Breaking>::new(&json!({})).unwrap();
    let life = harness.live(pod(), "2026-01-01T00:00:09Z").unwrap();
    assert!(life.steps.is_empty() && life.object() == Some(&pod()));
}

#[test]
fn broken_rules_are_told() {
    for (rule, told) in [
        ("stage", "does not declare"),
        ("drift", "an hour later"),
        ("memory", "same instance"),
        ("writes", "/metadata/labels"),
        ("nothing", "changed nothing"),
        ("forever", "1000 stages"),
    ] {
        let error = live(rule, pod()).unwrap_err();
        assert!(error.contains(told), "{rule}: {error}");
    }
}

#[test]
fn deletion_waits_for_finalizers() {
    assert_eq!(live("delete", pod()).unwrap().object(), None);
    let mut held = pod();
    held["metadata"]["finalizers"] = json!(["a/b"]);
    let error = live("delete", held.clone()).unwrap_err();
    assert!(
        error.contains("changed nothing"),
        "the second delete changes nothing: {error}"
    );
    let deadline = |object: &Value| object["metadata"]["deletionTimestamp"].clone();
    for (at, grace, expected) in [
        ("2026-01-01T00:00:30Z", 30, "2026-01-01T00:01:00Z"),
        ("2026-01-01T00:00:40Z", 60, "2026-01-01T00:01:00Z"),
        ("2026-01-01T00:00:40Z", 5, "2026-01-01T00:00:35Z"),
    ] {
        delete(&mut held, at, grace);
        assert_eq!(deadline(&held), expected);
    }
}

#[test]
fn a_status_takes_annotations_along_as_the_api_server_lets_it() {
    let body = json!({"metadata": {"annotations": {"a": "b"}, "name": "other"}, "spec": {"c": 1}, "status": {"d": 2}});
    let patch = Patch::merge(body).on("status");
    for (version, annotations) in [
        ("v1", json!({"a": "b"})),
        ("storage.k8s.io/v1", json!({"a": "b"})),
        ("example.com/v1", Value::Null),
    ] {
        let object = json!({"apiVersion": version, "kind": "Any", "metadata": {"name": "one"}});
        let after = patched(&object, &patch).unwrap();
        assert_eq!(after["status"], json!({"d": 2}), "{version}");
        assert_eq!(after["metadata"]["annotations"], annotations, "{version}");
        assert_eq!(
            (&after["metadata"]["name"], &after["spec"]),
            (&json!("one"), &Value::Null)
        );
    }
}
