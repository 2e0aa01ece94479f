//! From JSON, by hand: serde's messages name neither the place nor the remedy.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Applies, By, Description, DescriptionError, FactName, MAX_BYTES, MAX_NAME, MAX_RELATED,
    MAX_RELATIONS, MAX_STAGES, Problem, Relation, SCHEMA, Subject,
};
use crate::json::{Path, pointer};
use crate::object::Kind;
use crate::order::{DeclaredOrder, Order};
use crate::selector::{Selector, is_dns_label, is_key};

type Parsed<T> = Result<T, DescriptionError>;

/// A value and where it stands.
struct At<'a> {
    value: &'a Value,
    path: String,
}

/// An object whose members are all known by name.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

static NULL: Value = Value::Null;

pub(super) fn description(text: &str) -> Parsed<Description> {
    if text.len() > MAX_BYTES {
        return Err(DescriptionError::TooLarge(text.len()));
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| DescriptionError::NoJson(error.to_string()))?;
    let root = At {
        value: &value,
        path: String::new(),
    };
    // The version first: what is unknown in another version is no mistake.
    let schema = root.value.get("schema");
    if root.value.is_object() && schema.and_then(Value::as_str) != Some(SCHEMA) {
        let found = schema.map_or_else(|| "missing".to_owned(), Value::to_string);
        return Err(field(
            "/schema",
            format!(
                "is {found}: this host reads {SCHEMA:?}; take a plugin or a host of the other version"
            ),
        ));
    }
    let fields = root.fields(&[
        "schema", "name", "version", "stages", "requires", "applies", "subjects", "problems",
    ])?;
    Ok(Description {
        name: fields.required("name")?.checked(
            |name| name.len() <= MAX_NAME && is_dns_label(name),
            DNS_LABEL,
        )?,
        version: fields.required("version")?.checked(is_version, VERSION)?,
        stages: stages(&fields.required("stages")?)?,
        requires: fields
            .optional("requires")
            .each(|item| item.string().map(str::to_owned))?,
        applies: fields.optional("applies").each(|item| applies(&item))?,
        subjects: fields.required("subjects")?.each(|item| subject(&item))?,
        problems: fields.optional("problems").each(|item| problem(&item))?,
    })
}

const DNS_LABEL: &str = "is no plugin name: write at most 40 lower-case letters, digits and \"-\", beginning and ending with a letter or digit";
const VERSION: &str = "is no version: write at most 63 letters, digits, \".\", \"+\" and \"-\", beginning with a letter or digit, like \"1.2.0\"";
const STAGE: &str = "is no stage name: write at most 63 letters, digits, \".\" and \"-\", beginning with a letter or digit";
const RELATION: &str = "is no relation name: write at most 63 letters, digits, \".\" and \"-\", beginning with a letter or digit";

fn stages(at: &At<'_>) -> Parsed<BTreeSet<String>> {
    let stages: BTreeSet<String> = at
        .each(|item| item.checked(is_stage, STAGE))?
        .into_iter()
        .collect();
    let declared = at.value.as_array().map_or(0, Vec::len);
    if declared > MAX_STAGES || declared == 0 {
        return Err(at.error(format!(
            "has {declared} stages: declare 1 to {MAX_STAGES}, since each is a metric label"
        )));
    }
    if stages.len() < declared {
        return Err(at.error("names a stage twice: write each once"));
    }
    Ok(stages)
}

fn applies(at: &At<'_>) -> Parsed<Applies> {
    let fields = at.fields(&["kind", "adopt"])?;
    Ok(Applies {
        kind: fields.required("kind")?.kind()?,
        adopt: fields.optional("adopt").flag()?,
    })
}

fn problem(at: &At<'_>) -> Parsed<Problem> {
    let fields = at.fields(&["path", "message"])?;
    let text = |name| Ok(fields.required(name)?.string()?.to_owned());
    Ok(Problem {
        path: text("path")?,
        message: text("message")?,
    })
}

fn subject(at: &At<'_>) -> Parsed<Subject> {
    let fields = at.fields(&[
        "kind",
        "selector",
        "reads",
        "since",
        "playReads",
        "writes",
        "facts",
        "relations",
        "order",
    ])?;
    let kind = fields.required("kind")?.kind()?;
    let selector = fields.optional("selector");
    let selector = match selector.value {
        Value::Null => Selector::everything(),
        _ => Selector::parse(selector.string()?).map_err(|error| selector.error(error))?,
    };
    let play_reads = fields.optional("playReads");
    Ok(Subject {
        selector,
        reads: fields.optional("reads").each(|item| item.path())?,
        since: fields.optional("since").each(|item| item.path())?,
        play_reads: if play_reads.value.is_null() {
            None
        } else {
            Some(play_reads.each(|item| item.path())?)
        },
        writes: fields.optional("writes").each(|item| plain_path(&item))?,
        facts: facts(&fields.optional("facts"))?,
        relations: relations(&fields.optional("relations"))?,
        order: order(&fields.optional("order"), &kind)?,
        kind,
    })
}

fn plain_path(at: &At<'_>) -> Parsed<Path> {
    let path = at.path()?;
    if path.has_wildcard() {
        return Err(at.error(format!(
            "{path} has a \"*\", and writes are checked on the trees: name what is above the \"*\""
        )));
    }
    Ok(path)
}

fn facts(at: &At<'_>) -> Parsed<Vec<FactName>> {
    let known = [FactName::Addresses, FactName::Failure];
    let facts: Vec<FactName> = at.each(|item| {
        let name = item.string()?;
        let fact = known.into_iter().find(|fact| fact.as_str() == name);
        fact.ok_or_else(|| {
            item.error(format!(
                "{name:?} is no fact that this host knows: it knows \"addresses\" and \"failure\""
            ))
        })
    })?;
    if facts.iter().collect::<BTreeSet<_>>().len() < facts.len() {
        return Err(at.error("names a fact twice: write each once"));
    }
    Ok(facts)
}

fn relations(at: &At<'_>) -> Parsed<Vec<Relation>> {
    let relations = at.each(|item| relation(&item))?;
    if relations.len() > MAX_RELATIONS {
        return Err(at.error(format!(
            "has {} relations: at most {MAX_RELATIONS} are followed",
            relations.len()
        )));
    }
    let names: BTreeSet<&str> = relations
        .iter()
        .map(|relation| relation.name.as_str())
        .collect();
    if names.len() < relations.len() {
        return Err(at.error("has two relations of one name: it is their key in the context"));
    }
    Ok(relations)
}

fn relation(at: &At<'_>) -> Parsed<Relation> {
    let fields = at.fields(&["name", "kind", "by", "reads", "max"])?;
    let max = fields.optional("max");
    let max = match max.value {
        Value::Null => MAX_RELATED,
        value => {
            let number = value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok());
            let range = format!("is {value}: write a number from 1 to {MAX_RELATED}");
            number
                .filter(|number| (1..=MAX_RELATED).contains(number))
                .ok_or_else(|| max.error(range))?
        }
    };
    Ok(Relation {
        name: fields.required("name")?.checked(is_stage, RELATION)?,
        kind: fields.required("kind")?.kind()?,
        by: by(&fields.required("by")?)?,
        reads: fields.optional("reads").each(|item| item.path())?,
        max,
    })
}

fn by(at: &At<'_>) -> Parsed<By> {
    let fields = at.fields(&["name", "owner", "owned", "label", "value"])?;
    let [name, owner, owned, label, value] =
        ["name", "owner", "owned", "label", "value"].map(|name| fields.optional(name));
    // What is written as null or false is not there.
    let given = |at: &At<'_>| !matches!(at.value, Value::Null | Value::Bool(false));
    match [&name, &owner, &owned, &label, &value].map(given) {
        [true, false, false, false, false] => Ok(By::Name(name.path()?)),
        [false, true, false, false, false] => owner.flag().map(|_| By::Owner),
        [false, false, true, false, false] => owned.flag().map(|_| By::Owned),
        [false, false, false, true, true] => {
            let label = label.checked(is_key, "is no label key: write NAME or DNS-PREFIX/NAME")?;
            Ok(By::Label { label, value: value.path()? })
        }
        _ => Err(at.error("must be exactly one of {\"name\": PATH}, {\"owner\": true}, {\"owned\": true} and {\"label\": KEY, \"value\": PATH}")),
    }
}

fn order(at: &At<'_>, kind: &Kind) -> Parsed<Option<Arc<DeclaredOrder>>> {
    if at.value.is_null() {
        return Ok(None);
    }
    if Order::built_in(kind).is_some() {
        return Err(at.error(format!(
            "must be left out: the host has an order of its own for {kind}"
        )));
    }
    let order = DeclaredOrder::deserialize(at.value).map_err(|error| at.error(error))?;
    order.validate().map_err(|error| at.error(error))?;
    Ok(Some(Arc::new(order)))
}

/// `[A-Za-z0-9][A-Za-z0-9.-]{0,62}`.
fn is_stage(text: &str) -> bool {
    is_word(text, ".-")
}

fn is_version(text: &str) -> bool {
    is_word(text, ".+-")
}

fn is_word(text: &str, others: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || others.contains(char);
    (1..=63).contains(&text.len())
        && text.starts_with(|char: char| char.is_ascii_alphanumeric())
        && text.chars().all(inner)
}

fn field(path: &str, problem: impl Display) -> DescriptionError {
    DescriptionError::Field {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

// === impl At ===

impl<'a> At<'a> {
    fn error(&self, problem: impl Display) -> DescriptionError {
        field(&self.path, problem)
    }

    fn fields(&self, known: &[&str]) -> Parsed<Fields<'a>> {
        let map = self
            .value
            .as_object()
            .ok_or_else(|| self.expected("an object"))?;
        let unknown = map.keys().find(|name| !known.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(field(
                &format!("{}{}", self.path, pointer([name])),
                format!("is unknown: {} are known here", known.join(", ")),
            ));
        }
        Ok(Fields {
            map,
            path: self.path.clone(),
        })
    }

    /// Every item of a list, which may be left out.
    fn each<T>(&self, read: impl Fn(At<'a>) -> Parsed<T>) -> Parsed<Vec<T>> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    read(At {
                        value,
                        path: format!("{}/{index}", self.path),
                    })
                })
                .collect(),
            _ => Err(self.expected("a list")),
        }
    }

    fn string(&self) -> Parsed<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    fn checked(&self, test: impl Fn(&str) -> bool, problem: &str) -> Parsed<String> {
        let text = self.string()?;
        if test(text) {
            Ok(text.to_owned())
        } else {
            Err(self.error(format!("{text:?} {problem}")))
        }
    }

    fn flag(&self) -> Parsed<bool> {
        match self.value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.expected("true or false")),
        }
    }

    fn kind(&self) -> Parsed<Kind> {
        Kind::parse(self.string()?).map_err(|error| self.error(error))
    }

    fn path(&self) -> Parsed<Path> {
        Path::parse(self.string()?).map_err(|error| self.error(error))
    }

    fn expected(&self, what: &str) -> DescriptionError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(format!("is {found}: write {what}"))
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn required(&self, name: &str) -> Parsed<At<'a>> {
        let at = self.optional(name);
        if at.value.is_null() {
            Err(at.error("is missing"))
        } else {
            Ok(at)
        }
    }

    /// Null stands for what is left out.
    fn optional(&self, name: &str) -> At<'a> {
        At {
            value: self.map.get(name).unwrap_or(&NULL),
            path: format!("{}{}", self.path, pointer([name])),
        }
    }
}
