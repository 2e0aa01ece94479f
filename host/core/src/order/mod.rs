//! What forward means for each kind.
//!
//! A kind's order is a table ([`model::Model`], one file a kind), or declared by a plugin. From it follow an object's [`Rank`], the
//! [`Breach`]es of a move, which are refused, and the [`Mend`]s of bookkeeping, which are made before ranking. A rank holds all
//! that is ordered, so that whether a move is backward is asked of two ranks alone, whoever moved.

mod breach;
mod conditions;
mod containers;
mod declared;
mod devices;
mod job;
mod model;
mod namespace;
mod node;
mod others;
mod pod;
mod rank;
mod restart;
mod scalars;
mod storage;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::json::At as _;
use crate::object::Kind;
use crate::time::Time;
use model::{EpochAt, Model};
use rank::Epoch;

pub use breach::{Breach, Mend};
pub use declared::DeclaredOrder;
pub use pod::SANDBOX_EPOCH;
pub use rank::Rank;

/// How objects of a kind move.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Core v1.
    Pod,
    /// Core v1.
    Node,
    /// batch/v1.
    Job,
    /// Core v1.
    Namespace,
    /// Core v1.
    PersistentVolume,
    /// Core v1.
    PersistentVolumeClaim,
    /// storage.k8s.io/v1.
    VolumeAttachment,
    /// resource.k8s.io/v1.
    ResourceClaim,
    /// resource.k8s.io/v1.
    ResourceSlice,
    /// coordination.k8s.io/v1.
    Lease,
    /// certificates.k8s.io/v1.
    CertificateSigningRequest,
    /// apiextensions.k8s.io/v1.
    CustomResourceDefinition,
    /// As a plugin or the administrator says.
    Declared(Arc<DeclaredOrder>),
    /// The rules for all objects.
    Any,
}

static ANY: Model = model::ANY;
static DECLARED: Model = Model {
    name: "declared",
    ..model::ANY
};

// === impl Order ===

impl Order {
    /// The order of a built-in kind that has one.
    #[must_use]
    pub fn built_in(kind: &Kind) -> Option<Self> {
        Some(match (kind.group(), kind.version(), kind.kind()) {
            ("", "v1", "Pod") => Self::Pod,
            ("", "v1", "Node") => Self::Node,
            ("batch", "v1", "Job") => Self::Job,
            ("", "v1", "Namespace") => Self::Namespace,
            ("", "v1", "PersistentVolume") => Self::PersistentVolume,
            ("", "v1", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            ("storage.k8s.io", "v1", "VolumeAttachment") => Self::VolumeAttachment,
            ("resource.k8s.io", "v1", "ResourceClaim") => Self::ResourceClaim,
            ("resource.k8s.io", "v1", "ResourceSlice") => Self::ResourceSlice,
            ("coordination.k8s.io", "v1", "Lease") => Self::Lease,
            ("certificates.k8s.io", "v1", "CertificateSigningRequest") => {
                Self::CertificateSigningRequest
            }
            ("apiextensions.k8s.io", "v1", "CustomResourceDefinition") => {
                Self::CustomResourceDefinition
            }
            _ => return None,
        })
    }

    /// How far the object has come.
    #[must_use]
    pub fn rank(&self, object: &Value) -> Rank {
        Rank::of(self, object)
    }

    /// In which ways the move is backward; empty if it is forward, or if nothing moves. Never mends.
    #[must_use]
    pub fn breaches(&self, before: &Value, after: &Value) -> Vec<Breach> {
        let [from, to] = [before, after].map(|object| model::text_at(object, "/metadata/uid"));
        if from != to {
            return vec![Breach::new("OtherObject", "/metadata/uid", from, to)];
        }
        self.rank(before).breaches(self, &self.rank(after))
    }

    /// Puts the bookkeeping of `after` right, so that it is legal beside `before`: clocks, fields set once, numbers that a template
    /// lost, conditions implied by the phase. What it makes it leaves alone a second time.
    pub fn mend(&self, before: &Value, after: &mut Value, now: Time) -> Vec<Mend> {
        let model = self.model();
        let mut mends = Vec::new();
        // What was observed may be an epoch, so it comes before the question whether there is a new one.
        scalars::mend_observed(before, after, &mut mends);
        // The rest of the ranks costs more, and seldom has a say.
        let renewed = rank::has_risen(&self.epochs(before), &self.epochs(after))
            && self.rank(before).is_renewed_by(&self.rank(after));
        scalars::mend(model, before, after, renewed, now, &mut mends);
        if model.containers {
            if !renewed {
                containers::mend(before, after, &mut mends);
            }
            pod::mend_nomination(before, after, &mut mends);
            pod::mend_ready(after, &mut mends);
        }
        conditions::mend_clocks(before, after, now, model.clocked, &mut mends);
        mends
    }

    /// The phases that the order knows.
    #[must_use]
    pub fn phases(&self) -> Vec<&str> {
        match self {
            Self::Declared(declared) => declared.phases.keys().map(String::as_str).collect(),
            _ => self.model().graph.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// For `explain`: `pod`, `declared`, `none`, ….
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.model().name
    }

    fn model(&self) -> &'static Model {
        match self {
            Self::Pod => &pod::MODEL,
            Self::Node => &node::MODEL,
            Self::Job => &job::MODEL,
            Self::Namespace => &namespace::MODEL,
            Self::PersistentVolume => &storage::VOLUME,
            Self::PersistentVolumeClaim => &storage::CLAIM,
            Self::VolumeAttachment => &storage::ATTACHMENT,
            Self::ResourceClaim => &devices::CLAIM,
            Self::ResourceSlice => &devices::SLICE,
            Self::Lease => &others::LEASE,
            Self::CertificateSigningRequest => &others::SIGNING_REQUEST,
            Self::CustomResourceDefinition => &others::DEFINITION,
            Self::Declared(_) => &DECLARED,
            Self::Any => &ANY,
        }
    }

    /// The phase that counts, and whether the object says so itself: none if the order has no phases.
    fn phase(&self, object: &Value) -> Option<(Cow<'static, str>, bool)> {
        if let Self::Declared(declared) = self {
            declared.path.as_ref()?;
            let told = declared.told(object);
            let phase = told.or(declared.initial.as_deref()).unwrap_or_default();
            return Some((phase.to_owned().into(), told.is_some()));
        }
        let model = self.model();
        let phase = model.phase?(object);
        if phase.is_empty() {
            return Some((model.initial.into(), false));
        }
        let known = model.graph.iter().find(|(name, _)| *name == phase);
        let phase = known.map_or_else(|| phase.into_owned().into(), |(name, _)| (*name).into());
        Some((phase, true))
    }

    /// For messages.
    fn phase_at(&self) -> Cow<'static, str> {
        match self {
            Self::Declared(declared) => declared
                .path
                .as_ref()
                .map_or_else(String::new, ToString::to_string)
                .into(),
            _ => self.model().phase_at.into(),
        }
    }

    /// The phases right after this one; none if the order does not know it.
    fn successors(&self, phase: &str) -> Option<Vec<&str>> {
        if let Self::Declared(declared) = self {
            return declared
                .phases
                .get(phase)
                .map(|next| next.iter().map(String::as_str).collect());
        }
        let (_, next) = self.model().graph.iter().find(|(name, _)| *name == phase)?;
        Some(next.to_vec())
    }

    fn is_terminal(&self, phase: &str) -> bool {
        match self {
            Self::Declared(declared) => declared
                .phases
                .get(phase)
                .is_some_and(|next| next.iter().all(|next| next == phase)),
            _ => self.model().terminal.contains(&phase),
        }
    }

    /// Whether there is a way from one phase to the other. Phases on one cycle reach each other, so they rank equal.
    fn reachable(&self, from: &str, to: &str) -> bool {
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(phase) = seen.get(next).copied() {
            if phase == to {
                return true;
            }
            for successor in self.successors(phase).unwrap_or_default() {
                if !seen.contains(&successor) {
                    seen.push(successor);
                }
            }
            next += 1;
        }
        false
    }

    fn epochs(&self, object: &Value) -> Box<[Epoch]> {
        let number =
            |value: Option<&Value>| Epoch::Number(value.and_then(model::number).unwrap_or(0));
        match self {
            Self::Declared(declared) => declared
                .epochs
                .iter()
                .map(|path| number(path.first(object)))
                .collect(),
            _ => {
                let epoch = |at: &EpochAt| match at {
                    EpochAt::Number(at) => number(object.at(at)),
                    EpochAt::Identity(at) => Epoch::Identity(model::text_at(object, at).into()),
                };
                self.model().epochs.iter().map(epoch).collect()
            }
        }
    }

    /// Conditions that never leave True, each with whether a new epoch releases it.
    fn latches(&self) -> impl Iterator<Item = (Cow<'static, str>, bool)> {
        let declared = match self {
            Self::Declared(declared) => declared.latches.as_slice(),
            _ => &[],
        };
        let own = self
            .model()
            .latches
            .iter()
            .map(|latch| (Cow::Borrowed(latch.condition), latch.within_epoch));
        own.chain(declared.iter().map(|name| (Cow::Owned(name.clone()), true)))
    }
}
