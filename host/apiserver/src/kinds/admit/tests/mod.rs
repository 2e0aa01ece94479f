//! What the recorded answers of the real server (`tests/http/admission.json`) do not show by themselves.

mod decoding;
mod protobuf;
mod schedules;
mod tables;
mod writing;

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::super::{AdmitContext, Catalog, FieldValidation, Operation, Resource, Warning};
use crate::status::Status;

fn resource(group: &str, plural: &str) -> std::sync::Arc<Resource> {
    Catalog::new().resource(group, "v1", plural).unwrap()
}

fn context(field_validation: FieldValidation) -> AdmitContext {
    AdmitContext {
        now: Time::parse("2026-01-02T03:04:05Z").unwrap(),
        field_validation,
        is_patch: false,
    }
}

fn admit(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
) -> Result<Vec<Warning>, Status> {
    admit_with(FieldValidation::Warn, resource, operation, object)
}

fn admit_with(
    validation: FieldValidation,
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
) -> Result<Vec<Warning>, Status> {
    let mut warnings = Vec::new();
    let context = context(validation);
    super::admit(resource, operation, object, &context, None, &mut warnings)?;
    Ok(warnings)
}

/// A pod as it is stored.
fn stored_pod() -> Value {
    let mut pod = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "default", "uid": "u"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    admit(&resource("", "pods"), Operation::Create, &mut pod).unwrap();
    pod
}
