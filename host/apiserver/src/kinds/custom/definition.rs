//! CustomResourceDefinitions: what they must be (apiextensions-apiserver, `pkg/apis/apiextensions/validation`).
//!
//! What all versions say alike is checked once, and told as if it stood at the top, as the real server does.

use serde_json::{Value, json};

use super::findings::{child, flag, index, invalid, key, list, not_supported, required, text};
use super::{formats, metadata, parts, rules, schema};
use crate::kinds::{Operation, Resource, Warning};
use crate::status::{FieldError, FieldErrorSort, Status};

/// As [`crate::kinds::admit`], for definitions.
///
/// # Errors
/// As there.
pub(crate) fn admit(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
) -> Result<Vec<Warning>, Status> {
    let old = match operation {
        Operation::Create => None,
        Operation::Update { old }
        | Operation::UpdateStatus { old }
        | Operation::UpdateSubresource { old, .. } => Some(old),
    };
    if matches!(operation, Operation::UpdateStatus { .. }) {
        return Ok(Vec::new());
    }
    fill(object);
    prepare(object, old);
    let errors = check(object, old);
    if !errors.is_empty() {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        return Err(Status::invalid(resource, name.unwrap_or_default(), &errors));
    }
    let mut warnings = Vec::new();
    for (at, version) in list(spec_of(object), "versions").iter().enumerate() {
        let schema = version
            .pointer("/schema/openAPIV3Schema")
            .unwrap_or(&Value::Null);
        warnings.extend(formats_of(schema));
        let place = format!("{}.schema.openAPIV3Schema", index("spec.versions", at));
        warnings.extend(rules::unread(schema, &place));
    }
    if let Some(old) = old {
        let known: Vec<String> = list(spec_of(old), "versions")
            .iter()
            .filter_map(|version| version.pointer("/schema/openAPIV3Schema"))
            .flat_map(formats_of)
            .collect();
        warnings.retain(|warning| !known.contains(warning));
    }
    Ok(warnings.into_iter().map(Warning).collect())
}

fn spec_of(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

fn formats_of(of: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    schema::each(of, &mut |of| {
        let format = text(of, "format");
        if !format.is_empty() && !formats::is_known(text(of, "type"), format) {
            warnings.push(format!("unrecognized format {format:?}"));
        }
    });
    warnings
}

/// The defaults of a definition.
fn fill(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    spec.entry("conversion")
        .or_insert_with(|| json!({"strategy": "None"}));
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else {
        return;
    };
    let kind = names
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut set = |field: &str, value: String| {
        if names
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .is_empty()
            && !value.is_empty()
        {
            names.insert(field.to_owned(), json!(value));
        }
    };
    set("singular", kind.to_lowercase());
    if !kind.is_empty() {
        set("listKind", format!("{kind}List"));
    }
}

/// The status is the server's; the version in which objects are stored is noted there.
fn prepare(object: &mut Value, old: Option<&Value>) {
    let mut status = match old.and_then(|old| old.get("status")) {
        Some(status) => status.clone(),
        None => {
            json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": []})
        }
    };
    let versions = list(spec_of(object), "versions").iter();
    let stored = versions
        .into_iter()
        .find(|version| flag(version, "storage"));
    let stored = stored.map(|version| json!(text(version, "name")));
    let known = status
        .get_mut("storedVersions")
        .and_then(Value::as_array_mut);
    if let (Some(stored), Some(known)) = (stored, known)
        && !known.contains(&stored)
    {
        known.push(stored);
    }
    let generation = match old {
        None => 1,
        Some(old) => {
            let generation = old
                .pointer("/metadata/generation")
                .and_then(Value::as_i64)
                .unwrap_or(1);
            generation + i64::from(spec_of(old) != spec_of(object))
        }
    };
    let Some(map) = object.as_object_mut() else {
        return;
    };
    map.insert("status".to_owned(), status);
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("generation".to_owned(), json!(generation));
    }
}

fn check(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = spec_of(object);
    let names = spec.get("names").unwrap_or(&Value::Null);
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if old.is_none() {
        if name.is_empty() {
            errors.push(required(
                "metadata.name",
                "name or generateName is required",
            ));
        } else {
            errors.extend(
                metadata::subdomain(name).map(|why| invalid("metadata.name", &json!(name), why)),
            );
        }
        if name != format!("{}.{}", text(names, "plural"), text(spec, "group")) && !name.is_empty()
        {
            let why = "must be spec.names.plural+\".\"+spec.group";
            errors.push(invalid("metadata.name", &json!(name), why));
        }
    }
    errors.extend(check_spec(spec));
    errors.extend(check_names(names));
    errors.extend(check_conversion(
        spec.get("conversion").unwrap_or(&Value::Null),
    ));
    if let Some(old) = old {
        errors.extend(check_change(object, old));
    }
    errors.extend(check_stored(object));
    errors.extend(check_approval(object));
    if flag(spec, "preserveUnknownFields")
        && !old.is_some_and(|old| flag(spec_of(old), "preserveUnknownFields"))
    {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(invalid("spec.preserveUnknownFields", &json!(true), why));
    }
    errors
}

fn one_of(field: &str, value: &str, known: &[&str]) -> Option<FieldError> {
    let supported: Vec<Value> = known.iter().map(|known| json!(known)).collect();
    match value {
        "" => Some(required(field, "")),
        value if known.contains(&value) => None,
        value => Some(not_supported(field, &json!(value), &supported)),
    }
}

fn check_spec(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let group = text(spec, "group");
    if group.is_empty() {
        errors.push(required("spec.group", ""));
    } else if let Some(why) = metadata::subdomain(group) {
        errors.push(invalid("spec.group", &json!(group), why));
    } else if !group.contains('.') {
        errors.push(invalid(
            "spec.group",
            &json!(group),
            "should be a domain with at least one dot",
        ));
    }
    errors.extend(one_of(
        "spec.scope",
        text(spec, "scope"),
        &["Cluster", "Namespaced"],
    ));
    let versions = list(spec, "versions");
    for (at, version) in versions.iter().enumerate() {
        let place = index("spec.versions", at);
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            errors.push(required(&format!("{place}.schema.openAPIV3Schema"), ""));
        }
        let name = text(version, "name");
        if let Some(why) = metadata::label(name) {
            errors.push(invalid(&child(&place, "name"), &json!(name), why));
        }
        errors.extend(parts::check_warning(version, &place));
    }
    errors.extend(parts::check_parts(versions));
    let mut names: Vec<&str> = versions
        .iter()
        .map(|version| text(version, "name"))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() < count {
        errors.push(invalid_versions(
            versions,
            "must contain unique version names",
        ));
    }
    if versions
        .iter()
        .filter(|version| flag(version, "storage"))
        .count()
        != 1
    {
        let why = "must have exactly one version marked as storage version";
        errors.push(invalid_versions(versions, why));
    }
    if let Some(first) = versions.first().map(|version| text(version, "name")) {
        errors
            .extend(metadata::label(first).map(|why| invalid("spec.version", &json!(first), why)));
    }
    errors
}

/// What is wrong with the versions together. They are shown as the real server's own type has them.
fn invalid_versions(versions: &[Value], why: &str) -> FieldError {
    let shared: Vec<&str> = parts::shared(versions).collect();
    let part = |version: &Value, field: &str| -> Value {
        let told = version.get(field).filter(|_| !shared.contains(&field));
        told.cloned().unwrap_or_default()
    };
    let shown: Vec<String> = versions
        .iter()
        .map(|version| {
            format!(
                "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{},\"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
                json!(text(version, "name")),
                flag(version, "served"),
                flag(version, "storage"),
                flag(version, "deprecated"),
                version.get("deprecationWarning").unwrap_or(&Value::Null),
                part(version, "schema"),
                part(version, "subresources"),
                part(version, "additionalPrinterColumns"),
                part(version, "selectableFields"),
            )
        })
        .collect();
    FieldError {
        sort: FieldErrorSort::Invalid,
        field: "spec.versions".to_owned(),
        body: format!("Invalid value: [{}]: {why}", shown.join(",")),
    }
}

fn check_names(names: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(names, field).is_empty() {
            errors.push(required(&child("spec.names", field), ""));
        }
    }
    for (field, mixed) in [
        ("plural", false),
        ("singular", false),
        ("kind", true),
        ("listKind", true),
    ] {
        let name = text(names, field);
        let checked = if mixed {
            name.to_lowercase()
        } else {
            name.to_owned()
        };
        if let Some(why) = metadata::label(&checked).filter(|_| !name.is_empty()) {
            let detail = match mixed {
                true => format!("may have mixed case, but should otherwise match: {why}"),
                false => why.to_owned(),
            };
            errors.push(invalid(&child("spec.names", field), &json!(name), &detail));
        }
    }
    for field in ["shortNames", "categories"] {
        for (at, name) in list(names, field).iter().enumerate() {
            let why = metadata::label(name.as_str().unwrap_or_default());
            let place = index(&child("spec.names", field), at);
            errors.extend(why.map(|why| invalid(&place, name, why)));
        }
    }
    let (kind, list_kind) = (text(names, "kind"), text(names, "listKind"));
    if !kind.is_empty() && kind == list_kind {
        let why = "kind and listKind may not be the same";
        errors.push(invalid("spec.names.listKind", &json!(kind), why));
    }
    errors
}

fn check_conversion(conversion: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if conversion.is_null() {
        return errors;
    }
    let strategy = text(conversion, "strategy");
    errors.extend(one_of(
        "spec.conversion.strategy",
        strategy,
        &["None", "Webhook"],
    ));
    let webhook = conversion.get("webhook").unwrap_or(&Value::Null);
    let client = webhook
        .get("clientConfig")
        .filter(|client| !client.is_null());
    let versions = list(webhook, "conversionReviewVersions");
    let place = |field: &str| child("spec.conversion", field);
    if strategy == "Webhook" {
        if client.is_none() {
            errors.push(required(
                &place("webhookClientConfig"),
                "required when strategy is set to Webhook",
            ));
        }
        if versions.is_empty() {
            errors.push(required(&place("conversionReviewVersions"), ""));
        }
    } else {
        let why = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.push(super::findings::forbidden(
                &place("webhookClientConfig"),
                why,
            ));
        }
        if !versions.is_empty() {
            errors.push(super::findings::forbidden(
                &place("conversionReviewVersions"),
                why,
            ));
        }
    }
    errors
}

fn check_change(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut fields = vec!["/spec/group", "/spec/names/plural"];
    if super::lifecycle::is_true(old, "Established") {
        fields.extend(["/spec/scope", "/spec/names/kind"]);
    }
    let changed = fields
        .into_iter()
        .filter(|field| object.pointer(field) != old.pointer(field));
    changed
        .map(|field| {
            let place = field.trim_start_matches('/').replace('/', ".");
            let value = object.pointer(field).unwrap_or(&Value::Null);
            invalid(&place, value, "field is immutable")
        })
        .collect()
}

fn check_stored(object: &Value) -> Vec<FieldError> {
    let place = "status.storedVersions";
    let stored = object
        .pointer("/status/storedVersions")
        .and_then(Value::as_array);
    let stored = stored.map_or(&[][..], Vec::as_slice);
    if stored.is_empty() {
        return vec![invalid(
            place,
            &Value::Null,
            "must have at least one stored version",
        )];
    }
    let mut errors = Vec::new();
    // A name is found once, so that one that is there twice is told as missing.
    let mut left: Vec<(usize, &Value)> = stored.iter().enumerate().collect();
    for version in list(spec_of(object), "versions") {
        let name = version.get("name").unwrap_or(&Value::Null);
        let before = left.len();
        left.retain(|(_, known)| *known != name);
        if left.len() == before && flag(version, "storage") {
            let why = format!("must have the storage version {}", text(version, "name"));
            errors.push(invalid(place, &json!(stored), &why));
        }
    }
    errors.extend(left.into_iter().map(|(at, name)| {
        let version = name.as_str().unwrap_or_default();
        let detail = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
        );
        invalid(&index(place, at), name, &detail)
    }));
    errors
}

/// Groups of Kubernetes' own need a word of approval.
fn check_approval(object: &Value) -> Option<FieldError> {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let group = text(spec_of(object), "group");
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|suffix| group == *suffix || group.ends_with(&format!(".{suffix}")));
    let annotations = object.pointer("/metadata/annotations");
    let approved = annotations.is_some_and(|annotations| !text(annotations, ANNOTATION).is_empty());
    if !protected || approved {
        return None;
    }
    let place = key("metadata.annotations", ANNOTATION);
    let why = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
    Some(required(&place, why))
}
