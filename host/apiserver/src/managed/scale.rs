//! Who owns the number of replicas, in the eyes of the scale subresource (apimachinery, `pkg/util/managedfields/scalehandler.go`).

use super::element;
use super::managers::Manager;
use super::set::Set;

/// The version of a Scale.
pub(crate) const VERSION: &str = "autoscaling/v1";

/// A member's path from a JSON pointer.
fn path(pointer: &str) -> Set {
    let names: Vec<&str> = pointer.split('/').skip(1).collect();
    Set::of_fields([names.as_slice()])
}

fn replicas() -> Set {
    Set::of_fields([["spec", "replicas"].as_slice()])
}

/// The owners of a Scale, from those of its object; `pointer` is where that has the number.
pub(crate) fn of_object(managers: &[Manager], pointer: &str) -> Vec<Manager> {
    let path = path(pointer);
    managers
        .iter()
        .filter(|manager| !manager.fields.get().shared(&path).is_empty())
        .map(|manager| Manager {
            api_version: VERSION.into(),
            fields: replicas().into(),
            ..manager.clone()
        })
        .collect()
}

/// The owners of the object, from those of a Scale that was written. Who is new among them has no time, as in the real server.
pub(crate) fn to_object(
    mut managers: Vec<Manager>,
    mut scale: Vec<Manager>,
    pointer: &str,
    api_version: &str,
) -> Vec<Manager> {
    let path = path(pointer);
    managers.retain_mut(|manager| {
        if manager.fields.get().shared(&path).is_empty() {
            return true;
        }
        // Who updated is known by the version too, which is another here: so who kept the number has a new entry beside the old one.
        match scale.iter().position(|other| other.is(manager)) {
            Some(place) => {
                scale.remove(place);
            }
            None => manager.fields.change().subtract(&path),
        }
        !manager.fields.is_empty()
    });
    let number = ["spec", "replicas"].map(element::field);
    let new = scale
        .into_iter()
        .filter(|manager| manager.fields.get().has(&number));
    managers.extend(new.map(|manager| Manager {
        api_version: api_version.into(),
        fields: path.clone().into(),
        time: None,
        ..manager
    }));
    managers
}
