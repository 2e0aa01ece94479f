//! What is read of an object: whose it is, and whether it is to go.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Of an owner that is deleted: it goes when those of its dependents are gone that block it (`metav1.FinalizerDeleteDependents`).
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Of an owner that is deleted: its dependents stay (`metav1.FinalizerOrphanDependents`).
pub(super) const ORPHAN: &str = "orphan";

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The kind's collection, which its versions share.
    pub kind: Arc<str>,
    /// Empty if the kind has none.
    pub namespace: Box<str>,
    pub name: Box<str>,
}

/// An object of any kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub metadata: Metadata,
}

/// Its metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub name: Box<str>,
    pub namespace: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub deletion_timestamp: Option<Box<str>>,
    pub finalizers: Vec<String>,
    pub owner_references: Vec<Owner>,
}

/// An owner, as its dependent names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Owner {
    pub api_version: Box<str>,
    pub kind: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// What becomes of the dependents of an owner that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They lose it.
    Orphan,
    /// They go first.
    Foreground,
}

// === impl Mode ===

impl Mode {
    /// The finalizer that asks for it.
    pub(super) fn finalizer(self) -> &'static str {
        match self {
            Self::Orphan => ORPHAN,
            Self::Foreground => FOREGROUND,
        }
    }
}

// === impl Metadata ===

impl Metadata {
    pub(super) fn key(&self, kind: &Arc<str>) -> Key {
        Key {
            kind: Arc::clone(kind),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    pub(super) fn is_going(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    pub(super) fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|known| known == finalizer)
    }

    /// What becomes of its dependents before it goes, if it is to go and waits for that.
    pub(super) fn mode(&self) -> Option<Mode> {
        let modes = [Mode::Orphan, Mode::Foreground];
        let wanted = modes.into_iter().find(|mode| self.has(mode.finalizer()));
        wanted.filter(|_| self.is_going())
    }
}

// === impl Owner ===

impl Owner {
    pub(super) fn blocks(&self) -> bool {
        self.block_owner_deletion == Some(true)
    }
}
