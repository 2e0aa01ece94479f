//! The forms of a patch, applied to our own copy.

use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, PatchOperation};
use serde::Deserialize;
use serde_json::Value;

use super::{MAX_DEPTH, deeper_than, equal, strategic};
use crate::interface::Form;
use crate::object::Kind;

/// The most operations in one JSON patch. The API server takes 10,000, but each may move a whole array, and no fuel is counted here.
const MAX_OPERATIONS: usize = 1_000;

/// The most bytes that the copy operations of one JSON patch may copy, as the API server has it: `copy` doubles an object in a few
/// bytes of patch, and 30 of them would fill the memory.
const MAX_COPIED: usize = 3 << 20;

/// What the API server writes itself, and keeps when a replacement does not name it (apiserver, `pkg/registry/rest/update.go`).
const SERVER_OWNED: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch says nothing that can be done to this object.
    #[error("invalid patch{}: {message}", place(at))]
    Invalid {
        /// Where in the object, as a pointer; empty for the whole.
        at: String,
        /// What is wrong there.
        message: String,
    },
    /// A `test` of a JSON patch did not hold.
    #[error("the test in operation {operation} does not hold{}", place(at))]
    TestFailed {
        /// Which operation, from 0.
        operation: usize,
        /// The pointer that was tested.
        at: String,
    },
    /// A strategic merge patch for a kind of which no merge keys are known.
    #[error(
        "strategic merge needs merge keys, which only built-in kinds have, and {kind} is none: use merge"
    )]
    Unsupported {
        /// The kind.
        kind: String,
    },
}

// === impl PatchError ===

impl PatchError {
    /// The word for metrics, Events and `explain`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "InvalidPatch",
            Self::TestFailed { .. } => "TestFailed",
            Self::Unsupported { .. } => "Unsupported",
        }
    }

    pub(super) fn invalid(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            at: at.into(),
            message: message.into(),
        }
    }
}

fn place(at: &str) -> String {
    if at.is_empty() {
        String::new()
    } else {
        format!(" at {at}")
    }
}

/// What the object becomes by the patch: a new tree, `current` stays as it is. The kind chooses the merge keys of
/// [`Form::Strategic`].
///
/// With [`Form::Replace`] the body is the whole object, where what only the server writes may be left out; or, for a subresource,
/// an object that holds nothing but the field of that name (recognised by having no `metadata`), and the rest stays.
///
/// # Errors
/// See [`PatchError`]; also for trees deeper than [`MAX_DEPTH`].
pub fn apply(
    form: Form,
    kind: &Kind,
    current: &Value,
    body: &Value,
    subresource: Option<&str>,
) -> Result<Value, PatchError> {
    for (tree, name) in [(current, "the object"), (body, "the patch")] {
        if deeper_than(tree, MAX_DEPTH) {
            return Err(PatchError::invalid(
                "",
                format!("{name} has more than {MAX_DEPTH} levels"),
            ));
        }
    }
    match form {
        Form::Merge => merge(current, body),
        Form::Json => json(current, body),
        Form::Strategic => strategic::apply(kind, current, body),
        Form::Replace => replace(current, body, subresource),
    }
}

fn merge(current: &Value, body: &Value) -> Result<Value, PatchError> {
    if !body.is_object() {
        return Err(PatchError::invalid("", "a merge patch is a JSON object"));
    }
    let mut after = current.clone();
    json_patch::merge(&mut after, body);
    Ok(after)
}

fn json(current: &Value, body: &Value) -> Result<Value, PatchError> {
    let operations = body
        .as_array()
        .ok_or_else(|| PatchError::invalid("", "a JSON patch is an array of operations"))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::invalid(
            "",
            format!(
                "a JSON patch has at most {MAX_OPERATIONS} operations, this one has {}",
                operations.len()
            ),
        ));
    }
    let mut after = current.clone();
    let mut budget = MAX_COPIED;
    for (number, operation) in operations.iter().enumerate() {
        let operation = PatchOperation::deserialize(operation)
            .map_err(|error| PatchError::invalid("", format!("operation {number}: {error}")))?;
        operate(&mut after, operation, number, &mut budget)?;
    }
    Ok(after)
}

fn operate(
    after: &mut Value,
    operation: PatchOperation,
    number: usize,
    budget: &mut usize,
) -> Result<(), PatchError> {
    // A member that is not there is replaced by being added, as the API server's library does it (evanphx/json-patch v4).
    let operation = match operation {
        PatchOperation::Replace(replace) if is_new_member(after, replace.path.as_str()) => {
            PatchOperation::Add(AddOperation {
                path: replace.path,
                value: replace.value,
            })
        }
        operation => operation,
    };
    let refuse = |message: &str| {
        PatchError::invalid(
            operation.path().as_str(),
            format!("operation {number}: {message}"),
        )
    };
    let set = match &operation {
        PatchOperation::Test(test) => {
            // Not left to the crate, which tells 1 from 1.0.
            let holds = after
                .pointer(test.path.as_str())
                .is_some_and(|value| equal(value, &test.value));
            return if holds {
                Ok(())
            } else {
                Err(PatchError::TestFailed {
                    operation: number,
                    at: test.path.as_str().to_owned(),
                })
            };
        }
        PatchOperation::Remove(_) => None,
        PatchOperation::Add(add) => Some(&add.value),
        PatchOperation::Replace(replace) => Some(&replace.value),
        PatchOperation::Move(from) => after.pointer(from.from.as_str()),
        PatchOperation::Copy(from) => {
            let source = after.pointer(from.from.as_str());
            if let Some(source) = source {
                *budget = less_size(source, *budget)
                    .ok_or_else(|| refuse("the patch copies too much"))?;
            }
            source
        }
    };
    if set.is_some_and(|value| too_deep(operation.path(), value)) {
        return Err(refuse("the result is too deep"));
    }
    // The crate's own undo is not needed: a failed patch is dropped with its tree.
    json_patch::patch_unsafe(after, std::slice::from_ref(&operation))
        .map_err(|error| refuse(&error.kind.to_string()))
}

/// Whether the path leads to a member that an object has not.
fn is_new_member(tree: &Value, path: &str) -> bool {
    let parent = path.rsplit_once('/').and_then(|(up, _)| tree.pointer(up));
    parent.is_some_and(Value::is_object) && tree.pointer(path).is_none()
}

/// Whether the value is too deep for its new place.
fn too_deep(path: &Pointer, value: &Value) -> bool {
    MAX_DEPTH
        .checked_sub(path.count())
        .is_none_or(|left| deeper_than(value, left))
}

/// `budget` less about the memory that the tree takes; `None` if it takes more.
fn less_size(value: &Value, budget: usize) -> Option<usize> {
    let budget = budget.checked_sub(size_of::<Value>())?;
    match value {
        Value::String(text) => budget.checked_sub(text.len()),
        Value::Array(items) => items
            .iter()
            .try_fold(budget, |budget, item| less_size(item, budget)),
        Value::Object(map) => map.iter().try_fold(budget, |budget, (name, value)| {
            less_size(value, budget.checked_sub(name.len())?)
        }),
        _ => Some(budget),
    }
}

fn replace(current: &Value, body: &Value, subresource: Option<&str>) -> Result<Value, PatchError> {
    let Value::Object(fields) = body else {
        return Err(PatchError::invalid("", "a replacement is a JSON object"));
    };
    if let (Some(field), None) = (subresource, fields.get("metadata")) {
        return replace_field(current, body, field);
    }
    let mut after = fields.clone();
    for field in ["apiVersion", "kind"] {
        if let (None, Some(value)) = (fields.get(field), current.get(field)) {
            after.insert(field.to_owned(), value.clone());
        }
    }
    if let (Some(Value::Object(metadata)), Some(old)) =
        (after.get_mut("metadata"), current.get("metadata"))
    {
        for field in SERVER_OWNED {
            // A Go program writes a time that is not set as null.
            let given = metadata.get(field).is_some_and(|value| !value.is_null());
            if let (false, Some(value)) = (given, old.get(field)) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
    }
    Ok(Value::Object(after))
}

/// The current object with that one field as the body has it.
fn replace_field(current: &Value, body: &Value, field: &str) -> Result<Value, PatchError> {
    let other = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| !["apiVersion", "kind", field].contains(&name.as_str()));
    let (None, Some(value)) = (other, body.get(field)) else {
        let message = format!(
            "a replacement of {field} is the whole object with its metadata, or {{\"{field}\": …}} alone"
        );
        return Err(PatchError::invalid("", message));
    };
    let mut after = current.as_object().cloned().unwrap_or_default();
    after.insert(field.to_owned(), value.clone());
    Ok(Value::Object(after))
}

#[cfg(test)]
mod tests;
