//! Update: from what an object was to what it shall be, until nobody else was faster.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::write::{Next, stored_draft, version_of};
use super::{Call, metadata};
use crate::kinds::{Operation, Resource};
use crate::managed::same_but_times;
use crate::status::{FieldError, MODIFIED, Status};
use crate::store::Entry;

/// What an update came to.
pub(super) enum Updated {
    /// It is stored so.
    Stored(Arc<Entry>),
    /// It would be stored so, were it no dry run; or it went with this update. In the request's version.
    Shown(Value),
}

/// What an update starts from: the object in the request's version, and apart from it who owns which of its fields.
pub(super) struct Before<'a> {
    pub(super) object: Value,
    /// `metadata.managedFields`, as JSON.
    pub(super) managed: Option<&'a str>,
}

impl Before<'_> {
    /// The object as clients see it.
    pub(super) fn whole(&self) -> Value {
        let mut object = self.object.clone();
        metadata::put_managed(&mut object, self.managed);
        object
    }
}

impl Call<'_> {
    /// Brings the target from what it is to what `next` makes of it. `uid` is the object that is meant, if that was said.
    pub(super) fn update(
        &mut self,
        uid: Option<&str>,
        next: &mut dyn FnMut(&Before<'_>) -> Result<Next, Status>,
    ) -> Result<Answer, Status> {
        Ok(match self.update_object(uid, next)? {
            Updated::Stored(entry) => Answer::Entry(200, entry),
            Updated::Shown(object) => Answer::Object(200, object),
        })
    }

    /// As [`Call::update`], for who goes on with the object.
    pub(super) fn update_object(
        &mut self,
        uid: Option<&str>,
        next: &mut dyn FnMut(&Before<'_>) -> Result<Next, Status>,
    ) -> Result<Updated, Status> {
        let told = self.warnings.len();
        loop {
            let entry = self.stored_entry()?;
            if let Some(wanted) = uid.filter(|wanted| **wanted != *entry.uid) {
                return Err(self.other_uid(wanted, &entry.uid));
            }
            self.warnings.truncate(told);
            if let Some(updated) = self.try_update(&entry, next)? {
                return Ok(updated);
            }
            // Somebody else was faster; what they made of it is the next try's start.
        }
    }

    /// One try; `None` if the object changed meanwhile.
    fn try_update(
        &mut self,
        entry: &Arc<Entry>,
        next: &mut dyn FnMut(&Before<'_>) -> Result<Next, Status>,
    ) -> Result<Option<Updated>, Status> {
        let resource = Arc::clone(&self.target.resource);
        let before = Before {
            object: self.presentation().converted(entry.lean()),
            managed: entry.managed(),
        };
        let Next {
            object: mut new,
            owners,
        } = next(&before)?;
        self.check_name(&new)?;
        self.check_version(&new, entry.revision)?;
        self.place(&mut new)?;
        // What follows is about what the writer and the kind make of the object; who owns what of it is put in at the end.
        let stored = before.managed;
        let mut old = before.object;
        metadata::take(&mut old, "resourceVersion");
        let given = metadata::take(&mut new, metadata::MANAGED);
        metadata::carry(metadata::of(&mut new)?, &old);
        let subresource = self.target.subresource.clone();
        let operation = match subresource.as_deref() {
            None => Operation::Update { old: &old },
            Some("status") => Operation::UpdateStatus { old: &old },
            Some(name) => Operation::UpdateSubresource { name, old: &old },
        };
        let managed = self.admit_owned(operation, &mut new, owners, (given, stored))?;
        if goes(&resource, &old, &new) {
            metadata::put_managed(&mut new, managed.as_deref());
            return self.finish(entry, new);
        }
        if new == old && same_but_times(managed.as_deref(), stored) {
            return Ok(Some(Updated::Stored(Arc::clone(entry))));
        }
        if self.query.is_dry_run() {
            metadata::put_managed(&mut new, managed.as_deref());
            return Ok(Some(Updated::Shown(metadata::with_version(
                new,
                entry.revision,
            ))));
        }
        let draft = self.draft(new, managed)?;
        let put = |store: &mut crate::store::Store| {
            store.put(
                &resource.collection,
                &entry.key,
                Some(entry.revision),
                draft,
            )
        };
        let Ok(stored) = self.shared.write(put) else {
            return Ok(None);
        };
        self.shared.stored(&resource, &stored.key);
        Ok(Some(Updated::Stored(stored)))
    }

    /// The last thing that held a deleted object is gone with this update, and so is the object.
    fn finish(&mut self, entry: &Arc<Entry>, new: Value) -> Result<Option<Updated>, Status> {
        let resource = &self.target.resource;
        if self.query.is_dry_run() {
            return Ok(Some(Updated::Shown(metadata::with_version(
                new,
                entry.revision,
            ))));
        }
        let removed = self
            .shared
            .write(|store| store.remove(&resource.collection, &entry.key, entry.revision));
        let Ok(revision) = removed else {
            return Ok(None);
        };
        self.shared.stored(resource, &entry.key);
        Ok(Some(Updated::Shown(metadata::with_version(new, revision))))
    }

    /// Changes the target as it is stored, past its kind's rules: for what the server itself writes. A dry run only checks.
    pub(super) fn change(
        &mut self,
        change: &mut dyn FnMut(&mut Value) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let resource = Arc::clone(&self.target.resource);
        let key = self.target.key(self.target.name());
        loop {
            let entry = self
                .shared
                .read(|store| store.get(&resource.collection, &key).cloned());
            let entry = entry.ok_or_else(|| Status::not_found(&resource, self.target.name()))?;
            let mut object = entry.object();
            change(&mut object)?;
            if self.query.is_dry_run() || object == entry.object() {
                return Ok(());
            }
            let draft = stored_draft(&resource, object)?;
            let put = self
                .shared
                .write(|store| store.put(&resource.collection, &key, Some(entry.revision), draft));
            if put.is_ok() {
                return Ok(());
            }
        }
    }

    /// The resourceVersion in an update is the stored one's, or none where the kind allows that.
    fn check_version(&self, object: &Value, revision: u64) -> Result<(), Status> {
        let (resource, name) = (&self.target.resource, self.target.name());
        match version_of(object)? {
            given if given == revision => Ok(()),
            given if given != 0 => Err(Status::conflict(resource, name, MODIFIED)),
            _ if resource.unconditional_update => Ok(()),
            _ => {
                let error = FieldError::invalid(
                    "metadata.resourceVersion",
                    &json!(0),
                    "must be specified for an update",
                );
                Err(Status::invalid_kind(
                    &resource.group,
                    &resource.plural,
                    name,
                    &[error],
                ))
            }
        }
    }

    pub(super) fn other_uid(&self, wanted: &str, found: &str) -> Status {
        other_uid(&self.target.resource, self.target.name(), wanted, found)
    }
}

/// The object is another one than the writer thinks.
pub(super) fn other_uid(resource: &Resource, name: &str, wanted: &str, found: &str) -> Status {
    let why =
        format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    Status::conflict(resource, name, &why)
}

/// The object is of another version than the writer thinks.
pub(super) fn other_version(resource: &Resource, name: &str, wanted: &str, found: &str) -> Status {
    let why = format!(
        "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {found}"
    );
    Status::conflict(resource, name, &why)
}

/// Whether an update takes away the last thing that held a deleted object.
fn goes(resource: &Resource, old: &Value, new: &Value) -> bool {
    metadata::deletion(old).is_some()
        && metadata::grace(old).unwrap_or(0) == 0
        && metadata::finalizers(new).is_empty()
        && !(*resource.kind == *"Namespace" && super::namespaces::is_held(new))
}
