//! Where the server serves a kind, and what its subresources can change.

use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use stagewright_core::guard::Surface;
use stagewright_core::object::Kind;

use crate::client::wire;

/// A kind as the server serves it.
pub struct Target {
    /// The kind.
    pub kind: Kind,
    /// Its place in URLs.
    pub resource: ApiResource,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether its status is a subresource.
    pub has_status: bool,
    /// What each subresource can change.
    pub surface: Surface,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("plural", &self.resource.plural)
            .finish_non_exhaustive()
    }
}

/// Why it is not known whether the server serves a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// We may not ask.
    #[error(
        "discovery of {kind} is forbidden: {message}; bind the ClusterRole system:discovery to this user"
    )]
    Forbidden {
        /// The kind.
        kind: Kind,
        /// What the server said.
        message: String,
    },
    /// The server serves it, but it can be neither listed nor watched.
    #[error("{kind} cannot be followed: the API server offers no {verb} for it")]
    NotWatchable {
        /// The kind.
        kind: Kind,
        /// What is missing.
        verb: &'static str,
    },
    /// The server could not be asked, or its answer not be read. Worth another try.
    #[error("discovery of {kind}: {message}")]
    Unavailable {
        /// The kind.
        kind: Kind,
        /// What happened.
        message: String,
    },
}

impl DiscoveryError {
    /// The error in one word.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "Forbidden",
            Self::NotWatchable { .. } => "NotWatchable",
            Self::Unavailable { .. } => "Unavailable",
        }
    }
}

/// Asks the server for a kind; none if it does not serve it (yet).
///
/// # Errors
/// If the server cannot be asked, or the kind not be watched.
pub async fn discover(
    client: &kube::Client,
    kind: &Kind,
) -> Result<Option<Target>, DiscoveryError> {
    let wanted = GroupVersionKind::gvk(kind.group(), kind.version(), kind.kind());
    let (resource, capabilities) = match pinned_kind(client, &wanted).await {
        Ok(found) => found,
        Err(kube::Error::Discovery(_)) => return Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Err(DiscoveryError::Forbidden {
                kind: kind.clone(),
                message: status.message.clone(),
            });
        }
        Err(error) => {
            return Err(DiscoveryError::Unavailable {
                kind: kind.clone(),
                message: wire::chain(&error),
            });
        }
    };
    if let Some(verb) = ["list", "watch"]
        .into_iter()
        .find(|verb| !capabilities.supports_operation(verb))
    {
        return Err(DiscoveryError::NotWatchable {
            kind: kind.clone(),
            verb,
        });
    }
    Ok(Some(target(kind, resource, &capabilities)))
}

fn target(kind: &Kind, resource: ApiResource, capabilities: &ApiCapabilities) -> Target {
    let has = |name: &str| {
        capabilities
            .subresources
            .iter()
            .any(|(subresource, _)| subresource.plural == name)
    };
    let namespaced = capabilities.scope == Scope::Namespaced;
    let custom = Surface::custom(has("status"), has("scale"));
    let custom = if namespaced {
        custom
    } else {
        custom.cluster_wide()
    };
    Target {
        kind: kind.clone(),
        // The group of a core kind's subresource may differ (`autoscaling` for a scale), the kind's own never does.
        resource: ApiResource {
            group: kind.group().to_owned(),
            version: kind.version().to_owned(),
            api_version: kind.api_version().to_owned(),
            ..resource
        },
        namespaced,
        has_status: has("status"),
        surface: Surface::built_in(kind).unwrap_or(custom),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    fn client() -> kube::Client {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let verbs = json!(["get", "list", "watch", "patch"]);
            let (code, body) = match request.uri().path() {
                "/apis/example.com/v1" => (
                    200,
                    json!({"kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [
                    {"name": "trainers", "singularName": "", "namespaced": true, "kind": "Trainer", "verbs": verbs},
                    {"name": "trainers/status", "singularName": "", "namespaced": true, "kind": "Trainer", "verbs": ["patch"]},
                    {"name": "reviews", "singularName": "", "namespaced": false, "kind": "Review", "verbs": ["create"]}]}),
                ),
                "/apis/secret.com/v1" => (
                    403,
                    json!({"kind": "Status", "status": "Failure", "code": 403, "message": "no", "reason": "Forbidden"}),
                ),
                "/apis/broken.com/v1" => (
                    503,
                    json!({"kind": "Status", "status": "Failure", "code": 503, "message": "down", "reason": ""}),
                ),
                _ => (
                    404,
                    json!({"kind": "Status", "status": "Failure", "code": 404, "message": "none", "reason": "NotFound"}),
                ),
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            Ok::<_, std::convert::Infallible>(response.unwrap())
        });
        kube::Client::new(service, "default")
    }

    #[tokio::test]
    async fn kinds_are_served_or_not_or_not_to_be_known() {
        let client = client();
        let found = discover(&client, &Kind::parse("example.com/v1/Trainer").unwrap())
            .await
            .unwrap()
            .unwrap();
        assert!(found.namespaced);
        assert_eq!(found.resource.plural, "trainers");
        for unserved in ["example.com/v1/Other", "other.com/v1/Trainer"] {
            assert!(
                discover(&client, &Kind::parse(unserved).unwrap())
                    .await
                    .unwrap()
                    .is_none(),
                "{unserved}"
            );
        }
        for (kind, category) in [
            ("secret.com/v1/A", "Forbidden"),
            ("broken.com/v1/A", "Unavailable"),
            ("example.com/v1/Review", "NotWatchable"),
        ] {
            let error = discover(&client, &Kind::parse(kind).unwrap())
                .await
                .unwrap_err();
            assert_eq!(error.category(), category, "{error}");
        }
    }
}
