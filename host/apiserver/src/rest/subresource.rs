//! What follows an object's name in a path.

use http::Method;
use serde_json::{Value, json};
use stagewright_core::json as tree;

use super::answer::Answer;
use super::update::Updated;
use super::write::Next;
use super::{Call, media, metadata, patch};
use crate::kinds::Scale;
use crate::status::{FieldError, Status};

impl Call<'_> {
    pub(super) fn subresource(&mut self, method: &Method) -> Result<Answer, Status> {
        let subresource = self.target.subresource.clone().unwrap_or_default();
        let resource = &self.target.resource;
        if resource.custom && !resource.has_subresource(&subresource) {
            return Err(Status::not_found(resource, self.target.name()));
        }
        match (&*subresource, method.as_str()) {
            ("status" | "ephemeralcontainers" | "resize" | "approval", "GET") => self.get(),
            ("status" | "ephemeralcontainers" | "resize" | "approval", "PATCH") => self.patch(),
            ("status" | "ephemeralcontainers" | "resize" | "approval" | "finalize", "PUT") => {
                self.replace()
            }
            ("binding", "POST") => self.bind(),
            ("eviction", "POST") => self.evict(),
            ("scale", "GET" | "PUT" | "PATCH") => self.scale(method),
            ("attach" | "exec" | "log" | "portforward" | "proxy", _) => {
                Err(Status::not_implemented(format!(
                    "{subresource} is not served: nothing runs behind the pods, nodes and services of this server"
                )))
            }
            ("token", "POST") => Err(Status::not_implemented(
                "token is not served: this server knows no service accounts' tokens",
            )),
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// The object's number of replicas, as a document of its own kind.
    fn scale(&mut self, method: &Method) -> Result<Answer, Status> {
        let resource = std::sync::Arc::clone(&self.target.resource);
        let Some(paths) = &resource.scale else {
            return Err(Status::no_such_resource());
        };
        let custom = resource.custom;
        let owners = self.owners();
        // The object is written as such: its generation counts.
        self.target.subresource = None;
        let updated = match method.as_str() {
            "GET" => {
                let object = self.target_object()?;
                return Ok(Answer::Document(200, scale_of(paths, &object)));
            }
            "PUT" => {
                self.query.check_write("UpdateOptions")?;
                let wanted = media::decode(self.headers, self.body, "Scale")?;
                self.check_name(&wanted)?;
                self.update_object(None, &mut |before| {
                    let old = &before.object;
                    let scale = scale_of(paths, old);
                    let list = owners.scaled(&paths.spec, before.managed, (&scale, &wanted));
                    Ok(Next::owned(rescaled(paths, custom, old, &wanted)?, list))
                })?
            }
            _ if self.is_apply() => {
                let config = self.configuration()?;
                self.update_object(None, &mut |before| {
                    let old = &before.object;
                    let scale = scale_of(paths, old);
                    let (wanted, list) =
                        owners.scale_applied(&paths.spec, before.managed, &scale, &config)?;
                    Ok(Next::owned(rescaled(paths, custom, old, &wanted)?, list))
                })?
            }
            _ => {
                let (form, body) = self.read_patch()?;
                self.query.check_write("PatchOptions")?;
                let kind = stagewright_core::object::Kind::new("autoscaling/v1", "Scale");
                self.update_object(None, &mut |before| {
                    let old = &before.object;
                    let scale = scale_of(paths, old);
                    let wanted = tree::apply(form, &kind, &scale, &body, None);
                    let wanted = wanted.map_err(|error| patch::refused(&error, form))?;
                    let list = owners.scaled(&paths.spec, before.managed, (&scale, &wanted));
                    Ok(Next::owned(rescaled(paths, custom, old, &wanted)?, list))
                })?
            }
        };
        let object = match updated {
            Updated::Stored(entry) => self.presentation().converted(entry.object()),
            Updated::Shown(object) => object,
        };
        Ok(Answer::Document(200, scale_of(paths, &object)))
    }

    /// The target as it is stored, in the request's version.
    pub(super) fn target_object(&self) -> Result<Value, Status> {
        let (resource, name) = (&self.target.resource, self.target.name());
        let entry = self.shared.read(|store| {
            store
                .get(&resource.collection, &self.target.key(name))
                .cloned()
        });
        let entry = entry.ok_or_else(|| Status::not_found(resource, name))?;
        Ok(self.presentation().converted(entry.object()))
    }
}

/// `autoscaling/v1` Scale of an object.
fn scale_of(paths: &Scale, object: &Value) -> Value {
    let metadata: serde_json::Map<String, Value> = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ]
    .into_iter()
    .filter_map(|field| {
        Some((
            field.to_owned(),
            object.pointer("/metadata")?.get(field)?.clone(),
        ))
    })
    .collect();
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut spec = json!({});
    let mut status = json!({"replicas": number(&paths.status)});
    if let (Some(spec), wanted @ 1..) = (spec.as_object_mut(), number(&paths.spec)) {
        spec.insert("replicas".to_owned(), json!(wanted));
    }
    let selector = paths
        .selector
        .as_deref()
        .and_then(|pointer| object.pointer(pointer));
    if let (Some(status), Some(selector)) = (status.as_object_mut(), selector) {
        let text = match selector {
            Value::String(text) => text.clone(),
            labels if paths.selector_is_labels => selector_text(&json!({"matchLabels": labels})),
            object => selector_text(object),
        };
        status.insert("selector".to_owned(), json!(text));
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn selector_text(selector: &Value) -> String {
    let selector = stagewright_core::selector::Selector::from_label_selector(selector);
    selector.map_or_else(|_| String::new(), |selector| selector.to_string())
}

/// The object with the number of replicas that a Scale asks for, and the Scale's preconditions.
fn rescaled(paths: &Scale, custom: bool, old: &Value, wanted: &Value) -> Result<Value, Status> {
    let replicas = wanted
        .pointer("/spec/replicas")
        .cloned()
        .unwrap_or_else(|| json!(0));
    // What a definition's numbers may be is said with the object.
    if !custom && replicas.as_i64().is_none_or(|replicas| replicas < 0) {
        let error = FieldError::invalid(
            "spec.replicas",
            &replicas,
            "must be greater than or equal to 0",
        );
        return Err(Status::invalid_kind(
            "autoscaling",
            "Scale",
            metadata::text(wanted, "name"),
            &[error],
        ));
    }
    let mut new = old.clone();
    if let Some(place) = place(&mut new, &paths.spec) {
        *place = replicas;
    }
    let fields = metadata::of(&mut new)?;
    // What a Scale does not say is no precondition, whatever the kind asks of its own updates.
    for field in ["resourceVersion", "uid"] {
        let given = metadata::text(wanted, field);
        if !given.is_empty() {
            fields.insert(field.to_owned(), json!(given));
        }
    }
    Ok(new)
}

/// The value at a pointer through objects, made where it is missing; `None` if something else than an object is in the way.
fn place<'a>(object: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    let mut at = object;
    for name in pointer.split('/').skip(1) {
        if at.is_null() {
            *at = json!({});
        }
        at = at.as_object_mut()?.entry(name).or_insert(Value::Null);
    }
    Some(at)
}
