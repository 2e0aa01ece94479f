//! Kinds, keys and immutable snapshots of objects.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A group, version and kind, written as in a description: `v1/Pod`, `batch/v1/Job`. One pointer, since every key has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Arc<Names>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Names {
    api_version: Box<str>,
    kind: Box<str>,
}

/// Why a text is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a kind: write VERSION/KIND or GROUP/VERSION/KIND, like v1/Pod or batch/v1/Job"
)]
pub struct KindError(String);

impl Kind {
    /// `api_version` as in a manifest (`v1`, `batch/v1`).
    #[must_use]
    pub fn new(api_version: &str, kind: &str) -> Self {
        Self(Arc::new(Names {
            api_version: api_version.into(),
            kind: kind.into(),
        }))
    }

    /// Reads `v1/Pod` or `batch/v1/Job`.
    ///
    /// # Errors
    /// If the text has another shape.
    pub fn parse(text: &str) -> Result<Self, KindError> {
        let error = || KindError(text.to_owned());
        let (api_version, kind) = text.rsplit_once('/').ok_or_else(error)?;
        let parts = api_version.split('/').count();
        if kind.is_empty() || parts > 2 || api_version.split('/').any(str::is_empty) {
            return Err(error());
        }
        Ok(Self::new(api_version, kind))
    }

    /// `v1`, `batch/v1`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.0.api_version
    }

    /// The group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The version inside the group.
    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or(self.api_version(), |(_, version)| version)
    }

    /// The kind's own name: `Pod`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Whether this is the kind of that name in the core group's v1.
    #[must_use]
    pub fn is_core(&self, kind: &str) -> bool {
        self.api_version() == "v1" && self.kind() == kind
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where an object is found: kind, namespace (none for cluster-wide kinds) and name. Another object may take its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The namespace; none for cluster-wide kinds.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// A key from its parts.
    #[must_use]
    pub fn new(kind: &Kind, namespace: Option<&str>, name: &str) -> Self {
        Self {
            kind: kind.clone(),
            namespace: namespace.map(Arc::from),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.kind())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An object's uid: the same from its creation to its end, and never another object's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Uid(Arc<str>);

impl Uid {
    /// A uid as the API server wrote it.
    #[must_use]
    pub fn new(uid: &str) -> Self {
        Self(uid.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Uid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resourceVersion, ordered as a number within one kind (KEP-5504, stable in 1.35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ResourceVersion(u64);

impl ResourceVersion {
    /// A decimal without a leading zero, never `0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        canonical.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a body is not an object that can be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {field} is {problem}")]
pub struct ObjectError {
    /// Kind and name as far as they are known.
    pub key: String,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// One version of one object, whole but for `metadata.managedFields`, which decides nothing and weighs the most.
#[derive(Debug, Clone)]
pub struct Snapshot {
    key: Key,
    uid: Uid,
    version: ResourceVersion,
    body: Arc<Value>,
}

impl Snapshot {
    /// Takes an object as the API server sent it. List items lack `apiVersion` and `kind`; they are filled in.
    ///
    /// # Errors
    /// If name, uid or resourceVersion are missing or malformed.
    pub fn parse(kind: &Kind, mut body: Value) -> Result<Self, ObjectError> {
        let name = string(&body, "name").unwrap_or_default().to_owned();
        let error = |field, problem: &str| ObjectError {
            key: format!("{} {name:?}", kind.kind()),
            field,
            problem: problem.to_owned(),
        };
        if name.is_empty() {
            return Err(error("metadata.name", "missing"));
        }
        let namespace = string(&body, "namespace").filter(|namespace| !namespace.is_empty());
        let key = Key::new(kind, namespace, &name);
        let uid = string(&body, "uid")
            .filter(|uid| !uid.is_empty())
            .ok_or_else(|| error("metadata.uid", "missing"))?;
        let uid = Uid::new(uid);
        let version = string(&body, "resourceVersion")
            .ok_or_else(|| error("metadata.resourceVersion", "missing"))?;
        let version = ResourceVersion::parse(version).ok_or_else(|| {
            error(
                "metadata.resourceVersion",
                "not a decimal number, so versions cannot be compared",
            )
        })?;
        if let Some(object) = body.as_object_mut() {
            object.insert("apiVersion".into(), kind.api_version().into());
            object.insert("kind".into(), kind.kind().into());
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        Ok(Self {
            key,
            uid,
            version,
            body: Arc::new(body),
        })
    }

    /// An object of which only the declared reads are at hand, as JSON text ([`crate::json::prune`] keeps its identity).
    #[must_use]
    pub fn cut(key: &Key, uid: &Uid, version: ResourceVersion, reads: &str) -> Option<Self> {
        let body = serde_json::from_str(reads).ok()?;
        Some(Self::restore(
            key.clone(),
            uid.clone(),
            version,
            Arc::new(body),
        ))
    }

    /// A snapshot put together again from what was kept of a parsed one.
    pub(crate) fn restore(key: Key, uid: Uid, version: ResourceVersion, body: Arc<Value>) -> Self {
        Self {
            key,
            uid,
            version,
            body,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Which object it is.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// Which version of it.
    #[must_use]
    pub fn version(&self) -> ResourceVersion {
        self.version
    }

    /// The whole object, without managedFields.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The body, shared.
    #[must_use]
    pub fn shared_body(&self) -> Arc<Value> {
        Arc::clone(&self.body)
    }

    /// Whether deletion was requested.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        string(&self.body, "deletionTimestamp").is_some()
    }
}

/// A string below `metadata`.
fn string<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get("metadata")?.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({"metadata": {"name": "web", "namespace": "default", "uid": "u-1", "resourceVersion": "12",
            "managedFields": [{"manager": "kubectl"}]}, "status": {"phase": "Pending"}})
    }

    #[test]
    fn a_list_item_becomes_a_whole_object_without_managed_fields() {
        let snapshot = Snapshot::parse(&Kind::new("v1", "Pod"), pod()).unwrap();
        assert_eq!(snapshot.key().to_string(), "Pod default/web");
        assert_eq!(snapshot.body()["apiVersion"], "v1");
        assert_eq!(snapshot.body()["kind"], "Pod");
        assert_eq!(snapshot.body()["metadata"].get("managedFields"), None);
    }

    #[test]
    fn what_cannot_be_followed_names_its_field() {
        for (field, value) in [
            ("name", json!(null)),
            ("uid", json!("")),
            ("resourceVersion", json!("abc")),
            ("resourceVersion", json!("0")),
        ] {
            let mut body = pod();
            body["metadata"][field] = value;
            let error = Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap_err();
            assert_eq!(error.field, format!("metadata.{field}"));
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(ResourceVersion::parse("9") < ResourceVersion::parse("10"));
        assert_eq!(ResourceVersion::parse("010"), None);
        assert_eq!(ResourceVersion::parse("-1"), None);
    }

    #[test]
    fn kinds_are_read_as_descriptions_write_them() {
        let job = Kind::parse("batch/v1/Job").unwrap();
        assert_eq!(
            (job.group(), job.version(), job.kind()),
            ("batch", "v1", "Job")
        );
        assert!(Kind::parse("v1/Pod").unwrap().is_core("Pod"));
        for text in ["Pod", "/Pod", "v1/", "a/b/c/d", "//Pod"] {
            assert!(Kind::parse(text).is_err(), "{text:?}");
        }
    }
}
