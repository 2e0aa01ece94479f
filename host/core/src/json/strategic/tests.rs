use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::json::{equal, testing};

fn run(kind: &str, current: &Value, patch: &Value) -> Result<Value, PatchError> {
    apply(&Kind::parse(kind).unwrap(), current, patch)
}

#[track_caller]
fn check(kind: &str, current: Value, patch: Value, after: Value) {
    assert_eq!(run(kind, &current, &patch), Ok(after));
}

#[track_caller]
fn refused(kind: &str, current: Value, patch: Value, part: &str) {
    let error = run(kind, &current, &patch).unwrap_err();
    assert_eq!(error.category(), "InvalidPatch");
    assert!(error.to_string().contains(part), "{error}");
}

/// A pod with that spec.
fn spec(spec: Value) -> Value {
    json!({ "spec": spec })
}

fn containers(names: &[&str]) -> Value {
    spec(
        json!({"containers": names.iter().map(|name| json!({"name": name, "image": "i"})).collect::<Vec<_>>()}),
    )
}

#[test]
fn conditions_merge_by_type() {
    check(
        "v1/Pod",
        json!({"status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T01:55:20Z"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}}),
        json!({"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "reason": null}, {"type": "Initialized", "status": "True", "message": null}]}}),
        json!({"status": {"phase": "Running", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T01:55:20Z"},
            {"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]}}),
    );
}

#[test]
fn a_node_merges_conditions_addresses_and_pod_cidrs_but_no_taints() {
    check(
        "v1/Node",
        json!({"spec": {"podCIDRs": ["10.0.0.0/24"], "taints": [{"key": "a", "effect": "NoSchedule"}]},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "capacity": {"cpu": "1"},
                "conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "False"}]}}),
        json!({"spec": {"podCIDRs": ["fd00::/64"], "taints": [{"key": "b", "effect": "NoSchedule"}]},
            "status": {"addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.2"}], "capacity": {"pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}]}}),
        json!({"spec": {"podCIDRs": ["fd00::/64", "10.0.0.0/24"], "taints": [{"key": "b", "effect": "NoSchedule"}]},
            "status": {"addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.2"}],
                "capacity": {"cpu": "1", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]}}),
    );
}

#[test]
fn containers_merge_by_name_and_their_lists_by_their_own_keys() {
    check(
        "v1/Pod",
        spec(json!({"containers": [
            {"name": "a", "image": "i", "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
                "volumeMounts": [{"mountPath": "/x", "name": "v"}], "args": ["1", "2"], "env": [{"name": "E", "value": "1"}]},
            {"name": "b", "image": "j"}]})),
        spec(json!({"containers": [
            {"name": "a", "ports": [{"containerPort": 53, "name": "dns"}, {"containerPort": 80}], "args": ["3"],
                "volumeMounts": [{"mountPath": "/y", "name": "w"}, {"mountPath": "/x", "readOnly": true}],
                "env": [{"name": "E", "value": null, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}]})),
        spec(json!({"containers": [
            {"name": "a", "image": "i", "args": ["3"],
                "ports": [{"containerPort": 53, "protocol": "UDP", "name": "dns"}, {"containerPort": 53, "protocol": "TCP"}, {"containerPort": 80}],
                "volumeMounts": [{"mountPath": "/y", "name": "w"}, {"mountPath": "/x", "name": "v", "readOnly": true}],
                "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            {"name": "b", "image": "j"}]})),
    );
}

#[test]
fn tolerations_and_container_statuses_are_atomic() {
    check(
        "v1/Pod",
        json!({"spec": {"tolerations": [{"key": "a"}]}, "status": {"containerStatuses": [{"name": "a", "ready": true}], "podIPs": [{"ip": "10.0.0.1"}]}}),
        json!({"spec": {"tolerations": [{"key": "b", "value": null}]}, "status": {"containerStatuses": [{"name": "b"}], "podIPs": [{"ip": "fd00::1"}]}}),
        json!({"spec": {"tolerations": [{"key": "b"}]}, "status": {"containerStatuses": [{"name": "b"}], "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]}}),
    );
}

#[test]
fn finalizers_are_a_set() {
    let pod = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    check(
        "v1/Pod",
        pod(json!(["a", "b"])),
        pod(json!(["c", "a", "c"])),
        pod(json!(["c", "a", "b"])),
    );
    check("v1/Pod", json!({}), pod(json!(["a"])), pod(json!(["a"])));
    check(
        "v1/Pod",
        pod(json!(["a"])),
        pod(json!(null)),
        json!({"metadata": {}}),
    );
    check(
        "v1/Pod",
        pod(json!(["a", "b", "a"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}}),
        pod(json!(["b"])),
    );
    check(
        "v1/Pod",
        json!({"metadata": {}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        json!({"metadata": {}}),
    );
    check(
        "v1/Pod",
        pod(json!(["a", "b"])),
        json!({"metadata": {"$setElementOrder/finalizers": ["c", "b"], "$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}),
        pod(json!(["c", "b"])),
    );
}

#[test]
fn patched_items_come_in_the_patch_s_order_and_the_others_stay_around_them() {
    for (live, patch, after) in [
        (["a", "b", "c"], &["c", "a"][..], &["b", "c", "a"][..]),
        (["a", "b", "c"], &["b", "d"], &["a", "b", "d", "c"]),
        (["a", "b", "c"], &["d", "b"], &["d", "a", "b", "c"]),
        (["a", "b", "c"], &[], &["a", "b", "c"]),
    ] {
        check(
            "v1/Pod",
            containers(&live),
            containers(patch),
            containers(after),
        );
    }
}

#[test]
fn the_element_order_decides() {
    let order = |order: &[&str]| json!({"spec": {"$setElementOrder/containers": order.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
    check(
        "v1/Pod",
        containers(&["a", "b", "c"]),
        order(&["c", "b", "a"]),
        containers(&["c", "b", "a"]),
    );
    check(
        "v1/Pod",
        containers(&["a", "b", "c"]),
        order(&["c", "a"]),
        containers(&["b", "c", "a"]),
    );
    check("v1/Pod", spec(json!({})), order(&["a"]), spec(json!({})));
    let mut both = order(&["d", "a"]);
    both["spec"]["containers"] =
        json!([{"name": "d", "image": "i"}, {"name": "b", "$patch": "delete"}]);
    check(
        "v1/Pod",
        containers(&["a", "b", "c"]),
        both.clone(),
        containers(&["d", "a", "c"]),
    );
    check("v1/Pod", spec(json!({})), both.clone(), containers(&["d"]));
    both["spec"]["containers"] = json!([{"name": "a"}, {"name": "d"}]);
    refused(
        "v1/Pod",
        containers(&["a"]),
        both.clone(),
        "/spec/containers: the list's item \"d\"",
    );
    both["spec"]["containers"] = json!([{"name": "x"}]);
    refused(
        "v1/Pod",
        containers(&["a"]),
        both,
        "not in $setElementOrder",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"$setElementOrder/containers": [{}]})),
        "lacks its merge key name",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"$setElementOrder/containers": {}})),
        "is for lists",
    );
    refused(
        "v1/Pod",
        spec(json!({"tolerations": [{"key": "a"}]})),
        spec(json!({"$setElementOrder/tolerations": [{"key": "a"}]})),
        "told apart",
    );
}

#[test]
fn patch_directives_delete_and_replace() {
    check(
        "v1/Pod",
        json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "securityContext": {"runAsUser": 1, "fsGroup": 2}}, "status": {"phase": "Running"}}),
        json!({"spec": {"containers": [{"$patch": "delete", "name": "a"}, {"$patch": "delete", "name": "z"}],
            "securityContext": {"$patch": "replace", "runAsUser": 3, "fsGroup": null}}, "status": {"$patch": "delete"}}),
        json!({"spec": {"containers": [{"name": "b"}], "securityContext": {"runAsUser": 3}}, "status": {}}),
    );
    let replaced = spec(
        json!({"containers": [{"name": "c", "image": "i", "env": [{"$patch": "delete", "name": "x"}]}, {"$patch": "replace"}]}),
    );
    check(
        "v1/Pod",
        containers(&["a", "b"]),
        replaced,
        spec(json!({"containers": [{"name": "c", "image": "i", "env": []}]})),
    );
    check(
        "v1/Pod",
        containers(&["a"]),
        spec(
            json!({"$patch": "merge", "containers": [{"$patch": "merge", "name": "b", "image": "i"}]}),
        ),
        containers(&["b", "a"]),
    );
    // As the API server has it: where there is nothing, an object under a directive is nothing.
    check(
        "v1/Pod",
        json!({}),
        json!({"status": {"$patch": "replace", "phase": "Running"}}),
        json!({}),
    );
}

#[test]
fn retained_keys_drop_the_others() {
    check(
        "apps/v1/Deployment",
        spec(
            json!({"replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
        ),
        spec(json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}})),
        spec(json!({"replicas": 2, "strategy": {"type": "Recreate"}})),
    );
    check(
        "v1/Pod",
        spec(json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}, {"name": "w"}]})),
        spec(
            json!({"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}, "emptyDir": null}]}),
        ),
        spec(json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}, {"name": "w"}]})),
    );
    refused(
        "v1/Pod",
        spec(json!({"volumes": [{"name": "v"}]})),
        spec(json!({"volumes": [{"$retainKeys": ["name"], "name": "v", "hostPath": {}}]})),
        "not among $retainKeys",
    );
    refused(
        "v1/Pod",
        spec(json!({})),
        json!({"spec": {"$retainKeys": "x"}}),
        "",
    );
}

#[test]
fn types_that_differ_are_replaced_and_nulls_never_stay() {
    check(
        "v1/Pod",
        spec(json!({"containers": {"a": 1}, "x": [1]})),
        spec(json!({"containers": [{"name": "a", "b": null}], "x": {"y": null, "z": 1}})),
        spec(json!({"containers": [{"name": "a"}], "x": {"z": 1}})),
    );
    check(
        "v1/Pod",
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"labels": {"a": "b", "c": null}, "none": null}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    check(
        "policy/v1/PodDisruptionBudget",
        spec(json!({"selector": {"matchLabels": {"a": "b"}}})),
        spec(json!({"selector": {"matchLabels": {"c": "d"}}})),
        spec(json!({"selector": {"matchLabels": {"c": "d"}}})),
    );
}

#[test]
fn lists_that_cannot_merge_are_refused() {
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"containers": [{"image": "i"}]})),
        "/spec/containers: an item of this list lacks its merge key name",
    );
    refused(
        "v1/Pod",
        spec(json!({"containers": [{"image": "i"}]})),
        containers(&["a"]),
        "lacks its merge key name",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"containers": [{"$patch": "delete"}]})),
        "lacks its merge key name",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"containers": [{"$patch": "replace"}, {}]})),
        "lacks its merge key name",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"containers": ["a"]})),
        "all objects, or all scalars",
    );
    refused(
        "v1/Pod",
        spec(json!({"containers": ["b"]})),
        spec(json!({"containers": ["a"]})),
        "lacks its merge key",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"containers": [{"name": {}}]})),
        "told apart by scalars",
    );
    refused(
        "v1/Pod",
        json!({"metadata": {"finalizers": ["a"]}}),
        json!({"metadata": {"finalizers": [["a"]]}}),
        "told apart by scalars",
    );
    refused(
        "v1/Pod",
        json!({"metadata": {"finalizers": ["a"]}}),
        json!({"metadata": {"finalizers": [{}]}}),
        "all objects, or all scalars",
    );
    refused(
        "v1/Pod",
        json!({"metadata": {"finalizers": [{}]}}),
        json!({"metadata": {"finalizers": [{}]}}),
        "without a merge key",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"$deleteFromPrimitiveList/containers": ["a"]})),
        "told apart by scalars",
    );
    refused(
        "v1/Pod",
        containers(&["a"]),
        spec(json!({"$deleteFromPrimitiveList/containers": "a"})),
        "for a list of scalars",
    );
}

#[test]
fn unknown_directives_are_refused() {
    for patch in [
        json!({"$patch": "remove"}),
        json!({"$patch": null}),
        json!({"$retainkeys": []}),
        json!({"$setElementOrder": []}),
        json!({"$deleteFromPrimitiveListx/a": []}),
        json!({"containers": [{"name": "a", "$patch": "x"}]}),
        json!({"containers": [{"name": "new", "env": [{"name": "e", "$x": "x"}]}]}),
        json!({"affinity": {"$patch": 1}}),
    ] {
        refused("v1/Pod", containers(&["a"]), spec(patch), "at /spec");
    }
    let schema = json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": {"$ref": "x"}}}]}});
    check(
        "apiextensions.k8s.io/v1/CustomResourceDefinition",
        json!({}),
        schema.clone(),
        schema,
    );
}

/// A list of conditions, and what of it is patched.
fn conditions() -> impl proptest::strategy::Strategy<Value = Vec<Value>> {
    prop::collection::btree_map("[a-f]", (testing::object(), any::<bool>()), 0..6).prop_map(|map| {
        map.into_iter()
            .map(|(name, (item, _))| {
                let mut item = item.as_object().cloned().unwrap_or_default();
                item.insert("type".to_owned(), json!(name));
                Value::Object(item)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn items_that_the_patch_does_not_name_stay(live in conditions().prop_shuffle(), patch in conditions().prop_shuffle()) {
        let status = |items: &[Value]| json!({"status": {"conditions": items}});
        let after = run("v1/Pod", &status(&live), &status(&patch)).unwrap();
        let after = after["status"]["conditions"].as_array().unwrap();
        let named = |item: &Value| patch.iter().any(|patched| patched["type"] == item["type"]);
        let kept: Vec<&Value> = live.iter().filter(|item| !named(item)).collect();
        prop_assert_eq!(after.iter().filter(|item| !named(item)).collect::<Vec<_>>(), kept);
        let types = |items: &[Value]| items.iter().filter(|item| named(item)).map(|item| item["type"].clone()).collect::<Vec<_>>();
        prop_assert_eq!(types(after), types(&patch));
        for item in &patch {
            let found = after.iter().find(|found| found["type"] == item["type"]).unwrap();
            let old = live.iter().find(|old| old["type"] == item["type"]);
            let merged = old.map_or_else(|| item.clone(), |old| { let mut old = old.clone(); json_patch::merge(&mut old, item); old });
            prop_assert!(equal(found, &merged));
        }
        prop_assert_eq!(&run("v1/Pod", &status(after), &status(&patch)).unwrap(), &status(after));
    }

    #[test]
    fn without_lists_to_merge_it_is_a_merge_patch(live in testing::object(), patch in testing::object()) {
        let (live, patch) = (json!({"data": live}), json!({"data": patch}));
        let mut merged = live.clone();
        json_patch::merge(&mut merged, &patch);
        prop_assert!(equal(&run("v1/ConfigMap", &live, &patch).unwrap(), &merged));
    }

    #[test]
    fn any_patch_is_applied_or_refused(live in wild(), patch in wild()) {
        let _ = run("v1/Pod", &live, &patch);
    }
}

/// Objects with the names of a pod's fields and of directives, and values of any type.
fn wild() -> impl proptest::strategy::Strategy<Value = Value> {
    let names = vec![
        "metadata",
        "finalizers",
        "spec",
        "containers",
        "name",
        "ports",
        "containerPort",
        "volumes",
        "tolerations",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/finalizers",
        "$deleteFromPrimitiveList/finalizers",
        "$x",
    ];
    let words = prop::sample::select(vec!["a", "b", "name", "delete", "replace", "merge"])
        .prop_map(|word| json!(word));
    let leaf = prop_oneof![
        words,
        Just(Value::Null),
        (0..2).prop_map(|number| json!(number))
    ];
    let tree = leaf.prop_recursive(5, 60, 5, move |inner| {
        let member = (
            prop::sample::select(names.clone()).prop_map(str::to_owned),
            inner.clone(),
        );
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            prop::collection::vec(member, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    (tree.clone(), tree).prop_map(|(metadata, spec)| json!({"metadata": metadata, "spec": spec}))
}
