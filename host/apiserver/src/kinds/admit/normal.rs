//! The normal form of what is stored already, by one copy: it was decoded when it was written.

use serde_json::{Map, Value};

use super::decode::is_zero;
use super::schema::{Schema, Shape, Sort, Struct};

/// The normal form of an object that is stored: decoded once, all that it has reads well.
pub(super) fn of_stored(root: &Struct, object: &Value) -> Value {
    match object {
        Value::Object(map) => Value::Object(normal_fields(Schema::get(), root, map)),
        other => other.clone(),
    }
}

fn normal_fields(schema: &Schema, of: &Struct, map: &Map<String, Value>) -> Map<String, Value> {
    let fields = map.iter().filter_map(|(name, value)| {
        let field = of.fields.get(name.as_str())?;
        let stays = |value: &Value| field.of.pointer || !is_zero(&field.of.sort, value);
        if value.is_null() || !stays(value) {
            return None;
        }
        let value = normal_value(schema, &field.of, value);
        stays(&value).then(|| (name.clone(), value))
    });
    fields.collect()
}

fn normal_value(schema: &Schema, shape: &Shape, value: &Value) -> Value {
    match (&shape.sort, value) {
        (Sort::Struct(place), Value::Object(map)) => match schema.at(*place) {
            Some(inner) => Value::Object(normal_fields(schema, inner, map)),
            None => value.clone(),
        },
        (Sort::List(item), Value::Array(list)) => {
            let items = list.iter().map(|value| normal_value(schema, item, value));
            Value::Array(items.collect())
        }
        (Sort::Map(item), Value::Object(map)) => {
            let entries = map
                .iter()
                .map(|(key, value)| (key.clone(), normal_value(schema, item, value)));
            Value::Object(entries.collect())
        }
        _ => value.clone(),
    }
}
