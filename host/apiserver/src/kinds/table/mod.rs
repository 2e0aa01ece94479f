//! Objects as rows of a table, as the printers of the real server have them.
//!
//! `columns.json` has the columns of each built-in kind, [`kinds`] what stands in them. All columns are sent: which are shown without
//! `-o wide` is the client's choice, by their priority.

mod addresses;
mod bits;
mod cells;
mod custom;
mod duration;
mod kinds;
mod pod;
mod workloads;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};
use stagewright_core::time::Time;

use self::cells::Row;
use super::Resource;

/// Written by `cluster_tables --record` from the answers of a real server.
static TEXT: &str = include_str!("columns.json");

/// By kind; `""` has those of kinds without a printer of their own.
static COLUMNS: LazyLock<BTreeMap<String, Value>> =
    LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

/// A `meta.k8s.io/v1` Table with a row for each object, without its own metadata: as the printers of the real server have it.
/// `object` of each row is left to the caller.
#[must_use]
pub fn table(resource: &Resource, objects: &[Value], now: Time) -> Value {
    let rows = objects.iter().map(|object| Row { object, now });
    if resource.custom {
        let rows: Vec<Value> = rows
            .map(|row| json!({"cells": custom::cells(resource, &row)}))
            .collect();
        return json!({"columnDefinitions": custom::columns(resource), "rows": unless_empty(rows, true)});
    }
    let known = kinds::of(&resource.kind);
    let rows: Vec<Value> = rows
        .map(|row| {
            let cells: Vec<Value> = known.iter().map(|cell| cell.show(&row)).collect();
            let mut shown = json!({"cells": cells});
            if let ("Pod", Some(conditions), Some(map)) = (
                &*resource.kind,
                pod::conditions(&row),
                shown.as_object_mut(),
            ) {
                map.insert("conditions".to_owned(), conditions);
            }
            shown
        })
        .collect();
    let plain = !COLUMNS.contains_key(&*resource.kind) || &*resource.kind == "APIService";
    let columns = COLUMNS.get(&*resource.kind).or_else(|| COLUMNS.get(""));
    json!({"columnDefinitions": columns, "rows": unless_empty(rows, plain)})
}

/// Kinds without a printer of their own have no rows, and not zero of them.
fn unless_empty(rows: Vec<Value>, plain: bool) -> Value {
    if plain && rows.is_empty() {
        return Value::Null;
    }
    json!(rows)
}
