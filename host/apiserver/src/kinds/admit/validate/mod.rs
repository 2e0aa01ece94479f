//! Whether an object keeps its kind's rules (kubernetes, `pkg/apis/*/validation`), in the real server's words and order.

mod basics;
mod choice;
mod counts;
mod job;
mod metadata;
mod names;
mod networking;
mod node;
mod pod;
mod small;
mod storage;
mod workloads;

use serde_json::Value;

use super::look::at;
use crate::kinds::{Operation, Resource};
use crate::status::FieldError;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<FieldError>);

/// A change of an object, or its beginning.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) new: &'a Value,
    /// Null in the beginning.
    pub(super) old: &'a Value,
}

/// All that is wrong with the object. Both are in their normal form.
pub(super) fn check(
    resource: &Resource,
    operation: Operation<'_>,
    new: &Value,
    old: &Value,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let change = Change { new, old };
    let collection = &*resource.collection;
    // Events of the core group are older than the rules of metadata.
    let old_event = collection == "/events" && resource.group.is_empty();
    let itself_written = matches!(operation, Operation::Create | Operation::Update { .. });
    if collection == "/services" && itself_written {
        // Addresses are taken before anything else is looked at.
        basics::service_addresses(&mut errors, change);
        if !errors.0.is_empty() {
            return errors.0;
        }
    }
    match operation {
        Operation::Create => {
            let name = if old_event {
                names::segment
            } else {
                name_check(collection)
            };
            let by_domain = !old_event && wants_domains(resource);
            // Rules that do not begin with those of metadata: these are looked at only where all else is well.
            let is_late = old_event || collection == "policy/poddisruptionbudgets";
            if is_late {
                itself(resource, &mut errors, change);
            }
            if !is_late || errors.0.is_empty() {
                metadata::created(&mut errors, new, resource.namespaced, by_domain, name);
            }
            if !is_late {
                itself(resource, &mut errors, change);
            }
        }
        Operation::Update { .. } => {
            metadata::updated(&mut errors, new, old);
            if !old_event {
                metadata::finalizers(&mut errors, new, wants_domains(resource));
            }
            itself(resource, &mut errors, change);
        }
        Operation::UpdateStatus { .. } => {
            metadata::updated(&mut errors, new, old);
            metadata::finalizers(&mut errors, new, wants_domains(resource));
            status(collection, &mut errors, change);
        }
        Operation::UpdateSubresource { name, .. } => {
            metadata::updated(&mut errors, new, old);
            subresource(collection, name, &mut errors, change);
        }
    }
    errors.0
}

/// An object itself, new or changed. What is not named here has no rules but those of metadata: see the gaps.
fn itself(resource: &Resource, errors: &mut Errors, change: Change<'_>) {
    match &*resource.collection {
        "/configmaps" => basics::config_map(errors, change),
        "/limitranges" => small::limit_range(errors, change),
        "/events" => basics::event(errors, change, resource.group.is_empty()),
        "/namespaces" => basics::namespace(errors, change, false),
        "/nodes" => node::check(errors, change),
        "/persistentvolumeclaims" => storage::claim(errors, change),
        "/persistentvolumes" => storage::volume(errors, change),
        "/pods" if change.old.is_null() => pod::create(errors, change),
        "/pods" => pod::update(errors, change),
        "/podtemplates" => pod::template(errors, at(change.new, "/template"), "template"),
        "/replicationcontrollers" => workloads::replication_controller(errors, change),
        "/secrets" => basics::secret(errors, change),
        "/services" => basics::service(errors, change),
        "apps/controllerrevisions" => small::controller_revision(errors, change),
        "apps/daemonsets" => workloads::daemon_set(errors, change),
        "apps/deployments" => workloads::deployment(errors, change),
        "apps/replicasets" => workloads::replica_set(errors, change),
        "apps/statefulsets" => workloads::stateful_set(errors, change),
        "autoscaling/horizontalpodautoscalers" => workloads::autoscaler(errors, change),
        "batch/cronjobs" => job::cron(errors, change),
        "batch/jobs" => job::check(errors, change),
        "coordination.k8s.io/leases" => small::lease(errors, change),
        "discovery.k8s.io/endpointslices" => networking::endpoint_slice(errors, change),
        "networking.k8s.io/ingressclasses" => networking::ingress_class(errors, change),
        "networking.k8s.io/ingresses" => networking::ingress(errors, change),
        "networking.k8s.io/networkpolicies" => networking::policy(errors, change),
        "policy/poddisruptionbudgets" => workloads::budget(errors, change),
        "rbac.authorization.k8s.io/clusterrolebindings" => {
            small::role_binding(errors, change, true);
        }
        "rbac.authorization.k8s.io/clusterroles" => small::role(errors, change, true),
        "rbac.authorization.k8s.io/roles" => small::role(errors, change, false),
        "rbac.authorization.k8s.io/rolebindings" => small::role_binding(errors, change, false),
        "resource.k8s.io/resourceclaims" | "resource.k8s.io/resourceclaimtemplates" => {
            small::specification_stays(errors, change);
        }
        "scheduling.k8s.io/priorityclasses" => small::priority_class(errors, change),
        "storage.k8s.io/csidrivers" => storage::driver(errors, change),
        "storage.k8s.io/csinodes" => storage::node_drivers(errors, change),
        "storage.k8s.io/storageclasses" => storage::storage_class(errors, change),
        "storage.k8s.io/volumeattachments" => storage::attachment(errors, change),
        _ => {}
    }
}

/// What is written at `/status`.
fn status(collection: &str, errors: &mut Errors, change: Change<'_>) {
    match collection {
        "/namespaces" => basics::namespace_status(errors, change),
        "/nodes" => node::check(errors, change),
        "/pods" => pod::status(errors, change),
        "/services" => networking::balanced(errors, change, true),
        "networking.k8s.io/ingresses" => networking::balanced(errors, change, false),
        "batch/jobs" => job::status(errors, change),
        _ => {
            let counts = counts::STATUS.iter().find(|(name, _)| *name == collection);
            if let Some((_, counts)) = counts {
                counts::check(errors, change, counts);
            }
        }
    }
}

/// What is written at another subresource.
fn subresource(collection: &str, name: &str, errors: &mut Errors, change: Change<'_>) {
    match (collection, name) {
        ("/namespaces", "finalize") => basics::namespace(errors, change, true),
        ("/pods", "ephemeralcontainers") => pod::ephemeral(errors, change),
        ("/pods", "resize") => pod::resize(errors, change),
        _ => {}
    }
}

/// Whether finalizers need a domain: for kinds whose rules build on those of the core group.
fn wants_domains(resource: &Resource) -> bool {
    const OTHERS: [&str; 5] = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "coordination.k8s.io",
        "policy",
    ];
    !resource.custom && !OTHERS.contains(&&*resource.group)
}

/// The form of a kind's names.
fn name_check(collection: &str) -> names::Check {
    match collection {
        "/namespaces" | "/services" | "apps/statefulsets" => names::label,
        // What follows from its spec is told in one answer with what is wrong there.
        "apiextensions.k8s.io/customresourcedefinitions" => |_| Vec::new(),
        "rbac.authorization.k8s.io/clusterrolebindings"
        | "rbac.authorization.k8s.io/clusterroles"
        | "rbac.authorization.k8s.io/rolebindings"
        | "rbac.authorization.k8s.io/roles"
        | "networking.k8s.io/ipaddresses"
        | "apiregistration.k8s.io/apiservices"
        | "certificates.k8s.io/clustertrustbundles" => names::segment,
        _ => names::subdomain,
    }
}

/// `spec.template` as a JSON pointer.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

// === impl Errors ===

impl Errors {
    /// The value breaks a rule.
    pub(super) fn invalid(&mut self, path: &str, value: impl Into<Value>, detail: &str) {
        self.0
            .push(FieldError::invalid(path, &value.into(), detail));
    }

    /// The text breaks rules of form.
    pub(super) fn form(&mut self, path: &str, text: &str, broken: Vec<String>) {
        for words in broken {
            self.invalid(path, text, &words);
        }
    }

    /// Something is missing.
    pub(super) fn required(&mut self, path: &str, detail: &str) {
        self.0.push(FieldError::required(path, detail));
    }

    /// It may not stand there, or not change.
    pub(super) fn forbidden(&mut self, path: &str, detail: &str) {
        self.0.push(FieldError::forbidden(path, detail));
    }

    /// None of the texts that may stand there.
    pub(super) fn not_supported(&mut self, path: &str, value: &str, known: &[&str]) {
        self.not_supported_value(path, value.into(), known);
    }

    /// As [`Errors::not_supported`], where the value is no text.
    pub(super) fn not_supported_value(&mut self, path: &str, value: Value, known: &[&str]) {
        self.0.push(FieldError::not_supported(path, &value, known));
    }

    /// Once more the same.
    pub(super) fn duplicate(&mut self, path: &str, value: impl Into<Value>) {
        self.0.push(FieldError::duplicate(path, &value.into(), ""));
    }

    /// Once more the same, and why that is too often.
    pub(super) fn duplicate_because(&mut self, path: &str, value: Value, detail: &str) {
        self.0.push(FieldError::duplicate(path, &value, detail));
    }

    /// It names what is not there; nothing is explained if the detail is empty.
    pub(super) fn not_found(&mut self, path: &str, name: &str, detail: &str) {
        self.0
            .push(FieldError::not_found(path, &name.into(), detail));
    }

    /// Something is wrong with a value that is not shown.
    pub(super) fn somehow(&mut self, path: &str, detail: &str) {
        self.0.push(FieldError::invalid_somehow(path, detail));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Longer than so many bytes.
    pub(super) fn too_long(&mut self, path: &str, most: usize) {
        self.0.push(FieldError::too_long(path, most));
    }

    /// More than so many items.
    pub(super) fn too_many(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            self.0.push(FieldError::too_many(path, count, most));
        }
    }

    /// The field is what it was. It is named as errors have it, without indices.
    pub(super) fn immutable(&mut self, new: &Value, old: &Value, path: &str) {
        let pointer = pointer(path);
        let value = at(new, &pointer);
        if value != at(old, &pointer) {
            self.invalid(path, value.clone(), "field is immutable");
        }
    }
}
