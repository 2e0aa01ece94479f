//! Create and update: one object, from what it was to what it shall be.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Call, media, metadata};
use crate::kinds::{self, Operation, Resource, Seen};
use crate::managed::same_but_times;
use crate::status::{FieldError, MODIFIED, Status};
use crate::store::{Draft, Entry};

/// How many names are tried for a `generateName`.
const NAMES: usize = 8;

/// What an update came to.
pub(super) enum Updated {
    /// It is stored so.
    Stored(Arc<Entry>),
    /// It would be stored so, were it no dry run; or it went with this update. In the request's version.
    Shown(Value),
}

/// What shall be written.
pub(super) struct Next {
    pub(super) object: Value,
    /// The owners of its fields, if that is settled; else this write becomes one of them.
    owners: Option<Option<String>>,
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

impl From<Value> for Next {
    fn from(object: Value) -> Self {
        Self {
            object,
            owners: None,
        }
    }
}

impl Next {
    /// An object whose owners are known.
    pub(super) fn owned(object: Value, owners: Option<String>) -> Self {
        Self {
            object,
            owners: Some(owners),
        }
    }
}

impl Call<'_> {
    pub(super) fn create(&mut self) -> Result<Answer, Status> {
        self.query.check_write("CreateOptions")?;
        let object = self.decode_object()?;
        self.create_object(object.into())
    }

    /// Stores a new object, under the name that it has or one that begins with its `generateName`.
    pub(super) fn create_object(&mut self, next: Next) -> Result<Answer, Status> {
        let Next { mut object, owners } = next;
        let given = metadata::text(&object, "name").to_owned();
        self.place(&mut object)?;
        self.check_namespace(&given)?;
        let definition = self.target.resource.definition.as_ref();
        if definition.is_some_and(|definition| definition.is_terminating()) {
            return Err(Status::terminating());
        }
        if !["", "0"].contains(&metadata::text(&object, "resourceVersion")) {
            return Err(Status::set_version());
        }
        let base = metadata::text(&object, "generateName").to_owned();
        if !given.is_empty() || base.is_empty() {
            return self
                .store_new(Next { object, owners })?
                .ok_or_else(|| Status::already_exists(&self.target.resource, &given));
        }
        let mut name = String::new();
        for _ in 0..NAMES {
            name = self.shared.new_name(&base);
            let mut named = object.clone();
            metadata::of(&mut named)?.insert("name".to_owned(), json!(name));
            if let Some(answer) = self.store_new(named.into())? {
                return Ok(answer);
            }
        }
        Err(Status::no_unique_name(&self.target.resource, &name))
    }

    /// Admits the object and stores it; `None` if its name is taken.
    fn store_new(&mut self, next: Next) -> Result<Option<Answer>, Status> {
        let Next { mut object, owners } = next;
        let resource = Arc::clone(&self.target.resource);
        let uid = self.shared.new_uid();
        let given = metadata::take(&mut object, metadata::MANAGED);
        metadata::begin(metadata::of(&mut object)?, &uid, self.now);
        let managed = self.admit_owned(Operation::Create, &mut object, owners, (given, None))?;
        let name = metadata::text(&object, "name").to_owned();
        if name.is_empty() {
            let error = FieldError::required("metadata.name", "name or generateName is required");
            return Err(Status::invalid(&resource, "", &[error]));
        }
        let key = self.target.key(&name);
        if self.query.is_dry_run() {
            let taken = self
                .shared
                .read(|store| store.get(&resource.collection, &key).is_some());
            metadata::put_managed(&mut object, managed.as_deref());
            return Ok((!taken).then_some(Answer::Object(201, object)));
        }
        let draft = self.draft(object, managed)?;
        let stored = self
            .shared
            .write(|store| store.put(&resource.collection, &key, None, draft));
        Ok(stored.ok().map(|entry| {
            self.shared.stored(&resource, &entry.key);
            Answer::Entry(201, entry)
        }))
    }

    pub(super) fn replace(&mut self) -> Result<Answer, Status> {
        self.query.check_write("UpdateOptions")?;
        let object = self.decode_object()?;
        self.check_name(&object)?;
        let key = self.target.key(self.target.name());
        let collection = Arc::clone(&self.target.resource.collection);
        let there = self
            .shared
            .read(|store| store.get(&collection, &key).is_some());
        if !there && self.target.resource.create_on_update && self.target.subresource.is_none() {
            let mut object = object;
            if let Some(wanted) = uid_of(&object) {
                return Err(self.other_uid(&wanted, ""));
            }
            metadata::of(&mut object)?.remove("resourceVersion");
            return self.create_object(object.into());
        }
        self.update(uid_of(&object).as_deref(), &mut |_| {
            Ok(object.clone().into())
        })
    }

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

    /// Lets the kind have its say. The object comes without the owners of its fields, which are the answer; `lists` are those that
    /// came with the object, and those that are stored.
    fn admit_owned(
        &mut self,
        operation: Operation<'_>,
        object: &mut Value,
        owners: Option<Option<String>>,
        (mut given, stored): (Option<Value>, Option<&str>),
    ) -> Result<Option<String>, Status> {
        if let Some(owners) = owners {
            self.admit(operation, object, None)?;
            return Ok(owners);
        }
        let owners = self.owners();
        let mut managed = None;
        let mut see = |written: &Value| {
            managed = match operation.old() {
                Some(old) => owners.updated(old, written, given.take(), stored),
                None => owners.created(written, given.take()),
            };
        };
        let seen = Seen {
            aside: &owners.aside(),
            see: &mut see,
        };
        self.admit(operation, object, Some(seen))?;
        Ok(managed)
    }

    fn admit(
        &mut self,
        operation: Operation<'_>,
        object: &mut Value,
        seen: Option<Seen<'_>>,
    ) -> Result<(), Status> {
        let context = self.admit_context();
        let resource = &self.target.resource;
        let warnings = match &resource.definition {
            Some(definition) => {
                kinds::custom::admit(resource, definition, operation, object, &context, seen)?
            }
            None => kinds::admit(resource, operation, object, &context, seen)?,
        };
        self.warnings.extend(warnings);
        if *resource.kind == *kinds::custom::DEFINITION {
            let warnings = kinds::custom::admit_definition(resource, operation, object)?;
            self.warnings.extend(warnings);
        }
        Ok(())
    }

    /// The object as it is stored.
    fn draft(&self, mut object: Value, managed: Option<String>) -> Result<Draft, Status> {
        let resource = &self.target.resource;
        if *resource.stored_api_version != *resource.api_version() {
            kinds::convert(&mut object, &resource.stored_api_version);
            if let Some(definition) = &resource.definition {
                definition.show(&mut object);
            }
        }
        let managed = managed.map(String::into_boxed_str);
        Ok(Draft {
            managed,
            ..stored_draft(resource, object)?
        })
    }

    /// The body as an object of the target's kind.
    pub(super) fn decode_object(&self) -> Result<Value, Status> {
        let resource = &self.target.resource;
        let mut object = media::decode(self.headers, self.body, &resource.kind)?;
        check_type(resource, &mut object)?;
        Ok(object)
    }

    /// The namespace in the object is that of the path, or not said.
    pub(super) fn place(&self, object: &mut Value) -> Result<(), Status> {
        let metadata = metadata::of(object)?;
        let given = metadata
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match self.target.namespace.as_deref() {
            None => {
                metadata.remove("namespace");
            }
            Some(namespace) if given.is_empty() => {
                metadata.insert("namespace".to_owned(), json!(namespace));
            }
            Some(namespace) if given != namespace => {
                return Err(Status::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn check_name(&self, object: &Value) -> Result<(), Status> {
        let (given, wanted) = (metadata::text(object, "name"), self.target.name());
        if given.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
            )));
        }
        if given != wanted {
            return Err(Status::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({wanted})"
            )));
        }
        let (given, wanted) = (
            metadata::text(object, "namespace"),
            self.target.namespace.as_deref(),
        );
        match wanted {
            Some(wanted) if !given.is_empty() && given != wanted => {
                Err(Status::bad_request(format!(
                    "the namespace of the object ({given}) does not match the namespace on the request ({wanted})"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The resourceVersion in an update is the stored one's, or none where the kind allows that.
    fn check_version(&self, object: &Value, revision: u64) -> Result<(), Status> {
        let (resource, name) = (&self.target.resource, self.target.name());
        let given = metadata::text(object, "resourceVersion");
        match given.parse::<u64>() {
            Ok(given) if given == revision => Ok(()),
            Ok(given) if given != 0 => Err(Status::conflict(resource, name, MODIFIED)),
            Err(_) if !given.is_empty() => Err(Status::bad_request(format!(
                "metadata.resourceVersion: Invalid value: {given:?}: a resourceVersion is a decimal number"
            ))),
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

    fn other_uid(&self, wanted: &str, found: &str) -> Status {
        let why = format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        );
        Status::conflict(&self.target.resource, self.target.name(), &why)
    }
}

/// What is stored of an object in the stored version.
pub(super) fn stored_draft(resource: &Resource, object: Value) -> Result<Draft, Status> {
    let fields = kinds::selectable_fields(resource, &object);
    match object {
        Value::Object(object) => Ok(Draft {
            object,
            fields,
            managed: None,
        }),
        _ => Err(Status::internal("an object to be stored is no object")),
    }
}

/// Whether an update takes away the last thing that held a deleted object.
fn goes(resource: &Resource, old: &Value, new: &Value) -> bool {
    metadata::deletion(old).is_some()
        && metadata::grace(old).unwrap_or(0) == 0
        && metadata::finalizers(new).is_empty()
        && !(*resource.kind == *"Namespace" && super::namespaces::is_held(new))
}

/// Kind and apiVersion of a body, filled in where they are missing.
///
/// # Errors
/// 400 if they are another's.
pub(super) fn check_type(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    let api_version = resource.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): an object is expected",
            resource.kind
        )));
    };
    let mut given = |field: &str, default: &str| -> String {
        match map
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            Some(text) => text.to_owned(),
            None => {
                map.insert(field.to_owned(), json!(default));
                default.to_owned()
            }
        }
    };
    let (kind, version) = (
        given("kind", &resource.kind),
        given("apiVersion", &api_version),
    );
    if version != api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({api_version})"
        )));
    }
    if kind != *resource.kind && !resource.custom {
        return Err(Status::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: the kind in the data is another than the path's",
            resource.version, resource.kind
        )));
    }
    Ok(())
}

fn uid_of(object: &Value) -> Option<String> {
    let uid = metadata::text(object, "uid");
    (!uid.is_empty()).then(|| uid.to_owned())
}
