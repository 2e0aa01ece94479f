//! Namespaces: there before what is in them, and gone after it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{Call, metadata};
use crate::server::Shared;
use crate::status::Status;

/// Where namespaces are stored.
pub(crate) const COLLECTION: &str = "/namespaces";
/// Those that every cluster has.
const SYSTEM: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Those that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Makes the namespaces that every cluster has.
pub(crate) fn create_namespaces(shared: &Arc<Shared>) {
    for name in SYSTEM {
        let object = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
        let mut request = Request::new(Bytes::from(object.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static("/api/v1/namespaces");
        let _answer = super::handle(shared, request);
    }
}

impl Call<'_> {
    /// Nothing is created in a namespace that is not there, or on its way out.
    ///
    /// # Errors
    /// 404 or 403.
    pub(super) fn check_namespace(&self, name: &str) -> Result<(), Status> {
        let Some(namespace) = &self.target.namespace else {
            return Ok(());
        };
        let entry = self
            .shared
            .read(|store| store.get(COLLECTION, namespace).cloned());
        let Some(entry) = entry else {
            let namespaces = self.shared.catalog.read().resource("", "v1", "namespaces");
            return Err(namespaces.map_or_else(Status::no_such_resource, |kind| {
                Status::not_found(&kind, namespace)
            }));
        };
        if metadata::deletion(&entry.object()).is_none() {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let cause = format!("namespace {namespace} is being terminated");
        let status = Status::forbidden(&self.target.resource, name, &why);
        Err(status.because_of("NamespaceTerminating", cause, "metadata.namespace"))
    }

    /// Some namespaces stay.
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_mortal(&self) -> Result<(), Status> {
        let resource = &self.target.resource;
        if *resource.collection == *COLLECTION && IMMORTAL.contains(&self.target.name()) {
            return Err(Status::forbidden(
                resource,
                self.target.name(),
                "this namespace may not be deleted",
            ));
        }
        Ok(())
    }
}

/// Whether a namespace still has work for controllers before it may go.
pub(super) fn is_held(namespace: &Value) -> bool {
    let finalizers = namespace
        .pointer("/spec/finalizers")
        .and_then(Value::as_array);
    finalizers.is_some_and(|finalizers| !finalizers.is_empty())
}
