//! Paths that may not lead out of where they begin.

use super::super::Errors;

/// No step leads back.
pub(super) fn no_steps_back(errors: &mut Errors, path: &str, place: &str) {
    if path.split('/').any(|part| part == "..") {
        errors.invalid(place, path, "must not contain '..'");
    }
}

/// A path that leads down from somewhere.
pub(super) fn descending(errors: &mut Errors, path: &str, place: &str) {
    if path.starts_with('/') {
        errors.invalid(place, path, "must be a relative path");
    }
    no_steps_back(errors, path, place);
}

/// A path that leads down, and to no name that begins with two dots: those are the kubelet's.
pub(super) fn free(errors: &mut Errors, path: &str, place: &str) {
    descending(errors, path, place);
    if path.starts_with("..") && !path.starts_with("../") {
        errors.invalid(place, path, "must not start with '..'");
    }
}
