//! What the plugin takes as settings, and what it says of the rest.

use serde_json::{Value, json};
use stagewright_plugin::harness::Harness;
use stagewright_plugin_pod::Pods;

#[track_caller]
fn refused(settings: Value, parts: &[&str]) {
    let error = Harness::<Pods>::new(&settings)
        .err()
        .unwrap_or_else(|| panic!("{settings} was taken"));
    for part in parts {
        assert!(error.contains(part), "{error:?} does not contain {part:?}");
    }
}

#[test]
fn unknown_keys_and_values_are_named_with_what_is_known() {
    refused(json!({"profil": "fast"}), &["profil", "profile", "delays"]);
    refused(
        json!({"profile": "leisurely"}),
        &["leisurely", "fast", "general"],
    );
    refused(
        json!({"profile": "general", "delays": {"creat": "1s"}}),
        &["creat", "init-start", "terminate"],
    );
    refused(
        json!({"profile": "general", "delays": {"create": "soon"}}),
        &["soon", "5s..10s"],
    );
    refused(json!({"delays": {"create": "1s"}}), &["delays", "general"]);
    refused(json!([1]), &["object"]);
}

#[test]
fn both_profiles_are_taken() {
    for settings in [
        json!({}),
        json!({"profile": "fast"}),
        json!({"profile": "general", "delays": {"ready": "1s..1m"}}),
    ] {
        Harness::<Pods>::new(&settings).unwrap();
    }
}
