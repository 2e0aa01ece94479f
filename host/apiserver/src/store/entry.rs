//! One object as it is stored.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Fields;

/// An object in one version: its JSON as it is sent, and what is asked of it without parsing that.
#[derive(Debug)]
pub struct Entry {
    /// `NAMESPACE/NAME`, or `NAME` of a cluster-wide kind. Sorted by bytes, as etcd sorts its keys.
    pub key: Arc<str>,
    /// The revision of the write that made it, which is its resourceVersion.
    pub revision: u64,
    /// Its uid.
    pub uid: Box<str>,
    /// Its labels, by key.
    pub labels: Pairs,
    /// What field selectors may ask for, by name, beside name and namespace.
    pub fields: Fields,
    json: Bytes,
    /// Where the digits of its resourceVersion begin in the JSON.
    version_at: usize,
}

/// How an object goes on after kind and apiVersion.
const METADATA: &[u8] = br#""metadata":{"resourceVersion":""#;

/// Names with values, sorted by name.
pub type Pairs = Box<[(Box<str>, Box<str>)]>;

/// What becomes an [`Entry`] when the store gives it a revision.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The object. Its resourceVersion is overwritten.
    pub object: Map<String, Value>,
    /// See [`Entry::fields`].
    pub fields: Fields,
}

// === impl Entry ===

impl Entry {
    /// An object with that revision.
    #[must_use]
    pub fn new(key: Arc<str>, revision: u64, draft: Draft) -> Self {
        let metadata = draft.object.get("metadata");
        let uid = metadata
            .and_then(|metadata| metadata.get("uid"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let labels = metadata
            .and_then(|metadata| metadata.get("labels"))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())));
        let (json, version_at) = encode(&draft.object, revision);
        Self {
            key,
            revision,
            uid: uid.into(),
            labels: labels.collect(),
            fields: draft.fields,
            json,
            version_at,
        }
    }

    /// The same object in the same version, with other fields for selectors.
    pub(super) fn with_fields(&self, fields: Fields) -> Self {
        Self {
            key: Arc::clone(&self.key),
            revision: self.revision,
            uid: self.uid.clone(),
            labels: self.labels.clone(),
            fields,
            json: self.json.clone(),
            version_at: self.version_at,
        }
    }

    /// The object as JSON, with its resourceVersion.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The object as a tree.
    #[must_use]
    pub fn object(&self) -> Value {
        // What was written by `encode` parses: no tree is stored that is deeper than the parser goes.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// Its namespace, if its kind has them.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.key.split_once('/').map(|(namespace, _)| namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key
            .rsplit_once('/')
            .map_or(&*self.key, |(_, name)| name)
    }

    /// Writes the JSON with another resourceVersion: what a deletion, or leaving a selection, is told with.
    pub fn write_at(&self, revision: u64, out: &mut Vec<u8>) {
        let digits = decimal_length(self.revision);
        let (before, after) = self.json.split_at(self.version_at.min(self.json.len()));
        out.extend_from_slice(before);
        // Writing to memory cannot fail.
        let _ = write!(out, "{revision}");
        out.extend_from_slice(after.get(digits..).unwrap_or_default());
    }

    /// Writes the JSON without kind and apiVersion, as items of a built-in kind's list are.
    pub fn write_untyped(&self, out: &mut Vec<u8>) {
        let from = self.version_at.saturating_sub(METADATA.len());
        out.push(b'{');
        out.extend_from_slice(self.json.get(from..).unwrap_or_default());
    }

    /// About the memory it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let pairs = |pairs: &Pairs| -> usize {
            pairs
                .iter()
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum()
        };
        size_of::<Self>()
            + self.key.len()
            + self.uid.len()
            + self.json.len()
            + pairs(&self.labels)
            + self.fields.weight()
    }
}

/// The value of that name.
#[must_use]
pub fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    let index = pairs
        .binary_search_by(|(known, _)| (**known).cmp(name))
        .ok()?;
    pairs.get(index).map(|(_, value)| &**value)
}

fn decimal_length(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The object as JSON, and where its resourceVersion stands. Kind and metadata come first, so that this place is found without
/// parsing, and because people read it.
fn encode(object: &Map<String, Value>, revision: u64) -> (Bytes, usize) {
    const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];
    let mut out = Vec::with_capacity(1024);
    let write = |out: &mut Vec<u8>, value: &Value| {
        // A tree has string keys, and memory takes everything: this cannot fail.
        let _ = serde_json::to_writer(out, value);
    };
    out.push(b'{');
    for name in ["kind", "apiVersion"] {
        if let Some(value) = object.get(name) {
            let _ = write!(out, "\"{name}\":");
            write(&mut out, value);
            out.push(b',');
        }
    }
    out.extend_from_slice(METADATA);
    let version_at = out.len();
    let _ = write!(out, "{revision}\"");
    let metadata = object.get("metadata").and_then(Value::as_object);
    let metadata = metadata
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "resourceVersion");
    let rest = object
        .iter()
        .filter(|(name, _)| !FIRST.contains(&name.as_str()));
    let member = |out: &mut Vec<u8>, name: &str, value: &Value| {
        out.push(b',');
        let _ = serde_json::to_writer(&mut *out, name);
        out.push(b':');
        write(out, value);
    };
    for (name, value) in metadata {
        member(&mut out, name, value);
    }
    out.push(b'}');
    for (name, value) in rest {
        member(&mut out, name, value);
    }
    out.push(b'}');
    (Bytes::from(out), version_at)
}
