//! One version of an object, for machines and for people.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::scenario::{phase, text};

/// One version.
#[derive(Debug, Clone)]
pub struct Version {
    /// When it was written, since the world began.
    pub at: Duration,
    /// Its resourceVersion.
    pub rv: u64,
    /// The object's kind.
    pub kind: &'static str,
    /// `KIND NAMESPACE/NAME`.
    pub key: String,
    /// The object's uid.
    pub uid: String,
    /// Who wrote it.
    pub by: Arc<str>,
    /// Method and path of the request.
    pub what: Arc<str>,
    /// The watch's event.
    pub line: Bytes,
    /// Whether the object went.
    pub gone: bool,
}

// === impl Version ===

impl Version {
    /// The object, but for its version and the times that it beats with.
    #[must_use]
    pub fn without_heartbeats(&self) -> Option<Value> {
        let (mut object, _) = event(&self.line)?;
        let metadata = object.get_mut("metadata")?.as_object_mut()?;
        metadata.remove("resourceVersion");
        // They have the time of the write.
        metadata.remove("managedFields");
        let conditions = object.pointer_mut("/status/conditions")?.as_array_mut()?;
        for condition in conditions {
            condition.as_object_mut()?.remove("lastHeartbeatTime");
        }
        Some(object)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((object, _)) = event(&self.line) else {
            return write!(f, "{:?}", self.line);
        };
        let uid = self.uid.get(..8).unwrap_or(&self.uid);
        let (at, gone) = (self.at.as_secs_f64(), if self.gone { " GONE" } else { "" });
        write!(
            f,
            "{at:9.3}s rv {:<5} {uid} {:<12} {:<50}{gone} {}",
            self.rv,
            self.by,
            self.what,
            brief(&object)
        )
    }
}

/// The parts of an object that move.
fn brief(object: &Value) -> String {
    let mut shown = phase(object).to_owned();
    let deletion = text(object, "/metadata/deletionTimestamp");
    if !deletion.is_empty() {
        let _ = write!(shown, " deleting by {deletion}");
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        let statuses = object.pointer(&format!("/status/{list}"));
        for status in statuses.and_then(Value::as_array).into_iter().flatten() {
            let state = status.get("state").and_then(Value::as_object);
            let state = state.and_then(|state| state.keys().next());
            let _ = write!(
                shown,
                " {}:{}#{}",
                text(status, "/name"),
                state.map_or("none", String::as_str),
                status.get("restartCount").unwrap_or(&Value::Null)
            );
        }
    }
    for field in ["/spec/holderIdentity", "/spec/renewTime", "/data"] {
        if let Some(value) = object.pointer(field) {
            let _ = write!(shown, " {value}");
        }
    }
    shown
}

/// `KIND NAMESPACE/NAME`, or `KIND NAME`.
#[must_use]
pub fn key(kind: &str, object: &Value) -> String {
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {}", text(object, "/metadata/name")),
        namespace => format!("{kind} {namespace}/{}", text(object, "/metadata/name")),
    }
}

/// The object of a watch's event, and whether it went with it.
#[must_use]
pub fn event(line: &[u8]) -> Option<(Value, bool)> {
    let mut event: Value = serde_json::from_slice(line).ok()?;
    let gone = match event.get("type")?.as_str()? {
        "ADDED" | "MODIFIED" => false,
        "DELETED" => true,
        _ => return None,
    };
    Some((event.get_mut("object")?.take(), gone))
}
