//! Whether the server stored what was meant.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::json::At as _;
use crate::json::{changed_pointers, equal, pointer};
use crate::object::{Key, ResourceVersion, Snapshot};
use crate::time::Time;

/// What the server made of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Took {
    /// As meant, to the letter.
    Stored,
    /// As meant, in the server's words: defaults filled in, amounts and times written its own way.
    Normalised(Unheeded),
    /// But for these pointers: pruned, or rewritten by admission.
    Partly(Vec<String>, Unheeded),
    /// Nothing of it: the same would come of a repetition.
    WithoutEffect,
}

/// What the server was asked for and wrote otherwise: a digest of each place with the value that was wanted there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unheeded(Vec<u64>);

/// What a write was meant to make.
#[derive(Debug)]
pub(super) struct Meant {
    before: Arc<Value>,
    after: Value,
    /// The version that was written to; none for a creation.
    version: Option<ResourceVersion>,
    /// The pointers at which the two differ, once somebody has asked.
    changes: OnceLock<Vec<String>>,
}

// === impl Meant ===

impl Meant {
    pub(super) fn new(before: Arc<Value>, after: Value, version: Option<ResourceVersion>) -> Self {
        Self {
            before,
            after,
            version,
            changes: OnceLock::new(),
        }
    }

    fn changes(&self) -> &[String] {
        self.changes.get_or_init(|| {
            let changes = changed_pointers(&self.before, &self.after);
            changes.iter().map(pointer).collect()
        })
    }

    /// Whether it asks for nothing but what was not heeded before.
    pub(super) fn repeats(&self, key: &Key, unheeded: &Unheeded) -> bool {
        let mut wishes = self.changes().iter().map(|at| self.wish(key, at));
        !unheeded.0.is_empty() && wishes.all(|wish| unheeded.0.contains(&wish))
    }

    fn wish(&self, key: &Key, at: &str) -> u64 {
        let wanted = self.after.at(at).map(ToString::to_string);
        xxh3_64(format!("{key}\n{at}\n{}", wanted.unwrap_or_default()).as_bytes())
    }

    /// Compares where we changed something; the rest is the server's.
    pub(super) fn took(&self, key: &Key, response: &Snapshot) -> Took {
        if self.version == Some(response.version()) {
            return Took::WithoutEffect;
        }
        let (mut differing, mut moved, mut unheeded) = (Vec::new(), false, Unheeded::default());
        for at in self.changes() {
            let [was, wanted, is] =
                [&*self.before, &self.after, response.body()].map(|tree| tree.at(at));
            moved |= !same(was, is);
            if !same(wanted, is) {
                unheeded.0.push(self.wish(key, at));
            }
            if !is_stored(wanted, is) {
                differing.push(at.clone());
            }
        }
        match (differing.is_empty(), moved) {
            (true, _) if unheeded.0.is_empty() => Took::Stored,
            (true, _) => Took::Normalised(unheeded),
            (false, true) => Took::Partly(differing, unheeded),
            (false, false) => Took::WithoutEffect,
        }
    }
}

// === impl Unheeded ===

impl Unheeded {
    /// Adds what was not heeded elsewhere.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => equal(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// Whether what stands there is what was wanted. The server adds defaults, leaves out what is empty, and writes quantities and
/// times its own way.
fn is_stored(wanted: Option<&Value>, is: Option<&Value>) -> bool {
    let (wanted, is) = (wanted.unwrap_or(&Value::Null), is.unwrap_or(&Value::Null));
    match (wanted, is) {
        (_, Value::Null) => is_zero(wanted),
        (Value::Null, is) => is_zero(is),
        (Value::Object(wanted), Value::Object(is)) => wanted
            .iter()
            .all(|(name, wanted)| is_stored(Some(wanted), is.get(name))),
        (Value::Array(wanted), Value::Array(is)) => {
            wanted.len() == is.len()
                && wanted
                    .iter()
                    .zip(is)
                    .all(|(wanted, is)| is_stored(Some(wanted), Some(is)))
        }
        (Value::String(wanted), Value::String(is)) => {
            let instant =
                || Time::parse(wanted).is_some_and(|instant| Time::parse(is) == Some(instant));
            let quantity = || quantity(wanted).is_some_and(|amount| quantity(is) == Some(amount));
            wanted == is || instant() || quantity()
        }
        (wanted, is) => equal(wanted, is),
    }
}

/// What Go leaves out with `omitempty`.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
    }
}

/// An amount as `resource.Quantity` reads it: `500m` is `0.5`, `1024Mi` is `1Gi`.
fn quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let suffix = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (amount, factor) = suffix.unwrap_or((text, 1.0));
    let digits = amount
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    digits
        .then(|| amount.parse::<f64>().ok())
        .flatten()
        .map(|amount| amount * factor)
}
