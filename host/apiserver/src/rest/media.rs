//! Media types: what a body is written in, and how an answer is wanted.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

use crate::kinds::{self, ProtobufError};
use crate::status::Status;

/// The longest body, as the real server has it.
const MAX_BODY: usize = 3 << 20;
/// What answers are written in.
const SPOKEN: &str = "application/json, application/yaml";

/// What Go's clients send built-in kinds in.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// What bodies are read in.
const READ: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What is made of objects before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// They go as they are.
    Object,
    /// `meta.k8s.io/v1` Table.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata.
    Partial,
}

/// How an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) view: View,
    pub(crate) yaml: bool,
}

/// Reads `Accept`: the first media type that is spoken here has it.
///
/// # Errors
/// 406 if there is none.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<Shape, Status> {
    let plain = Shape {
        view: View::Object,
        yaml: false,
    };
    let mut clauses = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
        .peekable();
    if clauses.peek().is_none() {
        return Ok(plain);
    }
    clauses
        .find_map(shape)
        .ok_or_else(|| Status::not_acceptable(SPOKEN))
}

fn shape(clause: &str) -> Option<Shape> {
    let mut parts = clause.split(';').map(str::trim);
    let yaml = match parts.next()? {
        "application/json" | "application/*" | "*/*" => false,
        "application/yaml" => true,
        _ => return None,
    };
    let mut view = View::Object;
    let mut version = "v1";
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("as", "Table")) => view = View::Table,
            Some(("as", "PartialObjectMetadata" | "PartialObjectMetadataList")) => {
                view = View::Partial
            }
            Some(("as", _)) => return None,
            Some(("v", wanted)) => version = wanted,
            _ => {}
        }
    }
    let known = view == View::Object || ["v1", "v1beta1"].contains(&version);
    known.then_some(Shape { view, yaml })
}

/// The media type of the body, without its parameters; empty if none is given.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads a body as a tree. `what` is the kind that is expected, for the error.
///
/// # Errors
/// 415 for another media type, 400 for what does not parse.
pub(crate) fn decode(headers: &HeaderMap, body: &[u8], what: &str) -> Result<Value, Status> {
    match content_type(headers) {
        "" | "application/json" => parse(body, false, what),
        "application/yaml" => parse(body, true, what),
        PROTOBUF => kinds::from_protobuf(body).map_err(|error| match error {
            ProtobufError::Unknown(_) => Status::unsupported_media_type(SPOKEN),
            ProtobufError::Broken(_) => unrecognized(what, &error),
        }),
        _ => Err(Status::unsupported_media_type(READ)),
    }
}

/// Reads JSON or YAML.
///
/// # Errors
/// 400 for what is neither.
pub(crate) fn parse(body: &[u8], yaml: bool, what: &str) -> Result<Value, Status> {
    let parsed = if yaml {
        parse_yaml(body)
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    };
    parsed.map_err(|error| unrecognized(what, &error))
}

/// Reads YAML.
///
/// # Errors
/// Why it is none.
pub(crate) fn parse_yaml(body: &[u8]) -> Result<Value, String> {
    serde_saphyr::from_slice(body).map_err(|error| error.to_string())
}

fn unrecognized(what: &str, error: &dyn std::fmt::Display) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {what}): {error}"
    ))
}

/// All of a body, if it is not too long.
///
/// # Errors
/// 413 if it is; 400 if it breaks off.
pub(crate) async fn collect<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body,
    B::Error: std::fmt::Display + Send + Sync + 'static,
{
    match Limited::new(body.map_err(|error| Broken(error.to_string())), MAX_BODY)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Status::too_large(MAX_BODY)),
        Err(error) => Err(Status::bad_request(format!("the body broke off: {error}"))),
    }
}

/// The error of a body, as one type for all bodies.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);
