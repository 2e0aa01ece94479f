//! Services and ingresses walked through their lives, natively.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use stagewright_plugin::harness::Harness;
use stagewright_plugin::{Answer, Value, json};
use stagewright_plugin_network::Network;

const BORN: &str = "2026-01-01T00:00:00Z";
const SOON: &str = "2026-01-01T00:05:00Z";
const PENDING: &str = "stagewright.dev/network.pending";

fn service(kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "ns", "uid": "u", "creationTimestamp": BORN, "annotations": {}},
        "spec": {"type": kind, "clusterIP": "10.96.7.9", "clusterIPs": ["10.96.7.9", "fd00::7:9"]}, "status": {"loadBalancer": {}}})
}

fn ingress() -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "ns", "uid": "u", "creationTimestamp": BORN},
        "spec": {"ingressClassName": "outside"}, "status": {"loadBalancer": {}}})
}

#[track_caller]
fn live(settings: Value, object: Value) -> Value {
    let life = Harness::<Network>::new(&settings)
        .unwrap()
        .live(object, SOON)
        .unwrap();
    life.object().unwrap()["status"]["loadBalancer"]["ingress"].clone()
}

#[test]
fn a_load_balancer_gets_an_address_of_each_family_at_its_own_place() {
    let two =
        json!([{"ip": "198.18.7.9", "ipMode": "VIP"}, {"ip": "2001:db8::7:9", "ipMode": "VIP"}]);
    assert_eq!(live(json!({}), service("LoadBalancer")), two);
    let small = json!({"ranges": ["192.0.2.0/24", "2001:db8:5::/48"]});
    assert_eq!(live(small, service("LoadBalancer"))[0]["ip"], "192.0.2.9");
    let mut asks = service("LoadBalancer");
    asks["spec"]["loadBalancerIP"] = json!("203.0.113.5");
    assert_eq!(
        live(json!({}), asks),
        json!([{"ip": "203.0.113.5", "ipMode": "VIP"}])
    );
}

#[test]
fn other_services_and_other_classes_are_left_alone() {
    let decide = |settings: Value, object: &Value| {
        Harness::<Network>::new(&settings)
            .unwrap()
            .decide(object, SOON)
            .unwrap()
    };
    for kind in ["ClusterIP", "NodePort", "ExternalName"] {
        assert_eq!(decide(json!({}), &service(kind)), Answer::Pass);
    }
    let classes = json!({"classes": ["inside"]});
    for object in [service("LoadBalancer"), ingress()] {
        assert_eq!(decide(classes.clone(), &object), Answer::Pass);
    }
    let mut known = service("LoadBalancer");
    known["status"]["loadBalancer"] = json!({"ingress": [{"ip": "192.0.2.1"}]});
    assert!(matches!(decide(json!({}), &known), Answer::Idle(_)));
}

#[test]
fn ingresses_are_where_the_settings_say() {
    assert_eq!(
        live(json!({}), ingress()),
        json!([{"ip": "198.19.255.254"}])
    );
    let named = json!({"ingress": "in.example.com", "classes": ["outside"]});
    assert_eq!(
        live(named, ingress()),
        json!([{"hostname": "in.example.com"}])
    );
}

#[test]
fn an_object_waits_on_demand_and_a_value_that_says_nothing_is_named() {
    for mut object in [service("LoadBalancer"), ingress()] {
        object["metadata"]["annotations"] = json!({PENDING: "true"});
        assert_eq!(live(json!({}), object.clone()), Value::Null);
        object["metadata"]["annotations"] = json!({PENDING: "false"});
        assert!(live(json!({}), object.clone()).is_array());
        object["metadata"]["annotations"] = json!({PENDING: "perhaps"});
        let answer = Harness::<Network>::new(&json!({}))
            .unwrap()
            .decide(&object, SOON)
            .unwrap();
        assert!(
            matches!(&answer, Answer::Invalid(text) if text.contains(PENDING) && text.contains("perhaps")),
            "{answer:?}"
        );
    }
}

#[test]
fn the_delay_is_waited_for() {
    let slow = || Harness::<Network>::new(&json!({"delay": "10m"})).unwrap();
    assert!(
        slow()
            .live(ingress(), "2026-01-01T00:09:59Z")
            .unwrap()
            .stages()
            .is_empty()
    );
    assert_eq!(
        slow()
            .live(ingress(), "2026-01-01T00:10:01Z")
            .unwrap()
            .stages(),
        ["publish"]
    );
}

#[test]
fn settings_that_say_nothing_are_named() {
    for (settings, part) in [
        (json!({"range": []}), "ranges"),
        (json!({"ranges": ["10.0.0.0"]}), "invalid"),
        (json!({"ingress": ""}), "host name"),
        (json!([]), "no object"),
    ] {
        let error = Harness::<Network>::new(&settings).err().unwrap();
        assert!(error.contains(part), "{settings}: {error}");
    }
}
