//! Kinds that are stored and not enforced: whoever writes one is told.

use serde_json::{Value, json};

use crate::replay::all_warnings;
use crate::support::*;

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// The texts of the warnings that an answer comes with, and its code.
fn told(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Vec<String>) {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let response = server.send(method, path, kind, body);
    (response.status().as_u16(), all_warnings(response.headers()))
}

/// Kinds as clients write them: where, what beside the name, and what does not happen.
fn cases() -> Vec<(String, Value, &'static str)> {
    let client = json!({"url": "https://127.0.0.1:1"});
    let hook = json!([{"name": "a.example.com", "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"]}]);
    let rule = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]);
    let policy = json!({"matchConstraints": {"resourceRules": rule}, "validations": [{"expression": "false"}]});
    let role =
        |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "a"});
    let own = |group: &str, plural: &str| format!("{group}/namespaces/default/{plural}");
    vec![
        (
            format!("{ADMISSION}/validatingwebhookconfigurations"),
            json!({"webhooks": hook}),
            "no webhook is called",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            json!({"webhooks": hook}),
            "no webhook is called",
        ),
        (
            format!("{ADMISSION}/validatingadmissionpolicies"),
            json!({"spec": policy}),
            "no request is checked by a policy",
        ),
        (
            format!("{ADMISSION}/validatingadmissionpolicybindings"),
            json!({"spec": {"policyName": "a", "validationActions": ["Deny"]}}),
            "no request is checked by a policy",
        ),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices".to_owned(),
            json!({"spec": {"group": "away.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
                "service": {"namespace": "default", "name": "away"}}}),
            "no request is passed on to another server",
        ),
        (
            own(RBAC, "roles"),
            json!({"rules": []}),
            "whoever is let in may do everything",
        ),
        (
            own(RBAC, "rolebindings"),
            json!({"roleRef": role("Role")}),
            "whoever is let in may do everything",
        ),
        (
            format!("{RBAC}/clusterroles"),
            json!({"rules": []}),
            "whoever is let in may do everything",
        ),
        (
            format!("{RBAC}/clusterrolebindings"),
            json!({"roleRef": role("ClusterRole")}),
            "whoever is let in may do everything",
        ),
        (
            own("/api/v1", "resourcequotas"),
            json!({"spec": {"hard": {"pods": "1"}}}),
            "no quota is kept",
        ),
    ]
}

#[test]
fn whoever_writes_what_is_not_enforced_is_told() {
    let server = Server::new();
    let label = |value: &str| json!({"metadata": {"labels": {"label": value}}});
    for (path, mut object, why) in cases() {
        // An APIService is named after what it serves.
        let name = match path.ends_with("apiservices") {
            true => "v1.away.example.com",
            false => "a",
        };
        object["metadata"] = json!({"name": name});
        let place = format!("{path}/{name}");
        let is_told = |method: &str, path: &str, body: &Value, code: u16| {
            let (answered, warnings) = told(&server, method, path, body);
            assert_eq!(answered, code, "{method} {path}");
            let [warning] = warnings.as_slice() else {
                panic!("{method} {path}: {warnings:?}")
            };
            for part in ["stored and not enforced", why] {
                assert!(warning.contains(part), "{method} {path}: {warning}");
            }
        };
        is_told("POST", &format!("{path}?dryRun=All"), &object, 201);
        is_told("POST", &path, &object, 201);
        is_told("PATCH", &place, &label("patched"), 200);
        let (_, mut stored) = server.get(&place);
        stored["metadata"]["labels"]["label"] = json!("replaced");
        is_told("PUT", &place, &stored, 200);
        // Who only reads or deletes has heard it.
        for method in ["GET", "DELETE"] {
            let (code, warnings) = told(&server, method, &place, &Value::Null);
            assert_eq!((code, warnings), (200, Vec::new()), "{method} {place}");
        }
    }
}

#[test]
fn what_is_enforced_comes_without_a_warning() {
    let server = Server::new();
    let (code, warnings) = told(&server, "POST", PODS, &pod("a"));
    assert_eq!((code, warnings), (201, Vec::new()));
}
