//! A watch that begins anew when it ends.

use std::ops::ControlFlow;
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use stagewright_apiserver::Body;

use super::user::User;

/// A kind that cannot be watched, since it is served no longer or not yet, is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// The annotation of the bookmark after all that there was.
const LISTED: &str = "k8s.io/initial-events-end";
/// Of an answer: there is no such kind.
const NOT_FOUND: u16 = 404;

/// What happened, in the order in which it did.
#[derive(Debug)]
pub(super) enum Change<T> {
    /// All that was known is to be forgotten: what there is follows.
    Anew,
    /// All that there was at the beginning has been told.
    Listed,
    /// It is there, and is this now.
    There(T),
    /// It is gone, and was this.
    Gone(T),
}

/// The objects of a path, as they come and go.
pub(super) struct Follow {
    user: User,
    path: Box<str>,
    fields: String,
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

// === impl Follow ===

impl Follow {
    pub(super) fn new(user: &User, path: &str, fields: &str) -> Self {
        Self {
            user: user.clone(),
            path: path.into(),
            fields: fields.to_owned(),
            body: None,
        }
    }

    /// The next changes. Dropped before its end, it loses none.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Vec<Change<T>> {
        let body = match &mut self.body {
            Some(body) => body,
            None => match self.user.watch(&self.path, &self.fields) {
                Ok(body) => {
                    self.body = Some(body);
                    return vec![Change::Anew];
                }
                Err(error) => {
                    if error.code != NOT_FOUND {
                        tracing::error!(path = &*self.path, %error, "cannot be watched");
                    }
                    tokio::time::sleep(AGAIN).await;
                    return Vec::new();
                }
            },
        };
        let Some(Ok(frame)) = body.frame().await else {
            self.body = None;
            return Vec::new();
        };
        let bytes = frame.into_data().unwrap_or_default();
        let mut changes = Vec::new();
        // An event is a line, and a frame has whole ones.
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match change(line) {
                Ok(ControlFlow::Continue(change)) => changes.extend(change),
                Ok(ControlFlow::Break(())) => self.body = None,
                Err(error) => {
                    tracing::warn!(path = &*self.path, %error, "an object is passed over")
                }
            }
        }
        changes
    }
}

/// One event, if it tells of a change. An error is the end: nothing follows it.
fn change<T: DeserializeOwned>(
    line: &[u8],
) -> serde_json::Result<ControlFlow<(), Option<Change<T>>>> {
    let Event { kind, object } = serde_json::from_slice(line)?;
    Ok(ControlFlow::Continue(match kind {
        "ADDED" | "MODIFIED" => Some(Change::There(serde_json::from_str(object.get())?)),
        // The others only say how far the watch has come.
        "BOOKMARK" => object.get().contains(LISTED).then_some(Change::Listed),
        "DELETED" => Some(Change::Gone(serde_json::from_str(object.get())?)),
        _ => return Ok(ControlFlow::Break(())),
    }))
}
