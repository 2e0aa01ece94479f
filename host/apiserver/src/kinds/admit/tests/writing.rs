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
