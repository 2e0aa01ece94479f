use serde_json::{Value, json};

use super::{Action, Bench, NOW, WireForm, claim, object, patch, pod, status, stored};
use crate::guard::{Took, admit};
use crate::interface::{Effect, Form};
use crate::object::{Kind, Snapshot};
use crate::order::Order;

fn body(action: &Action) -> Value {
    let (Action::Patch { body, .. } | Action::Create { body } | Action::Delete { body }) = action;
    serde_json::from_slice(body).unwrap()
}

#[test]
fn what_is_sent_is_the_difference_with_its_version() {
    let bench = Bench::built_in("v1/Pod");
    let before = pod(json!({"phase": "Pending", "qosClass": "BestEffort"}));
    for form in [
        patch(
            Form::Merge,
            Some("status"),
            json!({"status": {"phase": "Running"}}),
        ),
        patch(
            Form::Strategic,
            Some("status"),
            json!({"status": {"phase": "Running"}}),
        ),
        patch(
            Form::Json,
            Some("status"),
            json!([{"op": "replace", "path": "/status/phase", "value": "Running"}]),
        ),
        patch(
            Form::Replace,
            Some("status"),
            json!({"status": {"phase": "Running", "qosClass": "BestEffort"}}),
        ),
    ] {
        let admitted = bench.write(&before, &form);
        assert_eq!(
            body(admitted.action()),
            json!({"metadata": {"uid": "u", "resourceVersion": "7"}, "status": {"phase": "Running"}})
        );
        let Action::Patch {
            subresource, form, ..
        } = admitted.action()
        else {
            panic!()
        };
        assert_eq!(
            (subresource.as_deref(), *form),
            (Some("status"), WireForm::Merge)
        );
        assert_eq!(
            (admitted.from().phase(), admitted.to().phase()),
            (Some("Pending"), Some("Running"))
        );
        assert_eq!(admitted.key().to_string(), "Pod default/o");
    }
}

#[test]
fn a_null_is_written_where_it_means_something() {
    let before = object(json!({}), json!({"a": 1}));
    let null = patch(
        Form::Json,
        Some("status"),
        json!([{"op": "replace", "path": "/status/a", "value": null}]),
    );
    let custom = Bench::custom(Order::Any, true, false);
    assert_eq!(
        body(custom.write(&before, &null).action()),
        json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "test", "path": "/metadata/uid", "value": "u"},
            {"op": "replace", "path": "/status/a", "value": null},
        ])
    );
    // KWOK's pod stages write `lastProbeTime: null`, which the server's types do not tell from nothing.
    let bench = Bench::built_in("v1/Pod");
    let probe =
        json!([{"type": "X", "status": "True", "lastProbeTime": null, "lastTransitionTime": NOW}]);
    let before = pod(json!({"phase": "Pending"}));
    let admitted = bench.write(&before, &status(json!({"conditions": probe})));
    let Action::Patch { form, .. } = admitted.action() else {
        panic!()
    };
    assert_eq!(*form, WireForm::Merge);
    assert_eq!(
        bench.outcome(
            &pod(json!({"conditions": probe})),
            &status(json!({"conditions": probe}))
        ),
        "unchanged"
    );
}

#[test]
fn nothing_is_no_write() {
    let bench = Bench::built_in("v1/Pod");
    let running =
        pod(json!({"phase": "Running", "startTime": "2026-03-01T10:00:00Z", "podIP": "10.0.0.1"}));
    for (wanted, expected) in [
        (json!({}), "unchanged"),
        (json!({"phase": "Running"}), "unchanged"),
        (json!({"startTime": NOW}), "unchanged SetOnce"),
        (
            json!({"startTime": NOW, "podIP": "10.0.0.9"}),
            "unchanged SetOnce SetOnce",
        ),
        (json!({"startTime": null}), "unchanged SetOnce"),
        (json!({"startTime": NOW, "message": "hi"}), "write SetOnce"),
    ] {
        assert_eq!(bench.outcome(&running, &status(wanted)), expected);
    }
}

#[test]
fn what_is_stored_wrong_is_no_reason_to_write() {
    let bench = Bench::built_in("v1/Pod");
    let condition =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T10:00:00Z"});
    let wrong = pod(
        json!({"phase": "Succeeded", "startTime": "2026-03-01T10:00:00Z", "conditions": [condition]}),
    );
    assert_eq!(bench.outcome(&wrong, &status(json!({}))), "unchanged");
    let outcome = bench.outcome(&wrong, &status(json!({"startTime": NOW})));
    assert_eq!(outcome, "unchanged SetOnce ReadyAfterEnd TransitionTime");
    // A label is written alone: the status is out of its reach.
    let label = patch(
        Form::Merge,
        None,
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    let admitted = bench.write(&wrong, &label);
    assert_eq!(admitted.mended(), []);
    assert_eq!(body(admitted.action())["status"], Value::Null);
}

#[test]
fn a_claim_is_for_one_object() {
    let bench = Bench::built_in("v1/Pod");
    let subject = bench.snapshot(&pod(json!({"phase": "Pending"})));
    let other = |field: &str, value: &str| {
        let mut body = pod(json!({"phase": "Pending"}));
        body["metadata"][field] = json!(value);
        bench.snapshot(&body)
    };
    let run = status(json!({"phase": "Running"}));
    let refused = |claimed: &Snapshot| {
        admit(&claim(claimed), &subject, &run, &bench.rules())
            .unwrap_err()
            .category()
    };
    assert_eq!(refused(&other("uid", "v")), "StaleClaim");
    assert_eq!(refused(&other("name", "p")), "NotClaimed");
    assert_eq!(refused(&other("namespace", "x")), "NotClaimed");
}

#[test]
fn a_deletion_names_what_it_deletes() {
    let bench = Bench::built_in("v1/Pod");
    let mut running = pod(json!({"phase": "Running"}));
    let preconditions = json!({"uid": "u", "resourceVersion": "7"});
    for (grace, expected) in [
        (Some(0), json!(0)),
        (Some(30), json!(30)),
        (None, Value::Null),
    ] {
        let admitted = bench.write(&running, &Effect::Delete { grace });
        let options = body(admitted.action());
        assert_eq!(
            (
                &options["kind"],
                &options["preconditions"],
                &options["gracePeriodSeconds"]
            ),
            (&json!("DeleteOptions"), &preconditions, &expected)
        );
        assert!(admitted.to().is_deleting());
        assert!(admitted.from().reaches(&Order::Pod, admitted.to()));
    }
    // One that is under way is only hastened.
    running["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:30Z");
    running["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    for (grace, expected) in [
        (Some(0), "write"),
        (Some(10), "write"),
        (Some(30), "unchanged"),
        (None, "unchanged"),
    ] {
        assert_eq!(bench.outcome(&running, &Effect::Delete { grace }), expected);
    }
    // What a deletion that was cut short has left goes with the next one; what a finalizer holds does not.
    running["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    let delete = Effect::Delete { grace: Some(0) };
    assert_eq!(bench.outcome(&running, &delete), "write");
    running["metadata"]["finalizers"] = json!([]);
    assert_eq!(bench.outcome(&running, &delete), "write");
    running["metadata"]["finalizers"] = json!(["example.com/hold"]);
    assert_eq!(bench.outcome(&running, &delete), "unchanged");
}

/// Its word, and what was lost.
fn word(took: Took) -> (&'static str, Vec<String>) {
    match took {
        Took::Stored => ("stored", vec![]),
        Took::Normalised(_) => ("normalised", vec![]),
        Took::Partly(lost, _) => ("partly", lost),
        Took::WithoutEffect => ("without effect", vec![]),
    }
}

#[test]
fn the_response_says_whether_it_took() {
    let bench = Bench::built_in("v1/Pod");
    let before = pod(json!({"phase": "Pending"}));
    let wanted = json!({
        "phase": "Running",
        "startTime": "2026-03-01T11:00:00Z",
        "reason": "",
        "containerStatuses": [{"name": "web", "restartCount": 0, "state": {"running": {}}}],
    });
    let effect = status(wanted);
    let answer = |change: &dyn Fn(&mut Value)| {
        let admitted = bench.write(&before, &effect);
        let mut response = stored(&bench.snapshot(&before), admitted.action());
        change(&mut response);
        word(admitted.took(&bench.snapshot(&response)))
    };
    let said = |word: &'static str| (word, Vec::new());
    assert_eq!(answer(&|_| {}), said("stored"));
    // The server's own: defaults, another spelling, what it leaves out, what it owns.
    let normalised = answer(&|response| {
        response["status"]["startTime"] = json!("2026-03-01T11:00:00.000Z");
        response["status"]["containerStatuses"][0]["imageID"] = json!("");
        response["status"]["containerStatuses"][0]["restartCount"] = json!(0.0);
        response["status"].as_object_mut().unwrap().remove("reason");
        response["status"]["podIPs"] = json!([]);
        response["metadata"]["generation"] = json!(2);
    });
    assert_eq!(normalised, said("normalised"));
    let partly = answer(&|response| response["status"]["phase"] = json!("Pending"));
    assert_eq!(partly, ("partly", vec!["/status/phase".to_owned()]));
    assert_eq!(
        answer(&|response| response["status"] = json!({"phase": "Pending"})),
        said("without effect")
    );
    assert_eq!(
        answer(&|response| response["metadata"]["resourceVersion"] = json!("7")),
        said("without effect")
    );
}

#[test]
fn amounts_are_the_same_in_other_words() {
    let bench = Bench::built_in("v1/Node");
    let node = json!({"metadata": {"name": "n", "uid": "u", "resourceVersion": "7"}, "status": {}});
    for (wanted, is, expected) in [
        ("1024Mi", "1Gi", "normalised"),
        ("0.5", "500m", "normalised"),
        ("1000", "1k", "normalised"),
        ("1", "2", "partly"),
    ] {
        let admitted = bench.write(&node, &status(json!({"capacity": {"cpu": wanted}})));
        let mut response = stored(&bench.snapshot(&node), admitted.action());
        response["status"]["capacity"]["cpu"] = json!(is);
        let response = Snapshot::parse(&Kind::new("v1", "Node"), response).unwrap();
        assert_eq!(word(admitted.took(&response)).0, expected, "{wanted} {is}");
    }
}

/// What the server made something else of is not asked for again in the same words, and what is another step is.
#[test]
fn a_write_that_was_not_heeded_is_known_again() {
    let bench = Bench::built_in("v1/Pod");
    let container =
        |name: &str, state: &str| json!({"name": name, "restartCount": 0, "state": {state: {}}});
    let before = pod(json!({"phase": "Pending"}));
    let run = status(json!({
        "phase": "Running",
        "startTime": "2026-03-01T11:00:00Z",
        "containerStatuses": [container("web", "running")],
    }));
    let admitted = bench.write(&before, &run);
    let mut stored = stored(&bench.snapshot(&before), admitted.action());
    stored["status"]["startTime"] = json!("2026-03-01T11:00:00.000Z");
    stored["status"]["containerStatuses"][0]["imageID"] = json!("");
    let Took::Normalised(unheeded) = admitted.took(&bench.snapshot(&stored)) else {
        panic!("it is stored in other words")
    };
    assert!(bench.write(&stored, &run).repeats(&unheeded));
    assert!(!bench.write(&before, &run).repeats(&unheeded));
    let message = status(json!({"startTime": "2026-03-01T11:00:00Z", "message": "another step"}));
    assert!(!bench.write(&stored, &message).repeats(&unheeded));
    let mut other = stored.clone();
    other["metadata"]["name"] = json!("another");
    assert!(!bench.write(&other, &run).repeats(&unheeded));
    let nothing = crate::guard::Unheeded::default();
    assert!(!bench.write(&stored, &run).repeats(&nothing));
}
