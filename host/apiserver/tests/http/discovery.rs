//! Discovery, as kubectl and kube-rs read it.

use http::Request;
use serde_json::{Value, json};

use crate::support::*;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn discover(server: &Server, path: &str, accept: &str) -> (String, Value) {
    let request = Request::builder().uri(path).header("accept", accept);
    let response = server.api.call(request.body(bytes::Bytes::new()).unwrap());
    assert_eq!(response.status(), 200, "{path}");
    let media = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = response.into_body().into_bytes().unwrap();
    (media, serde_json::from_slice(&body).unwrap())
}

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|entry| entry[field].as_str().unwrap())
        .collect()
}

fn entry<'a>(list: &'a Value, field: &str, name: &str) -> &'a Value {
    let mut entries = list.as_array().unwrap().iter();
    entries
        .find(|entry| entry[field] == name)
        .unwrap_or_else(|| panic!("{name}"))
}

const ALL: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

#[test]
fn groups_come_in_the_order_of_the_real_server() {
    let server = Server::new();
    let (media, versions) = discover(&server, "/api", "");
    assert_eq!(media, "application/json");
    assert_eq!(
        (&versions["kind"], &versions["versions"]),
        (&json!("APIVersions"), &json!(["v1"]))
    );
    let (_, list) = discover(&server, "/apis", "application/json");
    assert_eq!(list["kind"], "APIGroupList");
    assert_eq!(
        names(&list["groups"], "name"),
        [
            "apiregistration.k8s.io",
            "apps",
            "events.k8s.io",
            "autoscaling",
            "batch",
            "certificates.k8s.io",
            "networking.k8s.io",
            "policy",
            "rbac.authorization.k8s.io",
            "storage.k8s.io",
            "admissionregistration.k8s.io",
            "apiextensions.k8s.io",
            "scheduling.k8s.io",
            "coordination.k8s.io",
            "node.k8s.io",
            "discovery.k8s.io",
            "resource.k8s.io",
            "flowcontrol.apiserver.k8s.io",
        ]
    );
    let autoscaling = entry(&list["groups"], "name", "autoscaling");
    assert_eq!(
        names(&autoscaling["versions"], "groupVersion"),
        ["autoscaling/v2", "autoscaling/v1"]
    );
    assert_eq!(
        autoscaling["preferredVersion"],
        json!({"groupVersion": "autoscaling/v2", "version": "v2"})
    );
    let (_, group) = discover(&server, "/apis/autoscaling/", "");
    assert_eq!(
        (&group["kind"], &group["name"]),
        (&json!("APIGroup"), &json!("autoscaling"))
    );
    assert_eq!(group["versions"], autoscaling["versions"]);
}

#[test]
fn resources_have_their_names_and_verbs() {
    let server = Server::new();
    let (_, core) = discover(&server, "/api/v1", "");
    assert_eq!(
        (&core["kind"], &core["groupVersion"]),
        (&json!("APIResourceList"), &json!("v1"))
    );
    let pods = entry(&core["resources"], "name", "pods");
    assert_eq!(
        *pods,
        json!({"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ALL,
               "shortNames": ["po"], "categories": ["all"]})
    );
    let eviction = entry(&core["resources"], "name", "pods/eviction");
    assert_eq!(
        *eviction,
        json!({"name": "pods/eviction", "singularName": "", "namespaced": true, "kind": "Eviction",
               "group": "policy", "version": "v1", "verbs": ["create"]})
    );
    let (_, apps) = discover(&server, "/apis/apps/v1", "");
    assert_eq!(
        names(&apps["resources"], "name"),
        [
            "controllerrevisions",
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "statefulsets",
            "statefulsets/scale",
            "statefulsets/status",
        ]
    );
    for path in [
        "/apis/nobody.example",
        "/apis/apps/v2",
        "/openapi/v3/apis/apps/v2",
        "/openapi/v2",
    ] {
        let response = server.send("GET", path, "", &Value::Null);
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[test]
fn the_aggregated_form_says_the_same_in_one_document() {
    let server = Server::new();
    // As kubectl asks, and as kube-rs does.
    let accept = format!(
        "{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    );
    let (media, core) = discover(&server, "/api", &accept);
    assert_eq!(media, AGGREGATED);
    assert_eq!(
        (&core["kind"], &core["apiVersion"]),
        (
            &json!("APIGroupDiscoveryList"),
            &json!("apidiscovery.k8s.io/v2")
        )
    );
    let v1 = &core["items"][0]["versions"][0];
    assert_eq!(v1["version"], "v1");
    let nodes = entry(&v1["resources"], "resource", "nodes");
    assert_eq!(
        *nodes,
        json!({
            "resource": "nodes", "singularResource": "node", "scope": "Cluster", "shortNames": ["no"], "verbs": ALL,
            "responseKind": {"group": "", "version": "", "kind": "Node"},
            "subresources": [{
                "subresource": "status", "verbs": ["get", "patch", "update"],
                "responseKind": {"group": "", "version": "", "kind": "Node"},
            }],
        })
    );
    let (_, others) = discover(&server, "/apis", &accept);
    let (_, plain) = discover(&server, "/apis", "application/json");
    let found: Vec<&str> = others["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, names(&plain["groups"], "name"));
    let apps = others["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["metadata"]["name"] == "apps")
        .unwrap();
    let deployments = entry(&apps["versions"][0]["resources"], "resource", "deployments");
    assert_eq!(
        deployments["subresources"][0]["responseKind"],
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    );
    // What was taken out of 1.36 is not answered: the next media type is.
    let (media, list) = discover(
        &server,
        "/apis",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
    );
    assert_eq!(
        (media.as_str(), &list["kind"]),
        ("application/json", &json!("APIGroupList"))
    );
}

#[test]
fn every_verb_of_discovery_is_answered_and_no_other() {
    let server = Server::new();
    let (_, core) = discover(&server, "/api/v1", "");
    let (_, apps) = discover(&server, "/apis/apps/v1", "");
    let lists = [("/api/v1", core), ("/apis/apps/v1", apps)];
    for (root, list) in lists {
        for entry in list["resources"].as_array().unwrap() {
            let (name, namespaced) = (entry["name"].as_str().unwrap(), entry["namespaced"] == true);
            let place = if namespaced {
                "/namespaces/default"
            } else {
                ""
            };
            let (plural, sub) = name
                .split_once('/')
                .map_or((name, None), |(plural, sub)| (plural, Some(sub)));
            for verb in ["create", "deletecollection", "get", "patch", "update"] {
                let (method, path) = match (verb, sub) {
                    ("create", None) => ("POST", format!("{root}{place}/{plural}")),
                    ("deletecollection", None) => ("DELETE", format!("{root}{place}/{plural}")),
                    ("deletecollection", Some(_)) => continue,
                    (verb, sub) => {
                        let method = match verb {
                            "create" => "POST",
                            "get" => "GET",
                            "patch" => "PATCH",
                            _ => "PUT",
                        };
                        let sub = sub.map_or_else(String::new, |sub| format!("/{sub}"));
                        (method, format!("{root}{place}/{plural}/nobody{sub}"))
                    }
                };
                let (code, status) = server.call(method, &path, &json!([]));
                let served = entry["verbs"].as_array().unwrap().contains(&json!(verb));
                assert_eq!(
                    code != 405
                        && status["message"] != "the server could not find the requested resource",
                    served,
                    "{method} {path}: {status}"
                );
            }
        }
    }
}

#[test]
fn openapi_names_the_parameters_that_kubectl_looks_for() {
    let server = Server::new();
    let (_, index) = discover(&server, "/openapi/v3", "application/json");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (_, document) = discover(&server, url, "application/json");
    let patch =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    assert!(names(&patch["parameters"], "name").contains(&"fieldValidation"));
    assert!(index["paths"]["api/v1"].is_object());
}
