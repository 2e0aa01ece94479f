//! `stagewright rbac`: what a controller must be allowed to do for the plugins that a command line names, as objects of RBAC. A plugin's
//! description says what it follows, what its patches may change and which other kinds it writes, so that nothing else need be granted.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use stagewright_core::description::{Description, Subject};
use stagewright_core::guard::Surface;
use stagewright_core::object::Kind;

use crate::args::{Output, RbacArgs, RunConfig, Surroundings};
use crate::loading::{self, Loaded};
use crate::orders;
use crate::plugin::{Engine, Limits};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Of the service account, the role and the binding.
const NAME: &str = "stagewright";

const READ: [&str; 3] = ["get", "list", "watch"];

/// Verbs by group and resource.
#[derive(Debug, Default)]
struct Rights(BTreeMap<(String, String), BTreeSet<&'static str>>);

/// The objects, for `kubectl apply -f -`.
///
/// # Errors
/// Those of a `run` with the same flags, until it would connect.
pub fn rbac(args: RbacArgs) -> anyhow::Result<String> {
    let RbacArgs {
        run,
        namespace,
        output,
    } = args;
    let config = RunConfig::new(run, &Surroundings::read())?;
    let engine = Engine::new(Limits::default())?;
    let Loaded { plugins, live, .. } = loading::load(&engine, &config.plugins)?;
    let mut rights = Rights::default();
    rights.of_host(&config);
    for plugin in &plugins {
        rights.of_plugin(plugin.description());
    }
    if live.is_some() {
        rights.of_live_stages();
    }
    let objects = objects(&namespace, &rights.rules());
    Ok(match output {
        Output::Json => {
            format!(
                "{:#}\n",
                json!({"apiVersion": "v1", "kind": "List", "items": objects})
            )
        }
        Output::Text | Output::Yaml => {
            let texts = objects.iter().map(serde_saphyr::to_string);
            texts.collect::<Result<Vec<_>, _>>()?.join("---\n")
        }
    })
}

fn objects(namespace: &str, rules: &[Value]) -> [Value; 4] {
    let version = format!("{GROUP}/v1");
    let subject = json!({"kind": "ServiceAccount", "namespace": namespace, "name": NAME});
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": NAME}}),
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": rules}),
        json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": NAME}, "subjects": [subject]}),
    ]
}

// === impl Rights ===

impl Rights {
    /// What a host does whatever its plugins are: it follows nodes and orders, and writes Events and Leases.
    fn of_host(&mut self, config: &RunConfig) {
        self.add("", "nodes", &READ);
        let (group, orders) = resource(&Kind::new(orders::API_VERSION, orders::KIND));
        self.add(&group, &orders, &READ);
        self.add("events.k8s.io", "events", &["create", "patch"]);
        if config.host.lease_duration.is_some() {
            self.add("coordination.k8s.io", "leases", &READ);
            self.add("coordination.k8s.io", "leases", &["create", "patch"]);
        }
        if config.host.allow_impersonation {
            self.add("", "users", &["impersonate"]);
        }
    }

    fn of_plugin(&mut self, description: &Description) {
        for subject in &description.subjects {
            self.of_subject(subject);
        }
        for applies in &description.applies {
            let (group, resource) = resource(&applies.kind);
            self.add(&group, &resource, &["get", "create", "patch", "delete"]);
            self.patches(&applies.kind, true, true);
        }
    }

    fn of_subject(&mut self, subject: &Subject) {
        let (group, resource) = resource(&subject.kind);
        self.add(&group, &resource, &READ);
        let is_status = |path: &String| path == "/status" || path.starts_with("/status/");
        let (status, others): (Vec<_>, Vec<_>) = subject
            .writes
            .iter()
            .map(ToString::to_string)
            .partition(is_status);
        let whole = others.iter().any(String::is_empty);
        self.patches(
            &subject.kind,
            whole || !status.is_empty(),
            !others.is_empty(),
        );
        // A description does not say whether its plays end objects.
        self.add(&group, &resource, &["delete"]);
        // Since 1.36 a status of devices on other nodes is a right of its own (KEP-4817, `pkg/registry/resource/resourceclaim`).
        if (group.as_str(), resource.as_str()) == ("resource.k8s.io", "resourceclaims") {
            let driver = format!("{resource}/driver");
            self.add(&group, &driver, &["arbitrary-node:patch"]);
        }
        for relation in &subject.relations {
            let (group, resource) = self::resource(&relation.kind);
            self.add(&group, &resource, &READ);
        }
    }

    /// Which kinds they name is not known yet. Nearly all are of nodes and pods.
    fn of_live_stages(&mut self) {
        self.add("kwok.x-k8s.io", "stages", &READ);
        self.add("kwok.x-k8s.io", "stages/status", &["patch"]);
        for kind in ["Node", "Pod"] {
            let kind = Kind::new("v1", kind);
            let (group, resource) = resource(&kind);
            self.add(&group, &resource, &READ);
            self.add(&group, &resource, &["delete"]);
            self.patches(&kind, true, true);
        }
    }

    /// Patches of an object's status, and of the rest of it. Where a kind has no such subresource its status is written with the object;
    /// of custom kinds only their definition knows.
    fn patches(&mut self, kind: &Kind, status: bool, others: bool) {
        let (group, resource) = resource(kind);
        let apart = Surface::built_in(kind).map(Surface::has_status);
        if status && apart != Some(false) {
            self.add(&group, &format!("{resource}/status"), &["patch"]);
        }
        if others || (status && apart != Some(true)) {
            self.add(&group, &resource, &["patch"]);
        }
    }

    fn add(&mut self, group: &str, resource: &str, verbs: &[&'static str]) {
        let key = (group.to_owned(), resource.to_owned());
        self.0.entry(key).or_default().extend(verbs);
    }

    /// A rule for all resources of a group with the same verbs.
    fn rules(&self) -> Vec<Value> {
        let mut rules = BTreeMap::<_, Vec<&str>>::new();
        for ((group, resource), verbs) in &self.0 {
            rules.entry((group, verbs)).or_default().push(resource);
        }
        let rules = rules.into_iter().map(|((group, verbs), resources)| {
            json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
        });
        rules.collect()
    }
}

/// The group and the plural of a kind, by the rules that all kinds but a few custom ones follow.
fn resource(kind: &Kind) -> (String, String) {
    let known = GroupVersionKind::gvk(kind.group(), kind.version(), kind.kind());
    (
        kind.group().to_owned(),
        ApiResource::from_gvk(&known).plural,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_which_rights_are_needed_and_no_more() {
        let description = json!({
            "schema": stagewright_core::description::SCHEMA,
            "name": "p", "version": "1", "stages": ["a"],
            "applies": [{"kind": "v1/PersistentVolume"}],
            "subjects": [
                {"kind": "example.com/v1/Proxy", "reads": ["/status/phase"], "writes": ["/status/phase"],
                    "relations": [{"name": "net", "kind": "networking.k8s.io/v1/Ingress", "by": {"name": "/spec/ingress"}, "reads": ["/spec"]}]},
                {"kind": "v1/Pod", "reads": ["/spec"], "writes": ["/metadata/finalizers"]},
                {"kind": "v1/Node", "reads": ["/spec"], "writes": ["/status"]},
                {"kind": "resource.k8s.io/v1/ResourceSlice", "reads": ["/spec"], "writes": [""]},
            ],
        });
        let mut rights = Rights::default();
        rights.of_plugin(&Description::parse(&description.to_string()).unwrap());
        let rules = json!(rights.rules());
        let expected = json!([
            {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["create", "delete", "get", "patch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get", "list", "patch", "watch"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["delete", "get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["nodes/status", "persistentvolumes/status"], "verbs": ["patch"]},
            {"apiGroups": ["example.com"], "resources": ["proxies"], "verbs": ["delete", "get", "list", "patch", "watch"]},
            {"apiGroups": ["example.com"], "resources": ["proxies/status"], "verbs": ["patch"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"], "verbs": ["delete", "get", "list", "patch", "watch"]},
        ]);
        assert_eq!(rules, expected);
    }
}
