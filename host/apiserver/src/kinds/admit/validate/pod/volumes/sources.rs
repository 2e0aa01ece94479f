//! Where volumes come from (`validateVolumeSource`).

use serde_json::Value;

use super::super::super::super::look::{at, entries, int, is_true, list, text};
use super::super::super::super::quantity;
use super::super::super::choice::{if_any, one_of};
use super::super::super::{Errors, metadata, names, storage};
use super::super::{Owner, Whose, paths};
use super::{keys, mode, pods_file, projected};

/// What is to be said of one source beside what it needs.
type Check = fn(&mut Errors, &Value, &str);

/// A sort of source.
struct Source {
    field: &'static str,
    /// Its name in errors.
    path: &'static str,
    /// What it cannot do without.
    needs: &'static [&'static str],
    check: Check,
}

const fn source(field: &'static str, needs: &'static [&'static str], check: Check) -> Source {
    Source {
        field,
        path: field,
        needs,
        check,
    }
}

fn nothing(_: &mut Errors, _: &Value, _: &str) {}

/// All sorts, in the order in which the real server looks at them: of several, the first is the one.
const SOURCES: [Source; 30] = [
    source("emptyDir", &[], empty),
    source("hostPath", &["path"], host),
    source("gitRepo", &["repository"], |errors, git, path| {
        paths::descending(
            errors,
            text(git, "/directory"),
            &format!("{path}.directory"),
        );
    }),
    Source {
        path: "persistentDisk",
        ..source("gcePersistentDisk", &["pdName"], partition)
    },
    source("awsElasticBlockStore", &["volumeID"], partition),
    source("secret", &["secretName"], files),
    source("nfs", &["server", "path"], nfs),
    source("iscsi", &["targetPortal", "iqn"], iscsi),
    source("glusterfs", &["endpoints", "path"], nothing),
    source("flocker", &[], flocker),
    source("persistentVolumeClaim", &["claimName"], nothing),
    source("rbd", &["monitors", "image"], nothing),
    source("cinder", &["volumeID"], secret_named),
    source("cephfs", &["monitors"], nothing),
    source("quobyte", &["volume"], quobyte),
    source("downwardAPI", &[], |errors, source, path| {
        mode(errors, source, "defaultMode", path);
        for file in list(source, "/items") {
            pods_file(errors, file, path);
        }
    }),
    source("fc", &[], fibre),
    source("flexVolume", &["driver"], flex),
    source("configMap", &["name"], files),
    source("azureFile", &["secretName", "shareName"], nothing),
    source("vsphereVolume", &["volumePath"], nothing),
    source("photonPersistentDisk", &["pdID"], nothing),
    source("portworxVolume", &["volumeID"], nothing),
    source("azureDisk", &["diskName", "diskURI"], azure),
    source("storageos", &["volumeName"], |errors, source, path| {
        for field in ["volumeName", "volumeNamespace"] {
            let name = text(source, &format!("/{field}"));
            if !name.is_empty() {
                errors.form(&format!("{path}.{field}"), name, names::label(name));
            }
        }
        secret_named(errors, source, path);
    }),
    source("projected", &[], projected::check),
    source("scaleIO", &["gateway", "system", "volumeName"], nothing),
    source("csi", &[], csi),
    source("ephemeral", &["volumeClaimTemplate"], ephemeral),
    source("image", &[], |errors, image, path| {
        let known = ["Always", "IfNotPresent", "Never"];
        one_of(errors, image, path, "pullPolicy", &known);
    }),
];

/// The names under which a second source is refused, where the real server has another than the field's.
const SECOND: [(&str, &str); 2] = [("cephfs", "cephFS"), ("downwardAPI", "downwarAPI")];

/// The source of a volume.
pub(super) fn check(errors: &mut Errors, volume: &Value, path: &str, whose: &Whose<'_>) {
    let there = SOURCES
        .iter()
        .filter(|source| volume.get(source.field).is_some());
    for (index, source) in there.clone().enumerate() {
        if index > 0 {
            let named = SECOND.iter().find(|(field, _)| *field == source.field);
            let name = named.map_or(source.field, |(_, name)| name);
            let words = "may not specify more than 1 volume type";
            errors.forbidden(&format!("{path}.{name}"), words);
            continue;
        }
        let given = at(volume, &format!("/{}", source.field));
        let path = format!("{path}.{}", source.path);
        for field in source.needs {
            let there = at(given, &format!("/{field}"));
            if there.is_null() || there == "" {
                errors.required(&format!("{path}.{field}"), "");
            }
        }
        (source.check)(errors, given, &path);
    }
    if let Some(first) = there.clone().next() {
        by_owner(errors, volume, path, whose, first.field);
    } else {
        errors.required(path, "must specify a volume type");
    }
}

/// What depends on whose volume it is, and on the volume's name.
fn by_owner(errors: &mut Errors, volume: &Value, path: &str, whose: &Whose<'_>, sort: &str) {
    let name = text(volume, "/name");
    let place = format!("{path}.name");
    match (sort, whose.owner) {
        ("ephemeral", _) if !whose.name.is_empty() && !name.is_empty() => {
            let claim = format!("{}-{name}", whose.name);
            for words in names::subdomain(&claim) {
                errors.invalid(&place, name, &format!("PVC name {claim:?}: {words}"));
            }
        }
        ("image", Owner::Pod) if text(volume, "/image/reference").is_empty() => {
            errors.required(&format!("{path}.image.reference"), "");
        }
        _ => {}
    }
    let iscsi = at(volume, "/iscsi");
    if iscsi.get("initiatorName").is_some()
        && name.len() + 1 + text(iscsi, "/targetPortal").len() > 64
    {
        let words = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(&place, name, words);
    }
}

fn empty(errors: &mut Errors, source: &Value, path: &str) {
    let limit = at(source, "/sizeLimit");
    if !limit.is_null() && quantity::nanos(limit) < 0 {
        let words = "SizeLimit field must be a valid resource quantity";
        errors.forbidden(&format!("{path}.sizeLimit"), words);
    }
}

fn host(errors: &mut Errors, source: &Value, path: &str) {
    const SORTS: [&str; 8] = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let place = text(source, "/path");
    if !place.is_empty() {
        paths::no_steps_back(errors, place, &format!("{path}.path"));
        if_any(errors, source, path, "type", &SORTS);
    }
}

fn partition(errors: &mut Errors, source: &Value, path: &str) {
    let number = int(source, "/partition").unwrap_or(0);
    if !(0..=255).contains(&number) {
        let words = "must be between 1 and 255, inclusive";
        errors.invalid(&format!("{path}.partition"), number, words);
    }
}

/// What becomes files by keys.
fn files(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, source, "defaultMode", path);
    keys(errors, source, path);
}

fn nfs(errors: &mut Errors, source: &Value, path: &str) {
    let place = text(source, "/path");
    if !place.starts_with('/') {
        errors.invalid(&format!("{path}.path"), place, "must be an absolute path");
    }
}

/// A secret that is referred to has a name.
fn secret_named(errors: &mut Errors, source: &Value, path: &str) {
    let secret = at(source, "/secretRef");
    if !secret.is_null() && text(secret, "/name").is_empty() {
        errors.required(&format!("{path}.secretRef.name"), "");
    }
}

fn lun(errors: &mut Errors, number: i64, path: &str) {
    if !(0..=255).contains(&number) {
        let words = "must be between 0 and 255, inclusive";
        errors.invalid(&format!("{path}.lun"), number, words);
    }
}

fn iscsi(errors: &mut Errors, source: &Value, path: &str) {
    for (field, name) in [("iqn", "iqn"), ("initiatorName", "initiatorname")] {
        let Some(given) = at(source, &format!("/{field}")).as_str() else {
            continue;
        };
        let words = match given.get(..3) {
            Some("iqn") if is_qualified(given) => continue,
            Some("eui") if is_number(given, 16) => continue,
            Some("naa") if is_number(given, 32) => continue,
            Some("iqn" | "eui" | "naa") => "must be valid format",
            _ => "must be valid format starting with iqn, eui, or naa",
        };
        if !given.is_empty() || field != "iqn" {
            errors.invalid(&format!("{path}.{name}"), given, words);
        }
    }
    lun(errors, int(source, "/lun").unwrap_or(0), path);
    let signs = ["/chapAuthDiscovery", "/chapAuthSession"];
    let wants = signs.iter().any(|field| is_true(source, field));
    if wants && source.get("secretRef").is_none() {
        errors.required(&format!("{path}.secretRef"), "");
    }
}

/// `iqn.2001-04.com.example:disk`
fn is_qualified(name: &str) -> bool {
    let regex = regex_lite::Regex::new(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$");
    regex.is_ok_and(|regex| regex.is_match(name))
}

/// A prefix, any letter, and so many letters and digits.
fn is_number(name: &str, digits: usize) -> bool {
    let rest: Vec<char> = name.chars().skip(4).collect();
    rest.len() == digits && rest.iter().all(char::is_ascii_alphanumeric)
}

fn flocker(errors: &mut Errors, source: &Value, path: &str) {
    let (name, id) = (text(source, "/datasetName"), text(source, "/datasetUUID"));
    match (name.is_empty(), id.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => errors.invalid(
            path,
            "resource",
            "datasetName and datasetUUID can not be specified simultaneously",
        ),
        _ => {}
    }
    if name.contains('/') {
        errors.invalid(&format!("{path}.datasetName"), name, "must not contain '/'");
    }
}

fn quobyte(errors: &mut Errors, source: &Value, path: &str) {
    const WORDS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(source, "/registry");
    let place = format!("{path}.registry");
    if registry.is_empty() {
        errors.required(&place, WORDS);
    } else if text(source, "/tenant").len() >= 65 {
        let words = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(&format!("{path}.tenant"), words);
    } else {
        for pair in registry.split(',') {
            let host = pair.rsplit_once(':').map(|(host, _)| host);
            let bare = |host: &str| host.contains(':') && !host.starts_with('[');
            if host.is_none_or(bare) {
                errors.invalid(&place, registry, WORDS);
            }
        }
    }
}

fn fibre(errors: &mut Errors, source: &Value, path: &str) {
    let names = list(source, "/targetWWNs");
    let place = format!("{path}.targetWWNs");
    match (names.is_empty(), list(source, "/wwids").is_empty()) {
        (true, true) => errors.required(
            &place,
            "must specify either targetWWNs or wwids, but not both",
        ),
        (false, false) => errors.invalid(
            &place,
            names,
            "targetWWNs and wwids can not be specified simultaneously",
        ),
        _ => {}
    }
    match int(source, "/lun") {
        _ if names.is_empty() => {}
        Some(number) => lun(errors, number, path),
        None => errors.required(
            &format!("{path}.lun"),
            "lun is required if targetWWNs is specified",
        ),
    }
}

fn flex(errors: &mut Errors, source: &Value, path: &str) {
    for (key, _) in entries(source, "/options") {
        let domain = key.split('/').next().unwrap_or_default().to_lowercase();
        let domain = format!(".{domain}");
        if [".kubernetes.io", ".k8s.io"]
            .iter()
            .any(|end| domain.ends_with(end))
        {
            let words = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(&format!("{path}.options[{key}]"), key, words);
        }
    }
}

fn azure(errors: &mut Errors, source: &Value, path: &str) {
    let known = ["None", "ReadOnly", "ReadWrite"];
    if_any(errors, source, path, "cachingMode", &known);
    let known = ["Dedicated", "Managed", "Shared"];
    if_any(errors, source, path, "kind", &known);
    let (start, form) = match at(source, "/kind").as_str() {
        None => return,
        Some("Managed") => (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        ),
        Some(_) => (
            "https://",
            "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
        ),
    };
    let uri = text(source, "/diskURI");
    if !uri.starts_with(start) {
        errors.not_supported(&format!("{path}.diskURI"), uri, &[form]);
    }
}

fn csi(errors: &mut Errors, source: &Value, path: &str) {
    storage::driver_name(errors, text(source, "/driver"), &format!("{path}.driver"));
    let secret = at(source, "/nodePublishSecretRef");
    let name = text(secret, "/name");
    if !secret.is_null() && name.is_empty() {
        errors.required(&format!("{path}.nodePublishSecretRef.name"), "");
    } else if !secret.is_null() {
        errors.form(&format!("{path}.name"), name, names::subdomain(name));
    }
}

/// A claim that comes and goes with the pod.
fn ephemeral(errors: &mut Errors, source: &Value, path: &str) {
    let template = at(source, "/volumeClaimTemplate");
    if template.is_null() {
        return;
    }
    let path = format!("{path}.volumeClaimTemplate");
    let meta = format!("{path}.metadata");
    let place = format!("{meta}.annotations");
    metadata::annotations(errors, template, "/metadata/annotations", &place);
    let place = format!("{meta}.labels");
    metadata::labels(errors, template, "/metadata/labels", &place);
    for (field, _) in entries(template, "/metadata") {
        if !["annotations", "labels"].contains(&field) {
            errors.forbidden(&format!("{meta}.{field}"), "cannot be set");
        }
    }
    storage::claim_spec(errors, at(template, "/spec"), &format!("{path}.spec"));
}
