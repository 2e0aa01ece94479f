//! Columns of custom resources: those of their definition (apiextensions-apiserver, `pkg/registry/customresource/tableconvertor`).

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::cells::{Row, plain};
use super::{COLUMNS, duration};
use crate::kinds::Resource;
use crate::kinds::custom::path;
use crate::kinds::member::text;

/// What a definition says of columns; the age where it says nothing.
fn defined(resource: &Resource) -> Vec<Value> {
    let columns = resource.definition.as_ref().map(|known| known.columns());
    match columns {
        Some(columns) if !columns.is_empty() => columns.to_vec(),
        _ => vec![
            json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": "CreationTimestamp is a timestamp representing the server time when this object was created. It is not \
                guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is \
                represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
                https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"}),
        ],
    }
}

pub(super) fn columns(resource: &Resource) -> Value {
    let name = COLUMNS.get("").and_then(|usual| usual.get(0)).cloned();
    let defined = defined(resource);
    let others = defined.iter().map(|column| {
        let at = text(column, "jsonPath");
        let description = match text(column, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {at}"),
            said => said.to_owned(),
        };
        json!({
            "name": text(column, "name"),
            "type": text(column, "type"),
            "format": text(column, "format"),
            "description": description,
            "priority": column.get("priority").cloned().unwrap_or_else(|| json!(0)),
        })
    });
    json!(name.into_iter().chain(others).collect::<Vec<Value>>())
}

pub(super) fn cells(resource: &Resource, row: &Row<'_>) -> Vec<Value> {
    let mut cells = vec![json!(row.text("/metadata/name"))];
    for column in defined(resource) {
        let found = path::find(row.object, text(&column, "jsonPath"));
        let first = found.first().copied().unwrap_or(&Value::Null);
        cells.push(cell(text(&column, "type"), first, row.now));
    }
    cells
}

fn cell(kind: &str, value: &Value, now: Time) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", value) => json!(plain(value)),
        ("integer", Value::Number(number)) => {
            let whole = number.as_i64();
            whole.map_or_else(
                || json!(number.as_f64().map(|number| number.trunc() as i64)),
                |whole| json!(whole),
            )
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => json!(Time::parse(text).map_or_else(
            || "<invalid>".to_owned(),
            |time| duration::between(time, now)
        )),
        _ => Value::Null,
    }
}
