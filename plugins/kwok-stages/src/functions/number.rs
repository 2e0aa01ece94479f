//! Sprig's whole numbers: whatever can be read as one is, and all else is zero.

use stagewright_go_template::function::{Row, arg, int, text};
use stagewright_go_template::{Ty, Value, integer};

use Ty::{Any, Int, Text};

/// The functions.
pub const TABLE: &[Row] = &[
    ("int", &[Any], None, |args| {
        Ok(Value::Int(to_int(arg(args, 0))))
    }),
    ("int64", &[Any], None, |args| {
        Ok(Value::Int64(to_int(arg(args, 0))))
    }),
    ("float64", &[Any], None, |args| {
        Ok(Value::Float(to_float(arg(args, 0))))
    }),
    ("atoi", &[Text], None, |args| {
        Ok(Value::Int(text(args, 0).parse().unwrap_or(0)))
    }),
    ("toDecimal", &[Any], None, |args| {
        Ok(Value::Int64(
            i64::from_str_radix(&arg(args, 0).show(), 8).unwrap_or(0),
        ))
    }),
    ("add1", &[Any], None, |args| {
        Ok(Value::Int64(to_int(arg(args, 0)).wrapping_add(1)))
    }),
    ("add", &[], Some(Any), |args| {
        Ok(fold(0, args, i64::wrapping_add))
    }),
    ("sub", &[Any, Any], None, |args| {
        Ok(pair(args, i64::wrapping_sub))
    }),
    ("mul", &[Any], Some(Any), |args| {
        Ok(fold(1, args, i64::wrapping_mul))
    }),
    ("div", &[Any, Any], None, |args| {
        divided(args, i64::wrapping_div)
    }),
    ("mod", &[Any, Any], None, |args| {
        divided(args, i64::wrapping_rem)
    }),
    ("max", &[Any], Some(Any), |args| {
        Ok(fold(i64::MIN, args, i64::max))
    }),
    ("biggest", &[Any], Some(Any), |args| {
        Ok(fold(i64::MIN, args, i64::max))
    }),
    ("min", &[Any], Some(Any), |args| {
        Ok(fold(i64::MAX, args, i64::min))
    }),
    ("plural", &[Text, Text, Int], None, |args| {
        Ok(arg(args, if int(args, 2) == 1 { 0 } else { 1 }).clone())
    }),
];

fn fold(start: i64, args: &[Value], step: fn(i64, i64) -> i64) -> Value {
    Value::Int64(args.iter().map(to_int).fold(start, step))
}

fn pair(args: &[Value], step: fn(i64, i64) -> i64) -> Value {
    Value::Int64(step(to_int(arg(args, 0)), to_int(arg(args, 1))))
}

fn divided(args: &[Value], step: fn(i64, i64) -> i64) -> Result<Value, String> {
    if to_int(arg(args, 1)) == 0 {
        return Err("integer divide by zero".to_owned());
    }
    Ok(pair(args, step))
}

/// Reads a value as a whole number: a float is cut, a text is read by its prefix.
#[must_use]
pub fn to_int(value: &Value) -> i64 {
    match value {
        Value::Bool(value) => i64::from(*value),
        #[allow(clippy::cast_possible_truncation, reason = "a float is cut")]
        Value::Float(value) => *value as i64,
        Value::Text(text) | Value::Number(text) => integer(without_zeros(text)).unwrap_or(0),
        other => other.whole().unwrap_or(0),
    }
}

/// `1.00` is whole.
fn without_zeros(text: &str) -> &str {
    match text.trim_end_matches('0').strip_suffix('.') {
        Some(whole) if text.ends_with('0') => whole,
        _ => text,
    }
}

/// Reads a value as a float.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "as Go has it")]
pub fn to_float(value: &Value) -> f64 {
    match value {
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Float(value) => *value,
        Value::Text(text) | Value::Number(text) => text.parse().unwrap_or(0.0),
        other => other.whole().unwrap_or(0) as f64,
    }
}
