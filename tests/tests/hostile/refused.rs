//! Plays that are sound as data and wrong as deeds: the engine passes them on, the guard refuses them.

use serde_json::{Value, json};
use stagewright_core::guard::{Rules, Surface, Violation, rehearse};
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::order::Order;
use stagewright_core::time::Time;

use super::support::{context, hostile, load, the_neighbour_answers};

#[test]
fn a_play_that_oversteps_is_refused_whole() {
    for (behave, category) in [
        ("play-backward", "Backward"),
        ("play-outside-writes", "OutsideWrites"),
        ("play-uid", "IdentityChanged"),
        ("play-name", "IdentityChanged"),
        ("play-namespace", "IdentityChanged"),
        ("play-delete-first", "EffectOrder"),
        ("play-impersonate", "ImpersonationRefused"),
        ("play-other-namespace", "NotOwned"),
    ] {
        let plugin = hostile(behave);
        let violation = rehearsed(&plugin, "Running").expect_err(behave);
        assert_eq!(violation.category(), category, "{behave}: {violation}");
        the_neighbour_answers();
    }
}

/// A description is a promise of less, never a right to more.
#[test]
fn a_description_that_claims_everything_gives_no_right_to_it() {
    for (behave, category) in [
        ("play-backward", "Backward"),
        ("play-uid", "IdentityChanged"),
        ("play-name", "IdentityChanged"),
        ("play-namespace", "IdentityChanged"),
        ("play-delete-first", "EffectOrder"),
        ("play-impersonate", "ImpersonationRefused"),
    ] {
        let lies = json!({"writes": ["/metadata", "/spec", "/status"], "reads": []});
        let plugin = load(&json!({"behave": behave, "subject": lies})).unwrap();
        let violation = rehearsed(&plugin, "Running").expect_err(behave);
        assert_eq!(violation.category(), category, "{behave}: {violation}");
        the_neighbour_answers();
    }
}

#[test]
fn the_neighbours_play_is_admitted() {
    let plugin = load(&Value::Null).unwrap();
    assert_eq!(rehearsed(&plugin, "Pending"), Ok(true));
    assert_eq!(rehearsed(&plugin, "Running"), Ok(false));
}

/// What the guard says to the play of stage `run` on a pod in this phase: whether it changes anything.
fn rehearsed(plugin: &stagewright::plugin::Plugin, phase: &str) -> Result<bool, Violation> {
    let kind = Kind::new("v1", "Pod");
    let body = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default", "uid": "u", "resourceVersion": "7"},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": phase},
    });
    let subject = Snapshot::parse(&kind, body).unwrap();
    let object = subject.body().to_string();
    let effects = plugin
        .session()
        .unwrap()
        .play("run", &object, &context())
        .unwrap();
    let (order, surface) = (
        Order::built_in(&kind).unwrap(),
        Surface::built_in(&kind).unwrap(),
    );
    let rules = Rules {
        plugin: plugin.name(),
        order: &order,
        surface: &surface,
        writes: &plugin.description().subjects[0].writes,
        applies: &plugin.description().applies,
        impersonation: false,
        now: Time(5_000),
    };
    rehearse(&subject, &effects, &rules).map(|rehearsal| rehearsal.changes)
}
