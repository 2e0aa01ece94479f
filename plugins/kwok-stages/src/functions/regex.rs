//! Sprig's regular expressions. The engine runs in linear time; its classes are ASCII, as Go's are.

use regex_lite::{Captures, Regex, RegexBuilder};
use stagewright_go_template::function::{Row, int, text};
use stagewright_go_template::{Elem, Ty, Value};

use super::bounded;

use Ty::{Int, Text};

/// The functions.
pub const TABLE: &[Row] = &[
    ("regexMatch", &[Text, Text], None, |args| {
        Ok(Value::Bool(
            compile(text(args, 0)).is_ok_and(|regex| regex.is_match(text(args, 1))),
        ))
    }),
    ("mustRegexMatch", &[Text, Text], None, |args| {
        Ok(Value::Bool(compile(text(args, 0))?.is_match(text(args, 1))))
    }),
    ("regexFind", &[Text, Text], None, find),
    ("mustRegexFind", &[Text, Text], None, find),
    ("regexFindAll", &[Text, Text, Int], None, find_all),
    ("mustRegexFindAll", &[Text, Text, Int], None, find_all),
    ("regexReplaceAll", &[Text, Text, Text], None, replace),
    ("mustRegexReplaceAll", &[Text, Text, Text], None, replace),
    (
        "regexReplaceAllLiteral",
        &[Text, Text, Text],
        None,
        replace_literal,
    ),
    (
        "mustRegexReplaceAllLiteral",
        &[Text, Text, Text],
        None,
        replace_literal,
    ),
    ("regexSplit", &[Text, Text, Int], None, split),
    ("mustRegexSplit", &[Text, Text, Int], None, split),
    ("regexQuoteMeta", &[Text], None, |args| {
        let mut out = String::new();
        for char in text(args, 0).chars() {
            if r"\.+*?()|[]{}^$".contains(char) {
                out.push('\\');
            }
            out.push(char);
        }
        Ok(Value::text(out))
    }),
];

/// A program larger than this is a bomb.
const LARGEST: usize = 256 * 1024;

fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(LARGEST);
    builder
        .build()
        .map_err(|error| format!("regular expression {pattern:?}: {error}"))
}

fn find(args: &[Value]) -> Result<Value, String> {
    let regex = compile(text(args, 0))?;
    Ok(Value::text(
        regex.find(text(args, 1)).map_or("", |found| found.as_str()),
    ))
}

fn find_all(args: &[Value]) -> Result<Value, String> {
    let regex = compile(text(args, 0))?;
    let most = usize::try_from(int(args, 2)).unwrap_or(usize::MAX);
    let found = regex.find_iter(text(args, 1)).take(most);
    Ok(Value::list_of(
        Elem::Text,
        found.map(|found| Value::text(found.as_str())).collect(),
    ))
}

fn replace(args: &[Value]) -> Result<Value, String> {
    let (content, template) = (text(args, 1), text(args, 2));
    replaced(&compile(text(args, 0))?, content, |found, out| {
        expand(template, found, out)
    })
}

fn replace_literal(args: &[Value]) -> Result<Value, String> {
    let (content, literal) = (text(args, 1), text(args, 2));
    replaced(&compile(text(args, 0))?, content, |_, out| {
        out.push_str(literal)
    })
}

fn replaced(
    regex: &Regex,
    content: &str,
    mut write: impl FnMut(&Captures<'_>, &mut String),
) -> Result<Value, String> {
    let (mut out, mut last) = (String::new(), 0);
    for found in regex.captures_iter(content) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(content.get(last..whole.start()).unwrap_or_default());
        write(&found, &mut out);
        bounded(out.len())?;
        last = whole.end();
    }
    out.push_str(content.get(last..).unwrap_or_default());
    Ok(Value::text(out))
}

/// `$1`, `$name`, `${name}` and `$$`. A name is as long as it can be.
fn expand(template: &str, found: &Captures<'_>, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let (name, behind) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').unwrap_or(("", rest)),
            None => {
                let end = rest.find(|char: char| char != '_' && !char.is_alphanumeric());
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        if name.is_empty() {
            out.push('$');
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(number) => found.get(number),
            Err(_) => found.name(name),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = behind;
    }
    out.push_str(rest);
}

fn split(args: &[Value]) -> Result<Value, String> {
    let regex = compile(text(args, 0))?;
    let (content, most) = (text(args, 1), int(args, 2));
    if most == 0 {
        return Ok(Value::list_of(Elem::Text, Vec::new()));
    }
    if !text(args, 0).is_empty() && content.is_empty() {
        return Ok(Value::texts([""]));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(content) {
        if parts.len() + 1 == most {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(content.get(begin..end).unwrap_or_default());
        }
        begin = found.end();
    }
    if end != content.len() {
        parts.push(content.get(begin..).unwrap_or_default());
    }
    Ok(Value::texts(parts))
}
