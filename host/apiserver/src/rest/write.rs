//! Create and replace: what a body says, and what the kind makes of it before it is stored.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Call, media, metadata};
use crate::kinds::{self, Operation, Resource, Seen};
use crate::status::number::unsigned;
use crate::status::{FieldError, Status};
use crate::store::Draft;

/// Where the real server's kinds come from, as its errors say it.
const SCHEME: &str = "pkg/runtime/scheme.go:111";

/// How many names are tried for a `generateName`.
const NAMES: usize = 8;

/// What shall be written.
pub(super) struct Next {
    pub(super) object: Value,
    /// The owners of its fields, if that is settled; else this write becomes one of them.
    pub(super) owners: Option<Option<String>>,
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
        // What is no number at all is no version, and does not count.
        let version = unsigned(metadata::text(&object, "resourceVersion"));
        if version.is_ok_and(|version| version != 0) {
            return Err(Status::set_version());
        }
        let base = metadata::text(&object, "generateName").to_owned();
        if !given.is_empty() || base.is_empty() {
            return self
                .store_new(Next { object, owners })?
                .ok_or_else(|| self.already_exists(&given));
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

    /// The name is taken, perhaps by what is on its way out.
    fn already_exists(&self, name: &str) -> Status {
        let resource = &self.target.resource;
        let mut status = Status::already_exists(resource, name);
        let key = self.target.key(name);
        let there = self
            .shared
            .read(|store| store.get(&resource.collection, &key).cloned());
        if there.is_some_and(|entry| metadata::deletion(&entry.object()).is_some()) {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
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
        if !there && self.target.resource.create_on_update {
            let mut object = object;
            if let Some(wanted) = uid_of(&object) {
                return Err(self.other_uid(&wanted, ""));
            }
            version_of(&object)?;
            if self.target.subresource.is_some() {
                return Err(Status::not_found(&self.target.resource, self.target.name()));
            }
            metadata::of(&mut object)?.remove("resourceVersion");
            return self.create_object(object.into());
        }
        self.update(uid_of(&object).as_deref(), &mut |_| {
            Ok(object.clone().into())
        })
    }

    /// Lets the kind have its say. The object comes without the owners of its fields, which are the answer; `lists` are those that
    /// came with the object, and those that are stored.
    pub(super) fn admit_owned(
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
        let warnings = &mut self.warnings;
        match &resource.definition {
            Some(definition) => kinds::custom::admit(
                resource, definition, operation, object, &context, seen, warnings,
            )?,
            None => kinds::admit(resource, operation, object, &context, seen, warnings)?,
        }
        if *resource.kind == *kinds::custom::DEFINITION {
            warnings.extend(kinds::custom::admit_definition(
                resource, operation, object,
            )?);
        }
        warnings.extend(kinds::unenforced(resource, operation));
        Ok(())
    }

    /// The object as it is stored.
    pub(super) fn draft(
        &self,
        mut object: Value,
        managed: Option<String>,
    ) -> Result<Draft, Status> {
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
    let kind = given("kind", &resource.kind);
    // A custom resource says itself what it is.
    let default = if resource.custom { "" } else { &*api_version };
    let version = given("apiVersion", default);
    if version != api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({api_version})"
        )));
    }
    if kind != *resource.kind && !resource.custom {
        return Err(Status::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: no kind {kind:?} is registered for version {version:?} in scheme {SCHEME:?}",
            resource.version, resource.kind
        )));
    }
    Ok(())
}

/// The resourceVersion that an update names; 0 if it names none.
///
/// # Errors
/// 500 as there, if it is no number.
pub(super) fn version_of(object: &Value) -> Result<u64, Status> {
    match metadata::text(object, "resourceVersion") {
        "" => Ok(0),
        given => unsigned(given).map_err(Status::no_version),
    }
}

fn uid_of(object: &Value) -> Option<String> {
    let uid = metadata::text(object, "uid");
    (!uid.is_empty()).then(|| uid.to_owned())
}
