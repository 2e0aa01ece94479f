use std::sync::Arc;

use serde_json::{Value, json};

use super::{check, condition, with};
use crate::order::{DeclaredOrder, Order};

fn parse(value: Value) -> DeclaredOrder {
    serde_json::from_value(value).unwrap()
}

fn order(value: Value) -> Order {
    let order = parse(value);
    assert_eq!(order.validate(), Ok(()));
    Order::Declared(Arc::new(order))
}

fn trainer() -> Order {
    order(json!({
        "path": "/status/phase",
        "latches": ["Provisioned"],
        "initial": "Pending",
        "epochs": ["/status/observedGeneration"],
        "phases": {"Pending": ["Active"], "Active": ["Paused", "Failed", "Done"], "Paused": ["Active"], "Failed": [], "Done": []},
    }))
}

fn object(phase: &str, observed: i64) -> Value {
    json!({"metadata": {"uid": "u", "generation": 9}, "status": {"phase": phase, "observedGeneration": observed}})
}

#[test]
fn the_declared_graph_is_the_order() {
    for (from, to, expected) in [
        ("Pending", "Active", "forward"),
        ("Pending", "Done", "forward"),
        ("Active", "Pending", "PhaseBackward"),
        // One cycle, one rank.
        ("Active", "Paused", "forward"),
        ("Paused", "Active", "forward"),
        ("Paused", "Pending", "PhaseBackward"),
        ("Done", "Failed", "TerminalLeft"),
        ("Done", "Active", "TerminalLeft"),
        ("Active", "Lost", "PhaseUnknown"),
        ("Lost", "Pending", "forward"),
        ("Lost", "Done", "forward"),
        ("Lost", "Lost", "forward"),
        ("Lost", "Found", "PhaseUnknown"),
        ("", "Active", "forward"),
        ("", "Pending", "forward"),
        // What was said is not unsaid.
        ("Pending", "", "PhaseLost"),
        ("Active", "", "PhaseBackward"),
    ] {
        check(&trainer(), &object(from, 1), &object(to, 1), expected);
    }
}

/// Each phase of a cycle may follow the other, so what a silent object counts as would follow too.
#[test]
fn on_a_cycle_too_what_was_said_is_not_unsaid() {
    let wheel = order(json!({
        "path": "/status/phase",
        "initial": "Idle",
        "phases": {"Idle": ["Busy"], "Busy": ["Idle"]},
    }));
    for (from, to, expected) in [
        ("Idle", "Busy", "forward"),
        ("Busy", "Idle", "forward"),
        ("Busy", "", "PhaseLost"),
        ("Idle", "", "PhaseLost"),
        ("", "Busy", "forward"),
    ] {
        check(&wheel, &object(from, 1), &object(to, 1), expected);
    }
}

#[test]
fn a_later_epoch_begins_anew_unless_it_ended() {
    check(
        &trainer(),
        &object("Active", 1),
        &object("Pending", 2),
        "forward",
    );
    check(
        &trainer(),
        &object("Active", 1),
        &object("Lost", 2),
        "PhaseUnknown",
    );
    check(
        &trainer(),
        &object("Done", 1),
        &object("Pending", 2),
        "TerminalLeft",
    );
    // What was observed does not fall: it is mended, and then the phase goes back within one epoch.
    check(
        &trainer(),
        &object("Active", 2),
        &object("Pending", 1),
        "PhaseBackward",
    );
    let latched = |observed: i64, status: &str| {
        let conditions = json!([condition("Provisioned", status, "2026-03-01T12:00:00Z")]);
        with(
            &object("Active", observed),
            &[("/status/conditions", conditions)],
        )
    };
    check(
        &trainer(),
        &latched(1, "True"),
        &latched(1, "False"),
        "LatchReset",
    );
    assert_eq!(
        trainer().breaches(&latched(1, "True"), &latched(2, "False")),
        []
    );
}

#[test]
fn epochs_compare_from_the_first_to_the_last() {
    let order = order(
        json!({"path": "/p", "epochs": ["/a", "/b"], "phases": {"X": ["Y"], "Y": ["Z"], "Z": []}}),
    );
    let at = |phase: &str, a: Value, b: Value| json!({"metadata": {"uid": "u"}, "p": phase, "a": a, "b": b});
    check(
        &order,
        &at("Y", json!(1), json!(5)),
        &at("X", json!(2), json!(0)),
        "forward",
    );
    check(
        &order,
        &at("Y", json!(1), json!(5)),
        &at("X", json!(1), json!(6)),
        "forward",
    );
    check(
        &order,
        &at("Y", json!(1), json!(5)),
        &at("Z", json!(1), json!(4)),
        "EpochFell",
    );
    check(
        &order,
        &at("Y", json!(1), json!(5)),
        &at("X", json!(0), json!(6)),
        "EpochFell PhaseBackward",
    );
    check(
        &order,
        &at("Y", json!("1"), json!(5)),
        &at("X", json!(2.0), json!(0)),
        "forward",
    );
    check(
        &order,
        &at("Y", json!(1), json!(0)),
        &at("X", json!("x"), json!(0)),
        "EpochFell PhaseBackward",
    );
}

#[test]
fn without_an_initial_phase_any_may_be_the_first() {
    let order = order(json!({"path": "/p", "phases": {"X": ["Y"], "Y": []}}));
    let at = |phase: Value| json!({"metadata": {"uid": "u"}, "p": phase});
    check(&order, &at(json!(null)), &at(json!("Y")), "forward");
    check(&order, &at(json!("X")), &at(json!(null)), "PhaseUnknown");
    check(&order, &at(json!(null)), &at(json!("Q")), "PhaseUnknown");
}

/// Cluster API's `MachinePhase` (api/core/v1beta2/machine_phase_types.go), as an administrator would declare it: a machine is updated in
/// place as often as it likes, Unknown is written by others alone, and nothing comes back from being deleted.
#[test]
fn the_phases_of_a_machine_can_be_declared() {
    let end = ["Deleting", "Failed"];
    let on = |next: &[&'static str]| [next, &end].concat();
    let machine = order(json!({
        "path": "/status/phase",
        "initial": "Pending",
        "phases": {
            "Pending": on(&["Provisioning"]), "Provisioning": on(&["Provisioned"]), "Provisioned": on(&["Running"]),
            "Running": on(&["Updating"]), "Updating": on(&["Running"]), "Failed": ["Deleting"], "Deleting": ["Deleted"], "Deleted": [],
        },
    }));
    for (from, to, expected) in [
        ("", "Pending", "forward"),
        ("Pending", "Running", "forward"),
        ("Running", "Updating", "forward"),
        ("Updating", "Running", "forward"),
        ("Provisioning", "Failed", "forward"),
        ("Failed", "Deleting", "forward"),
        ("Running", "Deleting", "forward"),
        ("Running", "Provisioned", "PhaseBackward"),
        ("Failed", "Running", "PhaseBackward"),
        ("Deleting", "Running", "PhaseBackward"),
        ("Running", "Unknown", "PhaseUnknown"),
        ("Unknown", "Running", "forward"),
        ("Deleted", "Pending", "TerminalLeft"),
    ] {
        check(&machine, &object(from, 1), &object(to, 1), expected);
    }
}

#[test]
fn an_order_of_conditions_alone() {
    let order = order(json!({"latches": ["Ready"]}));
    let at = |status: &str| {
        let conditions = json!([condition("Ready", status, "2026-03-01T12:00:00Z")]);
        json!({"metadata": {"uid": "u"}, "status": {"phase": status, "conditions": conditions}})
    };
    check(&order, &at("False"), &at("True"), "forward");
    check(&order, &at("True"), &at("False"), "LatchReset");
    assert_eq!(order.name(), "declared");
}

#[test]
fn an_order_that_makes_no_sense_names_its_field() {
    for (value, field) in [
        (json!({}), "phases"),
        (json!({"path": "/p"}), "phases"),
        (json!({"phases": {"X": []}}), "path"),
        (json!({"path": "/p", "phases": {"X": ["Y"]}}), "phases/X"),
        (json!({"path": "/p", "phases": {"": []}}), "phases"),
        (
            json!({"path": "/p", "initial": "Y", "phases": {"X": []}}),
            "initial",
        ),
        (json!({"path": "/p/*", "phases": {"X": []}}), "path"),
        (
            json!({"path": "/p", "epochs": ["/a/*"], "phases": {"X": []}}),
            "epochs",
        ),
        (json!({"latches": [""]}), "latches"),
        (json!({"latches": vec!["x"; 65]}), "latches"),
    ] {
        let error = parse(value.clone()).validate().unwrap_err();
        assert!(error.starts_with(&format!("{field}:")), "{value}: {error}");
    }
    for value in [
        json!({"phase": {}}),
        json!({"path": "status"}),
        json!({"phases": {"X": [1]}}),
    ] {
        assert!(serde_json::from_value::<DeclaredOrder>(value).is_err());
    }
}
