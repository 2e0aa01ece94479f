//! Which objects of a collection are meant: label and field selectors.

use stagewright_core::selector::Selector;

use super::path::Target;
use super::query::Query;
use crate::kinds;
use crate::status::Status;
use crate::store::{Entry, find};

/// A selection of one collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// What keys begin with.
    pub(crate) prefix: String,
    labels: Selector,
    fields: Vec<FieldTest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTest {
    /// As it is kept of objects, once the selector is known to be one of their kind.
    field: Box<str>,
    value: Box<str>,
    /// `=`; otherwise `!=`.
    equal: bool,
}

// === impl Filter ===

impl Filter {
    /// The selection of a list or watch.
    ///
    /// # Errors
    /// 400 for a selector that does not parse or asks for a field that is not indexed, 422 for other options that make no sense.
    pub(crate) fn new(target: &Target, query: &Query) -> Result<Self, Status> {
        let labels = Selector::parse(&query.label_selector).map_err(|error| {
            Status::bad_request(format!("unable to parse requirement: {error}"))
        })?;
        let mut fields = fields(&query.field_selector)?;
        query.check_list()?;
        for test in &mut fields {
            test.field =
                kinds::selected(&target.resource, &test.field).map_err(Status::bad_request)?;
        }
        if let Some(name) = &target.name {
            fields.push(FieldTest {
                field: "metadata.name".into(),
                value: name.clone(),
                equal: true,
            });
        }
        Ok(Self {
            prefix: target.prefix(),
            labels,
            fields,
        })
    }

    /// Whether every object of the namespace is meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_empty()
    }

    /// Whether one object at most is meant, by its name.
    pub(crate) fn is_one_object(&self) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|test| test.equal && &*test.field == "metadata.name")
    }

    /// Whether this object is meant.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        entry.key.starts_with(&self.prefix)
            && self.labels.matches_by(|key| find(&entry.labels, key))
            && self.fields.iter().all(|test| {
                let value = match &*test.field {
                    "metadata.name" => entry.name(),
                    "metadata.namespace" => entry.namespace().unwrap_or_default(),
                    field => entry.fields.get(field).unwrap_or_default(),
                };
                (*test.value == *value) == test.equal
            })
    }
}

fn fields(text: &str) -> Result<Vec<FieldTest>, Status> {
    let mut tests = Vec::new();
    for term in terms(text) {
        tests.push(test(&term).ok_or_else(|| {
            Status::bad_request(format!(
                "invalid selector: '{text}'; can't understand '{term}'"
            ))
        })?);
    }
    Ok(tests)
}

/// The parts between commas; a backslash takes the next character's meaning away.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if character == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = character == '\\' && !escaped;
        if let Some(term) = terms.last_mut() {
            term.push(character);
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

fn test(term: &str) -> Option<FieldTest> {
    let at = term.find('=')?;
    let (before, after) = term.split_at(at);
    let (field, equal) = match before.strip_suffix('!') {
        Some(field) => (field, false),
        None => (before, true),
    };
    let value = after
        .strip_prefix("==")
        .or_else(|| after.strip_prefix('='))?;
    Some(FieldTest {
        field: field.into(),
        value: unescape(value)?.into(),
        equal,
    })
}

fn unescape(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(
                characters
                    .next()
                    .filter(|next| ['\\', ',', '='].contains(next))?,
            ),
            '=' => return None,
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_selectors_are_read_as_kubernetes_reads_them() {
        let read = |text| -> Option<Vec<(String, String, bool)>> {
            terms(text)
                .iter()
                .map(|term| {
                    test(term).map(|test| (test.field.into(), test.value.into(), test.equal))
                })
                .collect()
        };
        let owned = |field: &str, value: &str, equal| (field.to_owned(), value.to_owned(), equal);
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(
            read("a=1,b!=2,c==3,d="),
            Some(vec![
                owned("a", "1", true),
                owned("b", "2", false),
                owned("c", "3", true),
                owned("d", "", true)
            ])
        );
        assert_eq!(read(r"a=x\,y\=z"), Some(vec![owned("a", "x,y=z", true)]));
        assert_eq!(read("a"), None);
        assert_eq!(read(r"a=x\y"), None);
    }
}
