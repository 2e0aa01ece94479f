//! YAML as `sigs.k8s.io/yaml` reads it: the events of a YAML 1.2 parser, and the scalars of `go.yaml.in/yaml/v2`, which are those of
//! YAML 1.1 (`resolve.go`, `decode.go`), with JSON's keys.

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value as Json};

use super::float;
use crate::template::integer;

/// Collections within each other: reading them takes stack.
pub(super) const DEEPEST: usize = 100;
/// Nodes of a text, those counted again that an alias repeats.
const MOST_NODES: usize = 100_000;

/// What a scalar is that looks like a word.
static WORDS: [(&[&str], Json); 3] = [
    (
        &[
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ],
        Json::Bool(true),
    ),
    (
        &[
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ],
        Json::Bool(false),
    ),
    (&["", "~", "null", "Null", "NULL"], Json::Null),
];

/// `false` is.
const LONGEST_WORD: usize = 5;

/// Floats that JSON cannot say.
const UNSAID: [&str; 4] = [".nan", ".inf", "+.inf", "-.inf"];

/// Reads all documents.
///
/// # Errors
/// If it is no YAML, or says what JSON cannot, with line and column.
pub fn read_all(text: &str) -> Result<Vec<Json>, String> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: Vec::new(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            Event::DocumentStart(..) => {
                reader.anchors.clear();
                let (event, span) = reader.expected()?;
                documents.push(reader.node(event, span, 0)?.value);
            }
            _ => return Err(at(span.start, "a document was expected")),
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// What aliases repeat, and of how many nodes it is.
    anchors: Vec<(usize, Json, usize)>,
    nodes: usize,
}

/// A value, and whether it is a plain `<<`.
struct Node {
    value: Json,
    merges: bool,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, String> {
        let event = self.events.next_event().transpose();
        event.map_err(|error| scan(&error))
    }

    fn expected(&mut self) -> Result<(Event<'a>, Span), String> {
        self.next()?
            .ok_or_else(|| "the text ends too early".to_owned())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, String> {
        let begun = self.nodes;
        self.count(1, span.start)?;
        if depth > DEEPEST {
            let message = format!("more than {DEEPEST} collections within each other");
            return Err(at(span.start, &message));
        }
        let mut merges = false;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.filter(|tag| tag.is_yaml_core_schema());
                let tag = tag.as_ref().map(|tag| tag.suffix());
                let plain = style == ScalarStyle::Plain && tag.is_none();
                merges = plain && text == "<<";
                let resolved = match tag {
                    None => plain,
                    Some(tag) => !matches!(tag, "str" | "binary"),
                };
                let value = if resolved {
                    scalar(&text).map_err(|message| at(span.start, &message))?
                } else {
                    Json::String(text.into_owned())
                };
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let known = self
                    .anchors
                    .iter()
                    .rev()
                    .find(|(known, ..)| *known == anchor);
                let Some((_, value, size)) = known else {
                    return Err(at(span.start, "an alias to what contains it"));
                };
                let (value, size) = (value.clone(), *size);
                self.count(size, span.start)?;
                (value, 0)
            }
            _ => return Err(at(span.start, "a value was expected")),
        };
        if anchor != 0 {
            self.anchors
                .push((anchor, value.clone(), self.nodes - begun));
        }
        Ok(Node { value, merges })
    }

    /// What an alias repeats counts too, so that a short text does not become a large tree.
    fn count(&mut self, nodes: usize, marker: Marker) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(at(marker, &format!("more than {MOST_NODES} values")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        let mut items = Vec::new();
        loop {
            match self.expected()? {
                (Event::SequenceEnd, _) => return Ok(Json::Array(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?.value),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Json, String> {
        let mut entries = Map::new();
        loop {
            let (event, span) = self.expected()?;
            if event == Event::MappingEnd {
                return Ok(Json::Object(entries));
            }
            let start = span.start;
            let name = self.node(event, span, depth + 1)?;
            let (event, span) = self.expected()?;
            let value = self.node(event, span, depth + 1)?.value;
            if name.merges {
                merge(&mut entries, value).map_err(|message| at(start, message))?;
            } else {
                // Of a key that is given twice the last one counts.
                entries.insert(
                    key(name.value).map_err(|message| at(start, message))?,
                    value,
                );
            }
        }
    }
}

/// The maps of `<<`: of several the first counts most.
fn merge(entries: &mut Map<String, Json>, value: Json) -> Result<(), &'static str> {
    let maps = match value {
        Json::Array(maps) => maps,
        map => vec![map],
    };
    for map in maps.into_iter().rev() {
        let Json::Object(map) = map else {
            return Err("what is merged is a map, or a list of maps");
        };
        entries.extend(map);
    }
    Ok(())
}

/// A key as JSON has it.
fn key(value: Json) -> Result<String, &'static str> {
    match value {
        Json::String(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Number(number) => Ok(match (number.is_f64(), number.as_f64()) {
            (true, Some(value)) => float::shortest(value),
            _ => number.to_string(),
        }),
        Json::Null | Json::Array(_) | Json::Object(_) => Err("a key is a text, a number or a bool"),
    }
}

/// What a word stands for that is no text.
pub(super) fn word(text: &str) -> Option<&'static Json> {
    let begins = matches!(
        text.bytes().next(),
        None | Some(b'y' | b'Y' | b't' | b'T' | b'o' | b'O' | b'n' | b'N' | b'f' | b'F' | b'~')
    );
    let found = || WORDS.iter().find(|(words, _)| words.contains(&text));
    (begins && text.len() <= LONGEST_WORD)
        .then(found)?
        .map(|(_, value)| value)
}

/// What a plain scalar means. Times are texts.
pub(super) fn scalar(text: &str) -> Result<Json, String> {
    if let Some(value) = word(text) {
        return Ok(value.clone());
    }
    match text.as_bytes().first() {
        Some(b'.' | b'+' | b'-') if UNSAID.contains(&text.to_ascii_lowercase().as_str()) => {
            Err(format!("{text} is no number that JSON can say"))
        }
        Some(b'.') => Ok(number(text).unwrap_or_else(|| text.into())),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            let plain = text.replace('_', "");
            let whole = integer(&plain).map(Number::from);
            let whole = whole.or_else(|| plain.parse::<u64>().ok().map(Number::from));
            Ok(match whole {
                Some(whole) => Json::Number(whole),
                None => number(&plain).unwrap_or_else(|| text.into()),
            })
        }
        _ => Ok(text.into()),
    }
}

/// A decimal float, as it is once Go's JSON has written it: whole if it is whole.
fn number(text: &str) -> Option<Json> {
    serde_json::from_str(&float::json(decimal(text)?)).ok()
}

/// A decimal number that is finite: digits with a point somewhere or none, and perhaps an exponent.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    if exponent.is_some_and(|text| text.is_empty() || !are_digits(text)) {
        return None;
    }
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !are_digits(whole) || !are_digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn scan(error: &ScanError) -> String {
    at(*error.marker(), &error.info())
}

fn at(marker: Marker, message: &str) -> String {
    format!(
        "line {} column {}: {message}",
        marker.line(),
        marker.col() + 1
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Result<Json, String> {
        read_all(text).map(|mut all| all.pop().unwrap_or_default())
    }

    #[test]
    fn scalars_of_yaml_1_1() {
        for (text, expected) in [
            (
                "[y, No, on, OFF, TRUE, tRue]",
                json!([true, false, true, false, true, "tRue"]),
            ),
            (
                "[~, null, Null, '', \"~\"]",
                json!([null, null, null, "", "~"]),
            ),
            (
                "[1, +1, -1, 010, 0x1F, 0b11, 0o17, 1_000, 08]",
                json!([1, 1, -1, 8, 31, 3, 15, 1000, 8]),
            ),
            (
                "[1.5, .5, 1., -1e3, 1e21, 1.0, .5_0, 1e, 1e400, 0.1e-9]",
                json!([1.5, 0.5, 1, -1000, 1e21, 1, ".5_0", "1e", "1e400", 1e-10]),
            ),
            (
                "[18446744073709551615, 18446744073709551616]",
                json!([u64::MAX, 18_446_744_073_709_552_000_f64]),
            ),
            (
                "[2006-01-02, 1:30, 1.2.3, 0x, 1 2]",
                json!(["2006-01-02", "1:30", "1.2.3", "0x", "1 2"]),
            ),
            (
                "[!!str 1, !!int 2, !own x, !!str]",
                json!(["1", 2, "x", ""]),
            ),
            (
                "{yes: 1, 1: 2, 1.5: 3, 010: 4, 'n': 5, n: 6}",
                json!({"true": 1, "1": 2, "1.5": 3, "8": 4, "n": 5, "false": 6}),
            ),
            ("{a: 1, a: 2}", json!({"a": 2})),
            (
                "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: *x",
                json!({"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}, "e": {"b": 1, "c": 2}}),
            ),
            ("{<<: [{a: 1}, {a: 2, b: 2}]}", json!({"a": 1, "b": 2})),
            ("'<<': {a: 1}", json!({"<<": {"a": 1}})),
        ] {
            let found = one(text).unwrap();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_json_cannot_say_has_a_place() {
        for (text, parts) in [
            ("a: [", "line 1"),
            ("a: 1\nb: .inf", "line 2 column 4: .inf"),
            ("? [a]\n: 1", "line 1 column 3: a key"),
            ("~: 1", "a key"),
            ("a: &x [*x]", "an alias to what contains it"),
            ("<<: 1", "what is merged"),
        ] {
            let error = one(text).unwrap_err();
            assert!(error.contains(parts), "{text}: {error}");
        }
        let deep = "[".repeat(102) + &"]".repeat(102);
        assert!(one(&deep).unwrap_err().contains("within each other"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(one(&bomb).unwrap_err().contains("more than 100000 values"));
    }
}
