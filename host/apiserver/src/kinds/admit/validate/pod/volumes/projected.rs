//! Volumes of several sources (`validateProjectionSources`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::super::look::{at, int, items, list, text};
use super::super::super::Errors;
use super::super::paths;
use super::{keys, mode, pods_file};

/// The sources of such a volume. No two files have the same path.
pub(super) fn check(errors: &mut Errors, volume: &Value, path: &str) {
    mode(errors, volume, "defaultMode", path);
    let mut taken = BTreeSet::new();
    for (place, source) in items(volume, "/sources", &format!("{path}.sources")) {
        let mut count = 0;
        for sort in ["secret", "configMap"] {
            let given = at(source, &format!("/{sort}"));
            if given.is_null() {
                continue;
            }
            count += 1;
            let place = format!("{place}.{sort}");
            let name = text(given, "/name");
            if name.is_empty() {
                errors.required(&format!("{place}.name"), "");
            }
            keys(errors, given, &place);
            for item in list(given, "/items") {
                once(errors, text(item, "/path"), name, path, &mut taken);
            }
        }
        let pods = at(source, "/downwardAPI");
        count += usize::from(!pods.is_null());
        for file in list(pods, "/items") {
            pods_file(errors, file, &format!("{place}.downwardAPI"));
            let name = text(file, "/path");
            once(errors, name, name, path, &mut taken);
        }
        let given = at(source, "/serviceAccountToken");
        if !given.is_null() {
            count += 1;
            token(errors, given, &place, path);
        }
        if count > 1 {
            let words = "may not specify more than 1 volume type per source";
            errors.forbidden(&place, words);
        }
    }
}

/// A path that is taken once; it is the source's name that is shown.
fn once<'a>(
    errors: &mut Errors,
    file: &'a str,
    shown: &str,
    path: &str,
    taken: &mut BTreeSet<&'a str>,
) {
    if !file.is_empty() && !taken.insert(file) {
        errors.invalid(path, shown, "conflicting duplicate paths");
    }
}

fn token(errors: &mut Errors, token: &Value, place: &str, path: &str) {
    let seconds = int(token, "/expirationSeconds").unwrap_or(0);
    let place = format!("{place}.serviceAccountToken.expirationSeconds");
    if seconds < 600 {
        let words = "may not specify a duration less than 10 minutes";
        errors.invalid(&place, seconds, words);
    }
    if seconds > 1 << 32 {
        let words = "may not specify a duration larger than 2^32 seconds";
        errors.invalid(&place, seconds, words);
    }
    // Here the real server's path has no source.
    let file = text(token, "/path");
    let path = format!("{path}.path");
    if file.is_empty() {
        errors.required(&path, "");
    } else {
        paths::free(errors, file, &path);
    }
}
