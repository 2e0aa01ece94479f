//! What a request's path names.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;

use crate::kinds::{Catalog, Resource};
use crate::status::Status;

/// A resource, and which of its objects.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// The namespace in the path; none for all, or for cluster-wide kinds.
    pub(crate) namespace: Option<Box<str>>,
    /// The object; none for the collection.
    pub(crate) name: Option<Box<str>>,
    /// What follows the name.
    pub(crate) subresource: Option<Box<str>>,
}

/// A path, sorted.
#[derive(Debug)]
pub(crate) enum Route {
    /// An object or a collection.
    Resource(Target),
    /// Everything else below `/api` and `/apis`: discovery.
    Discovery,
}

/// Sorts a path below `/api` or `/apis`.
///
/// # Errors
/// 404 where there is no such kind.
pub(crate) fn route(catalog: &Catalog, path: &str) -> Result<Route, Status> {
    let segments: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match segments.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => below(catalog, "", version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => {
            below(catalog, group, version, rest)
        }
        _ => Ok(Route::Discovery),
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy()
}

fn below(catalog: &Catalog, group: &str, version: &str, rest: &[&str]) -> Result<Route, Status> {
    // `namespaces/NAME` and its own subresources are the namespace, everything longer is inside of it.
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, ..]
            if !(group.is_empty()
                && rest.len() == 3
                && ["status", "finalize"].contains(plural)) =>
        {
            (Some(*namespace), rest.get(2..).unwrap_or_default())
        }
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(*name), None),
        [plural, name, subresource] => (plural, Some(*name), Some(*subresource)),
        _ => return Err(Status::no_such_resource()),
    };
    let resource = catalog
        .resource(group, version, plural)
        .ok_or_else(Status::no_such_resource)?;
    let placed = match (resource.namespaced, namespace, name) {
        (true, None, Some(_)) | (false, Some(_), _) => false,
        // Who asks for another one of a kind that a definition made is told that there is no such object.
        _ => subresource.is_none_or(|name| resource.custom || resource.has_subresource(name)),
    };
    if !placed {
        return Err(Status::no_such_resource());
    }
    Ok(Route::Resource(Target {
        resource,
        namespace: namespace.map(Into::into),
        name: name.map(Into::into),
        subresource: subresource.map(Into::into),
    }))
}

// === impl Target ===

impl Target {
    /// Whether there is anything at that place for this method. A kind that a definition made is only read across namespaces, and
    /// the real server looks elsewhere for whatever else is asked there, in vain; built-in kinds refuse the verb.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        let everywhere = self.resource.namespaced && self.namespace.is_none();
        !(self.resource.custom && everywhere) || *method == Method::GET
    }

    /// The key of an object of that name here.
    pub(crate) fn key(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }

    /// What all keys of this collection begin with.
    pub(crate) fn prefix(&self) -> String {
        self.namespace
            .as_ref()
            .map_or_else(String::new, |namespace| format!("{namespace}/"))
    }

    /// The name in the path, which is there for every verb on an object.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The same kind and namespace, another object.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            name: Some(name.into()),
            ..self.clone()
        }
    }
}
