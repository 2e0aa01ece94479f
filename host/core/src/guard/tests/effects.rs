use serde_json::{Value, json};

use super::{Bench, NOW, patch, pod, status};
use crate::guard::rehearse;
use crate::interface::{ApplyEffect, Effect, EventEffect, Form, Reference, Severity};

fn event() -> Effect {
    Effect::Event(EventEffect {
        severity: Severity::Normal,
        reason: "Played".to_owned(),
        message: String::new(),
    })
}

fn apply() -> Effect {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    Effect::Apply(ApplyEffect {
        object,
        subresource: None,
        owned: true,
    })
}

fn remove() -> Effect {
    let (api_version, kind) = ("v1".to_owned(), "ConfigMap".to_owned());
    Effect::Remove(Reference {
        api_version,
        kind,
        namespace: None,
        name: "c".to_owned(),
    })
}

fn label() -> Effect {
    patch(
        Form::Merge,
        None,
        json!({"metadata": {"labels": {"a": "b"}}}),
    )
}

fn phase() -> Effect {
    status(json!({"phase": "Running"}))
}

fn delete() -> Effect {
    Effect::Delete { grace: Some(0) }
}

fn outcome(effects: &[Effect]) -> String {
    let bench = Bench::built_in("v1/Pod").applies("v1/ConfigMap", false);
    let subject = bench.snapshot(&pod(json!({"phase": "Pending"})));
    match rehearse(&subject, effects, &bench.rules()) {
        Ok(rehearsal) => rehearsal
            .writes
            .iter()
            .map(|write| write.verb)
            .collect::<Vec<_>>()
            .join(" "),
        Err(violation) => violation.category().to_owned(),
    }
}

#[test]
fn a_play_that_is_cut_short_can_be_repeated_whole() {
    for (effects, expected) in [
        (vec![], ""),
        (vec![event()], ""),
        (
            vec![apply(), remove(), label(), phase(), delete(), event()],
            "apply remove patch patch delete",
        ),
        (vec![event(), apply(), event(), phase()], "apply patch"),
        (vec![delete()], "delete"),
        (vec![label(), apply()], "EffectOrder"),
        (vec![label(), remove()], "EffectOrder"),
        (vec![phase(), label()], "EffectOrder"),
        (vec![phase(), phase()], "EffectOrder"),
        (vec![phase(), apply()], "EffectOrder"),
        (vec![delete(), delete()], "EffectOrder"),
        (vec![delete(), phase()], "EffectOrder"),
        (vec![delete(), apply()], "EffectOrder"),
        (
            vec![Effect::Extension {
                name: "x".to_owned(),
            }],
            "NotDeclared",
        ),
    ] {
        assert_eq!(outcome(&effects), expected, "{effects:?}");
    }
}

#[test]
fn one_breach_drops_the_whole_play() {
    assert_eq!(
        outcome(&[label(), status(json!({"phase": "Banana"}))]),
        "Backward"
    );
    assert_eq!(
        outcome(&[
            label(),
            patch(Form::Merge, None, json!({"metadata": {"uid": "x"}}))
        ]),
        "IdentityChanged"
    );
}

#[test]
fn each_patch_is_judged_on_what_the_one_before_leaves() {
    let bench = Bench::built_in("v1/Pod");
    let subject = bench.snapshot(&pod(json!({"phase": "Pending"})));
    let start = |time: &str| status(json!({"startTime": time}));
    let effects = [
        start("2026-03-01T11:00:00Z"),
        start(NOW),
        start("2026-03-01T11:00:00Z"),
        phase(),
    ];
    let rehearsal = rehearse(&subject, &effects, &bench.rules()).unwrap();
    assert!(rehearsal.changes);
    assert_eq!(rehearsal.writes.len(), 2);
    assert_eq!(rehearsal.mended.len(), 1);
    let first = serde_json::to_value(rehearsal.writes.first()).unwrap();
    let body: Value = json!({"status": {"startTime": "2026-03-01T11:00:00Z"}});
    assert_eq!(
        first,
        json!({"verb": "patch", "object": "Pod default/o", "subresource": "status", "body": body})
    );
}
