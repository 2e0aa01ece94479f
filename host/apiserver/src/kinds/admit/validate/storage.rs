//! Volumes, claims and classes (kubernetes, `pkg/apis/core/validation` and `storage`).

use serde_json::Value;

use super::super::look::{at, entries, int, items, list, text};
use super::super::quantity;
use super::{Change, Errors, metadata, names};

const MODES: [&str; 4] = [
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

/// Fields of a volume's specification that are not where it is.
const NO_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn access_modes(errors: &mut Errors, spec: &Value, path: &str, detail: &str) {
    let path = format!("{path}.accessModes");
    let modes = list(spec, "/accessModes");
    if modes.is_empty() {
        errors.required(&path, detail);
    }
    for mode in modes.iter().filter_map(Value::as_str) {
        if !MODES.contains(&mode) {
            errors.not_supported(&path, mode, &MODES);
        }
    }
    let alone = modes.iter().any(|mode| mode == "ReadWriteOncePod");
    let shared = modes.iter().filter_map(Value::as_str);
    let mut shared = shared.filter(|mode| *mode != "ReadWriteOncePod" && MODES.contains(mode));
    if alone && shared.next().is_some() {
        errors.forbidden(
            &path,
            "may not use ReadWriteOncePod with other access modes",
        );
    }
}

fn known_mode(errors: &mut Errors, spec: &Value, path: &str) {
    let mode = text(spec, "/volumeMode");
    let known = ["Block", "Filesystem"];
    if !mode.is_empty() && !known.contains(&mode) {
        errors.not_supported(&format!("{path}.volumeMode"), mode, &known);
    }
}

fn mode_stays(errors: &mut Errors, change: Change<'_>) {
    let mode = text(change.new, "/spec/volumeMode");
    // The real server's path has no `spec` here.
    if !change.old.is_null() && mode != text(change.old, "/spec/volumeMode") {
        errors.invalid("volumeMode", mode, "field is immutable");
    }
}

/// The part of a specification that says where the volume is.
fn source(volume: &Value) -> Vec<(&str, &Value)> {
    entries(volume, "/spec")
        .filter(|(name, _)| !NO_SOURCE.contains(name))
        .collect()
}

/// A PersistentVolume, new or changed.
pub(super) fn volume(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    access_modes(errors, spec, "spec", "");
    let capacity = at(spec, "/capacity");
    if capacity.is_null() {
        errors.required("spec.capacity", "");
    }
    if capacity.get("storage").is_none() || entries(capacity, "").count() > 1 {
        errors.not_supported_value("spec.capacity", capacity.clone(), &["storage"]);
    }
    for (name, amount) in entries(capacity, "") {
        positive(errors, amount, &format!("spec.capacity[{name}]"));
    }
    let policy = text(spec, "/persistentVolumeReclaimPolicy");
    let known = ["Delete", "Recycle", "Retain"];
    if !known.contains(&policy) {
        errors.not_supported("spec.persistentVolumeReclaimPolicy", policy, &known);
    }
    let sources = source(change.new);
    if sources.is_empty() {
        errors.required("spec", "must specify a volume type");
    }
    for (name, _) in sources.iter().skip(1) {
        let words = "may not specify more than 1 volume type";
        errors.forbidden(&format!("spec.{name}"), words);
    }
    let host = at(spec, "/hostPath");
    if !host.is_null() && text(host, "/path").is_empty() {
        errors.required("spec.hostPath.path", "");
    }
    class(errors, spec, "spec", "storageClassName");
    if !change.old.is_null() && sources != source(change.old) {
        let words = "spec.persistentvolumesource is immutable after creation\n";
        errors.forbidden("spec.persistentvolumesource", words);
    }
    known_mode(errors, spec, "spec");
    mode_stays(errors, change);
}

fn positive(errors: &mut Errors, amount: &Value, path: &str) {
    if quantity::nanos(amount) <= 0 {
        errors.invalid(path, amount.clone(), "must be greater than zero");
    }
}

fn class(errors: &mut Errors, spec: &Value, path: &str, field: &str) {
    let name = text(spec, &format!("/{field}"));
    if !name.is_empty() {
        errors.form(&format!("{path}.{field}"), name, names::subdomain(name));
    }
}

/// A PersistentVolumeClaim, new or changed.
pub(super) fn claim(errors: &mut Errors, change: Change<'_>) {
    claim_spec(errors, at(change.new, "/spec"), "spec");
    if !change.old.is_null() {
        claim_changed(errors, change);
    }
    mode_stays(errors, change);
}

/// What a claim asks for, in a template too.
pub(super) fn claim_spec(errors: &mut Errors, spec: &Value, path: &str) {
    access_modes(errors, spec, path, "at least 1 access mode is required");
    let place = format!("{path}.selector");
    metadata::selector(errors, at(spec, "/selector"), &place);
    let place = format!("{path}.resources[storage]");
    match at(spec, "/resources/requests/storage") {
        Value::Null => errors.required(&place, ""),
        amount => positive(errors, amount, &place),
    }
    class(errors, spec, path, "storageClassName");
    class(errors, spec, path, "volumeAttributesClassName");
    known_mode(errors, spec, path);
}

/// A claim is bound once; when it is, it may ask for more.
fn claim_changed(errors: &mut Errors, change: Change<'_>) {
    let (new, old) = (change.new, change.old);
    let bound = text(new, "/status/phase") == "Bound";
    let fixed = |object| {
        let mut spec = at(object, "/spec").clone();
        if let Some(map) = spec.as_object_mut() {
            if text(old, "/spec/volumeName").is_empty() {
                map.remove("volumeName");
            }
            // A class may be found later where none was named.
            if at(old, "/spec/storageClassName").is_null() {
                map.remove("storageClassName");
            }
            if bound {
                map.remove("volumeAttributesClassName");
            }
        }
        let requests = spec
            .pointer_mut("/resources/requests")
            .and_then(Value::as_object_mut);
        if let (true, Some(requests)) = (bound, requests) {
            requests.remove("storage");
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n",
        );
    }
    let size = |object, pointer| quantity::nanos(at(object, pointer));
    let (wanted, has) = (
        "/spec/resources/requests/storage",
        "/status/capacity/storage",
    );
    if size(new, wanted) < size(old, wanted) && size(new, wanted) <= size(old, has) {
        let words = "field can not be less than status.capacity";
        errors.forbidden("spec.resources.requests.storage", words);
    }
}

/// A StorageClass, new or changed.
pub(super) fn storage_class(errors: &mut Errors, change: Change<'_>) {
    let class = change.new;
    if !change.old.is_null() {
        for field in [
            "parameters",
            "provisioner",
            "reclaimPolicy",
            "volumeBindingMode",
        ] {
            errors.immutable(class, change.old, field);
        }
    }
    let provisioner = text(class, "/provisioner");
    if !change.old.is_null() {
        // It stays what it was.
    } else if provisioner.is_empty() {
        errors.required("provisioner", "");
    } else {
        errors.form(
            "provisioner",
            &provisioner.to_lowercase(),
            names::key(&provisioner.to_lowercase()),
        );
    }
    for (field, known) in [
        ("reclaimPolicy", ["Delete", "Retain"]),
        ("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"]),
    ] {
        let given = text(class, &format!("/{field}"));
        if !known.contains(&given) {
            errors.not_supported(field, given, &known);
        }
    }
}

/// A driver's name.
pub(super) fn driver_name(errors: &mut Errors, name: &str, path: &str) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.form(path, name, names::subdomain(&name.to_lowercase()));
}

/// A CSIDriver, new or changed.
pub(super) fn driver(errors: &mut Errors, change: Change<'_>) {
    const MODES: [&str; 2] = ["Persistent", "Ephemeral"];
    const POLICIES: [&str; 3] = ["File", "None", "ReadWriteOnceWithFSType"];
    let spec = at(change.new, "/spec");
    let policy = text(spec, "/fsGroupPolicy");
    if !policy.is_empty() && !POLICIES.contains(&policy) {
        errors.not_supported("spec.fsGroupPolicy", policy, &POLICIES);
    }
    for mode in list(spec, "/volumeLifecycleModes") {
        let mode = mode.as_str().unwrap_or_default();
        if !MODES.contains(&mode) {
            errors.not_supported("spec.volumeLifecycleModes", mode, &MODES);
        }
    }
    let period = int(spec, "/nodeAllocatableUpdatePeriodSeconds");
    if let Some(period) = period.filter(|period| *period < 10) {
        let words = "must be greater than or equal to 10 seconds";
        errors.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, words);
    }
    if !change.old.is_null() {
        let required = at(spec, "/attachRequired");
        if required != at(change.old, "/spec/attachRequired") {
            // The real server's path has another name here.
            errors.invalid(
                "spec.attachedRequired",
                required.clone(),
                "field is immutable",
            );
        }
        errors.immutable(change.new, change.old, "spec.volumeLifecycleModes");
    }
}

/// A CSINode, new or changed.
pub(super) fn node_drivers(errors: &mut Errors, change: Change<'_>) {
    let mut seen = Vec::new();
    for (path, driver) in items(change.new, "/spec/drivers", "spec.drivers") {
        let name = text(driver, "/name");
        driver_name(errors, name, &format!("{path}.name"));
        if text(driver, "/nodeID").is_empty() {
            errors.required(&format!("{path}.nodeID"), "");
        }
        let place = format!("{path}.allocatable");
        metadata::not_below_zero(errors, at(driver, "/allocatable"), "count", &place);
        if seen.contains(&name) {
            errors.duplicate(&format!("{path}.name"), name);
        }
        seen.push(name);
        for key in list(driver, "/topologyKeys") {
            let key = key.as_str().unwrap_or_default();
            errors.form(&path, key, names::key(key));
        }
    }
    drivers_stay(errors, change);
}

/// What a driver has told of itself stays, but for how many volumes there may be.
fn drivers_stay(errors: &mut Errors, change: Change<'_>) {
    let without_count = |driver: &Value| {
        let mut driver = driver.clone();
        if let Some(map) = driver.as_object_mut() {
            map.remove("allocatable");
        }
        driver
    };
    for before in list(change.old, "/spec/drivers") {
        for now in list(change.new, "/spec/drivers") {
            let same = text(before, "/name") == text(now, "/name");
            if same && without_count(before) != without_count(now) {
                errors.invalid("spec.drivers", without_count(now), "field is immutable");
            }
        }
    }
}

/// A VolumeAttachment, new or changed.
pub(super) fn attachment(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    driver_name(errors, text(spec, "/attacher"), "spec.attacher");
    let node = text(spec, "/nodeName");
    errors.form("spec.nodeName", node, names::subdomain(node));
    let sources = ["inlineVolumeSpec", "persistentVolumeName"];
    let count = sources
        .iter()
        .filter(|name| at(spec, "/source").get(name).is_some())
        .count();
    match count {
        0 => errors.required(
            "spec.source",
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        1 => {}
        _ => errors.forbidden(
            "spec.source",
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
    }
    if !change.old.is_null() {
        errors.immutable(change.new, change.old, "spec");
    }
}
