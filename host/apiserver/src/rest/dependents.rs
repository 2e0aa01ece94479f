//! What a deletion says of dependents, told to the garbage collector by finalizers (apiserver, `deletionFinalizersForGarbageCollection`
//! in `generic/registry/store.go`).

use serde_json::{Value, json};

use super::delete::DeleteOptions;
use super::metadata;
use crate::kinds::Resource;
use crate::status::Status;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Sets the finalizers that tell the garbage collector what becomes of dependents; whether that changed any.
pub(super) fn set_finalizers(
    object: &mut Value,
    resource: &Resource,
    options: &DeleteOptions,
) -> Result<bool, Status> {
    let before: Vec<String> = metadata::finalizers(object)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let has = |name: &str| before.iter().any(|finalizer| finalizer == name);
    let collected = *resource.kind != *"Event";
    // Two kinds have kept the default of the days before there was a garbage collector.
    let orphans_by_default = matches!(&*resource.kind, "ReplicationController" | "Job");
    let stated = has(ORPHAN) || has(FOREGROUND);
    let orphan = collected
        && options.orphans().unwrap_or(if stated {
            has(ORPHAN)
        } else {
            orphans_by_default
        });
    let foreground = collected
        && options
            .foreground()
            .unwrap_or(!has(ORPHAN) && has(FOREGROUND));
    let mut after: Vec<String> = before
        .iter()
        .filter(|finalizer| ![ORPHAN, FOREGROUND].contains(&finalizer.as_str()))
        .cloned()
        .collect();
    after.extend(orphan.then(|| ORPHAN.to_owned()));
    after.extend(foreground.then(|| FOREGROUND.to_owned()));
    let mut sorted = [before.clone(), after.clone()];
    sorted.iter_mut().for_each(|list| list.sort_unstable());
    let [old, new] = sorted;
    if old == new {
        return Ok(false);
    }
    let metadata = metadata::of(object)?;
    if after.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(after));
    }
    Ok(true)
}
