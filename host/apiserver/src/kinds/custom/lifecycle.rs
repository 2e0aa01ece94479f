//! What becomes of a definition after it is written: its names are accepted, its kind is served, and in the end its objects go
//! (apiextensions-apiserver, `pkg/controller/status`, `establish` and `finalizer`).

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::findings::{list, text};

/// What holds a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Names that a definition wants, in the order in which they are looked at, with the reason if somebody else has them.
const NAMES: [(&str, &str); 4] = [
    ("plural", "PluralConflict"),
    ("singular", "SingularConflict"),
    ("kind", "KindConflict"),
    ("listKind", "ListKindConflict"),
];

/// Whether that condition is true.
pub(super) fn is_true(definition: &Value, kind: &str) -> bool {
    let conditions = definition
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| text(condition, "type") == kind && text(condition, "status") == "True")
}

fn set_condition(definition: &mut Value, now: Time, [kind, status, reason, message]: [&str; 4]) {
    let Some(known) = definition
        .pointer_mut("/status")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let conditions = known.entry("conditions").or_insert(Value::Null);
    if conditions.is_null() {
        *conditions = json!([]);
    }
    let new = json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now.to_seconds()});
    let Some(conditions) = conditions.as_array_mut() else {
        return;
    };
    match conditions
        .iter_mut()
        .find(|known| text(known, "type") == kind)
    {
        Some(known) => {
            let since = known.get("lastTransitionTime").cloned();
            let same = text(known, "status") == status;
            *known = new;
            if let (true, Some(since), Some(known)) = (same, since, known.as_object_mut()) {
                known.insert("lastTransitionTime".to_owned(), since);
            }
        }
        None => conditions.push(new),
    }
}

/// What the server writes next into a definition's status; none if nothing is to be said. `others` are the other definitions.
pub(crate) fn next_status(definition: &Value, others: &[Value], now: Time) -> Option<Value> {
    let null = Value::Null;
    let wanted = definition.pointer("/spec/names").unwrap_or(&null);
    let accepted = definition.pointer("/status/acceptedNames").unwrap_or(&null);
    if is_true(definition, "NamesAccepted")
        && !is_true(definition, "Established")
        && !is_doomed(definition)
    {
        let mut new = definition.clone();
        set_condition(
            &mut new,
            now,
            [
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ],
        );
        return Some(new);
    }
    if wanted == accepted || is_doomed(definition) {
        return None;
    }
    let mut new = definition.clone();
    let conflict = accept(&mut new, wanted, others);
    let names = match &conflict {
        Some((reason, name)) => (
            ["NamesAccepted", "False", *reason],
            format!("{name:?} is already in use"),
        ),
        None => (
            ["NamesAccepted", "True", "NoConflicts"],
            "no conflicts found".to_owned(),
        ),
    };
    let ([kind, status, reason], message) = names;
    set_condition(&mut new, now, [kind, status, reason, &message]);
    if !is_true(&new, "Established") {
        let established = match conflict {
            None => [
                "Established",
                "False",
                "Installing",
                "the initial names have been accepted",
            ],
            Some(_) => [
                "Established",
                "False",
                "NotAccepted",
                "not all names are accepted",
            ],
        };
        set_condition(&mut new, now, established);
    }
    (new != *definition).then_some(new)
}

/// Takes the names that are free; the last that is not, with the reason.
fn accept(new: &mut Value, wanted: &Value, others: &[Value]) -> Option<(&'static str, String)> {
    let group = new.pointer("/spec/group").cloned();
    let taken: Vec<&Value> = others
        .iter()
        .filter(|other| other.pointer("/spec/group") == group.as_ref())
        .filter_map(|other| other.pointer("/status/acceptedNames"))
        .collect();
    let short =
        |names: &Value, name: &str| list(names, "shortNames").iter().any(|known| known == name);
    let is_taken = |field: &str, name: &str| {
        taken.iter().any(|names| match field {
            "kind" | "listKind" => [text(names, "kind"), text(names, "listKind")].contains(&name),
            _ => {
                [text(names, "plural"), text(names, "singular")].contains(&name)
                    || short(names, name)
            }
        })
    };
    let accepted = new
        .pointer_mut("/status/acceptedNames")
        .and_then(Value::as_object_mut)?;
    let mut conflict = None;
    for (field, reason) in NAMES {
        let name = text(wanted, field);
        let own = accepted.get(field).and_then(Value::as_str) == Some(name);
        if !own && is_taken(field, name) {
            conflict = Some((reason, name.to_owned()));
        } else {
            accepted.insert(field.to_owned(), json!(name));
        }
        if field == "singular" {
            let clash = list(wanted, "shortNames")
                .iter()
                .filter_map(Value::as_str)
                .find(|name| is_taken("shortNames", name));
            match (clash, wanted.get("shortNames")) {
                (Some(name), _) => conflict = Some(("ShortNamesConflict", name.to_owned())),
                (None, Some(names)) => {
                    accepted.insert("shortNames".to_owned(), names.clone());
                }
                (None, None) => {
                    accepted.remove("shortNames");
                }
            }
        }
    }
    match wanted.get("categories") {
        Some(categories) => accepted.insert("categories".to_owned(), categories.clone()),
        None => accepted.remove("categories"),
    };
    conflict
}

/// Whether its deletion is asked for.
pub(crate) fn is_doomed(definition: &Value) -> bool {
    definition
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
}

/// The definition when its deletion is asked for first.
pub(crate) fn doomed(mut definition: Value, now: Time) -> Value {
    set_condition(
        &mut definition,
        now,
        [
            "Terminating",
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        ],
    );
    if let Some(metadata) = definition
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
    {
        metadata.insert("deletionTimestamp".to_owned(), json!(now.to_seconds()));
        let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(finalizers) = finalizers.as_array_mut()
            && !finalizers.iter().any(|known| known == CLEANUP)
        {
            finalizers.push(json!(CLEANUP));
        }
    }
    definition
}

/// The definition while its objects go, or when they are gone.
pub(crate) fn released(mut definition: Value, gone: bool, now: Time) -> Value {
    let condition = if gone {
        [
            "Terminating",
            "False",
            "InstanceDeletionCompleted",
            "removed all instances",
        ]
    } else {
        [
            "Terminating",
            "True",
            "InstanceDeletionInProgress",
            "CustomResource deletion is in progress",
        ]
    };
    set_condition(&mut definition, now, condition);
    let finalizers = definition
        .pointer_mut("/metadata/finalizers")
        .and_then(Value::as_array_mut);
    if let (true, Some(finalizers)) = (gone, finalizers) {
        finalizers.retain(|known| known != CLEANUP);
    }
    definition
}
