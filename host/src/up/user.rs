//! What a user with kubectl asks of the server, in this process.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, WARNING};
use http::{Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stagewright_apiserver::kinds::Resource;
use stagewright_apiserver::{ApiServer, Body};

/// Asks the server. Every call is answered at once.
#[derive(Debug, Clone)]
pub(super) struct User(ApiServer);

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refused {
    pub code: u16,
    pub message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
}

// === impl User ===

impl User {
    pub(super) fn new(api: &ApiServer) -> Self {
        Self(api.clone())
    }

    /// The kind, if the server has it now.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<std::sync::Arc<Resource>> {
        self.0.kind(api_version, kind)
    }

    /// Creates an object, with its status where the kind takes that only afterwards.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn create(&self, kind: &Resource, object: &Value) -> Result<(), Refused> {
        let namespace = namespace(kind, object);
        let created = self.send(
            &Method::POST,
            &path(kind, namespace, None),
            "application/json",
            object,
        )?;
        let Some(name) = created.pointer("/metadata/name").and_then(Value::as_str) else {
            return Ok(());
        };
        match object.get("status") {
            Some(status)
                if created.get("status") != Some(status) && kind.has_subresource("status") =>
            {
                let at = format!("{}/status", path(kind, namespace, Some(name)));
                self.merge(&at, &json!({ "status": status }))
            }
            _ => Ok(()),
        }
    }

    /// Creates an object, if there is none of its name.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn ensure(&self, kind: &Resource, object: &Value) -> Result<(), Refused> {
        match self.create(kind, object) {
            Err(error) if error.code == 409 => Ok(()),
            created => created,
        }
    }

    /// Changes an object to what the manifest says.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn change(&self, kind: &Resource, object: &Value) -> Result<(), Refused> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        self.merge(&path(kind, namespace(kind, object), name), object)
    }

    /// Binds a pod to a node.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn bind(
        &self,
        namespace: &str,
        pod: &str,
        uid: &str,
        node: &str,
    ) -> Result<(), Refused> {
        let at = format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding");
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": pod, "namespace": namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        self.send(&Method::POST, &at, "application/json", &binding)
            .map(drop)
    }

    /// An object as it is; the namespace is empty for a kind without.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        kind: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<T, Refused> {
        let at = path(kind, some(namespace), Some(name));
        let answer = self.ask(&Method::GET, &at, "application/json", Bytes::new())?;
        serde_json::from_slice(&answer).map_err(|error| Refused {
            code: 0,
            message: error.to_string(),
        })
    }

    /// Deletes an object; the namespace is empty for a kind without.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn delete(
        &self,
        kind: &Resource,
        namespace: &str,
        name: &str,
        options: &Value,
    ) -> Result<(), Refused> {
        let at = path(kind, some(namespace), Some(name));
        self.send(&Method::DELETE, &at, "application/json", options)
            .map(drop)
    }

    /// Deletes all objects of a kind in a namespace, each in its own time.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn delete_all(&self, kind: &Resource, namespace: &str) -> Result<(), Refused> {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        let at = path(kind, Some(namespace), None);
        self.send(&Method::DELETE, &at, "application/json", &options)
            .map(drop)
    }

    /// Whether there is an object of the kind in a namespace.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn has_any(&self, kind: &Resource, namespace: &str) -> Result<bool, Refused> {
        let at = format!("{}?limit=1", path(kind, Some(namespace), None));
        let list = self.send(&Method::GET, &at, "application/json", &Value::Null)?;
        let items = list.get("items").and_then(Value::as_array);
        Ok(items.is_some_and(|items| !items.is_empty()))
    }

    /// Says that a namespace's content is gone: the finalizer that waits for that is taken away.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn finalize(&self, namespace: &Value, finalizer: &str) -> Result<(), Refused> {
        let mut namespace = namespace.clone();
        let name = namespace.pointer("/metadata/name").and_then(Value::as_str);
        let at = format!("/api/v1/namespaces/{}/finalize", name.unwrap_or_default());
        let finalizers = namespace
            .pointer_mut("/spec/finalizers")
            .and_then(Value::as_array_mut);
        if let Some(finalizers) = finalizers {
            finalizers.retain(|known| known != finalizer);
        }
        self.send(&Method::PUT, &at, "application/json", &namespace)
            .map(drop)
    }

    /// The kinds of which objects can be in a namespace, and can be deleted all at once.
    pub(super) fn namespaced_kinds(&self) -> Vec<std::sync::Arc<Resource>> {
        let mut kinds = self.0.kinds();
        kinds.retain(|kind| {
            kind.namespaced
                && ["deletecollection", "list"]
                    .iter()
                    .all(|verb| kind.allows(verb))
        });
        kinds
    }

    /// The kinds whose objects can have owners and be owners, in all their versions.
    pub(super) fn collected_kinds(&self) -> Vec<std::sync::Arc<Resource>> {
        let mut kinds = self.0.kinds();
        kinds.retain(|kind| {
            // There are many of them, they have no owners, and nobody is theirs.
            *kind.kind != *"Event"
                && ["delete", "list", "watch"]
                    .iter()
                    .all(|verb| kind.allows(verb))
        });
        kinds
    }

    /// The path of all objects of a kind.
    pub(super) fn path_of_all(kind: &Resource) -> String {
        path(kind, None, None)
    }

    /// Watches what is at a path, from what is there now.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn watch(&self, path: &str, fields: &str) -> Result<Body, Refused> {
        // As long as a watch may be asked to last: 136 years.
        let uri = format!(
            "{path}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector={fields}&timeoutSeconds={}",
            u32::MAX
        );
        let request = Request::get(uri)
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| unsent(&error))?;
        let response = self.0.call(request);
        let code = response.status().as_u16();
        match response.into_body() {
            body @ Body::Watch(_) => Ok(body),
            body => Err(refused(code, &body.into_bytes().unwrap_or_default())),
        }
    }

    fn merge(&self, path: &str, patch: &Value) -> Result<(), Refused> {
        self.send(&Method::PATCH, path, "application/merge-patch+json", patch)
            .map(drop)
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Refused> {
        let answer = self.ask(method, path, content_type, body.to_string().into())?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    fn ask(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Bytes, Refused> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|error| unsent(&error))?;
        let response = self.0.call(request);
        let code = response.status().as_u16();
        for warning in response.headers().get_all(WARNING) {
            let text = warning.to_str().unwrap_or_default();
            tracing::warn!(path, warning = text, "the API server remarks");
        }
        let body = response.into_body().into_bytes().unwrap_or_default();
        if !(200..300).contains(&code) {
            return Err(refused(code, &body));
        }
        Ok(body)
    }
}

/// A name that no path can have, as a rule.
fn unsent(error: &http::Error) -> Refused {
    Refused {
        code: 0,
        message: error.to_string(),
    }
}

fn refused(code: u16, body: &[u8]) -> Refused {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    Refused {
        code,
        message: status.message,
    }
}

fn namespace<'a>(kind: &Resource, object: &'a Value) -> Option<&'a str> {
    let named = object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str);
    kind.namespaced.then(|| named.unwrap_or("default"))
}

fn some(namespace: &str) -> Option<&str> {
    Some(namespace).filter(|namespace| !namespace.is_empty())
}

fn path(kind: &Resource, namespace: Option<&str>, name: Option<&str>) -> String {
    let mut path = if kind.group.is_empty() {
        "/api/"
    } else {
        "/apis/"
    }
    .to_owned();
    path.push_str(&kind.api_version());
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(namespace);
    }
    path.push('/');
    path.push_str(&kind.plural);
    if let Some(name) = name {
        path.push('/');
        path.push_str(name);
    }
    path
}
