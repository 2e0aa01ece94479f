//! Who owns the number of replicas, which a subresource writes too.

use serde_json::json;

use crate::owners::*;
use crate::support::*;

#[test]
fn the_number_of_replicas_has_its_owner_by_scale() {
    let server = Server::new();
    let one = format!("{DEPLOYMENTS}/a");
    let mut config = deployment("a", template(json!([{"name": "c", "image": "i"}])));
    config["spec"]["replicas"] = json!(1);
    server.apply(&one, "me", &config);
    let scale = format!("{one}/scale?fieldManager=scaler");
    let (code, _) = server.call("PATCH", &scale, &json!({"spec": {"replicas": 3}}));
    assert_eq!(code, 200);
    let (_, object) = server.get(&one);
    let list = owners(&object);
    // As in the real server, who scales has no time.
    assert_eq!(
        list[1],
        (
            "scaler Update apps/v1 scale -".to_owned(),
            json!({"f:spec": {"f:replicas": {}}})
        )
    );
    assert_eq!(list[0].1["f:spec"].get("f:replicas"), None);

    let answer = server.apply(&one, "me", &config);
    assert_eq!(
        answer.1["message"],
        "Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    let wanted = |replicas: u32| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": replicas}});
    let answer = server.apply(&format!("{one}/scale"), "hpa", &wanted(5));
    assert_eq!(
        answer.1["message"],
        "Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using autoscaling/v1: .spec.replicas"
    );
    let (code, answer) = server.apply(&format!("{one}/scale?force=true"), "hpa", &wanted(5));
    assert_eq!((code, &answer["spec"]["replicas"]), (200, &json!(5)));
    let (_, object) = server.get(&one);
    assert_eq!(
        names(&object),
        [
            "hpa Apply apps/v1 scale -",
            "me Apply apps/v1 - 2026-01-02T03:04:05Z"
        ]
    );
    let answer = server.apply(&format!("{one}/scale"), "hpa", &config);
    assert_eq!(
        answer.1["message"],
        "invalid object type: apps/v1, Kind=Deployment"
    );
}

/// The entries of the updaters of the number.
fn scalers(server: &Server) -> Vec<String> {
    let (_, object) = server.get(&format!("{DEPLOYMENTS}/a"));
    let entries = owners(&object).into_iter();
    let entries = entries.filter(|(_, fields)| fields.pointer("/f:spec/f:replicas").is_some());
    entries.map(|(name, _)| name).collect()
}

#[test]
fn a_scale_that_changes_nothing_still_moves_the_number() {
    let server = Server::new();
    let mut body = deployment("a", template(json!([{"name": "c", "image": "i"}])));
    body["spec"]["replicas"] = json!(1);
    let (_, created) = server.call("POST", &format!("{DEPLOYMENTS}?fieldManager=me"), &body);
    let scale = format!("{DEPLOYMENTS}/a/scale?fieldManager=scaler");
    let wanted = |replicas: u32| json!({"spec": {"replicas": replicas}});
    // The creator has a second entry of the same name, as in the real server, and so another revision is stored.
    server.call("PATCH", &scale, &wanted(1));
    assert_eq!(scalers(&server), ["me Update apps/v1 - -"]);
    let (_, object) = server.get(&format!("{DEPLOYMENTS}/a"));
    assert_eq!(owners(&object).len(), owners(&created).len() + 1);
    assert_ne!(revision(&object), revision(&created));
    // Of two entries of one name the last is read, which does not have the number any more.
    server.call("PATCH", &scale, &wanted(1));
    assert_eq!(scalers(&server), [""; 0]);
    server.call("PATCH", &scale, &wanted(2));
    assert_eq!(scalers(&server), [""; 0]);
}

#[test]
fn nobody_owns_no_replicas() {
    let server = Server::new();
    let body = deployment("a", template(json!([{"name": "c", "image": "i"}])));
    server.call("POST", DEPLOYMENTS, &body);
    let scale = format!("{DEPLOYMENTS}/a/scale?fieldManager=scaler");
    server.call("PATCH", &scale, &json!({"spec": {"replicas": 0}}));
    assert_eq!(scalers(&server), [""; 0]);
}
