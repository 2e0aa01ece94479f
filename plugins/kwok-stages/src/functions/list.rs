//! Sprig's lists, and its choices among values.

use stagewright_go_template::function::{Row, arg, int, text};
use stagewright_go_template::{Elem, Ty, Value};

use super::{bounded, empty, number, strval};

use Ty::{Any, Bool, Int, Text};

/// The functions. Those with `must` in front differ in how they fail, which is the same to a template.
pub const TABLE: &[Row] = &[
    ("list", &[], Some(Any), |args| {
        Ok(Value::list(args.to_vec()))
    }),
    ("tuple", &[], Some(Any), |args| {
        Ok(Value::list(args.to_vec()))
    }),
    ("append", &[Any, Any], None, append),
    ("push", &[Any, Any], None, append),
    ("mustAppend", &[Any, Any], None, append),
    ("mustPush", &[Any, Any], None, append),
    ("prepend", &[Any, Any], None, prepend),
    ("mustPrepend", &[Any, Any], None, prepend),
    ("first", &[Any], None, |args| end(args, <[Value]>::first)),
    ("mustFirst", &[Any], None, |args| {
        end(args, <[Value]>::first)
    }),
    ("last", &[Any], None, |args| end(args, <[Value]>::last)),
    ("mustLast", &[Any], None, |args| end(args, <[Value]>::last)),
    ("rest", &[Any], None, |args| {
        part(args, |items| items.get(1..))
    }),
    ("mustRest", &[Any], None, |args| {
        part(args, |items| items.get(1..))
    }),
    ("initial", &[Any], None, |args| {
        part(args, |items| items.split_last().map(|(_, rest)| rest))
    }),
    ("mustInitial", &[Any], None, |args| {
        part(args, |items| items.split_last().map(|(_, rest)| rest))
    }),
    ("reverse", &[Any], None, reverse),
    ("mustReverse", &[Any], None, reverse),
    ("uniq", &[Any], None, uniq),
    ("mustUniq", &[Any], None, uniq),
    ("compact", &[Any], None, compact),
    ("mustCompact", &[Any], None, compact),
    ("without", &[Any], Some(Any), without),
    ("mustWithout", &[Any], Some(Any), without),
    ("has", &[Any, Any], None, has),
    ("mustHas", &[Any, Any], None, has),
    ("slice", &[Any], Some(Any), slice),
    ("mustSlice", &[Any], Some(Any), slice),
    ("chunk", &[Int, Any], None, chunk),
    ("mustChunk", &[Int, Any], None, chunk),
    ("concat", &[], Some(Any), concat),
    ("sortAlpha", &[Any], None, |args| {
        let mut texts = match arg(args, 0) {
            list @ Value::List(_) => texts(list),
            other => vec![strval(other)],
        };
        texts.sort_unstable();
        Ok(Value::texts(texts))
    }),
    ("toStrings", &[Any], None, |args| {
        Ok(Value::texts(texts(arg(args, 0))))
    }),
    ("join", &[Text, Any], None, |args| {
        Ok(Value::text(texts(arg(args, 1)).join(text(args, 0))))
    }),
    ("until", &[Int], None, |args| {
        let count = int(args, 0);
        Ok(ints(&steps(0, count, if count < 0 { -1 } else { 1 })?))
    }),
    ("untilStep", &[Int, Int, Int], None, |args| {
        Ok(ints(&steps(int(args, 0), int(args, 1), int(args, 2))?))
    }),
    ("seq", &[], Some(Int), seq),
    ("default", &[Any], Some(Any), |args| {
        let given = args.get(1).filter(|given| !empty(given));
        Ok(given.unwrap_or(arg(args, 0)).clone())
    }),
    ("empty", &[Any], None, |args| {
        Ok(Value::Bool(empty(arg(args, 0))))
    }),
    ("coalesce", &[], Some(Any), |args| {
        let found = args.iter().find(|value| !empty(value));
        Ok(found.cloned().unwrap_or(Value::Nil))
    }),
    ("all", &[], Some(Any), |args| {
        Ok(Value::Bool(!args.iter().any(empty)))
    }),
    ("any", &[], Some(Any), |args| {
        Ok(Value::Bool(args.iter().any(|value| !empty(value))))
    }),
    ("ternary", &[Any, Any, Bool], None, |args| {
        Ok(arg(args, if arg(args, 2).truth() { 0 } else { 1 }).clone())
    }),
    ("deepEqual", &[Any, Any], None, |args| {
        Ok(Value::Bool(arg(args, 0).deep_equal(arg(args, 1))))
    }),
    ("typeOf", &[Any], None, |args| {
        Ok(Value::text(arg(args, 0).type_name()))
    }),
    ("typeIs", &[Text, Any], None, |args| {
        Ok(Value::Bool(arg(args, 1).type_name() == text(args, 0)))
    }),
    ("typeIsLike", &[Text, Any], None, |args| {
        Ok(Value::Bool(arg(args, 1).type_name() == text(args, 0)))
    }),
    ("kindOf", &[Any], None, |args| {
        Ok(Value::text(arg(args, 0).kind_name()))
    }),
    ("kindIs", &[Text, Any], None, |args| {
        Ok(Value::Bool(arg(args, 1).kind_name() == text(args, 0)))
    }),
    ("fail", &[Text], None, |args| Err(text(args, 0).to_owned())),
];

fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(list) => Ok(&list.items),
        other => Err(format!("{} is no list", other.type_name())),
    }
}

fn append(args: &[Value]) -> Result<Value, String> {
    let items = items(arg(args, 0))?.iter();
    Ok(Value::list(items.chain(args.get(1)).cloned().collect()))
}

fn prepend(args: &[Value]) -> Result<Value, String> {
    let items = items(arg(args, 0))?.iter();
    Ok(Value::list(
        args.get(1).into_iter().chain(items).cloned().collect(),
    ))
}

fn end(args: &[Value], pick: fn(&[Value]) -> Option<&Value>) -> Result<Value, String> {
    Ok(pick(items(arg(args, 0))?).cloned().unwrap_or(Value::Nil))
}

/// Of an empty list, no list at all.
fn part(args: &[Value], pick: fn(&[Value]) -> Option<&[Value]>) -> Result<Value, String> {
    let items = items(arg(args, 0))?;
    Ok(Value::list(pick(items).unwrap_or_default().to_vec()))
}

fn reverse(args: &[Value]) -> Result<Value, String> {
    Ok(Value::list(
        items(arg(args, 0))?.iter().rev().cloned().collect(),
    ))
}

fn uniq(args: &[Value]) -> Result<Value, String> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(arg(args, 0))? {
        if !kept.iter().any(|other| other.deep_equal(item)) {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn compact(args: &[Value]) -> Result<Value, String> {
    let kept = items(arg(args, 0))?.iter().filter(|item| !empty(item));
    Ok(Value::list(kept.cloned().collect()))
}

fn without(args: &[Value]) -> Result<Value, String> {
    let (list, omitted) = args.split_first().ok_or("no list")?;
    let kept = items(list)?.iter();
    let kept = kept.filter(|item| !omitted.iter().any(|other| other.deep_equal(item)));
    Ok(Value::list(kept.cloned().collect()))
}

fn has(args: &[Value]) -> Result<Value, String> {
    let list = arg(args, 1);
    if !list.is_something() {
        return Ok(Value::Bool(false));
    }
    let found = items(list)?
        .iter()
        .any(|item| item.deep_equal(arg(args, 0)));
    Ok(Value::Bool(found))
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let Value::List(list) = arg(args, 0) else {
        return Err(format!(
            "list should be type of slice or array but {}",
            arg(args, 0).kind_name()
        ));
    };
    if list.items.is_empty() {
        return Ok(Value::Nil);
    }
    let place = |at: usize, otherwise: usize| match args.get(at) {
        Some(value) => usize::try_from(number::to_int(value)).unwrap_or(usize::MAX),
        None => otherwise,
    };
    let (start, end) = (place(1, 0), place(2, list.items.len()));
    let part = list
        .items
        .get(start..end)
        .ok_or("slice bounds out of range")?;
    Ok(Value::list_of(list.elem, part.to_vec()))
}

fn chunk(args: &[Value]) -> Result<Value, String> {
    let items = items(arg(args, 1))?;
    let size = usize::try_from(int(args, 0)).ok().filter(|size| *size > 0);
    let size = size.ok_or("the size of a chunk is not positive")?;
    let chunks = items.chunks(size).map(|chunk| Value::list(chunk.to_vec()));
    Ok(Value::list_of(Elem::List, chunks.collect()))
}

fn concat(args: &[Value]) -> Result<Value, String> {
    let mut all = Vec::new();
    for list in args {
        all.extend_from_slice(items(list)?);
    }
    Ok(Value::list(all))
}

/// Texts of a list's items; nulls are left out. Anything else is a list of one.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Missing | Value::Nil => Vec::new(),
        Value::List(list) => {
            let items = list.items.iter().filter(|item| item.is_something());
            items.map(strval).collect()
        }
        other => vec![strval(other)],
    }
}

fn ints(numbers: &[i64]) -> Value {
    Value::list_of(Elem::Int, numbers.iter().copied().map(Value::Int).collect())
}

fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    if step == 0 || (stop < start) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = (i128::from(stop) - i128::from(start)).abs() / i128::from(step).abs();
    bounded(usize::try_from(count).unwrap_or(usize::MAX))?;
    let mut numbers = Vec::new();
    let mut at = start;
    while if step > 0 { at < stop } else { at > stop } {
        numbers.push(at);
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    Ok(numbers)
}

fn seq(args: &[Value]) -> Result<Value, String> {
    let number = |at: usize| int(args, at);
    let sign = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let numbers = match args.len() {
        1 => {
            let by = sign(1, number(0));
            steps(1, number(0).saturating_add(by), by)?
        }
        2 => {
            let by = sign(number(0), number(1));
            steps(number(0), number(1).saturating_add(by), by)?
        }
        3 => {
            let (start, step, end) = (number(0), number(1), number(2));
            let by = sign(start, end);
            if by < 0 && step > 0 {
                return Ok(Value::text(""));
            }
            steps(start, end.saturating_add(by), step)?
        }
        _ => Vec::new(),
    };
    let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
    Ok(Value::text(words.join(" ")))
}
