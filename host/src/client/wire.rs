//! Requests as bytes: the body of an object goes to the server, and comes from it, without being taken apart in between.

#![expect(
    clippy::disallowed_methods,
    reason = "the one way out; who may write is ruled by who may call `write`"
)]

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::core::ApiResource;
use serde::Deserialize;

/// Who writes, in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "stagewright";

/// The server's answer, whatever it says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The code.
    pub status: StatusCode,
    /// The server's wish for a pause.
    pub retry_after: Option<Duration>,
    /// What the server found remarkable: unknown fields, deprecated versions.
    pub warnings: Vec<String>,
    /// The object, or a `Status`.
    pub body: Vec<u8>,
}

/// Why no answer came. For a write it is open whether it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Connection(String),
    /// The request cannot be sent at all.
    #[error("request cannot be built: {0}")]
    Request(String),
}

/// What a write asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// POST, PATCH or DELETE.
    pub method: Method,
    /// Path and query.
    pub uri: String,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Whom to impersonate.
    pub as_user: Option<String>,
}

/// The parts of a `Status` that decide what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `Failure` or `Success`.
    pub status: String,
    /// PascalCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// More of it.
    pub details: StatusDetails,
}

/// See [`Status`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusDetails {
    /// The object that is missing or in the way.
    pub name: String,
    /// Each violation of a 422.
    pub causes: Vec<StatusCause>,
    /// The server's wish for a pause.
    pub retry_after_seconds: u64,
}

/// See [`Status`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusCause {
    /// `FieldValueInvalid` and so on.
    pub reason: String,
    /// The field.
    pub field: String,
}

impl Answer {
    /// The body as a `Status`; empty if it is none.
    #[must_use]
    pub fn status_body(&self) -> Status {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Status {
            message: String::from_utf8_lossy(self.body.get(..512).unwrap_or(&self.body))
                .trim()
                .to_owned(),
            ..Status::default()
        })
    }

    /// The pause that the server wants, by header or `Status`.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let details = || match self.status_body().details.retry_after_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        };
        self.retry_after.or_else(details)
    }
}

/// The path of an object, or (without a name) of its kind in a namespace.
#[must_use]
pub fn path(
    resource: &ApiResource,
    namespace: Option<&str>,
    name: Option<&str>,
    subresource: Option<&str>,
) -> String {
    let mut path = if resource.group.is_empty() {
        "/api/".to_owned()
    } else {
        "/apis/".to_owned()
    };
    path.push_str(&resource.api_version);
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(namespace);
    }
    path.push('/');
    path.push_str(&resource.plural);
    for part in [name, subresource].into_iter().flatten() {
        path.push('/');
        path.push_str(part);
    }
    path
}

/// Reads what is at a path.
///
/// # Errors
/// If no answer comes; a code is no error here.
pub async fn get(client: &Client, uri: &str, timeout: Duration) -> Result<Answer, WireError> {
    let request = Request::get(uri)
        .header(ACCEPT, "application/json")
        .body(Body::empty());
    exchange(
        client,
        request.map_err(|error| WireError::Request(error.to_string()))?,
        timeout,
    )
    .await
}

/// Writes. Only `commit` may write what has a rank; clippy keeps others from calling this.
///
/// # Errors
/// If no answer comes; a code is no error here.
pub async fn write(client: &Client, write: Write, timeout: Duration) -> Result<Answer, WireError> {
    let request = Request::builder()
        .method(write.method)
        .uri(write.uri)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, write.content_type);
    let request = match write.as_user {
        Some(user) => {
            let user = HeaderValue::from_str(&user)
                .map_err(|error| WireError::Request(error.to_string()))?;
            request.header(HeaderName::from_static("impersonate-user"), user)
        }
        None => request,
    };
    let request = request
        .body(Body::from(write.body))
        .map_err(|error| WireError::Request(error.to_string()))?;
    exchange(client, request, timeout).await
}

async fn exchange(
    client: &Client,
    request: Request<Body>,
    timeout: Duration,
) -> Result<Answer, WireError> {
    let whole = async {
        let response = client
            .send(request)
            .await
            .map_err(|error| WireError::Connection(chain(&error)))?;
        let (parts, body) = response.into_parts();
        let bytes = body
            .collect_bytes()
            .await
            .map_err(|error| WireError::Connection(chain(&error)))?;
        Ok(Answer {
            status: parts.status,
            retry_after: retry_after(&parts.headers),
            warnings: warnings(&parts.headers),
            body: bytes.to_vec(),
        })
    };
    tokio::time::timeout(timeout, whole)
        .await
        .unwrap_or(Err(WireError::Timeout(timeout)))
}

/// An error with its causes: the outermost one of a client seldom says what happened.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = cause.source();
    }
    text
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // A server that wants more than an hour is looked at again in an hour.
    Some(Duration::from_secs(seconds.min(3_600)))
}

/// RFC 7234 5.5, as KEP-1693 uses it: `299 - "text"`.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| {
        let value = value.to_str().ok()?;
        let quoted = value.split_once('"')?.1;
        Some(
            quoted
                .rsplit_once('"')
                .map_or(quoted, |(text, _)| text)
                .replace("\\\"", "\""),
        )
    };
    headers
        .get_all(WARNING)
        .iter()
        .filter_map(text)
        .take(16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_matter_are_read() {
        let mut headers = HeaderMap::new();
        headers.append(
            WARNING,
            HeaderValue::from_static("299 - \"unknown field \\\"spec.x\\\"\""),
        );
        headers.append(WARNING, HeaderValue::from_static("nonsense"));
        assert_eq!(warnings(&headers), ["unknown field \"spec.x\""]);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("99999999999"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn paths_of_groups_namespaces_and_subresources() {
        let pods = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Pod".into(),
            plural: "pods".into(),
        };
        assert_eq!(
            path(&pods, Some("a"), Some("b"), Some("status")),
            "/api/v1/namespaces/a/pods/b/status"
        );
        let jobs = ApiResource {
            group: "batch".into(),
            api_version: "batch/v1".into(),
            plural: "jobs".into(),
            ..pods
        };
        assert_eq!(path(&jobs, None, None, None), "/apis/batch/v1/jobs");
    }
}
