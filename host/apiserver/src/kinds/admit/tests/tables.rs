//! The tables name what there is.

use serde_json::Value;

use super::super::schema::Schema;
use super::super::{defaults, strategy};
use super::*;

#[test]
fn every_kind_that_is_served_has_its_type() {
    let catalog = Catalog::new();
    for resource in catalog.resources() {
        let found = Schema::get().kind(&resource.api_version(), &resource.kind);
        let root = found.unwrap_or_else(|| panic!("{}", resource.qualified()));
        assert!(
            root.fields.contains_key("metadata"),
            "{}",
            resource.qualified()
        );
    }
}

#[test]
fn every_default_and_hook_is_of_a_type_that_is_there() {
    let table: Value = serde_json::from_str(include_str!("../fields.json")).unwrap();
    for (name, fields) in defaults::table() {
        for field in fields.keys() {
            let there = table["types"][&**name].get(&**field);
            assert!(there.is_some(), "{name}.{field}");
        }
    }
    for name in defaults::hooked() {
        assert!(table["types"][name].is_object(), "{name}");
    }
}

#[test]
fn every_kind_with_a_generation_is_there() {
    let catalog = Catalog::new();
    for name in strategy::named() {
        let there = catalog
            .resources()
            .any(|resource| &*resource.collection == name);
        assert!(there, "{name}");
    }
}
