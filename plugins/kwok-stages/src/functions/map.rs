//! Sprig's maps. `set` and its like change the map that they are given.

use std::rc::Rc;

use stagewright_go_template::function::{Row, arg, text};
use stagewright_go_template::value::{Entries, Map};
use stagewright_go_template::{Elem, Ty, Value};

use super::{empty, strval};

use Ty::{Any, Text};

/// The functions.
pub const TABLE: &[Row] = &[
    ("dict", &[], Some(Any), dict),
    ("get", &[Ty::Map, Text], None, |args| {
        let found = map(args, 0)?.entries.borrow().get(text(args, 1)).cloned();
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    ("set", &[Ty::Map, Text, Any], None, |args| {
        let value = arg(args, 2).clone();
        apart(map(args, 0)?, &value)?;
        map(args, 0)?
            .entries
            .borrow_mut()
            .insert(Rc::from(text(args, 1)), value);
        Ok(arg(args, 0).clone())
    }),
    ("unset", &[Ty::Map, Text], None, |args| {
        map(args, 0)?.entries.borrow_mut().remove(text(args, 1));
        Ok(arg(args, 0).clone())
    }),
    ("hasKey", &[Ty::Map, Text], None, |args| {
        Ok(Value::Bool(
            map(args, 0)?.entries.borrow().contains_key(text(args, 1)),
        ))
    }),
    ("pluck", &[Text], Some(Ty::Map), |args| {
        let mut found = Vec::new();
        for at in 1..args.len() {
            found.extend(map(args, at)?.entries.borrow().get(text(args, 0)).cloned());
        }
        Ok(Value::list(found))
    }),
    // Go's maps have no order; the one of the keys is as good as any.
    ("keys", &[], Some(Ty::Map), |args| {
        let mut keys = Vec::new();
        for at in 0..args.len() {
            keys.extend(map(args, at)?.entries.borrow().keys().cloned());
        }
        Ok(Value::list_of(
            Elem::Text,
            keys.into_iter().map(Value::Text).collect(),
        ))
    }),
    ("values", &[Ty::Map], None, |args| {
        Ok(Value::list(
            map(args, 0)?.entries.borrow().values().cloned().collect(),
        ))
    }),
    ("pick", &[Ty::Map], Some(Text), |args| {
        let entries = map(args, 0)?.entries.borrow();
        let kept = (1..args.len()).filter_map(|at| {
            let place = entries.find_index(text(args, at)).ok()?;
            let (key, value) = entries.get_indexed(place)?;
            Some((key.clone(), value.clone()))
        });
        Ok(Value::map(kept))
    }),
    ("omit", &[Ty::Map], Some(Text), |args| {
        let mut entries = map(args, 0)?.entries.borrow().clone();
        for at in 1..args.len() {
            entries.remove(text(args, at));
        }
        Ok(Value::map(entries))
    }),
    ("merge", &[Ty::Map], Some(Ty::Map), |args| {
        merge(args, false)
    }),
    ("mustMerge", &[Ty::Map], Some(Ty::Map), |args| {
        merge(args, false)
    }),
    ("mergeOverwrite", &[Ty::Map], Some(Ty::Map), |args| {
        merge(args, true)
    }),
    ("mustMergeOverwrite", &[Ty::Map], Some(Ty::Map), |args| {
        merge(args, true)
    }),
    ("deepCopy", &[Any], None, |args| Ok(copy(arg(args, 0)))),
    ("mustDeepCopy", &[Any], None, |args| Ok(copy(arg(args, 0)))),
    ("dig", &[], Some(Any), dig),
];

fn map(args: &[Value], at: usize) -> Result<&Map, String> {
    match arg(args, at) {
        Value::Map(map) => Ok(map),
        other => Err(format!(
            "expected map[string]interface {{}}; got {}",
            other.type_name()
        )),
    }
}

/// A map that held itself could never be written; in Go it ends the process.
fn apart(target: &Map, value: &Value) -> Result<(), String> {
    let inside = match value {
        Value::Map(map) if std::ptr::eq(&**map, target) => {
            return Err("a map cannot hold itself".to_owned());
        }
        Value::Map(map) => map.entries.borrow().values().cloned().collect(),
        Value::List(list) => list.items.clone(),
        _ => Vec::new(),
    };
    inside.iter().try_for_each(|value| apart(target, value))
}

fn dict(args: &[Value]) -> Result<Value, String> {
    let pairs = args.chunks(2).map(|pair| {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
        (Rc::from(strval(arg(pair, 0))), value)
    });
    Ok(Value::map(pairs))
}

/// As mergo has it: what is empty is filled, maps are merged within, and only with `overwrite` a value takes another's place.
fn merge(args: &[Value], overwrite: bool) -> Result<Value, String> {
    for at in 1..args.len() {
        // A map merged into itself changes nothing.
        let source = map(args, at)?.entries.borrow().clone();
        for value in source.values() {
            apart(map(args, 0)?, value)?;
        }
        merge_into(map(args, 0)?, source, overwrite);
    }
    Ok(arg(args, 0).clone())
}

fn merge_into(target: &Map, source: Entries, overwrite: bool) {
    for (key, value) in source {
        let present = target.entries.borrow().get(&key).cloned();
        match (&present, &value) {
            (_, Value::Nil) if !overwrite => continue,
            (Some(Value::Map(inner)), Value::Map(other)) if !inner.entries.borrow().is_empty() => {
                let other = other.entries.borrow().clone();
                merge_into(inner, other, overwrite);
                continue;
            }
            _ => {}
        }
        let free = present.as_ref().is_none_or(empty);
        if free || overwrite && (!empty(&value) || !matches!(value, Value::List(_))) {
            target.entries.borrow_mut().insert(key, value);
        }
    }
}

fn copy(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::list_of(list.elem, list.items.iter().map(copy).collect()),
        Value::Map(map) => {
            let entries = map.entries.borrow();
            let entries = entries
                .iter()
                .map(|(key, value)| (key.clone(), copy(value)));
            Value::map_of(map.elem, entries)
        }
        other => other.clone(),
    }
}

fn dig(args: &[Value]) -> Result<Value, String> {
    let [keys @ .., otherwise, root] = args else {
        return Err("dig needs at least three arguments".to_owned());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".to_owned());
    }
    let mut at = root.clone();
    for key in keys {
        let Value::Text(key) = key else {
            return Err(format!("a key is {}, not string", key.type_name()));
        };
        let Value::Map(map) = &at else {
            return Err(format!("{} is no map", at.type_name()));
        };
        let found = map.entries.borrow().get(key).cloned();
        match found {
            Some(found) => at = found,
            None => return Ok(otherwise.clone()),
        }
    }
    Ok(at)
}
