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
    places: Places,
}

/// Where in an object's JSON something stands that is read or left out without parsing the rest.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    /// The digits of the resourceVersion begin here.
    version: usize,
    /// The member `managedFields`, with the comma before it, begins here.
    managed: usize,
    /// What is behind that begins here; the same place if there is none.
    behind: usize,
}

/// How an object goes on after kind and apiVersion.
const METADATA: &[u8] = br#""metadata":{"resourceVersion":""#;

/// How the list of who owns which field begins.
const MANAGED: &str = r#","managedFields":"#;

/// Names with values, sorted by name.
pub type Pairs = Box<[(Box<str>, Box<str>)]>;

/// What becomes an [`Entry`] when the store gives it a revision.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The object. Its resourceVersion is overwritten.
    pub object: Map<String, Value>,
    /// See [`Entry::fields`].
    pub fields: Fields,
    /// Its `metadata.managedFields` as JSON, if the object is without.
    pub managed: Option<Box<str>>,
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
        let (json, places) = encode(&draft.object, draft.managed.as_deref(), revision);
        Self {
            key,
            revision,
            uid: uid.into(),
            labels: labels.collect(),
            fields: draft.fields,
            json,
            places,
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
            places: self.places,
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

    /// The object as a tree, without `metadata.managedFields`, which may be most of it.
    #[must_use]
    pub fn lean(&self) -> Value {
        let Places {
            managed, behind, ..
        } = self.places;
        if managed == behind {
            return self.object();
        }
        let part = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
        let mut json = part(self.json.get(..managed));
        json.extend(part(self.json.get(behind..)));
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Its `metadata.managedFields` as JSON.
    #[must_use]
    pub fn managed(&self) -> Option<&str> {
        let json = self.json.get(self.places.managed..self.places.behind)?;
        std::str::from_utf8(json).ok()?.strip_prefix(MANAGED)
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
        let (before, after) = self.json.split_at(self.places.version.min(self.json.len()));
        out.extend_from_slice(before);
        // Writing to memory cannot fail.
        let _ = write!(out, "{revision}");
        out.extend_from_slice(after.get(digits..).unwrap_or_default());
    }

    /// Writes the JSON without kind and apiVersion, as items of a built-in kind's list are.
    pub fn write_untyped(&self, out: &mut Vec<u8>) {
        let from = self.places.version.saturating_sub(METADATA.len());
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

/// The object as JSON, and where things stand in it. Kind and metadata come first, so that these places are found without parsing,
/// and because people read it.
fn encode(object: &Map<String, Value>, managed: Option<&str>, revision: u64) -> (Bytes, Places) {
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
    let version = out.len();
    let _ = write!(out, "{revision}\"");
    let metadata = object.get("metadata").and_then(Value::as_object);
    let metadata = metadata
        .into_iter()
        .flatten()
        .filter(|(name, _)| !["resourceVersion", "managedFields"].contains(&name.as_str()));
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
    let before = out.len();
    let inside = object
        .get("metadata")
        .and_then(|metadata| metadata.get("managedFields"));
    match (managed, inside) {
        (Some(managed), _) => {
            out.extend_from_slice(MANAGED.as_bytes());
            out.extend_from_slice(managed.as_bytes());
        }
        (None, Some(value)) => member(&mut out, "managedFields", value),
        (None, None) => {}
    }
    let places = Places {
        version,
        managed: before,
        behind: out.len(),
    };
    out.push(b'}');
    for (name, value) in rest {
        member(&mut out, name, value);
    }
    out.push(b'}');
    (Bytes::from(out), places)
}
