//! From text and from LabelSelector objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Requirement, SelectorError, Test, WordError, is_key, is_value};

/// Characters that are tokens of their own.
const SIGNS: [char; 7] = ['=', '!', '(', ')', ',', '<', '>'];

/// The text ahead of what is read.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

/// Reads the grammar that `labels.Parse` reads.
pub(super) fn text(text: &str) -> Result<BTreeSet<Requirement>, SelectorError> {
    let mut reader = Reader { text, rest: text };
    let mut requirements = BTreeSet::new();
    if reader.peek().is_none() {
        return Ok(requirements);
    }
    loop {
        requirements.insert(reader.requirement()?);
        if reader.peek().is_none() {
            return Ok(requirements);
        }
        reader.expect(",", "\",\" or the end")?;
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let missing = self.take("!");
        let key = self.key()?;
        let test = if missing { Test::Missing } else { self.test()? };
        Ok(Requirement {
            key: key.into(),
            test,
        })
    }

    fn test(&mut self) -> Result<Test, SelectorError> {
        if matches!(self.peek(), None | Some(',')) {
            return Ok(Test::Exists);
        }
        if self.take("!=") {
            return Ok(Test::NotIn([self.value()?].into()));
        }
        // The longer sign first.
        if self.take("==") || self.take("=") {
            return Ok(Test::In([self.value()?].into()));
        }
        if self.take(">") {
            return Ok(Test::Above(self.number()?));
        }
        if self.take("<") {
            return Ok(Test::Below(self.number()?));
        }
        let before = self.rest;
        match self.word() {
            "in" => Ok(Test::In(self.set()?)),
            "notin" => Ok(Test::NotIn(self.set()?)),
            _ => {
                self.rest = before;
                Err(self
                    .unexpected("\"=\", \"==\", \"!=\", \"in\", \"notin\", \"<\", \">\" or \",\""))
            }
        }
    }

    /// `(a,b)`. Nothing between commas or parentheses is the empty value, as in Kubernetes.
    fn set(&mut self) -> Result<BTreeSet<Box<str>>, SelectorError> {
        self.expect("(", "\"(\"")?;
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value()?);
            if self.take(")") {
                return Ok(values);
            }
            self.expect(",", "\",\" or \")\"")?;
        }
    }

    fn key(&mut self) -> Result<&'a str, SelectorError> {
        match self.peek() {
            Some(sign) if !SIGNS.contains(&sign) => {}
            _ => return Err(self.unexpected("a label key")),
        }
        let position = self.position();
        let word = self.word();
        if is_key(word) {
            Ok(word)
        } else {
            Err(self.wrong(position, WordError::Key(word.to_owned())))
        }
    }

    fn value(&mut self) -> Result<Box<str>, SelectorError> {
        self.skip();
        let position = self.position();
        let word = self.word();
        if is_value(word) {
            Ok(word.into())
        } else {
            Err(self.wrong(position, WordError::Value(word.to_owned())))
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        self.skip();
        let position = self.position();
        let word = self.word();
        word.parse()
            .map_err(|_| self.wrong(position, WordError::Number(word.to_owned())))
    }

    /// Up to the next sign or space; may be empty.
    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|char: char| SIGNS.contains(&char) || char.is_ascii_whitespace())
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: &str, expected: &'static str) -> Result<(), SelectorError> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.rest.chars().next()
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// The place of the next character, counted from 1 as people do.
    fn position(&self) -> usize {
        self.text.chars().count() - self.rest.chars().count() + 1
    }

    fn unexpected(&mut self, expected: &'static str) -> SelectorError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(sign) if SIGNS.contains(&sign) => format!("{:?}", sign.to_string()),
            Some(_) => {
                let before = self.rest;
                let word = format!("{:?}", self.word());
                self.rest = before;
                word
            }
        };
        SelectorError::Syntax {
            text: self.text.to_owned(),
            position: self.position(),
            expected,
            found,
        }
    }

    fn wrong(&self, position: usize, problem: WordError) -> SelectorError {
        SelectorError::Word {
            text: self.text.to_owned(),
            position,
            problem,
        }
    }
}

/// Reads `metav1.LabelSelector`.
pub(super) fn label_selector(selector: &Value) -> Result<BTreeSet<Requirement>, SelectorError> {
    let mut requirements = BTreeSet::new();
    let Value::Object(fields) = selector else {
        return Err(shape(
            "",
            "an object with matchLabels or matchExpressions is expected",
        ));
    };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("matchLabels" | "matchExpressions", Value::Null) => {}
            ("matchLabels", Value::Object(labels)) => {
                for (key, value) in labels {
                    let path =
                        format!("/matchLabels/{}", key.replace('~', "~0").replace('/', "~1"));
                    let key = checked_key(&path, key)?;
                    requirements.insert(Requirement {
                        key,
                        test: Test::In([checked_value(&path, value)?].into()),
                    });
                }
            }
            ("matchExpressions", Value::Array(expressions)) => {
                for (index, expression) in expressions.iter().enumerate() {
                    requirements.insert(self::expression(
                        &format!("/matchExpressions/{index}"),
                        expression,
                    )?);
                }
            }
            ("matchLabels", _) => {
                return Err(shape("/matchLabels", "an object of strings is expected"));
            }
            ("matchExpressions", _) => {
                return Err(shape("/matchExpressions", "a list is expected"));
            }
            _ => {
                return Err(shape(
                    &format!("/{name}"),
                    "is unknown: only matchLabels and matchExpressions are",
                ));
            }
        }
    }
    Ok(requirements)
}

fn expression(path: &str, expression: &Value) -> Result<Requirement, SelectorError> {
    let key = expression
        .get("key")
        .and_then(Value::as_str)
        .ok_or_else(|| shape(&format!("{path}/key"), "a string is expected"))?;
    let key = checked_key(&format!("{path}/key"), key)?;
    let at = format!("{path}/values");
    let values = match expression.get("values") {
        None | Some(Value::Null) => BTreeSet::new(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| checked_value(&at, value))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(shape(&at, "a list of strings is expected")),
    };
    let test = match (
        expression.get("operator").and_then(Value::as_str),
        values.is_empty(),
    ) {
        (Some("In"), false) => Test::In(values),
        (Some("NotIn"), false) => Test::NotIn(values),
        (Some("Exists"), true) => Test::Exists,
        (Some("DoesNotExist"), true) => Test::Missing,
        (Some("In" | "NotIn"), true) => {
            return Err(shape(
                &at,
                "at least one value is expected with In and NotIn",
            ));
        }
        (Some("Exists" | "DoesNotExist"), false) => {
            return Err(shape(
                &at,
                "no value is expected with Exists and DoesNotExist",
            ));
        }
        _ => {
            return Err(shape(
                &format!("{path}/operator"),
                "In, NotIn, Exists or DoesNotExist is expected",
            ));
        }
    };
    Ok(Requirement { key, test })
}

fn checked_key(path: &str, key: &str) -> Result<Box<str>, SelectorError> {
    if is_key(key) {
        Ok(key.into())
    } else {
        Err(shape(path, &WordError::Key(key.to_owned()).to_string()))
    }
}

fn checked_value(path: &str, value: &Value) -> Result<Box<str>, SelectorError> {
    match value.as_str() {
        Some(text) if is_value(text) => Ok(text.into()),
        Some(text) => Err(shape(path, &WordError::Value(text.to_owned()).to_string())),
        None => Err(shape(path, "a string is expected")),
    }
}

fn shape(path: &str, problem: &str) -> SelectorError {
    SelectorError::Shape {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}
