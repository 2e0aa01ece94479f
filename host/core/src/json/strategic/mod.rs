//! Kubernetes' strategic merge patch: lists merge by a key that the kind's types declare, and directives say what a merge cannot.
//!
//! The rules are those of apimachinery, `pkg/util/strategicpatch/patch.go`, as the API server uses them, with these differences.
//! What that leaves to chance is fixed: fields that the patch orders come first, deletions from lists of scalars last, and items that
//! are new keep the patch's order. A field that the types do not have merges as in RFC 7396, and an empty merge changes nothing,
//! where that fails. Directives in a list's new item are obeyed, where that leaves them in the object. A `$` name that is no directive
//! is refused. Nulls never stay, for a built-in kind's null is an absent field.

mod directives;
mod list;
mod merge_keys;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::directives::{Directive, Directives, clean, clean_members};
use self::merge_keys::{PatchStrategy, Property, Schema};
use super::forms::PatchError;
use super::pointer;
use crate::object::Kind;

/// The object as the patch makes it.
pub(super) fn apply(kind: &Kind, current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let schema = Schema::of(kind).ok_or_else(|| PatchError::Unsupported {
        kind: kind.to_string(),
    })?;
    let (Value::Object(current), Value::Object(patch)) = (current, patch) else {
        return Err(PatchError::invalid(
            "",
            "a strategic merge patch is a JSON object, for an object",
        ));
    };
    let mut after = current.clone();
    merge_object(&mut after, patch, schema, &At::Root)?;
    Ok(Value::Object(after))
}

/// Where in the object we are, for errors.
enum At<'a> {
    Root,
    Below(&'a At<'a>, &'a str),
}

impl<'a> At<'a> {
    fn below(&'a self, name: &'a str) -> Self {
        At::Below(self, name)
    }

    fn error(&self, message: impl Into<String>) -> PatchError {
        let mut segments = Vec::new();
        let mut at = self;
        while let At::Below(parent, name) = at {
            segments.push(*name);
            at = parent;
        }
        segments.reverse();
        PatchError::invalid(pointer(segments), message)
    }
}

fn merge_object(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Schema,
    at: &At<'_>,
) -> Result<(), PatchError> {
    match Directive::of(patch, at)? {
        Some(Directive::Replace) => {
            *object = clean_members(patch, at)?;
            return Ok(());
        }
        Some(Directive::Delete) => {
            object.clear();
            return Ok(());
        }
        Some(Directive::Merge) | None => {}
    }
    let parts = Directives::split(patch, at)?;
    if let Some(kept) = parts.retain_keys {
        directives::retain_keys(object, kept, &parts.fields, at)?;
    }
    for (name, order) in &parts.orders {
        merge_ordered(
            object,
            name,
            order,
            patch.get(*name),
            schema.property(name),
            &at.below(name),
        )?;
    }
    let ordered: BTreeSet<&str> = parts.orders.iter().map(|(name, _)| *name).collect();
    for (name, value) in &parts.fields {
        if !ordered.contains(name) {
            merge_field(object, name, value, schema.property(name), &at.below(name))?;
        }
    }
    for (name, items) in &parts.deletions {
        list::delete_scalars(object.get_mut(*name), items, &at.below(name))?;
    }
    Ok(())
}

fn merge_field(
    object: &mut Map<String, Value>,
    name: &str,
    patch: &Value,
    property: Property,
    at: &At<'_>,
) -> Result<(), PatchError> {
    let replaced = match (object.get_mut(name), patch) {
        (Some(Value::Object(old)), Value::Object(new))
            if property.strategy != PatchStrategy::Replace || Directive::of(new, at)?.is_some() =>
        {
            return merge_object(old, new, property.schema, at);
        }
        (Some(Value::Array(old)), Value::Array(new))
            if property.strategy == PatchStrategy::Merge =>
        {
            return list::merge(old, new, property, at);
        }
        // A null deletes, and so does an object that is nothing but a directive.
        (_, Value::Null) => None,
        _ => clean(patch, at)?,
    };
    match replaced {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    Ok(())
}

/// `$setElementOrder/name`: the list is merged, then its items that the order names come in that order; the others keep their
/// places among them as well as they can.
fn merge_ordered(
    object: &mut Map<String, Value>,
    name: &str,
    order: &Value,
    patch: Option<&Value>,
    property: Property,
    at: &At<'_>,
) -> Result<(), PatchError> {
    let items = |value: &Value| {
        value
            .as_array()
            .cloned()
            .ok_or_else(|| at.error("$setElementOrder is for lists"))
    };
    let order = items(order)?;
    let old = object
        .get(name)
        .filter(|value| !value.is_null())
        .map(items)
        .transpose()?;
    let patch = patch.map(items).transpose()?;
    list::check_order(
        patch.as_deref().unwrap_or_default(),
        &order,
        property.key,
        at,
    )?;
    if old.is_none() && patch.is_none() {
        return Ok(());
    }
    let server = list::identities(old.as_deref().unwrap_or_default(), property.key, at)?;
    let mut merged = old.clone().unwrap_or_default();
    match patch {
        Some(patch) if old.is_some() && property.strategy == PatchStrategy::Merge => {
            list::merge(&mut merged, &patch, property, at)?
        }
        Some(patch) => merged = directives::clean_items(&patch, at)?,
        None => {}
    }
    let order = list::identities(&order, property.key, at)?;
    let sorted = list::sort(merged, &order, &server, property.key, at)?;
    object.insert(name.to_owned(), Value::Array(sorted));
    Ok(())
}

#[cfg(test)]
mod tests;
