//! The functions of the language itself.

use crate::function::{Body, Function, Row, Ty, arg};
use crate::value::Basic;
use crate::{Elem, Value, text};

use Ty::{Any, Text};

/// `and` and `or`.
pub const LOGIC: &[Function] = &[
    Function {
        name: "and",
        params: &[Any],
        rest: Some(Any),
        body: Body::And,
    },
    Function {
        name: "or",
        params: &[Any],
        rest: Some(Any),
        body: Body::Or,
    },
];

/// The rest, but for `slice`, which sprig has too.
pub const TABLE: &[Row] = &[
    ("not", &[Any], None, |args| {
        Ok(Value::Bool(!arg(args, 0).truth()))
    }),
    ("eq", &[Any], Some(Any), |args| eq(args).map(Value::Bool)),
    ("ne", &[Any, Any], None, |args| Ok(Value::Bool(!eq(args)?))),
    ("lt", &[Any, Any], None, |args| less(args).map(Value::Bool)),
    ("le", &[Any, Any], None, |args| {
        Ok(Value::Bool(less(args)? || eq(args)?))
    }),
    ("gt", &[Any, Any], None, |args| {
        Ok(Value::Bool(!(less(args)? || eq(args)?)))
    }),
    ("ge", &[Any, Any], None, |args| {
        Ok(Value::Bool(!less(args)?))
    }),
    ("index", &[Any], Some(Any), index),
    ("len", &[Any], None, len),
    ("call", &[Any], Some(Any), |args| {
        Err(format!("non-function of type {}", arg(args, 0).type_name()))
    }),
    ("print", &[], Some(Any), |args| {
        Ok(Value::text(Value::print(args)))
    }),
    ("println", &[], Some(Any), |args| {
        let words: Vec<String> = args.iter().map(Value::show).collect();
        Ok(Value::text(words.join(" ") + "\n"))
    }),
    ("printf", &[Text], Some(Any), |args| {
        let (format, values) = args.split_first().ok_or("no format")?;
        Ok(Value::text(Value::printf(
            format.as_text().unwrap_or_default(),
            values,
        )))
    }),
    ("html", &[], Some(Any), |args| {
        Ok(Value::text(text::html(&joined(args))))
    }),
    ("js", &[], Some(Any), |args| {
        Ok(Value::text(text::js(&joined(args))))
    }),
    ("urlquery", &[], Some(Any), |args| {
        Ok(Value::text(text::url_query(&joined(args))))
    }),
];

/// What escapers make of their arguments: nothing is written as no value.
fn joined(args: &[Value]) -> String {
    let args = args.iter().map(|value| match value.is_something() {
        true => value.clone(),
        false => Value::text("<no value>"),
    });
    Value::print(&args.collect::<Vec<_>>())
}

fn eq(args: &[Value]) -> Result<bool, String> {
    let (first, others) = args
        .split_first()
        .ok_or("missing argument for comparison")?;
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if same(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    let (kind, other) = (a.basic(), b.basic());
    if kind != other {
        if a.is_something() && b.is_something() {
            return Err(incompatible(a, b));
        }
        return Ok(false);
    }
    match (kind, a, b) {
        (Basic::Int, a, b) => Ok(a.whole() == b.whole()),
        (Basic::Text, a, b) => Ok(a.as_text() == b.as_text()),
        (_, Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (_, Value::Float(a), Value::Float(b)) => Ok(a == b),
        (_, Value::Time(a), Value::Time(b)) => Ok(a == b),
        (_, a, b) if !a.is_something() || !b.is_something() => {
            Ok(a.is_something() == b.is_something())
        }
        (_, a, b) => Err(format!(
            "non-comparable types {} and {}",
            a.type_name(),
            b.type_name()
        )),
    }
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
}

fn less(args: &[Value]) -> Result<bool, String> {
    let (a, b) = (arg(args, 0), arg(args, 1));
    match (a.basic(), b.basic()) {
        (Basic::None, _) | (_, Basic::None) | (Basic::Bool, Basic::Bool) => {
            Err("invalid type for comparison".to_owned())
        }
        (Basic::Int, Basic::Int) => Ok(a.whole() < b.whole()),
        (Basic::Text, Basic::Text) => Ok(a.as_text() < b.as_text()),
        (Basic::Float, Basic::Float) => match (a, b) {
            (Value::Float(a), Value::Float(b)) => Ok(a < b),
            _ => Ok(false),
        },
        _ => Err(incompatible(a, b)),
    }
}

fn index(args: &[Value]) -> Result<Value, String> {
    let (first, keys) = args.split_first().ok_or("index of nothing")?;
    if !first.is_something() {
        return Err("index of untyped nil".to_owned());
    }
    keys.iter()
        .try_fold(first.clone(), |item, key| step(&item, key))
}

fn step(item: &Value, key: &Value) -> Result<Value, String> {
    let place = |length: usize| -> Result<usize, String> {
        let Some(at) = key.whole() else {
            return Err(format!(
                "cannot index slice/array with type {}",
                key.type_name()
            ));
        };
        let place = usize::try_from(at).ok().filter(|at| *at < length);
        place.ok_or_else(|| format!("index out of range: {at}"))
    };
    match item {
        Value::Missing | Value::Nil => Err("index of nil pointer".to_owned()),
        Value::Text(text) | Value::Number(text) => {
            let at = place(text.len())?;
            Ok(Value::Byte(text.as_bytes().get(at).copied().unwrap_or(0)))
        }
        Value::List(list) => {
            let at = place(list.items.len())?;
            Ok(list.items.get(at).cloned().unwrap_or(Value::Nil))
        }
        Value::Map(map) => {
            let Value::Text(name) = key else {
                return Err(format!(
                    "value has type {}; should be string",
                    key.type_name()
                ));
            };
            let found = map.entries.borrow().get(name).cloned();
            Ok(found.unwrap_or_else(|| match map.elem {
                Elem::Text => Value::text(""),
                _ => Value::Nil,
            }))
        }
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn len(args: &[Value]) -> Result<Value, String> {
    let length = match arg(args, 0) {
        Value::Text(text) | Value::Number(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.borrow().len(),
        Value::Missing | Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}
