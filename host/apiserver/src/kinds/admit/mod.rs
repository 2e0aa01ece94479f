//! What the API server does with an object before it is stored.
//!
//! An object of a built-in kind is decoded into the shape of Go's types, gets its defaults, is made what the operation lets it be,
//! is validated, and encoded again: what is sent and stored is what the real server would send.
//!
//! # Known gaps
//! Accepted here and refused there, or left out here and filled in there:
//! - *Decoding*: duplicate fields are not seen. Fields are looked at in the order of the alphabet, so of several wrong types another
//!   may be told. Resources finer than a thousandth are not rounded up.
//! - *Defaults*: a Service gets no address and no node port; a pod no volume of its service account, no token, no `RuntimeClass`, no
//!   `LimitRange`, no pod-level resources from its containers', and no priority from classes other than the system's; a claim no
//!   class of storage and no `dataSourceRef` from its `dataSource`.
//! - *Admission plugins*: nodes come without the taint `node.kubernetes.io/not-ready`, volumes and claims without their protecting
//!   finalizers, since no controller runs that would take them away. Quotas, priorities and the growth of claims are not asked.
//! - *Warnings*: none but those of unknown fields, of Jobs that are deleted without their pods, and (which the real server does not
//!   have) of kinds that are stored and not enforced.
//! - *Validation of pods*: projected bundles of trust and certificates, tolerations in annotations, signals to stop, groups of
//!   scheduling, what containers come to beside their pod's own resources, what a kubelet's own pods may not have, the users and
//!   resources of containers in a status, and whether a pod's node or system can resize it. Containers may be privileged, which is an
//!   option of the real server.
//! - *Validation of Services*: addresses, families, source ranges, classes of load balancers and policies of traffic.
//! - *Validation of volumes*: their sources, node affinities, and what may change beside the source.
//! - *Validation of networking*: ports, hints and names of EndpointSlices; wildcards, paths and TLS of Ingresses; parameters of their
//!   classes; rules of NetworkPolicies.
//! - *Validation of the rest*: how the amounts of a LimitRange compare, tokens of CSIDrivers, aggregation of ClusterRoles.
//! - *No rules but metadata's*: admissionregistration, apiregistration, certificates, Endpoints, flowcontrol, IPAddress, node,
//!   ResourceQuota, ServiceCIDR, CSIStorageCapacity, DeviceClass, ResourceSlice; of autoscalers their metrics and behaviour. What a
//!   CustomResourceDefinition must be is in `kinds/custom`.
//! - *Messages* show objects with their JSON names in the order of the alphabet, and not how two objects differ.

mod decode;
mod defaults;
mod documents;
mod look;
mod normal;
mod protobuf;
mod quantity;
mod schema;
mod strategy;
#[cfg(test)]
mod tests;
mod types;
mod validate;

use serde_json::{Map, Value, json};

pub(super) use self::documents::{OBJECT_META, reference, schemas};
pub use self::protobuf::{ProtobufError, from_protobuf};
use self::schema::{Schema, Struct};
pub(crate) use self::strategy::resets;
pub(crate) use self::types::{blank, blank_scale, typed, typed_scale, unreadable};
use super::{AdmitContext, FieldValidation, Operation, Resource, Seen, Warning};
use crate::status::{FieldError, Status};

/// Makes the object what is stored: unknown fields pruned, defaults filled in, what the operation may not write reset (status
/// on create, spec on a status update), the generation counted, everything validated.
///
/// On updates metadata comes as the caller wants it, but for what only the server writes: uid (if none was given),
/// creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds and generation are the old object's. What is to be warned of is
/// told also if the object is refused.
///
/// # Errors
/// The Status to answer: 422 with causes, or 400 for unknown fields under [`FieldValidation::Strict`] and for values of another
/// type than the field's.
pub fn admit(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
    context: &AdmitContext,
    seen: Option<Seen<'_>>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Status> {
    let root = if resource.custom {
        None
    } else {
        Schema::get().kind(&resource.api_version(), &resource.kind)
    };
    let Some(root) = root else {
        if let Some(seen) = seen {
            (seen.see)(object);
        }
        return admit_custom(resource, operation, object);
    };
    let (told, empty) = decoded(resource, root, object, context)?;
    warnings.extend(told);
    let old = operation.old().map(|old| normal::of_stored(root, old));
    let old = old.unwrap_or_default();
    defaults::apply(root, object, context.now);
    let written: Option<Map<String, Value>> = seen.as_ref().map(|seen| {
        let parts = looked_at(object, seen.aside);
        parts
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    });
    if let Some(map) = object.as_object_mut() {
        strategy::prepare(resource, operation, map, &old, context.now);
    }
    // What the real server stores is given its defaults once more when it is read.
    defaults::apply(root, object, context.now);
    validated(resource, operation, object, &old)?;
    let unchanged = seen
        .as_ref()
        .zip(written.as_ref())
        .is_some_and(|(seen, written)| looked_at(object, seen.aside).eq(written));
    decode::encode(root, object);
    if let (Some(seen), Some(written)) = (seen, written) {
        if unchanged && empty.is_empty() {
            (seen.see)(object);
        } else {
            let mut written = Value::Object(written);
            decode::encode(root, &mut written);
            strategy::show(resource, &mut written);
            for (pointer, value) in empty {
                if let Some(place) = written.pointer_mut(&pointer) {
                    *place = value;
                }
            }
            (seen.see)(&written);
        }
    }
    Ok(())
}

/// Leaves an object of a built-in kind as Go would write it: what is always there is there, what is left out when empty is not.
pub(super) fn reshape(api_version: &str, object: &mut Value) {
    let kind = look::text(object, "/kind").to_owned();
    if let Some(root) = Schema::get().kind(api_version, &kind) {
        decode::decode(root, object);
        decode::encode(root, object);
    }
}

/// What is wrong with the metadata of a custom resource.
pub(super) fn check_metadata(
    resource: &Resource,
    operation: Operation<'_>,
    object: &Value,
) -> Vec<FieldError> {
    let old = operation.old().unwrap_or(&Value::Null);
    validate::check(resource, operation, object, old)
}

/// The members of an object but for those.
fn looked_at<'a>(
    object: &'a Value,
    aside: &'a [&str],
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let members = object.as_object().into_iter().flatten();
    members.filter(|(name, _)| !aside.contains(&name.as_str()))
}

fn admit_custom(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
) -> Result<(), Status> {
    let old = operation.old().cloned().unwrap_or_default();
    if let Some(map) = object.as_object_mut() {
        strategy::prepare_custom(resource, operation, map, &old);
    }
    validated(resource, operation, object, &old)
}

/// What a decoder warns of, and what is empty there and not nothing, by paths.
type Decoded = (Vec<Warning>, Vec<(String, Value)>);

/// Decodes the object as the request wants unknown fields treated. What is empty there and not nothing comes back too.
fn decoded(
    resource: &Resource,
    root: &Struct,
    object: &mut Value,
    context: &AdmitContext,
) -> Result<Decoded, Status> {
    let found = decode::decode(root, object);
    let refused = |words: &str| refused(resource, object, context, words);
    if let Some(error) = found.error {
        return Err(refused(&error));
    }
    let unknown = found
        .unknown
        .iter()
        .map(|place| format!("unknown field {place:?}"));
    let warnings = match context.field_validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Warn => unknown.map(Warning).collect(),
        FieldValidation::Strict if found.unknown.is_empty() => Vec::new(),
        FieldValidation::Strict => {
            let all: Vec<String> = unknown.collect();
            return Err(refused(&format!(
                "strict decoding error: {}",
                all.join(", ")
            )));
        }
    };
    Ok((warnings, found.empty))
}

/// The answer to an object that cannot be decoded.
pub(super) fn refused(
    resource: &Resource,
    object: &Value,
    context: &AdmitContext,
    words: &str,
) -> Status {
    if context.is_patch {
        let error = FieldError::invalid("patch", &json!(object.to_string()), words);
        return Status::invalid_kind("", "", "", &[error]);
    }
    Status::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: {words}",
        resource.kind, resource.version, resource.kind
    ))
}

fn validated(
    resource: &Resource,
    operation: Operation<'_>,
    object: &Value,
    old: &Value,
) -> Result<(), Status> {
    let errors = validate::check(resource, operation, object, old);
    if errors.is_empty() {
        return Ok(());
    }
    let name = look::text(object, "/metadata/name");
    // A kind that is served in two groups is named after the one in which it is stored.
    let (group, _) = resource.collection.split_once('/').unwrap_or_default();
    Err(Status::invalid_kind(group, &resource.kind, name, &errors))
}
