//! Effects on other objects than the subject.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::admitted::Admitted;
use super::patch::{Ground, check_annotations};
use super::surface::Surface;
use super::took::Meant;
use super::violation::Violation;
use super::{Rules, Verdict, admit_delete, admit_patch, wire};
use crate::description::Applies;
use crate::interface::{ApplyEffect, Form, PatchEffect};
use crate::json::At as _;
use crate::object::{Key, Kind, Snapshot};
use crate::order::Order;

/// Marks a pod that mirrors a file on a real node (`corev1.MirrorPodAnnotationKey`).
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// What a plugin wants applied, checked as far as it can be without the object's newest version.
pub(super) struct Wanted<'a> {
    pub applies: &'a Applies,
    pub name: &'a str,
    namespace: Option<&'a str>,
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    pub(super) fn of(
        subject: &Snapshot,
        apply: &'a ApplyEffect,
        rules: &Rules<'a>,
    ) -> Result<Self, Violation> {
        let text = |at| {
            apply
                .object
                .at(at)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let kind = Kind::new(
            text("/apiVersion").unwrap_or_default(),
            text("/kind").unwrap_or_default(),
        );
        let applies = declared(&kind, "it applies", rules)?;
        let name = text("/metadata/name").ok_or_else(|| {
            let problem = "an object to apply has a metadata.name: generateName would make another one at each repetition";
            Violation::InvalidEffect(problem.to_owned())
        })?;
        if text("/metadata/generateName").is_some() {
            return Err(Violation::InvalidEffect(
                "generateName would make another object at each repetition".to_owned(),
            ));
        }
        let namespace = text("/metadata/namespace");
        if let (Some(own), Some(other)) = (subject.key().namespace.as_deref(), namespace)
            && own != other
        {
            return Err(Violation::NotOwned {
                object: format!("{} {other}/{name}", kind.kind()),
                problem: OTHER_NAMESPACE,
            });
        }
        Ok(Self {
            applies,
            name,
            namespace,
        })
    }
}

const OTHER_NAMESPACE: &str =
    "is in another namespace than the subject, where a plugin has no business";

pub(super) fn create(
    subject: &Snapshot,
    apply: &ApplyEffect,
    order: &Order,
    surface: Surface,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    let wanted = Wanted::of(subject, apply, rules)?;
    let kind = &wanted.applies.kind;
    if let Some(subresource) = subresource(apply) {
        let problem = format!(
            "{} {:?} is not there, so its {subresource} cannot be changed",
            kind.kind(),
            wanted.name
        );
        return Err(Violation::InvalidEffect(problem));
    }
    let mut object = surface.plain(apply.object.clone());
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "managedFields",
    ] {
        let field = format!("/metadata/{field}");
        if object.at(&field).is_some() {
            return Err(Violation::IdentityChanged { field });
        }
    }
    if surface.has_status() && object.get("status").is_some() {
        let remedy = "apply it to subresource \"status\" once the object is there";
        return Err(Violation::OutsideSubresource {
            path: "/status".to_owned(),
            subresource: None,
            remedy,
        });
    }
    check_annotations(rules.plugin, None, &Value::Null, &object)?;
    let namespace = wanted
        .namespace
        .or(subject.key().namespace.as_deref())
        .filter(|_| !surface.is_cluster_wide());
    let key = Key::new(kind, namespace, wanted.name);
    if apply.owned {
        own(&mut object, subject, &key)?;
    }
    let action = wire::create(&object)?;
    let rank = order.rank(&object);
    let meant = Meant::new(Arc::new(json!({})), object, None);
    Ok(Verdict::Write(Admitted::new(
        key,
        action,
        Vec::new(),
        (rank.clone(), rank),
        Some(meant),
    )))
}

pub(super) fn change(
    subject: &Snapshot,
    existing: &Snapshot,
    apply: &ApplyEffect,
    order: &Order,
    surface: Surface,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    let wanted = Wanted::of(subject, apply, rules)?;
    check_target(subject, existing)?;
    if existing.key().kind != wanted.applies.kind || &*existing.key().name != wanted.name {
        return Err(Violation::NotClaimed {
            object: existing.key().to_string(),
        });
    }
    let object = existing.key().to_string();
    let controller = controller(existing.body()).and_then(|owner| owner.get("uid")?.as_str());
    match controller {
        _ if is_owner(subject, existing) => {}
        Some(_) if apply.owned => {
            return Err(Violation::NotOwned {
                object,
                problem: "has another owner",
            });
        }
        _ if wanted.applies.adopt => {}
        _ => {
            let problem = "is there already and not the subject's: declare the kind with \"adopt\" to change such objects";
            return Err(Violation::NotOwned { object, problem });
        }
    }
    let mut body = apply.object.clone();
    if apply.owned && subresource(apply).is_none() {
        let owners = existing.body().at("/metadata/ownerReferences").cloned();
        if let (Some(owners), Some(metadata)) = (
            owners,
            body.get_mut("metadata").and_then(Value::as_object_mut),
        ) {
            metadata.insert("ownerReferences".to_owned(), owners);
        }
        own(&mut body, subject, existing.key())?;
    }
    let patch = PatchEffect {
        form: Form::Merge,
        subresource: apply.subresource.clone(),
        body,
        as_user: None,
    };
    let kind = &existing.key().kind;
    let ground = Ground {
        kind,
        plugin: rules.plugin,
        order,
        surface,
        writes: None,
        now: rules.now,
    };
    admit_patch(existing, &patch, &ground)
}

pub(super) fn remove(
    subject: &Snapshot,
    target: &Snapshot,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    declared(&target.key().kind, "it removes", rules)?;
    check_target(subject, target)?;
    if !is_owner(subject, target) {
        let problem = "is not the subject's, so it is not the plugin's to remove";
        return Err(Violation::NotOwned {
            object: target.key().to_string(),
            problem,
        });
    }
    let order = Order::built_in(&target.key().kind).unwrap_or(Order::Any);
    admit_delete(target, None, &order, rules.now)
}

pub(super) fn declared<'a>(
    kind: &Kind,
    verb: &str,
    rules: &Rules<'a>,
) -> Result<&'a Applies, Violation> {
    let declared = rules.applies.iter().find(|applies| applies.kind == *kind);
    declared.ok_or_else(|| Violation::NotDeclared {
        what: format!("{verb} {kind}"),
        field: "applies",
    })
}

/// Neither the subject itself, nor what only a kubelet may write.
fn check_target(subject: &Snapshot, target: &Snapshot) -> Result<(), Violation> {
    let object = || target.key().to_string();
    if target.uid() == subject.uid() {
        return Err(Violation::InvalidEffect(
            "the subject itself is changed by patches".to_owned(),
        ));
    }
    let mirror = target.key().kind.is_core("Pod") && target.body().at(MIRROR).is_some();
    if mirror {
        return Err(Violation::NotOwned {
            object: object(),
            problem: "mirrors a file on a real node",
        });
    }
    match (&subject.key().namespace, &target.key().namespace) {
        (Some(own), Some(other)) if own != other => Err(Violation::NotOwned {
            object: object(),
            problem: OTHER_NAMESPACE,
        }),
        _ => Ok(()),
    }
}

/// Makes the subject the controlling owner. Garbage collection knows no owner in a namespace of what is in none.
fn own(object: &mut Value, subject: &Snapshot, key: &Key) -> Result<(), Violation> {
    if subject.key().namespace.is_some() && key.namespace.is_none() {
        let problem = "is in no namespace, so an object in one cannot own it";
        return Err(Violation::NotOwned {
            object: key.to_string(),
            problem,
        });
    }
    let ours = |owner: &Map<String, Value>| {
        owner.get("uid").and_then(Value::as_str) == Some(subject.uid().as_str())
    };
    match controller(object) {
        Some(owner) if ours(owner) => return Ok(()),
        Some(_) => {
            return Err(Violation::NotOwned {
                object: key.to_string(),
                problem: "has another owner",
            });
        }
        None => {}
    }
    let kind = &subject.key().kind;
    let reference = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind(),
        "name": &*subject.key().name,
        "uid": subject.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    });
    let malformed = |at: &str| Violation::InvalidEffect(format!("the object's {at} is malformed"));
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| malformed("metadata"))?;
    let owners = metadata
        .entry("ownerReferences")
        .or_insert_with(|| json!([]));
    let owners = owners
        .as_array_mut()
        .ok_or_else(|| malformed("metadata.ownerReferences"))?;
    owners.retain(|owner| !owner.as_object().is_some_and(ours));
    owners.push(reference);
    Ok(())
}

fn is_owner(subject: &Snapshot, object: &Snapshot) -> bool {
    controller(object.body()).is_some_and(|owner| {
        owner.get("uid").and_then(Value::as_str) == Some(subject.uid().as_str())
    })
}

fn controller(object: &Value) -> Option<&Map<String, Value>> {
    let owners = object.at("/metadata/ownerReferences")?.as_array()?;
    owners
        .iter()
        .filter_map(Value::as_object)
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

pub(super) fn subresource(apply: &ApplyEffect) -> Option<&str> {
    apply.subresource.as_deref().filter(|name| !name.is_empty())
}
