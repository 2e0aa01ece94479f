//! One patch, judged against one version of one object.

use serde_json::Value;

use super::surface::Surface;
use super::violation::Violation;
use crate::interface::{Form, PatchEffect};
use crate::json::At as _;
use crate::json::{Path, apply, changed_pointers, equal, pointer};
use crate::object::Kind;
use crate::order::{Breach, Mend, Order, Rank, SANDBOX_EPOCH};
use crate::time::Time;

/// Annotations of the host, and (behind their name and a dot) of plugins.
const HOST_PREFIX: &str = "stagewright.dev/";

/// What only the server writes, by where it is; `ownerReferences` is not among it.
const IDENTITY: [(&str, &[&str]); 2] = [
    ("", &["apiVersion", "kind"]),
    (
        "/metadata",
        &[
            "name",
            "generateName",
            "namespace",
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
            "managedFields",
            "selfLink",
            "clusterName",
        ],
    ),
];

/// What binds a patch.
pub(super) struct Ground<'a> {
    pub kind: &'a Kind,
    pub plugin: &'a str,
    pub order: &'a Order,
    pub surface: Surface,
    /// None: the whole surface (of another object than the subject).
    pub writes: Option<&'a [Path]>,
    pub now: Time,
}

/// What becomes of the object.
pub(super) struct Judged {
    /// As the server should store it; none: nothing changes.
    pub after: Option<Value>,
    pub mended: Vec<Mend>,
    pub from: Rank,
    pub to: Rank,
}

// === impl Ground ===

impl Ground<'_> {
    /// `before` is the stored object, [`Surface::plain`].
    pub(super) fn judge(&self, before: &Value, effect: &PatchEffect) -> Result<Judged, Violation> {
        let subresource = subresource(effect);
        if !self.surface.has(subresource) {
            return Err(Violation::OutsideSubresource {
                path: String::new(),
                subresource: subresource.map(str::to_owned),
                remedy: "the kind has no such subresource",
            });
        }
        let mut wanted = apply(effect.form, self.kind, before, &effect.body, subresource)?;
        if effect.form == Form::Replace && subresource.is_none() && wanted.get("status").is_none() {
            // Whoever replaces the object does not speak of its status, which is another resource.
            wanted = self.surface.confine(None, before, wanted);
        }
        let wanted = self.surface.plain(wanted);
        let from = self.order.rank(before);
        let changed = changed_pointers(before, &wanted);
        let (after, mended) = if changed.is_empty() {
            (None, Vec::new())
        } else {
            self.check_reach(subresource, before, &wanted, &changed)?;
            self.check_finalizers(before, &wanted)?;
            self.mended(subresource, before, wanted)
        };
        let Some(after) = after else {
            return Ok(Judged {
                after: None,
                mended,
                to: from.clone(),
                from,
            });
        };
        // That it is the same object was seen by its identity.
        let to = self.order.rank(&after);
        let breaches = from.breaches(self.order, &to);
        if !breaches.is_empty() {
            return Err(Violation::Backward(breaches));
        }
        Ok(Judged {
            after: Some(after),
            mended,
            from,
            to,
        })
    }

    /// What the server should store; none if the plugin wanted nothing but what the mending takes back.
    fn mended(
        &self,
        subresource: Option<&str>,
        before: &Value,
        mut wanted: Value,
    ) -> (Option<Value>, Vec<Mend>) {
        let mut mended = self.order.mend(before, &mut wanted, self.now);
        if mended.is_empty() {
            // All that the plugin changes is within the subresource's reach, or it would have been refused.
            return (Some(wanted), mended);
        }
        let after = self.surface.confine(subresource, before, wanted);
        mended.retain(|mend| {
            let at: Vec<&str> = mend.path.split('/').skip(1).collect();
            self.surface.outside(subresource, &at).is_none()
        });
        // What is stored may itself need mending. That alone is no reason to write.
        let mut untouched = before.clone();
        self.order.mend(before, &mut untouched, self.now);
        let untouched = self.surface.confine(subresource, before, untouched);
        let changes = !equal(&untouched, &after) && !equal(before, &after);
        (changes.then_some(after), mended)
    }

    /// Tests the plugin's own changes; what the host mends is the host's.
    fn check_reach(
        &self,
        subresource: Option<&str>,
        before: &Value,
        wanted: &Value,
        changed: &[Vec<String>],
    ) -> Result<(), Violation> {
        for (parent, fields) in IDENTITY {
            let [of, to] = [before, wanted].map(|object| object.at(parent));
            for field in fields {
                if of.and_then(|of| of.get(field)) != to.and_then(|to| to.get(field)) {
                    let field = format!("{parent}/{field}");
                    return Err(Violation::IdentityChanged { field });
                }
            }
        }
        check_annotations(self.plugin, self.writes, before, wanted)?;
        for at in changed {
            let at: Vec<&str> = at.iter().map(String::as_str).collect();
            if let Some(violation) = self.surface.outside(subresource, &at) {
                return Err(violation);
            }
            if self
                .writes
                .is_some_and(|writes| !writes.iter().any(|path| path.covers(&at)))
            {
                return Err(Violation::OutsideWrites { path: pointer(&at) });
            }
        }
        Ok(())
    }

    /// apimachinery `ValidateObjectMetaUpdate`: no new finalizers once deletion was requested.
    fn check_finalizers(&self, before: &Value, wanted: &Value) -> Result<(), Violation> {
        if before.at("/metadata/deletionTimestamp").is_none() {
            return Ok(());
        }
        const AT: &str = "/metadata/finalizers";
        let [stored, wanted] =
            [before, wanted].map(|object| object.at(AT).and_then(Value::as_array));
        let stored = stored.map_or(&[] as &[Value], Vec::as_slice);
        match wanted
            .into_iter()
            .flatten()
            .find(|finalizer| !stored.contains(finalizer))
        {
            Some(added) => Err(Violation::Backward(vec![Breach::new(
                "FinalizerAdded",
                AT,
                "",
                added,
            )])),
            None => Ok(()),
        }
    }
}

/// Annotations of the host stay as they are. The one that counts sandboxes is a plugin's to raise if it names it under `writes`.
pub(super) fn check_annotations(
    plugin: &str,
    writes: Option<&[Path]>,
    before: &Value,
    wanted: &Value,
) -> Result<(), Violation> {
    let of = |object: &Value, name: &str| {
        object
            .get("metadata")?
            .get("annotations")?
            .get(name)
            .cloned()
    };
    let annotations = [before, wanted].map(|object| {
        object
            .at("/metadata/annotations")
            .and_then(Value::as_object)
    });
    for (name, _) in annotations.into_iter().flatten().flatten() {
        let Some(key) = name.strip_prefix(HOST_PREFIX) else {
            continue;
        };
        let own = key
            .strip_prefix(plugin)
            .is_some_and(|key| key.starts_with('.'));
        let named = || {
            let at = ["metadata", "annotations", name.as_str()];
            writes
                .into_iter()
                .flatten()
                .any(|path| path.segments().eq(at))
        };
        if own || (name == SANDBOX_EPOCH && named()) || of(before, name) == of(wanted, name) {
            continue;
        }
        return Err(Violation::HostAnnotation {
            name: name.clone(),
            plugin: plugin.to_owned(),
        });
    }
    Ok(())
}

/// The empty name is the object itself.
pub(super) fn subresource(effect: &PatchEffect) -> Option<&str> {
    effect
        .subresource
        .as_deref()
        .filter(|name| !name.is_empty())
}
