//! All kinds that are served.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::Value;

use super::{Resource, Scale, Selectable, Subresource};
use super::{custom, version};

/// The built-in kinds; written by `cargo run -p stagewright-tests --bin generate-kinds`.
static TEXT: &str = include_str!("builtin.json");

/// The built-in kinds, in the order of discovery.
static BUILTIN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    // The text is our own, and a test reads it.
    let table: Table = serde_json::from_str(TEXT).unwrap_or_default();
    let versions = table.versions.into_iter();
    versions
        .flat_map(|version| version.into_resources(&table.verbs))
        .collect()
});

/// Subresources behind which a kubelet would be, or keys for tokens.
const NOT_SERVED: [&str; 6] = ["attach", "exec", "log", "portforward", "proxy", "token"];

/// Kinds that PUT creates: `AllowCreateOnUpdate` in the `strategy.go` of each, below `pkg/registry`.
const CREATED_ON_UPDATE: [&str; 11] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "endpoints",
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "limitranges",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "runtimeclasses.node.k8s.io",
    "services",
];

/// Kinds whose PUT must name a resourceVersion: `AllowUnconditionalUpdate` there, and in apiextensions-apiserver and
/// kube-aggregator.
const UPDATED_BY_VERSION: [&str; 15] = [
    "apiservices.apiregistration.k8s.io",
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "leases.coordination.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "poddisruptionbudgets.policy",
    "runtimeclasses.node.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "volumeattachments.storage.k8s.io",
];

/// Kinds whose DELETE answers with the object: `ReturnDeletedObject` in the `storage.go` of each.
const RETURNED_WHEN_DELETED: [&str; 17] = [
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "deviceclasses.resource.k8s.io",
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourceclaims.resource.k8s.io",
    "resourceclaimtemplates.resource.k8s.io",
    "resourcequotas",
    "resourceslices.resource.k8s.io",
    "serviceaccounts",
    "services",
    "storageclasses.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "volumeattributesclasses.storage.k8s.io",
];

/// Kinds that are stored in another version than their own, which may be another group's (`pkg/kubeapiserver`,
/// `default_storage_factory_builder.go`): group, version, plural; collection, stored apiVersion.
const STORED_ELSEWHERE: [([&str; 3], [&str; 2]); 2] = [
    (["events.k8s.io", "v1", "events"], ["/events", "v1"]),
    (
        ["autoscaling", "v1", "horizontalpodautoscalers"],
        ["autoscaling/horizontalpodautoscalers", "autoscaling/v2"],
    ),
];

#[derive(Debug, Default, Deserialize)]
struct Table {
    /// What can be done to the objects of kinds that do not say it themselves.
    verbs: Vec<Box<str>>,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    group: Box<str>,
    version: Box<str>,
    resources: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    kind: Box<str>,
    resource: Box<str>,
    singular: Box<str>,
    namespaced: bool,
    #[serde(default)]
    short: Vec<Box<str>>,
    #[serde(default)]
    categories: Vec<Box<str>>,
    #[serde(default)]
    verbs: Vec<Box<str>>,
    #[serde(default)]
    subresources: Vec<SubresourceRow>,
}

#[derive(Debug, Deserialize)]
struct SubresourceRow {
    name: Box<str>,
    kind: Box<str>,
    #[serde(default)]
    group: Box<str>,
    #[serde(default)]
    version: Box<str>,
    verbs: Vec<Box<str>>,
}

/// Group, version, plural.
type ResourceKey = (Box<str>, Box<str>, Box<str>);

/// All kinds that are served: the built-in ones, and those of CustomResourceDefinitions.
#[derive(Debug, Default)]
pub struct Catalog {
    resources: BTreeMap<ResourceKey, Arc<Resource>>,
}

// === impl Version ===

impl Version {
    fn into_resources(self, usual_verbs: &[Box<str>]) -> Vec<Arc<Resource>> {
        let Self {
            group,
            version,
            resources,
        } = self;
        resources
            .into_iter()
            .map(|row| Arc::new(row.into_resource(&group, &version, usual_verbs)))
            .collect()
    }
}

// === impl Row ===

impl Row {
    fn into_resource(self, group: &str, version: &str, usual_verbs: &[Box<str>]) -> Resource {
        let mut resource = Resource {
            group: group.into(),
            version: version.into(),
            list_kind: format!("{}List", self.kind).into(),
            kind: self.kind,
            plural: self.resource,
            singular: self.singular,
            short_names: self.short,
            categories: self.categories,
            namespaced: self.namespaced,
            verbs: self.verbs,
            ..Resource::default()
        };
        if resource.verbs.is_empty() {
            resource.verbs = usual_verbs.to_vec();
        }
        let subresources = self.subresources.into_iter();
        resource.subresources = subresources.map(SubresourceRow::into_subresource).collect();
        if resource.has_subresource("scale") {
            resource.scale = Some(Scale {
                spec: "/spec/replicas".into(),
                status: "/status/replicas".into(),
                selector: Some("/spec/selector".into()),
                selector_is_labels: *resource.kind == *"ReplicationController",
            });
        }
        let name = resource.qualified();
        let is_in = |list: &[&str]| list.contains(&name.as_str());
        resource.create_on_update = is_in(&CREATED_ON_UPDATE);
        resource.unconditional_update = !is_in(&UPDATED_BY_VERSION);
        resource.returns_deleted = is_in(&RETURNED_WHEN_DELETED);
        let key = [group, version, &resource.plural];
        let elsewhere = STORED_ELSEWHERE.iter().find(|(known, _)| *known == key);
        (resource.collection, resource.stored_api_version) = match elsewhere {
            Some((_, [collection, stored])) => ((*collection).into(), (*stored).into()),
            None => (
                format!("{group}/{}", resource.plural).into(),
                resource.api_version().into(),
            ),
        };
        resource.selectable = Selectable::builtin(&name, &resource.collection);
        resource
    }
}

// === impl SubresourceRow ===

impl SubresourceRow {
    fn into_subresource(self) -> Subresource {
        Subresource {
            served: !NOT_SERVED.contains(&&*self.name),
            name: self.name,
            group: self.group,
            version: self.version,
            kind: self.kind,
            verbs: self.verbs,
        }
    }
}

// === impl Catalog ===

impl Catalog {
    /// The built-in kinds.
    #[must_use]
    pub fn new() -> Self {
        let mut catalog = Self::default();
        for resource in BUILTIN.iter() {
            catalog.insert(Arc::clone(resource));
        }
        catalog
    }

    fn insert(&mut self, resource: Arc<Resource>) {
        let key = (
            resource.group.clone(),
            resource.version.clone(),
            resource.plural.clone(),
        );
        self.resources.insert(key, resource);
    }

    /// The kind at `/apis/GROUP/VERSION/PLURAL`.
    #[must_use]
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.resources
            .get(&(group.into(), version.into(), plural.into()))
            .cloned()
    }

    /// Whether any kind is served in that group and version.
    #[must_use]
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        self.in_version(group, version).next().is_some()
    }

    /// All of them, by group, version and plural.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The kinds of one version, by plural.
    pub fn in_version(&self, group: &str, version: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let first: ResourceKey = (group.into(), version.into(), "".into());
        self.resources
            .range(first.clone()..)
            .take_while(move |(key, _)| (&key.0, &key.1) == (&first.0, &first.1))
            .map(|(_, resource)| resource)
    }

    /// The kind of that plural in any version of the group.
    #[must_use]
    pub fn in_group(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources()
            .find(|known| (&*known.group, &*known.plural) == (group, plural))
    }

    /// The groups with their versions as discovery has them: the built-in ones in their order, then the others by name; the
    /// version that is preferred comes first.
    #[must_use]
    pub fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        let custom = self.resources().filter(|resource| resource.custom);
        for resource in BUILTIN.iter().chain(custom) {
            let version = &*resource.version;
            match groups
                .iter_mut()
                .find(|(group, _)| **group == *resource.group)
            {
                Some((_, versions)) if versions.contains(&version) => {}
                Some((_, versions)) => versions.push(version),
                None => groups.push((&resource.group, vec![version])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by(|one, other| version::compare(one, other));
        }
        groups
    }

    /// Whether a built-in kind is in that group.
    #[must_use]
    pub fn is_builtin(&self, group: &str) -> bool {
        BUILTIN.iter().any(|resource| *resource.group == *group)
    }

    /// Takes a CustomResourceDefinition in, as it is stored.
    pub fn crd_changed(&mut self, crd: &Value) {
        let name = crd.pointer("/metadata/name").and_then(Value::as_str);
        let before = self.take_custom(name.unwrap_or_default());
        for resource in custom::resources(crd, &before) {
            self.insert(Arc::new(resource));
        }
    }

    /// Takes a CustomResourceDefinition in whose objects were stored before this server began, under whatever schema.
    pub fn crd_restored(&mut self, crd: &Value) {
        for resource in custom::resources(crd, &[]) {
            self.insert(Arc::new(custom::revised(resource)));
        }
    }

    /// Takes a CustomResourceDefinition out.
    pub fn crd_gone(&mut self, name: &str) {
        self.take_custom(name);
    }

    /// The kinds that a definition has made, which are served no more.
    fn take_custom(&mut self, name: &str) -> Vec<Arc<Resource>> {
        let (plural, group) = name.split_once('.').unwrap_or((name, ""));
        let mut taken = Vec::new();
        self.resources.retain(|key, resource| {
            let is_own = resource.custom && (&*key.0, &*key.2) == (group, plural);
            if is_own {
                taken.push(Arc::clone(resource));
            }
            !is_own
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_names_a_kind() {
        let known: Vec<String> = BUILTIN
            .iter()
            .map(|resource| resource.qualified())
            .collect();
        for list in [
            &CREATED_ON_UPDATE[..],
            &UPDATED_BY_VERSION,
            &RETURNED_WHEN_DELETED,
        ] {
            for name in list {
                assert!(known.iter().any(|known| known == name), "{name}");
            }
        }
        let catalog = Catalog::new();
        for ([group, version, plural], [collection, stored]) in STORED_ELSEWHERE {
            let resource = catalog.resource(group, version, plural).unwrap();
            assert_eq!(
                (&*resource.collection, &*resource.stored_api_version),
                (collection, stored)
            );
            let home = catalog
                .resources()
                .find(|other| other.api_version() == stored && *other.collection == *collection);
            assert_eq!(home.unwrap().kind, resource.kind);
        }
    }

    #[test]
    fn kinds_are_what_the_documents_say() {
        let catalog = Catalog::new();
        let pods = catalog.resource("", "v1", "pods").unwrap();
        assert_eq!(
            (&*pods.kind, &*pods.list_kind, &*pods.singular),
            ("Pod", "PodList", "pod")
        );
        assert_eq!(pods.short_names, ["po".into()]);
        assert!(pods.namespaced && pods.returns_deleted && pods.unconditional_update);
        assert!(pods.has_subresource("exec") && pods.has_subresource("resize"));
        let namespaces = catalog.resource("", "v1", "namespaces").unwrap();
        assert!(!namespaces.namespaced && !namespaces.allows("deletecollection"));
        let leases = catalog
            .resource("coordination.k8s.io", "v1", "leases")
            .unwrap();
        assert!(leases.create_on_update && !leases.unconditional_update);
        let scale = |plural| {
            catalog
                .resource("apps", "v1", plural)
                .unwrap()
                .scale
                .clone()
        };
        assert!(scale("deployments").is_some() && scale("daemonsets").is_none());
        assert!(catalog.resource("", "v1", "bindings").is_none());
        assert!(
            catalog
                .resource("authentication.k8s.io", "v1", "tokenreviews")
                .is_none()
        );
        assert!(catalog.has_version("batch", "v1") && !catalog.has_version("batch", "v2"));
    }
}
