//! The one place that writes objects which have a rank. It takes an [`Admitted`], and nothing else makes a write.

#![expect(
    clippy::disallowed_methods,
    reason = "objects are written here, and only with an Admitted"
)]

mod classify;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use stagewright_core::guard::{Action, Admitted, Took, WireForm};
use stagewright_core::json::Lean;
use stagewright_core::object::{Key, Kind, Snapshot};
use stagewright_core::time::Time;

use crate::client::wire::{self, Answer, FIELD_MANAGER, Write};
use crate::clock::Clock;
use crate::discovery::Target;
use classify::Sent;

/// Different warnings kept of the server's; more are only logged.
const MAX_WARNINGS: usize = 256;

/// How to write.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    /// How long one request may take.
    pub timeout: Duration,
    /// Whether plugins may write as another user.
    pub impersonation: bool,
}

impl Default for CommitOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            impersonation: false,
        }
    }
}

/// What the server made of a write.
#[derive(Debug)]
pub enum Committed {
    /// The object as it is stored now, and whether that is what was meant.
    Object(Snapshot, Took),
    /// The deletion is accepted: the object is gone, or waits for its grace period and finalizers.
    Deleted,
}

/// Why nothing was written, or why that is open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The server has a newer version, or another object under the name: read again.
    #[error("the object changed meanwhile: {message}")]
    Stale {
        /// What the server said.
        message: String,
    },
    /// There is no such object any more.
    #[error("the object is gone")]
    Gone,
    /// The server will not do it, now or later, unless something changes.
    #[error("refused by the API server ({code} {reason}): {message}")]
    Refused {
        /// The code.
        code: u16,
        /// The `Status`'s reason: `Forbidden`, `Invalid`, `AlreadyExists`, …
        reason: String,
        /// What the server said, and the remedy.
        message: String,
    },
    /// Worth another try. Without an answer it is open whether the write was carried out; its precondition keeps a second one
    /// from being carried out too.
    #[error("failed in passing: {message}")]
    Transient {
        /// The server's wish for a pause.
        retry_after: Option<Duration>,
        /// What happened.
        message: String,
    },
}

impl CommitError {
    /// The error in one word.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "Stale",
            Self::Gone => "Gone",
            Self::Refused { code: 401, .. } => "Unauthorized",
            Self::Refused {
                code: 403, message, ..
            } if message.contains("exceeded quota") => "QuotaExceeded",
            Self::Refused { code: 403, .. } => "Forbidden",
            Self::Refused { code: 404, .. } => "NotServed",
            Self::Refused { code: 413, .. } => "TooLarge",
            Self::Refused { code: 422, .. } => "Invalid",
            Self::Refused { reason, .. } if reason == "AlreadyExists" => "AlreadyExists",
            Self::Refused { .. } => "ServerRefused",
            Self::Transient { .. } => "Transient",
        }
    }

    /// Whether the same work may succeed soon, after reading again or after a pause.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// Writes what the guard admitted.
pub struct Committer {
    client: kube::Client,
    clock: Clock,
    options: CommitOptions,
    warnings: Mutex<BTreeMap<(Kind, String), Key>>,
    answered: Mutex<Option<Time>>,
}

impl Committer {
    /// A committer over a client.
    #[must_use]
    pub fn new(client: kube::Client, clock: Clock, options: CommitOptions) -> Self {
        Self {
            client,
            clock,
            options,
            warnings: Mutex::default(),
            answered: Mutex::default(),
        }
    }

    /// Carries a write out, once. `target` is where the server serves the object's kind.
    ///
    /// # Errors
    /// If the server did not do it, or did not answer.
    pub async fn commit(
        &self,
        target: &Target,
        admitted: Admitted,
    ) -> Result<Committed, CommitError> {
        let (write, sent) = self.request(target, &admitted)?;
        let answer = self.settle(wire::write(&self.client, write, self.options.timeout).await)?;
        self.keep_warnings(admitted.key(), &answer.warnings);
        if !answer.status.is_success() {
            return Err(classify::failure(&answer, &sent));
        }
        if sent.verb == "delete" {
            return Ok(Committed::Deleted);
        }
        let stored = snapshot(&target.kind, &answer)?;
        let took = admitted.took(&stored);
        Ok(Committed::Object(stored, took))
    }

    /// Reads an object's newest version; none if it is gone.
    ///
    /// # Errors
    /// If the server does not let us, or did not answer.
    pub async fn read(&self, target: &Target, key: &Key) -> Result<Option<Snapshot>, CommitError> {
        let path = wire::path(
            &target.resource,
            key.namespace.as_deref(),
            Some(&key.name),
            None,
        );
        let answer = self.settle(wire::get(&self.client, &path, self.options.timeout).await)?;
        if answer.status.is_success() {
            return snapshot(&target.kind, &answer).map(Some);
        }
        match classify::failure(
            &answer,
            &Sent {
                verb: "get",
                resource: resource(target, None),
                form: None,
            },
        ) {
            CommitError::Gone => Ok(None),
            error => Err(error),
        }
    }

    /// What the server found remarkable in writes of the kind: unknown fields, deprecated versions.
    #[must_use]
    pub fn warnings(&self, kind: &Kind) -> Vec<String> {
        self.warnings
            .lock()
            .keys()
            .filter(|(of, _)| of == kind)
            .map(|(_, text)| text.clone())
            .collect()
    }

    /// When the server answered last, whatever it said.
    #[must_use]
    pub fn last_answer(&self) -> Option<Time> {
        *self.answered.lock()
    }

    fn request(&self, target: &Target, admitted: &Admitted) -> Result<(Write, Sent), CommitError> {
        let key = admitted.key();
        let path = |name, subresource| {
            wire::path(
                &target.resource,
                key.namespace.as_deref(),
                name,
                subresource,
            )
        };
        let query = format!("?fieldManager={FIELD_MANAGER}&fieldValidation=Warn");
        let name = Some(&*key.name);
        let json = "application/json";
        Ok(match admitted.action() {
            Action::Patch {
                subresource,
                form,
                body,
                as_user,
            } => {
                if as_user.is_some() && !self.options.impersonation {
                    let message = "plugins may not write as another user; allow it with --allow-impersonation".to_owned();
                    return Err(CommitError::Refused {
                        code: 403,
                        reason: "ImpersonationRefused".to_owned(),
                        message,
                    });
                }
                let uri = path(name, subresource.as_deref()) + &query;
                let content_type = match form {
                    WireForm::Merge => "application/merge-patch+json",
                    WireForm::Json => "application/json-patch+json",
                };
                let (body, as_user) = (body.clone(), as_user.clone());
                let resource = resource(target, subresource.as_deref());
                let sent = Sent {
                    verb: "patch",
                    resource,
                    form: Some(matches!(form, WireForm::Json)),
                };
                (
                    Write {
                        method: Method::PATCH,
                        uri,
                        content_type,
                        body,
                        as_user,
                    },
                    sent,
                )
            }
            Action::Create { body } => {
                let (uri, body) = (path(None, None) + &query, body.clone());
                let sent = Sent {
                    verb: "create",
                    resource: resource(target, None),
                    form: None,
                };
                (
                    Write {
                        method: Method::POST,
                        uri,
                        content_type: json,
                        body,
                        as_user: None,
                    },
                    sent,
                )
            }
            Action::Delete { body } => {
                let (uri, body) = (path(name, None), body.clone());
                let sent = Sent {
                    verb: "delete",
                    resource: resource(target, None),
                    form: None,
                };
                (
                    Write {
                        method: Method::DELETE,
                        uri,
                        content_type: json,
                        body,
                        as_user: None,
                    },
                    sent,
                )
            }
        })
    }

    fn settle(&self, answer: Result<Answer, wire::WireError>) -> Result<Answer, CommitError> {
        match answer {
            Ok(answer) => {
                *self.answered.lock() = Some(self.clock.now());
                Ok(answer)
            }
            Err(wire::WireError::Request(message)) => Err(CommitError::Refused {
                code: 0,
                reason: "BadRequest".to_owned(),
                message,
            }),
            Err(error) => Err(CommitError::Transient {
                retry_after: None,
                message: error.to_string(),
            }),
        }
    }

    fn keep_warnings(&self, key: &Key, texts: &[String]) {
        let mut warnings = self.warnings.lock();
        for text in texts {
            let entry = (key.kind.clone(), text.clone());
            if warnings.len() < MAX_WARNINGS && !warnings.contains_key(&entry) {
                tracing::warn!(object = %key, warning = text, "the API server warns; told once for the kind");
                warnings.insert(entry, key.clone());
            }
        }
    }
}

/// `pods/status`, `trainers.example.com`: as `kubectl auth can-i` takes it.
fn resource(target: &Target, subresource: Option<&str>) -> String {
    let mut text = target.resource.plural.clone();
    if !target.resource.group.is_empty() {
        text = format!("{text}.{}", target.resource.group);
    }
    match subresource {
        Some(subresource) => format!("{text} --subresource={subresource}"),
        None => text,
    }
}

fn snapshot(kind: &Kind, answer: &Answer) -> Result<Snapshot, CommitError> {
    let unreadable = |message| CommitError::Refused {
        code: answer.status.as_u16(),
        reason: "UnreadableAnswer".to_owned(),
        message,
    };
    let Lean(body) =
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(error.to_string()))?;
    Snapshot::parse(kind, body).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests;
