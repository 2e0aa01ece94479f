//! One event as one line of JSON.

use serde_json::{Value, json};

use crate::rest::Presentation;
use crate::status::Status;
use crate::store::Entry;

/// What happened to an object, as far as this watch can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// Writes events in the form that was asked for.
#[derive(Debug)]
pub(super) struct Frames {
    presentation: Presentation,
    /// Whether an object was shown: only the first row of a Table comes with columns.
    columns_told: bool,
}

// === impl Frames ===

impl Frames {
    pub(super) fn new(presentation: Presentation) -> Self {
        Self {
            presentation,
            columns_told: false,
        }
    }

    /// An event about an object, which has this revision in it. Stored bytes go as they are.
    pub(super) fn event(
        &mut self,
        out: &mut Vec<u8>,
        change: Change,
        entry: &Entry,
        revision: u64,
    ) {
        let kind = match change {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        };
        open(out, kind);
        if !self.presentation.is_stored_form() {
            let mut object = self.presentation.converted(entry.object());
            set_revision(&mut object, revision);
            let shown = self.shown(object);
            write(out, &shown);
        } else if revision == entry.revision {
            out.extend_from_slice(entry.json());
        } else {
            entry.write_at(revision, out);
        }
        out.extend_from_slice(b"}\n");
    }

    /// A bookmark: everything up to this revision is told.
    pub(super) fn bookmark(&mut self, out: &mut Vec<u8>, revision: u64, initial_end: bool) {
        let resource = &self.presentation.resource;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end && let Some(map) = metadata.as_object_mut() {
            map.insert(
                "annotations".to_owned(),
                json!({"k8s.io/initial-events-end": "true"}),
            );
        }
        let object = json!({"kind": *resource.kind, "apiVersion": resource.api_version(), "metadata": metadata});
        let shown = self.shown(object);
        open(out, "BOOKMARK");
        write(out, &shown);
        out.extend_from_slice(b"}\n");
    }

    /// The watch goes no further.
    pub(super) fn error(&self, out: &mut Vec<u8>, status: &Status) {
        open(out, "ERROR");
        // Text and numbers: this cannot fail.
        let _ = serde_json::to_writer(&mut *out, status);
        out.extend_from_slice(b"}\n");
    }

    fn shown(&mut self, object: Value) -> Value {
        let mut shown = self.presentation.object(object);
        let columns = shown.get_mut("columnDefinitions");
        if let (true, Some(columns)) = (self.columns_told, columns) {
            *columns = Value::Null;
        }
        self.columns_told = true;
        shown
    }
}

fn open(out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
}

fn write(out: &mut Vec<u8>, value: &Value) {
    // A tree has string keys: this cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
}

fn set_revision(object: &mut Value, revision: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
    }
}
