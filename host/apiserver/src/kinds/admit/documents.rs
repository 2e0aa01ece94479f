//! The built-in kinds' schemas as OpenAPI documents have them: names, types, formats, references, and the defaults that
//! admission fills in; without descriptions.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema::{Field, Omitted, Schema, Shape, Sort, Struct};
use crate::kinds::Resource;

/// The metadata of all objects.
pub(in crate::kinds) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// That of lists.
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// Packages whose schemas are not called after `io.k8s.api`.
const PACKAGES: [(&str, &str); 3] = [
    (
        "apiextensions/v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    ),
    (
        "apiregistration/v1",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
    ),
    ("meta/v1", "io.k8s.apimachinery.pkg.apis.meta.v1"),
];

/// Types that read and write themselves, by their names in Go.
const OPAQUE: [(&str, &str, &str); 10] = [
    (
        "intstr.IntOrString",
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        r#"{"format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]}"#,
    ),
    (
        "resource.Quantity",
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        r#"{"oneOf":[{"type":"string"},{"type":"number"}]}"#,
    ),
    (
        "runtime.RawExtension",
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        r#"{"type":"object"}"#,
    ),
    (
        "v1.FieldsV1",
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        r#"{"type":"object"}"#,
    ),
    (
        "v1.JSON",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
        "{}",
    ),
    (
        "v1.JSONSchemaPropsOrArray",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
        "{}",
    ),
    (
        "v1.JSONSchemaPropsOrBool",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
        "{}",
    ),
    (
        "v1.JSONSchemaPropsOrStringArray",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
        "{}",
    ),
    (
        "v1.MicroTime",
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        r#"{"format":"date-time","type":"string"}"#,
    ),
    (
        "v1.Time",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        r#"{"format":"date-time","type":"string"}"#,
    ),
];

/// Fields that must be there though Go leaves them out when they are empty, or points to them.
const REQUIRED: [&str; 27] = [
    "admissionregistration/v1.MutatingWebhook.sideEffects",
    "admissionregistration/v1.ValidatingAdmissionPolicyBinding.spec",
    "admissionregistration/v1.ValidatingAdmissionPolicyBindingSpec.policyName",
    "admissionregistration/v1.ValidatingAdmissionPolicyBindingSpec.validationActions",
    "admissionregistration/v1.ValidatingWebhook.sideEffects",
    "apps/v1.DaemonSetSpec.selector",
    "apps/v1.DeploymentSpec.selector",
    "apps/v1.ReplicaSetSpec.selector",
    "apps/v1.StatefulSetSpec.selector",
    "autoscaling/v1.HorizontalPodAutoscaler.spec",
    "autoscaling/v2.HorizontalPodAutoscaler.spec",
    "batch/v1.CronJob.spec",
    "core/v1.ContainerRestartRule.action",
    "core/v1.ContainerRestartRuleOnExitCodes.operator",
    "core/v1.ImageVolumeStatus.imageRef",
    "core/v1.PodCertificateProjection.keyType",
    "core/v1.PodCertificateProjection.signerName",
    "core/v1.ScaleIOPersistentVolumeSource.secretRef",
    "core/v1.ScaleIOVolumeSource.secretRef",
    "networking/v1.HTTPIngressPath.pathType",
    "networking/v1.IPAddress.spec",
    "networking/v1.IPAddressSpec.parentRef",
    "networking/v1.ParentReference.name",
    "networking/v1.ParentReference.resource",
    "resource/v1.CapacityRequestPolicyRange.min",
    "resource/v1.CounterSet.counters",
    "resource/v1.DeviceCounterConsumption.counters",
];

/// Fields that may be missing though Go always writes them.
const OPTIONAL: [&str; 34] = [
    "apiextensions/v1.CustomResourceDefinitionStatus.acceptedNames",
    "apiextensions/v1.CustomResourceDefinitionStatus.conditions",
    "apiextensions/v1.CustomResourceDefinitionStatus.storedVersions",
    "apps/v1.StatefulSetOrdinals.start",
    "apps/v1.StatefulSetSpec.serviceName",
    "apps/v1.StatefulSetStatus.availableReplicas",
    "autoscaling/v2.HorizontalPodAutoscalerStatus.currentMetrics",
    "batch/v1.PodFailurePolicyOnPodConditionsPattern.status",
    "core/v1.ContainerImage.names",
    "core/v1.Event.reportingComponent",
    "core/v1.Event.reportingInstance",
    "core/v1.NodeRuntimeHandler.name",
    "core/v1.ProjectedVolumeSource.sources",
    "discovery/v1.EndpointSlice.endpoints",
    "discovery/v1.EndpointSlice.ports",
    "events/v1.Event.metadata",
    "flowcontrol/v1.FlowSchemaSpec.matchingPrecedence",
    "flowcontrol/v1.QueuingConfiguration.handSize",
    "flowcontrol/v1.QueuingConfiguration.queueLengthLimit",
    "flowcontrol/v1.QueuingConfiguration.queues",
    "flowcontrol/v1.ResourcePolicyRule.namespaces",
    "networking/v1.NetworkPolicySpec.podSelector",
    "policy/v1.PodDisruptionBudgetStatus.currentHealthy",
    "policy/v1.PodDisruptionBudgetStatus.desiredHealthy",
    "policy/v1.PodDisruptionBudgetStatus.disruptionsAllowed",
    "policy/v1.PodDisruptionBudgetStatus.expectedPods",
    "rbac/v1.ClusterRole.rules",
    "rbac/v1.Role.rules",
    "rbac/v1.RoleRef.apiGroup",
    "resource/v1.AllocatedDeviceStatus.conditions",
    "resource/v1.DeviceClaim.requests",
    "resource/v1.ResourceClaimSpec.devices",
    "scheduling/v1.PriorityClass.value",
    "storage/v1.CSINodeDriver.topologyKeys",
];

/// What was reached so far.
#[derive(Default)]
struct Reached {
    schemas: Map<String, Value>,
    waiting: Vec<usize>,
    seen: BTreeSet<usize>,
}

/// The schemas of these kinds and of their lists, with all that they refer to. Kinds that definitions made have theirs elsewhere; of
/// those only what all objects have is here.
pub(in crate::kinds) fn schemas<'a>(
    kinds: impl Iterator<Item = &'a Resource>,
) -> Map<String, Value> {
    let schema = Schema::get();
    let mut reached = Reached::default();
    for resource in kinds {
        let place = schema.place(&resource.api_version(), &resource.kind);
        match place.filter(|_| !resource.custom) {
            Some(place) => {
                reached.wait(place);
                if let Some(of) = schema.at(place) {
                    let name = name(&of.full);
                    let list = list(resource, &name);
                    reached.schemas.insert(format!("{name}List"), list);
                }
            }
            None => {
                let structs = schema.structs().iter();
                let meta = structs
                    .into_iter()
                    .position(|of| name(&of.full) == OBJECT_META);
                reached.waiting.extend(meta);
            }
        }
        reached.follow(schema);
        if let Some(of) = place.and_then(|place| schema.at(place)) {
            reached.mark(&name(&of.full), resource);
        }
    }
    reached.schemas
}

/// A reference to the schema of that name.
pub(in crate::kinds) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// `core/v1.PodSpec` as documents name it.
fn name(full: &str) -> String {
    let (package, name) = full.rsplit_once('.').unwrap_or(("", full));
    match PACKAGES.iter().find(|(known, _)| *known == package) {
        Some((_, prefix)) => format!("{prefix}.{name}"),
        None => format!("io.k8s.api.{}.{name}", package.replace('/', ".")),
    }
}

fn kind_of(resource: &Resource, kind: &str) -> Value {
    json!([{"group": resource.group, "version": resource.version, "kind": kind}])
}

/// A list of the kind whose schema has that name.
fn list(resource: &Resource, name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [reference(LIST_META)], "default": {}},
            "items": {"type": "array", "items": {"allOf": [reference(name)], "default": {}}},
        },
        "x-kubernetes-group-version-kind": kind_of(resource, &resource.list_kind),
    })
}

fn list_meta() -> Value {
    json!({"type": "object", "properties": {
        "continue": {"type": "string"},
        "remainingItemCount": {"type": "integer", "format": "int64"},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
    }})
}

fn is_required(of: &Struct, name: &str, field: &Field) -> bool {
    let full = format!("{}.{name}", of.full);
    let is_in = |list: &[&str]| list.contains(&full.as_str());
    let always = field.omitted == Omitted::Never && !field.of.pointer;
    (always && !is_in(&OPTIONAL)) || is_in(&REQUIRED)
}

// === impl Reached ===

impl Reached {
    fn wait(&mut self, place: usize) {
        if self.seen.insert(place) {
            self.waiting.push(place);
        }
    }

    /// Writes the schemas of all structs that wait, and of those that they lead to.
    fn follow(&mut self, schema: &Schema) {
        while let Some(place) = self.waiting.pop() {
            let Some(of) = schema.at(place) else { continue };
            let mut properties = Map::new();
            let mut required = Vec::new();
            for (field, what) in &of.fields {
                if is_required(of, field, what) {
                    required.push(json!(field));
                }
                properties.insert(field.to_string(), self.property(schema, what));
            }
            let mut written = json!({"type": "object"});
            for (member, value) in [
                ("properties", Value::Object(properties)),
                ("required", Value::Array(required)),
            ] {
                let empty = value.as_object().is_some_and(Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty);
                if let (false, Some(map)) = (empty, written.as_object_mut()) {
                    map.insert(member.to_owned(), value);
                }
            }
            self.schemas.insert(name(&of.full), written);
        }
    }

    /// Says which kind a schema is.
    fn mark(&mut self, name: &str, resource: &Resource) {
        if let Some(map) = self.schemas.get_mut(name).and_then(Value::as_object_mut) {
            let kind = kind_of(resource, &resource.kind);
            map.insert("x-kubernetes-group-version-kind".to_owned(), kind);
        }
        self.schemas.entry(LIST_META).or_insert_with(list_meta);
    }

    fn property(&mut self, schema: &Schema, field: &Field) -> Value {
        let mut written = self.shape(schema, &field.of);
        let zero = zero(&field.of.sort);
        let is_struct = matches!(field.of.sort, Sort::Struct(_));
        let shown = is_struct || field.omitted == Omitted::Never;
        let default = match &field.default {
            Some(default) => Some(default.clone()),
            None => zero.filter(|_| shown && !field.of.pointer),
        };
        if let (Some(map), Some(default)) = (written.as_object_mut(), default) {
            map.insert("default".to_owned(), default);
        }
        written
    }

    /// A type, with a reference to what has a schema of its own.
    fn shape(&mut self, schema: &Schema, shape: &Shape) -> Value {
        let scalar = |kind: &str, format: &str| match format {
            "" => json!({"type": kind}),
            format => json!({"type": kind, "format": format}),
        };
        match &shape.sort {
            Sort::Bool => scalar("boolean", ""),
            Sort::Int32 => scalar("integer", "int32"),
            Sort::Int64 => scalar("integer", "int64"),
            Sort::Float => scalar("number", "double"),
            Sort::Text => scalar("string", ""),
            Sort::Bytes => scalar("string", "byte"),
            Sort::Time => self.opaque("v1.Time"),
            Sort::MicroTime => self.opaque("v1.MicroTime"),
            Sort::Quantity => self.opaque("resource.Quantity"),
            Sort::IntOrString => self.opaque("intstr.IntOrString"),
            Sort::Any => self.opaque(&shape.go),
            Sort::List(of) => json!({"type": "array", "items": self.element(schema, of)}),
            Sort::Map(of) => {
                json!({"type": "object", "additionalProperties": self.element(schema, of)})
            }
            Sort::Struct(place) => {
                self.wait(*place);
                let of = schema.at(*place).map(|of| name(&of.full));
                json!({"allOf": [reference(&of.unwrap_or_default())]})
            }
        }
    }

    /// What a list or map has.
    fn element(&mut self, schema: &Schema, of: &Shape) -> Value {
        let mut written = self.shape(schema, of);
        let zero = zero(&of.sort).filter(|_| !of.pointer);
        if let (Some(map), Some(zero)) = (written.as_object_mut(), zero) {
            map.insert("default".to_owned(), zero);
        }
        // A reference alone needs nothing around it.
        match written
            .pointer("/allOf/0")
            .filter(|_| written.get("default").is_none())
        {
            Some(reference) => reference.clone(),
            None => written,
        }
    }

    fn opaque(&mut self, go: &str) -> Value {
        let Some((_, name, schema)) = OPAQUE.iter().find(|(known, ..)| *known == go) else {
            return json!({"type": "object"});
        };
        let write = || serde_json::from_str(schema).unwrap_or_default();
        self.schemas.entry(*name).or_insert_with(write);
        json!({"allOf": [reference(name)]})
    }
}

/// What Go has in the place of nothing, if documents say it.
fn zero(sort: &Sort) -> Option<Value> {
    Some(match sort {
        Sort::Bool => json!(false),
        Sort::Int32 | Sort::Int64 | Sort::Float => json!(0),
        Sort::Text => json!(""),
        Sort::Struct(_) => json!({}),
        _ => return None,
    })
}
