//! Requests and answers: what Kubernetes' REST API says, on top of the store.

mod answer;
mod definitions;
mod delete;
mod dependents;
mod media;
mod metadata;
mod namespaces;
mod owners;
mod patch;
mod path;
mod pods;
mod query;
mod read;
mod select;
mod subresource;
mod token;
mod update;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use stagewright_core::time::Time;

pub(crate) use self::answer::Presentation;
use self::answer::{Answer, respond, respond_status, stamp, warn};
use self::media::Shape;
pub(crate) use self::media::collect;
pub(crate) use self::namespaces::create_namespaces;
use self::path::{Route, Target};
use self::query::Query;
pub(crate) use self::select::Filter;
use crate::body::Body;
use crate::kinds::{self, AdmitContext, Warning};
use crate::server::Shared;
use crate::status::Status;

/// One request to a resource.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) shape: Shape,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) now: Time,
    /// Whether the body is a change, and not the object.
    is_patch: bool,
}

/// Answers a request.
pub(crate) fn handle(shared: &Arc<Shared>, request: Request<Bytes>) -> Response<Body> {
    let now = shared.clock.now();
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let response = match path {
        "/livez" | "/readyz" | "/healthz" => text("ok"),
        "/version" => respond(
            200,
            "application/json",
            version().to_string().into_bytes().into(),
        ),
        _ => {
            let route = path::route(&shared.catalog.read(), path);
            match route {
                // Groups that definitions make are asked for by another part of the real server, which answers so.
                Err(status)
                    if status.code == 404 && status.is_nowhere() && is_custom(shared, path) =>
                {
                    not_found()
                }
                Ok(Route::Resource(target)) if !target.takes(&head.method) => not_found(),
                Ok(Route::Discovery) => discover(shared, path, &head.headers),
                Ok(Route::Resource(target)) => resource(shared, target, &head, &body, now),
                Err(status) => respond_status(&status, false),
            }
        }
    };
    stamp(response, now)
}

/// Answers with an error that was found before the request was read.
pub(crate) fn refuse(shared: &Shared, status: &Status) -> Response<Body> {
    stamp(respond_status(status, false), shared.clock.now())
}

fn resource(
    shared: &Arc<Shared>,
    target: Target,
    head: &http::request::Parts,
    body: &Bytes,
    now: Time,
) -> Response<Body> {
    let asked = media::accepted(&head.headers)
        .and_then(|shape| Ok((shape, Query::parse(head.uri.query().unwrap_or_default())?)));
    let (shape, query) = match asked {
        Ok(asked) => asked,
        Err(status) => return respond_status(&status, false),
    };
    let mut call = Call {
        shared,
        target,
        query,
        shape,
        headers: &head.headers,
        body,
        warnings: Vec::new(),
        now,
        is_patch: head.method == Method::PATCH,
    };
    if let Some(warning) = call
        .target
        .resource
        .definition
        .as_ref()
        .and_then(|known| known.warning())
    {
        call.warnings.push(Warning(warning.to_owned()));
    }
    match call.verb(&head.method) {
        Ok(answer) => answer.into_response(&call.presentation(), &call.warnings),
        Err(status) => {
            let mut response = respond_status(&status, shape.yaml);
            warn(&mut response, &call.warnings);
            response
        }
    }
}

fn discover(shared: &Shared, path: &str, headers: &HeaderMap) -> Response<Body> {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match kinds::discovery(&shared.catalog.read(), path, accept) {
        Some(found) => respond(200, found.content_type, found.body.into()),
        None => not_found(),
    }
}

fn not_found() -> Response<Body> {
    respond(
        404,
        "text/plain; charset=utf-8",
        b"404 page not found\n".to_vec().into(),
    )
}

/// Whether no built-in kind is served in the path's group.
fn is_custom(shared: &Shared, path: &str) -> bool {
    let group = path
        .strip_prefix("/apis/")
        .and_then(|rest| rest.split('/').next());
    group.is_some_and(|group| !shared.catalog.read().is_builtin(group))
}

fn text(text: &'static str) -> Response<Body> {
    respond(
        200,
        "text/plain; charset=utf-8",
        Bytes::from_static(text.as_bytes()).into(),
    )
}

/// What the server says it is: the Kubernetes whose API it follows.
fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": concat!("v1.36.3-stagewright.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

// === impl Call ===

impl Call<'_> {
    fn verb(&mut self, method: &Method) -> Result<Answer, Status> {
        // A namespaced kind takes no write without a namespace.
        let placed = self.target.namespace.is_some() || !self.target.resource.namespaced;
        let named = self.target.name.is_some();
        if self.target.subresource.is_some() {
            return self.subresource(method);
        }
        match (method.as_str(), named) {
            ("GET", _) if self.query.watch => self.watch(),
            ("GET", true) => self.get(),
            ("GET", false) => self.list(),
            ("POST", false) if placed => self.create(),
            ("PUT", true) => self.replace(),
            ("PATCH", true) => self.patch(),
            ("DELETE", true) => self.delete(),
            ("DELETE", false) if placed && self.target.resource.allows("deletecollection") => {
                self.delete_collection()
            }
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// How the objects of this request are shown.
    pub(crate) fn presentation(&self) -> Presentation {
        Presentation {
            resource: Arc::clone(&self.target.resource),
            shape: self.shape,
            include: self.query.include_object.as_str().into(),
            now: self.now,
        }
    }

    fn admit_context(&self) -> AdmitContext {
        AdmitContext {
            now: self.now,
            field_validation: self.query.validation(),
            is_patch: self.is_patch,
        }
    }
}
