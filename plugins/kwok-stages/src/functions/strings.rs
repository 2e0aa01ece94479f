//! Sprig's strings. Where Go counts bytes, so is counted here.

use std::rc::Rc;

use stagewright_go_template::function::{Row, arg, int, text};
use stagewright_go_template::{Elem, Ty, Value, text as go_text};

use super::{bounded, strval};

use Ty::{Any, Int, Text};

/// The functions.
pub const TABLE: &[Row] = &[
    ("hello", &[], None, |_| Ok(Value::text("Hello!"))),
    ("trim", &[Text], None, |args| {
        Ok(Value::text(text(args, 0).trim()))
    }),
    ("trimAll", &[Text, Text], None, trim_all),
    ("trimall", &[Text, Text], None, trim_all),
    ("trimSuffix", &[Text, Text], None, |args| {
        let content = text(args, 1);
        Ok(Value::text(
            content.strip_suffix(text(args, 0)).unwrap_or(content),
        ))
    }),
    ("trimPrefix", &[Text, Text], None, |args| {
        let content = text(args, 1);
        Ok(Value::text(
            content.strip_prefix(text(args, 0)).unwrap_or(content),
        ))
    }),
    ("nospace", &[Text], None, |args| {
        Ok(Value::text(
            text(args, 0)
                .chars()
                .filter(|char| !char.is_whitespace())
                .collect::<String>(),
        ))
    }),
    ("contains", &[Text, Text], None, |args| {
        Ok(Value::Bool(text(args, 1).contains(text(args, 0))))
    }),
    ("hasPrefix", &[Text, Text], None, |args| {
        Ok(Value::Bool(text(args, 1).starts_with(text(args, 0))))
    }),
    ("hasSuffix", &[Text, Text], None, |args| {
        Ok(Value::Bool(text(args, 1).ends_with(text(args, 0))))
    }),
    ("repeat", &[Int, Text], None, |args| {
        let count = usize::try_from(int(args, 0)).map_err(|_| "negative repeat count")?;
        bounded(count.saturating_mul(text(args, 1).len()))?;
        Ok(Value::text(text(args, 1).repeat(count)))
    }),
    ("replace", &[Text, Text, Text], None, |args| {
        let (old, new, source) = (text(args, 0), text(args, 1), text(args, 2));
        bounded(source.len() + (source.matches(old).count()).saturating_mul(new.len()))?;
        Ok(Value::text(source.replace(old, new)))
    }),
    ("quote", &[], Some(Any), |args| {
        Ok(Value::text(each(args, |value| {
            go_text::quote(&strval(value))
        })))
    }),
    ("squote", &[], Some(Any), |args| {
        Ok(Value::text(each(args, |value| {
            format!("'{}'", value.show())
        })))
    }),
    ("cat", &[], Some(Any), |args| {
        Ok(Value::text(each(args, Value::show)))
    }),
    ("indent", &[Int, Text], None, |args| {
        Ok(Value::text(indent(args)?))
    }),
    ("nindent", &[Int, Text], None, |args| {
        Ok(Value::text(format!("\n{}", indent(args)?)))
    }),
    ("toString", &[Any], None, |args| {
        Ok(Value::text(strval(arg(args, 0))))
    }),
    ("trunc", &[Int, Text], None, trunc),
    ("substr", &[Int, Int, Text], None, substr),
    ("abbrev", &[Int, Text], None, |args| {
        let content = text(args, 1);
        match usize::try_from(int(args, 0)) {
            Ok(width) if width >= 4 => Ok(Value::text(abbreviate(content, 0, width)?)),
            _ => Ok(Value::text(content)),
        }
    }),
    ("abbrevboth", &[Int, Int, Text], None, |args| {
        let (left, right, content) = (int(args, 0), int(args, 1), text(args, 2));
        if right < 4 || left > 0 && right < 7 {
            return Ok(Value::text(content));
        }
        let place = |number: i64| usize::try_from(number).unwrap_or(0);
        Ok(Value::text(abbreviate(content, place(left), place(right))?))
    }),
    ("initials", &[Text], None, |args| {
        let words = text(args, 0).split_whitespace();
        Ok(Value::text(
            words
                .filter_map(|word| word.chars().next())
                .collect::<String>(),
        ))
    }),
    ("wrap", &[Int, Text], None, |args| {
        wrap(text(args, 1), int(args, 0), "\n", false)
    }),
    ("wrapWith", &[Int, Text, Text], None, |args| {
        let mark = if text(args, 1).is_empty() {
            "\n"
        } else {
            text(args, 1)
        };
        wrap(text(args, 2), int(args, 0), mark, true)
    }),
    ("split", &[Text, Text], None, |args| {
        Ok(numbered(split(text(args, 1), text(args, 0), None)))
    }),
    ("splitList", &[Text, Text], None, |args| {
        Ok(Value::texts(split(text(args, 1), text(args, 0), None)))
    }),
    ("splitn", &[Text, Int, Text], None, |args| {
        let parts = match usize::try_from(int(args, 1)) {
            Ok(0) => Vec::new(),
            count => split(text(args, 2), text(args, 0), count.ok()),
        };
        Ok(numbered(parts))
    }),
];

fn each(args: &[Value], show: impl Fn(&Value) -> String) -> String {
    let words: Vec<String> = args
        .iter()
        .filter(|value| value.is_something())
        .map(show)
        .collect();
    words.join(" ")
}

fn trim_all(args: &[Value]) -> Result<Value, String> {
    let marks = text(args, 0);
    Ok(Value::text(
        text(args, 1).trim_matches(|char| marks.contains(char)),
    ))
}

fn indent(args: &[Value]) -> Result<String, String> {
    let spaces = usize::try_from(int(args, 0)).map_err(|_| "negative repeat count")?;
    let content = text(args, 1);
    bounded(content.len() + spaces.saturating_mul(1 + content.matches('\n').count()))?;
    let pad = " ".repeat(spaces);
    Ok(format!(
        "{pad}{}",
        content.replace('\n', &format!("\n{pad}"))
    ))
}

/// A part by bytes. What cuts a character in two leaves a mark in its place, as it does in Go's JSON.
fn bytes(content: &str, range: std::ops::Range<usize>) -> Result<Value, String> {
    let part = content
        .as_bytes()
        .get(range)
        .ok_or("slice bounds out of range")?;
    Ok(Value::text(String::from_utf8_lossy(part)))
}

fn trunc(args: &[Value]) -> Result<Value, String> {
    let (count, content) = (int(args, 0), text(args, 1));
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match (count < 0, size < content.len()) {
        (true, true) => bytes(content, content.len() - size..content.len()),
        (false, true) => bytes(content, 0..size),
        _ => Ok(Value::text(content)),
    }
}

fn substr(args: &[Value]) -> Result<Value, String> {
    let content = text(args, 2);
    let place = |number: i64| usize::try_from(number).ok();
    let (start, end) = (place(int(args, 0)), place(int(args, 1)));
    match (start, end) {
        (None, end) => bytes(content, 0..end.ok_or("slice bounds out of range")?),
        (Some(start), Some(end)) if end <= content.len() => bytes(content, start..end),
        (Some(start), _) => bytes(content, start..content.len()),
    }
}

fn abbreviate(content: &str, offset: usize, width: usize) -> Result<String, String> {
    let size = content.len();
    if size <= width {
        return Ok(content.to_owned());
    }
    let room = width - 3;
    let mut offset = offset.min(size);
    if size - offset < room {
        offset = size - room;
    }
    let part = |range: std::ops::Range<usize>| bytes(content, range).map(|part| part.show());
    if offset <= 4 {
        return Ok(part(0..room)? + "...");
    }
    if width < 7 {
        return Ok(String::new());
    }
    if offset + room < size {
        let rest = part(offset..size)?;
        return Ok(format!("...{}", abbreviate(&rest, 0, room.max(4))?));
    }
    Ok(format!("...{}", part(size - room..size)?))
}

fn wrap(content: &str, width: i64, mark: &str, breaks_words: bool) -> Result<Value, String> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    bounded(content.len().saturating_mul(1 + mark.len()))?;
    let mut rest = content;
    let mut out = String::new();
    while rest.len() > width {
        if let Some(behind) = rest.strip_prefix(' ') {
            rest = behind;
            continue;
        }
        let line = rest.as_bytes().get(..=width).unwrap_or(rest.as_bytes());
        let space = line.iter().rposition(|byte| *byte == b' ');
        let end = match space {
            Some(space) => space,
            None if breaks_words => (0..=width)
                .rev()
                .find(|at| rest.is_char_boundary(*at))
                .unwrap_or(width)
                .max(1),
            None => match rest.get(width..).and_then(|rest| rest.find(' ')) {
                Some(space) => width + space,
                None => break,
            },
        };
        let (line, behind) = rest.split_at_checked(end).ok_or("a character is cut")?;
        out.push_str(line);
        out.push_str(mark);
        rest = if breaks_words && space.is_none() {
            behind
        } else {
            behind.get(1..).unwrap_or_default()
        };
    }
    Ok(Value::text(out + rest))
}

/// Go splits by nothing into characters.
fn split<'a>(content: &'a str, mark: &str, limit: Option<usize>) -> Vec<&'a str> {
    if !mark.is_empty() {
        return match limit {
            Some(limit) => content.splitn(limit, mark).collect(),
            None => content.split(mark).collect(),
        };
    }
    let mut parts = Vec::new();
    let mut rest = content;
    while let Some(char) = rest.chars().next() {
        if limit == Some(parts.len() + 1) {
            break;
        }
        let (first, behind) = rest.split_at(char.len_utf8());
        parts.push(first);
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

fn numbered(parts: Vec<&str>) -> Value {
    let entries = parts.into_iter().enumerate();
    let entries = entries.map(|(at, part)| (Rc::from(format!("_{at}")), Value::text(part)));
    Value::map_of(Elem::Text, entries)
}
