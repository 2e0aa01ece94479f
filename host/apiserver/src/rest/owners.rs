//! Who owns what of an object that is written, and server-side apply (apiserver, `pkg/endpoints/handlers/patch.go`).

use std::sync::{Arc, LazyLock};

use http::header::USER_AGENT;
use serde_json::{Map, Value};
use stagewright_core::time::Time;

use super::answer::Answer;
use super::query::LONGEST_MANAGER;
use super::update::Before;
use super::write::{Next, version_of};
use super::{Call, metadata};
use crate::kinds::{self, Resource};
use crate::managed::{
    self, Applied, Conflict, Manager, Refusal, Resets, Rules, Set, Typed, Writer,
};
use crate::server::Shared;
use crate::status::Status;

/// The owners of an object, as a request writes to them.
pub(super) struct Owners {
    shared: Arc<Shared>,
    resource: Arc<Resource>,
    subresource: Box<str>,
    resets: Resets,
    manager: String,
    now: Time,
}

/// What is written to: the object, or its Scale.
struct Part<'a> {
    typed: Typed<'a>,
    resets: &'a Resets,
    api_version: String,
    kind: &'a str,
    subresource: &'a str,
}

impl Call<'_> {
    /// The owners as this request writes to them.
    pub(super) fn owners(&self) -> Owners {
        let manager = match self.query.field_manager.as_str() {
            "" => {
                let agent = self.headers.get(USER_AGENT);
                let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
                prefix(&agent.unwrap_or_default())
            }
            name => name.to_owned(),
        };
        let resource = Arc::clone(&self.target.resource);
        let subresource = self.target.subresource.clone().unwrap_or_default();
        Owners {
            shared: Arc::clone(self.shared),
            resets: kinds::resets(&resource, &subresource),
            resource,
            subresource,
            manager,
            now: self.now,
        }
    }

    /// Server-side apply: what is not there is created.
    pub(super) fn apply(&mut self) -> Result<Answer, Status> {
        let (config, force) = self.configuration()?;
        let owners = self.owners();
        loop {
            let key = self.target.key(self.target.name());
            let collection = &self.target.resource.collection;
            let there = self
                .shared
                .read(|store| store.get(collection, &key).is_some());
            if there || self.target.subresource.is_some() {
                return self.update(None, &mut |before| {
                    owners.applied(Some(before), &config, force)
                });
            }
            match self.apply_new(&owners, &config, force) {
                // Somebody else was faster.
                Err(status) if status.reason == "AlreadyExists" => {}
                other => return other,
            }
        }
    }

    /// The configuration to apply, and whether others lose what it sets.
    pub(super) fn configuration(&self) -> Result<(Value, bool), Status> {
        self.query.check_apply()?;
        let config = super::media::parse_yaml(self.body)
            .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
        let what = match &config {
            Value::Object(_) => return Ok((config, self.query.force == Some(true))),
            Value::Null => return Ok((Value::Object(Map::new()), false)),
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
        };
        Err(Status::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
        )))
    }

    fn apply_new(
        &mut self,
        owners: &Owners,
        config: &Value,
        force: bool,
    ) -> Result<Answer, Status> {
        let mut next = owners.applied(None, config, force)?;
        let name = self.target.name();
        let uid = metadata::text(&next.object, "uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Status::conflict(&self.target.resource, name, &why));
        }
        self.place(&mut next.object)?;
        self.check_name(&next.object)?;
        version_of(&next.object)?;
        metadata::of(&mut next.object)?.remove("resourceVersion");
        self.create_object(next)
    }
}

// === impl Owners ===

impl Owners {
    /// The members that this request does not own whatever it writes there.
    pub(super) fn aside(&self) -> Vec<&str> {
        self.resets.aside()
    }

    /// The list after an update that made `new` of `old`, both without their own. `given` is the list that came with it.
    pub(super) fn updated(
        &self,
        old: &Value,
        new: &Value,
        given: Option<Value>,
        stored: Option<&str>,
    ) -> Option<String> {
        let managers = if self.subresource.is_empty() {
            managed::given(given, stored)
        } else {
            // Subresources take the object's list as it is.
            managed::stored(stored)
        };
        // An object whose owners were forgotten stays without, until somebody applies.
        if managers.is_empty() {
            return None;
        }
        self.track(&self.whole(), old, new, managers)
    }

    /// The list of a new object.
    pub(super) fn created(&self, new: &Value, given: Option<Value>) -> Option<String> {
        let blank = kinds::blank(&self.resource);
        self.track(&self.whole(), &blank, new, managed::given(given, None))
    }

    fn track(
        &self,
        part: &Part<'_>,
        old: &Value,
        new: &Value,
        managers: Vec<Manager>,
    ) -> Option<String> {
        let managers = self.with(part, |rules, writer| {
            managed::update(rules, writer, old, new, managers)
        });
        managed::written(managers)
    }

    /// What becomes of the object, or of one that nobody wrote to, by a configuration.
    ///
    /// # Errors
    /// 400 for a configuration of something else, 409 for what others own, 500 for what does not fit the type, as in the real
    /// server.
    pub(super) fn applied(
        &self,
        before: Option<&Before<'_>>,
        config: &Value,
        force: bool,
    ) -> Result<Next, Status> {
        let blank = kinds::blank(&self.resource);
        let old = before.map_or(&blank, |before| &before.object);
        let managers = managed::stored(before.and_then(|before| before.managed));
        let applied = self.apply(&self.whole(), (&blank, old), config, managers, force)?;
        let made = applied.object.as_ref();
        if let Some(words) = made.and_then(|made| kinds::unreadable(&self.resource, made)) {
            let what = shown_type(config);
            return Err(failed(
                "convert new object",
                config,
                &format!(
                    " to proper version: unable to convert unstructured object to {what}: {words}"
                ),
            ));
        }
        let object = applied.object.unwrap_or_else(|| old.clone());
        Ok(Next::owned(object, managed::written(applied.managers)))
    }

    /// The list of an object after its Scale was written to.
    pub(super) fn scaled(
        &self,
        pointer: &str,
        stored: Option<&str>,
        (before, after): (&Value, &Value),
    ) -> Option<String> {
        let managers = managed::stored(stored);
        let part = scale();
        let owners = managed::scale::of_object(&managers, pointer);
        // None at all is written as nothing there.
        let mut after = after.clone();
        if after.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0)
            && let Some(spec) = after.get_mut("spec").and_then(Value::as_object_mut)
        {
            spec.remove("replicas");
        }
        // Where nobody is known to own the number, nobody begins to.
        let owners = if owners.is_empty() {
            owners
        } else {
            self.with(&part, |rules, writer| {
                managed::update(rules, writer, before, &after, owners)
            })
        };
        self.to_object(managers, owners, pointer)
    }

    /// What a configuration makes of an object's Scale, and the list of the object then.
    ///
    /// # Errors
    /// As [`Owners::applied`].
    pub(super) fn scale_applied(
        &self,
        pointer: &str,
        stored: Option<&str>,
        before: &Value,
        (config, force): &(Value, bool),
    ) -> Result<(Value, Option<String>), Status> {
        let managers = managed::stored(stored);
        let owners = managed::scale::of_object(&managers, pointer);
        let blank = kinds::blank_scale();
        let applied = self.apply(&scale(), (&blank, before), config, owners, *force)?;
        let object = applied.object.unwrap_or_else(|| before.clone());
        let list = self.to_object(managers, applied.managers, pointer);
        Ok((object, list))
    }

    fn to_object(
        &self,
        managers: Vec<Manager>,
        scale: Vec<Manager>,
        pointer: &str,
    ) -> Option<String> {
        let api_version = self.resource.api_version();
        let managers = managed::scale::to_object(managers, scale, pointer, &api_version);
        managed::written(managers)
    }

    fn apply(
        &self,
        part: &Part<'_>,
        (blank, old): (&Value, &Value),
        config: &Value,
        managers: Vec<Manager>,
        force: bool,
    ) -> Result<Applied, Status> {
        let found = shown_type(config);
        if found != part.shown_type() {
            return Err(Status::bad_request(format!("invalid object type: {found}")));
        }
        let brought = metadata::managed(config).is_some_and(|list| !list.is_null());
        if brought {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        let applied = self.with(part, |rules, writer| {
            managed::apply(rules, writer, (blank, old), config, managers, force)
        });
        let mut applied = applied.map_err(|refusal| match refusal {
            Refusal::Conflicts(conflicts) => conflicting(&conflicts),
            Refusal::Misfit(words) => {
                failed("create typed patch object", config, &format!(": {words}"))
            }
        })?;
        if self.manager == "kubectl" {
            managed::note_applied(applied.object.get_or_insert_with(|| old.clone()), config);
        }
        Ok(applied)
    }

    fn whole(&self) -> Part<'_> {
        Part {
            typed: kinds::typed(&self.resource),
            resets: &self.resets,
            api_version: self.resource.api_version(),
            kind: &self.resource.kind,
            subresource: &self.subresource,
        }
    }

    fn with<T>(&self, part: &Part<'_>, work: impl FnOnce(&Rules<'_>, &Writer<'_>) -> T) -> T {
        let served = |version: &str| version == part.api_version || self.serves(version);
        let rules = Rules {
            typed: part.typed,
            resets: part.resets,
            served: &served,
            strict: self.resource.custom,
        };
        let writer = Writer {
            name: &self.manager,
            api_version: &part.api_version,
            subresource: part.subresource,
            now: self.now,
        };
        work(&rules, &writer)
    }

    /// Whether the kind is there in that version.
    fn serves(&self, api_version: &str) -> bool {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let catalog = self.shared.catalog.read();
        let found = catalog.resource(group, version, &self.resource.plural);
        found.is_some_and(|found| found.collection == self.resource.collection)
    }
}

fn scale() -> Part<'static> {
    static NOTHING: LazyLock<Resets> = LazyLock::new(|| Resets::These(Set::default()));
    Part {
        typed: kinds::typed_scale(),
        resets: &NOTHING,
        api_version: managed::scale::VERSION.to_owned(),
        kind: "Scale",
        subresource: "scale",
    }
}

// === impl Part ===

impl Part<'_> {
    fn shown_type(&self) -> String {
        shown(&self.api_version, self.kind)
    }
}

/// Kind and version as Go prints them.
fn shown_type(object: &Value) -> String {
    let text = |field: &str| {
        object
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    shown(text("apiVersion"), text("kind"))
}

fn shown(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// What is before the slash of a user agent, as far as it can be printed.
fn prefix(agent: &str) -> String {
    let mut name = String::new();
    let before = agent.split('/').next().unwrap_or_default();
    for letter in before.chars().filter(|letter| !letter.is_control()) {
        if name.len() + letter.len_utf8() > LONGEST_MANAGER {
            break;
        }
        name.push(letter);
    }
    name
}

/// What cannot be made of a configuration. The real server forgets here that this is the client's error, and we follow.
fn failed(to: &str, config: &Value, why: &str) -> Status {
    let [namespace, name] = ["namespace", "name"].map(|field| metadata::text(config, field));
    let what = shown_type(config);
    Status::failure(
        500,
        "",
        format!("failed to {to} ({namespace}/{name}; {what}){why}"),
    )
}

fn conflicting(conflicts: &[Conflict]) -> Status {
    let mut status = Status::failure(409, "Conflict", "");
    for Conflict { manager, field, .. } in conflicts {
        status = status.because_of(
            "FieldManagerConflict",
            format!("conflict with {manager}"),
            field,
        );
    }
    status.message = match conflicts {
        [Conflict { manager, field, .. }] => {
            format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
        }
        several => {
            let mut sorted: Vec<&Conflict> = several.iter().collect();
            sorted.sort_by(|one, other| one.order.cmp(&other.order));
            let mut lines = Vec::new();
            let mut last = None;
            for Conflict { manager, field, .. } in sorted {
                if last.replace(manager) != Some(manager) {
                    lines.push(format!("conflicts with {manager}:"));
                }
                lines.push(format!("- {field}"));
            }
            let count = several.len();
            format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
        }
    };
    status
}
