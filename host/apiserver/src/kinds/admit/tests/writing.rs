//! What an operation may write.

use serde_json::json;

use super::*;

#[test]
fn a_status_is_written_alone_and_all_else_without_it() {
    let pods = resource("", "pods");
    let pod = stored_pod();
    let mut new = pod.clone();
    new["status"]["phase"] = json!("Running");
    new["metadata"]["labels"] = json!({"a": "b"});
    let given = new.clone();
    admit(&pods, Operation::Update { old: &pod }, &mut new).unwrap();
    assert_eq!(
        (&new["status"], &new["metadata"]["labels"]["a"]),
        (&pod["status"], &json!("b"))
    );
    let mut new = given;
    new["spec"]["nodeName"] = json!("n");
    new["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]);
    admit(&pods, Operation::UpdateStatus { old: &pod }, &mut new).unwrap();
    assert_eq!(
        (&new["status"]["phase"], &new["spec"]),
        (&json!("Running"), &pod["spec"])
    );
    assert_eq!(new["metadata"].get("ownerReferences"), None);
}

#[test]
fn a_generation_counts_changes_of_the_specification_alone() {
    let pods = resource("", "pods");
    let pod = stored_pod();
    assert_eq!(pod["metadata"]["generation"], 1);
    let mut labelled = pod.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    admit(&pods, Operation::Update { old: &pod }, &mut labelled).unwrap();
    assert_eq!(labelled["metadata"]["generation"], 1);
    let mut other = labelled.clone();
    other["spec"]["containers"][0]["image"] = json!("j");
    admit(&pods, Operation::Update { old: &labelled }, &mut other).unwrap();
    assert_eq!(other["metadata"]["generation"], 2);
}

#[test]
fn a_node_is_registered_with_its_status() {
    let mut node = json!({
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": "n"},
        "status": {"capacity": {"cpu": 4}},
    });
    admit(&resource("", "nodes"), Operation::Create, &mut node).unwrap();
    assert_eq!(node["status"]["allocatable"], json!({"cpu": "4"}));
    assert_eq!(node["metadata"].get("generation"), None);
}

#[test]
fn a_custom_resource_keeps_its_fields_and_counts_what_is_no_status() {
    let custom = Resource {
        group: "a.io".into(),
        version: "v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        custom: true,
        namespaced: true,
        collection: "a.io/widgets".into(),
        ..Resource::default()
    };
    let mut widget =
        json!({"metadata": {"name": "w", "namespace": "default"}, "anything": {"x": []}});
    admit(&custom, Operation::Create, &mut widget).unwrap();
    assert_eq!(
        (&widget["anything"], &widget["metadata"]["generation"]),
        (&json!({"x": []}), &json!(1))
    );
    let mut changed = widget.clone();
    changed["anything"] = json!(2);
    admit(&custom, Operation::Update { old: &widget }, &mut changed).unwrap();
    assert_eq!(changed["metadata"]["generation"], 2);
    let mut named = json!({"metadata": {"name": "W", "namespace": "default"}});
    assert_eq!(
        admit(&custom, Operation::Create, &mut named)
            .unwrap_err()
            .code,
        422
    );
}

#[test]
fn a_services_addresses_are_looked_at_before_all_else() {
    let services = resource("", "services");
    let mut service = json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "s", "namespace": "default", "labels": {"a": "no way"}},
        "spec": {"ports": [{"port": 80}], "sessionAffinity": "Odd", "clusterIP": "1.2"},
    });
    let fields = |status: Status| {
        let causes = status.details.unwrap().causes.into_iter();
        let fields: Vec<String> = causes.map(|cause| cause.field.to_string()).collect();
        fields
    };
    let refused = admit(&services, Operation::Create, &mut service.clone());
    assert_eq!(fields(refused.unwrap_err()), ["spec.clusterIPs[0]"]);
    service["spec"]["clusterIP"] = json!("None");
    let refused = admit(&services, Operation::Create, &mut service);
    let refused = fields(refused.unwrap_err());
    assert_eq!(refused, ["metadata.labels", "spec.sessionAffinity"]);
}

#[test]
fn finalizers_keep_their_form_where_a_status_is_written() {
    let services = resource("", "services");
    let mut stored = json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "s", "namespace": "default", "uid": "u"},
        "spec": {"ports": [{"port": 80}], "clusterIP": "None"},
    });
    admit(&services, Operation::Create, &mut stored).unwrap();
    let mut new = stored.clone();
    new["metadata"]["finalizers"] = json!(["nodomain"]);
    let refused = admit(
        &services,
        Operation::UpdateStatus { old: &stored },
        &mut new,
    );
    assert_eq!(refused.unwrap_err().code, 422);
}

#[test]
fn some_kinds_take_finalizers_without_a_domain() {
    let metadata = json!({"name": "x", "namespace": "default", "finalizers": ["nodomain"]});
    let event = json!({"involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}});
    let budget = json!({"spec": {"minAvailable": 1}});
    for (group, plural, mut object, taken) in [
        ("", "events", event, true),
        ("policy", "poddisruptionbudgets", budget, true),
        ("", "configmaps", json!({}), false),
    ] {
        object["metadata"] = metadata.clone();
        let made = admit(&resource(group, plural), Operation::Create, &mut object);
        assert_eq!(made.is_ok(), taken, "{plural}: {made:?}");
    }
}

#[test]
fn the_ranges_of_a_node_are_looked_at_whenever_it_is_written() {
    let nodes = resource("", "nodes");
    let mut stored =
        json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "uid": "u"}});
    admit(&nodes, Operation::Create, &mut stored).unwrap();
    for (range, taken) in [("10.1.0.0/24", true), ("x", false)] {
        let mut new = stored.clone();
        new["spec"] = json!({"podCIDR": range, "podCIDRs": [range]});
        let made = admit(&nodes, Operation::Update { old: &stored }, &mut new);
        assert_eq!(made.is_ok(), taken, "{range}: {made:?}");
    }
}
