//! Answers, and how they are written.

use std::io::Write as _;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::media::{Shape, View};
use crate::body::Body;
use crate::kinds::{self, Resource, Warning};
use crate::status::Status;
use crate::store::Entry;
use crate::watch::Watch;

/// What a verb came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The object as it is stored.
    Entry(u16, Arc<Entry>),
    /// An object that is not stored so: in the request's version, with its resourceVersion.
    Object(u16, Value),
    /// A document that is sent as it is, whatever view was asked for.
    Document(u16, Value),
    /// Several objects.
    List(List),
    /// No object.
    Status(Status),
    /// What is yet to come.
    Watch(Box<Watch>),
}

/// Several objects, as they were at one revision.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) revision: u64,
    /// Where it goes on.
    pub(crate) continue_token: Option<String>,
    /// How many more there are, if that is known.
    pub(crate) remaining: Option<usize>,
}

/// How the objects of a kind are shown.
#[derive(Debug, Clone)]
pub(crate) struct Presentation {
    pub(crate) resource: Arc<Resource>,
    pub(crate) shape: Shape,
    /// What a Table's rows carry: `None`, `Metadata` (or nothing), `Object`.
    pub(crate) include: Box<str>,
    pub(crate) now: Time,
}

// === impl Answer ===

impl Answer {
    /// The answer as it is sent.
    pub(crate) fn into_response(
        self,
        presentation: &Presentation,
        warnings: &[Warning],
    ) -> Response<Body> {
        let (code, bytes) = match self {
            Self::Entry(code, entry) => (code, presentation.entry(&entry)),
            Self::Object(code, value) => (code, to_bytes(&presentation.object(value))),
            Self::Document(code, value) => (code, to_bytes(&value)),
            Self::List(list) => (200, presentation.list(&list)),
            Self::Status(status) => return respond_status(&status, presentation.shape.yaml),
            Self::Watch(watch) => return respond(200, "application/json", Body::Watch(watch)),
        };
        let mut response = in_media(code, bytes, presentation.shape.yaml);
        warn(&mut response, warnings);
        response
    }
}

// === impl Presentation ===

impl Presentation {
    /// Whether stored bytes are what is wanted.
    pub(crate) fn is_stored_form(&self) -> bool {
        let revised = self
            .resource
            .definition
            .as_ref()
            .is_some_and(|known| known.is_revised());
        self.shape.view == View::Object
            && !revised
            && *self.resource.stored_api_version == *self.resource.api_version()
    }

    fn entry(&self, entry: &Entry) -> Vec<u8> {
        if self.is_stored_form() {
            return entry.json().to_vec();
        }
        to_bytes(&self.object(self.converted(entry.object())))
    }

    /// A stored object in the version that was asked for.
    pub(crate) fn converted(&self, mut object: Value) -> Value {
        let api_version = self.resource.api_version();
        if *self.resource.stored_api_version != *api_version {
            kinds::convert(&mut object, &api_version);
        }
        if let Some(definition) = &self.resource.definition {
            definition.show(&mut object);
        }
        object
    }

    /// An object as it is wanted.
    pub(crate) fn object(&self, object: Value) -> Value {
        match self.shape.view {
            View::Object => object,
            View::Partial => partial(&object),
            View::Table => {
                let version = object
                    .pointer("/metadata/resourceVersion")
                    .cloned()
                    .unwrap_or_default();
                self.table(vec![object], json!({"resourceVersion": version}))
            }
        }
    }

    fn table(&self, objects: Vec<Value>, metadata: Value) -> Value {
        let mut table = kinds::table(&self.resource, &objects, self.now);
        let rows = table.get_mut("rows").and_then(Value::as_array_mut);
        for (row, object) in rows.into_iter().flatten().zip(objects) {
            let shown = match &*self.include {
                "None" => continue,
                "Object" => object,
                _ => partial(&object),
            };
            if let Some(row) = row.as_object_mut() {
                row.insert("object".to_owned(), shown);
            }
        }
        if let Some(table) = table.as_object_mut() {
            table.insert("kind".to_owned(), json!("Table"));
            table.insert("apiVersion".to_owned(), json!("meta.k8s.io/v1"));
            table.insert("metadata".to_owned(), metadata);
        }
        table
    }

    fn list(&self, list: &List) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": list.revision.to_string()});
        if let (true, None, Some(map)) = (
            self.resource.custom && self.shape.view == View::Object,
            &list.continue_token,
            metadata.as_object_mut(),
        ) {
            map.insert("continue".to_owned(), json!(""));
        }
        if let (Some(token), Some(map)) = (&list.continue_token, metadata.as_object_mut()) {
            map.insert("continue".to_owned(), json!(token));
            if let Some(remaining) = list.remaining {
                map.insert("remainingItemCount".to_owned(), json!(remaining));
            }
        }
        if self.shape.view == View::Table {
            let objects = list
                .entries
                .iter()
                .map(|entry| self.converted(entry.object()))
                .collect();
            return to_bytes(&self.table(objects, metadata));
        }
        let (kind, api_version) = match self.shape.view {
            View::Partial => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
            _ => (&*self.resource.list_kind, self.resource.api_version()),
        };
        let weight: usize = list
            .entries
            .iter()
            .map(|entry| entry.json().len() + 1)
            .sum();
        let mut out = Vec::with_capacity(weight + 256);
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":["
        );
        for (index, entry) in list.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.item(entry, &mut out);
        }
        out.extend_from_slice(b"]}\n");
        out
    }

    /// An object inside a list. Built-in kinds do not repeat there what they are, as their Go types do not.
    fn item(&self, entry: &Entry, out: &mut Vec<u8>) {
        match (self.is_stored_form(), self.resource.custom) {
            (true, true) => out.extend_from_slice(entry.json()),
            (true, false) => entry.write_untyped(out),
            (false, custom) => {
                let mut object = self.object(self.converted(entry.object()));
                if let (false, View::Object, Some(map)) =
                    (custom, self.shape.view, object.as_object_mut())
                {
                    map.remove("kind");
                    map.remove("apiVersion");
                }
                let _ = serde_json::to_writer(out, &object);
            }
        }
    }
}

fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

fn to_bytes(value: &Value) -> Vec<u8> {
    // A tree has string keys: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

// === responses ===

/// Adds the `Warning:` headers.
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[Warning]) {
    for Warning(text) in warnings {
        let quoted = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace(['\n', '\r'], " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// A Status as an answer.
pub(crate) fn respond_status(status: &Status, yaml: bool) -> Response<Body> {
    let code = status.http_code();
    let mut response = in_media(code, serde_json::to_vec(status).unwrap_or_default(), yaml);
    let seconds = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn in_media(code: u16, json: Vec<u8>, yaml: bool) -> Response<Body> {
    if !yaml {
        return respond(code, "application/json", json.into());
    }
    let value: Value = serde_json::from_slice(&json).unwrap_or_default();
    // A tree of strings, numbers, arrays and maps has a form in YAML.
    let text = serde_saphyr::to_string(&value).unwrap_or_default();
    respond(code, "application/yaml", text.into_bytes().into())
}

/// An answer of any media type.
pub(crate) fn respond(code: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// The head that every answer has: who looks at our time (kube-rs users, the engine) finds it here, not on the machine.
pub(crate) fn stamp(mut response: Response<Body>, now: Time) -> Response<Body> {
    let time = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let date = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(DATE, date);
    }
    response
}
