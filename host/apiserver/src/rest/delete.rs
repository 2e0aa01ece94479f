//! Deletion: at once, in grace, or when the last finalizer is gone (apiserver, `pkg/registry/rest/delete.go`, `generic/registry/store.go`).

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::answer::{Answer, List};
use super::dependents::set_finalizers;
use super::query::{check_dry_run, refuse_options};
use super::select::Filter;
use super::update::{other_uid, other_version};
use super::write::stored_draft;
use super::{Call, media, metadata};
use crate::kinds::{Resource, Warning, custom};
use crate::status::{FieldError, Status};
use crate::store::Entry;

/// What is said to who deletes a Job and not what becomes of its pods.
const ORPHANS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them \
     or set propagationPolicy=Orphan to suppress this warning";

/// `metav1.DeleteOptions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    grace_period_seconds: Option<i64>,
    preconditions: Option<Preconditions>,
    orphan_dependents: Option<bool>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

/// What the object must be for the deletion to happen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// What a deletion does next.
enum Step {
    /// Nothing: it is under way.
    Wait,
    /// The object is marked, and stays.
    Mark(Value),
    /// The object is marked, and goes: watchers see both.
    MarkAndRemove(Value),
    /// The object goes.
    Remove,
}

impl Call<'_> {
    pub(super) fn delete(&mut self) -> Result<Answer, Status> {
        let options = self.delete_options()?;
        self.check_mortal()?;
        self.warn_of_orphans(&options);
        self.delete_with(&options)
    }

    /// A Job's pods stay unless that is said otherwise, which surprises.
    fn warn_of_orphans(&mut self, options: &DeleteOptions) {
        let said = options.propagation_policy.is_some() || options.orphan_dependents.is_some();
        if *self.target.resource.collection == *"batch/jobs" && !said {
            self.warnings.push(Warning(ORPHANS.to_owned()));
        }
    }

    /// Deletes the target.
    pub(super) fn delete_with(&mut self, options: &DeleteOptions) -> Result<Answer, Status> {
        loop {
            let entry = self.stored_entry()?;
            let step = self.next_step(&entry, options)?;
            if let Some(answer) = self.take_step(&entry, step, options)? {
                return Ok(answer);
            }
        }
    }

    pub(super) fn delete_collection(&mut self) -> Result<Answer, Status> {
        if *self.target.resource.kind == *"Namespace" {
            return Err(Status::method_not_allowed());
        }
        let options = self.delete_options()?;
        self.warn_of_orphans(&options);
        let filter = Filter::new(&self.target, &self.query)?;
        let list: List = self.shared.read(|store| self.page(store, &filter))?;
        let collection = self.target.clone();
        for entry in &list.entries {
            self.target = collection.named(entry.name());
            match self.delete_with(&options) {
                Err(status) if status.code != 404 => return Err(status),
                _ => {}
            }
        }
        self.target = collection;
        Ok(Answer::List(list))
    }

    /// The options, from the body or else from the query.
    fn delete_options(&self) -> Result<DeleteOptions, Status> {
        let query = &self.query;
        let options = if self.body.is_empty() {
            DeleteOptions {
                grace_period_seconds: query.grace_period_seconds,
                preconditions: None,
                orphan_dependents: query.orphan_dependents,
                propagation_policy: query.propagation_policy.clone(),
                dry_run: Some(query.dry_run.clone()),
            }
        } else {
            let body = media::decode(self.headers, self.body, "DeleteOptions")?;
            serde_json::from_value(body)
                .map_err(|error| Status::bad_request(format!("DeleteOptions: {error}")))?
        };
        options.check()?;
        Ok(options)
    }

    fn next_step(&self, entry: &Entry, options: &DeleteOptions) -> Result<Step, Status> {
        let resource = &self.target.resource;
        options.check_preconditions(resource, entry)?;
        let mut object = entry.object();
        if *resource.kind == *"Namespace" {
            if metadata::deletion(&object).is_none() {
                terminate(&mut object, resource, options, self.now)?;
                return Ok(Step::Mark(object));
            }
            if super::namespaces::is_held(&object) {
                return Ok(Step::Wait);
            }
        }
        if *resource.kind == *custom::DEFINITION && !custom::is_doomed(&object) {
            return Ok(Step::Mark(custom::doomed(object, self.now)));
        }
        let graceful = *resource.kind == *"Pod" && resource.group.is_empty();
        let grace = match graceful.then(|| grace(&object, options, self.now)) {
            Some(Grace::Pending) => return Ok(Step::Wait),
            Some(Grace::Begin { at, seconds }) => {
                mark(&mut object, at, seconds)?;
                Some(seconds)
            }
            Some(Grace::Over) | None => None,
        };
        let marked = set_finalizers(&mut object, resource, options)?;
        let held = !metadata::finalizers(&object).is_empty();
        Ok(match grace {
            None if held => {
                let now = metadata::deletion(&object).map_or(self.now, |at| at.min(self.now));
                mark(&mut object, now, 0)?;
                Step::Mark(object)
            }
            None if marked => Step::MarkAndRemove(object),
            None => Step::Remove,
            Some(seconds) if held || seconds > 0 => Step::Mark(object),
            Some(_) => Step::MarkAndRemove(object),
        })
    }

    /// Does it; `None` if the object changed meanwhile.
    fn take_step(
        &mut self,
        entry: &Arc<Entry>,
        step: Step,
        options: &DeleteOptions,
    ) -> Result<Option<Answer>, Status> {
        let dry = options.is_dry_run();
        let (marked, remove) = match step {
            Step::Wait => return Ok(Some(Answer::Entry(200, Arc::clone(entry)))),
            Step::Mark(object) => (Some(object), false),
            Step::MarkAndRemove(object) => (Some(object), true),
            Step::Remove => (None, true),
        };
        if dry {
            let object = marked.unwrap_or_else(|| entry.object());
            return Ok(Some(self.deleted(object, entry, remove, options)));
        }
        let resource = Arc::clone(&self.target.resource);
        let changed = marked.as_ref().filter(|marked| **marked != entry.object());
        let mut current = Arc::clone(entry);
        if let Some(object) = changed {
            let draft = stored_draft(&resource, object.clone())?;
            let put = self.shared.write(|store| {
                store.put(
                    &resource.collection,
                    &entry.key,
                    Some(entry.revision),
                    draft,
                )
            });
            match put {
                Ok(stored) => current = stored,
                Err(_) => return Ok(None),
            }
        }
        let mut revision = current.revision;
        if remove {
            let removed = self
                .shared
                .write(|store| store.remove(&resource.collection, &current.key, current.revision));
            match removed {
                Ok(removed) => revision = removed,
                Err(_) => return Ok(None),
            }
        }
        self.shared.stored(&resource, &current.key);
        let object = metadata::with_version(current.object(), revision);
        Ok(Some(self.deleted(object, &current, remove, options)))
    }

    fn deleted(&self, object: Value, entry: &Entry, gone: bool, options: &DeleteOptions) -> Answer {
        let resource = &self.target.resource;
        if gone && !resource.returns_deleted {
            return Answer::Status(Status::deleted(resource, entry.name(), &entry.uid));
        }
        let code = if !gone && options.orphan_dependents == Some(false) {
            202
        } else {
            200
        };
        Answer::Object(code, self.presentation().converted(object))
    }
}

// === impl DeleteOptions ===

impl DeleteOptions {
    fn check(&self) -> Result<(), Status> {
        let mut errors = Vec::new();
        if let Some(policy) = &self.propagation_policy {
            let field = "propagationPolicy";
            if self.orphan_dependents.is_some() {
                errors.push(FieldError::invalid(
                    field,
                    &json!(policy),
                    "orphanDependents and deletionPropagation cannot be both set",
                ));
            }
            if !["Foreground", "Background", "Orphan"].contains(&policy.as_str()) {
                errors.push(FieldError::not_supported(
                    field,
                    &json!(policy),
                    &["Foreground", "Background", "Orphan", "nil"],
                ));
            }
        }
        errors.extend(check_dry_run(self.dry_run.as_deref().unwrap_or_default()));
        refuse_options("DeleteOptions", &errors)
    }

    /// The options as they stand, if they may; a dry run may come from outside of them.
    pub(super) fn checked(mut self, dry_run: bool) -> Result<Self, Status> {
        if dry_run {
            self.dry_run = Some(vec!["All".to_owned()]);
        }
        self.check()?;
        Ok(self)
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
            .as_ref()
            .is_some_and(|stages| !stages.is_empty())
    }

    fn check_preconditions(&self, resource: &Resource, entry: &Entry) -> Result<(), Status> {
        let Some(preconditions) = &self.preconditions else {
            return Ok(());
        };
        // The real server names the kind here, where it otherwise names the resource.
        let kind = Resource {
            plural: resource.kind.clone(),
            ..resource.clone()
        };
        let refuse = |why: String| Err(Status::conflict(&kind, entry.name(), &why));
        if let Some(uid) = preconditions
            .uid
            .as_deref()
            .filter(|uid| **uid != *entry.uid)
        {
            // Namespaces have a deletion of their own there.
            if *resource.kind == *"Namespace" {
                return Err(other_uid(resource, entry.name(), uid, &entry.uid));
            }
            return refuse(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted \
                 and then recreated",
                entry.uid
            ));
        }
        let found = entry.revision.to_string();
        if let Some(version) = preconditions
            .resource_version
            .as_deref()
            .filter(|version| **version != found)
        {
            if *resource.kind == *"Namespace" {
                return Err(other_version(resource, entry.name(), version, &found));
            }
            return refuse(format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({found}). \
                 The object might have been modified"
            ));
        }
        Ok(())
    }

    /// Whether dependents are to lose their owner; `None` if that was not said.
    pub(super) fn orphans(&self) -> Option<bool> {
        self.orphan_dependents.or_else(|| {
            self.propagation_policy
                .as_deref()
                .map(|policy| policy == "Orphan")
        })
    }

    /// Whether dependents go before their owner; `None` if that was not said.
    pub(super) fn foreground(&self) -> Option<bool> {
        if self.orphan_dependents.is_some() {
            return Some(false);
        }
        self.propagation_policy
            .as_deref()
            .map(|policy| policy == "Foreground")
    }
}

// === grace ===

/// What grace a pod has.
enum Grace {
    /// It has it already, and not less is asked for.
    Pending,
    /// It is to go at a time.
    Begin { at: Time, seconds: i64 },
    /// None is left.
    Over,
}

fn grace(pod: &Value, options: &DeleteOptions, now: Time) -> Grace {
    let asked = options
        .grace_period_seconds
        .map(|seconds| if seconds < 0 { 1 } else { seconds });
    if let Some(at) = metadata::deletion(pod) {
        return shorter(at, metadata::grace(pod).unwrap_or(0), asked, now);
    }
    let spec = |field: &str| pod.get("spec").and_then(|spec| spec.get(field));
    let usual = spec("terminationGracePeriodSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let seconds = asked.unwrap_or(usual);
    let bound = spec("nodeName")
        .and_then(Value::as_str)
        .is_some_and(|name| !name.is_empty());
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    let runs = !matches!(phase, Some("Succeeded" | "Failed"));
    let seconds = match seconds {
        _ if !bound || !runs => 0,
        negative if negative < 0 => 1,
        seconds => seconds,
    };
    Grace::Begin {
        at: now + duration(seconds),
        seconds,
    }
}

/// Grace may only be shortened, and its end does not move into the past.
fn shorter(at: Time, given: i64, asked: Option<i64>, now: Time) -> Grace {
    let given = if given < 0 { 1 } else { given };
    match asked {
        _ if given == 0 => Grace::Over,
        Some(asked) if asked < given => {
            let begun = at - duration(given);
            let at = begun + duration(asked);
            if at < now {
                Grace::Begin {
                    at: now,
                    seconds: asked.min(1),
                }
            } else {
                Grace::Begin { at, seconds: asked }
            }
        }
        _ => Grace::Pending,
    }
}

fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Marks the object as one that is to go. The first mark counts as a change of what is wanted.
fn mark(object: &mut Value, at: Time, seconds: i64) -> Result<(), Status> {
    let first = metadata::deletion(object).is_none();
    let metadata = metadata::of(object)?;
    let generation = metadata.get("generation").and_then(Value::as_i64);
    if let (true, Some(generation)) = (first, generation.filter(|&generation| generation > 0)) {
        metadata.insert("generation".to_owned(), json!(generation + 1));
    }
    metadata.insert("deletionTimestamp".to_owned(), json!(at.to_seconds()));
    metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(seconds));
    Ok(())
}

fn terminate(
    object: &mut Value,
    resource: &Resource,
    options: &DeleteOptions,
    now: Time,
) -> Result<(), Status> {
    metadata::of(object)?.insert("deletionTimestamp".to_owned(), json!(now.to_seconds()));
    if let Some(map) = object.as_object_mut() {
        let status = map.entry("status").or_insert_with(|| json!({}));
        if let Some(status) = status.as_object_mut() {
            status.insert("phase".to_owned(), json!("Terminating"));
        }
    }
    set_finalizers(object, resource, options)?;
    Ok(())
}
