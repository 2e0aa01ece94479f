//! Objects that outlive the process: a folder that they are kept in.
//!
//! The store stays what it is; every write of it is noted here besides, and one thread commits what was noted since the last commit,
//! so that writers who come at the same time wait for one and the same fsync. No answer leaves the server before what it shows is
//! committed, and watches tell no change before it is: whoever was told something finds it again after a crash.
//!
//! The folder has one file, which redb writes: pages with checksums, of which a commit writes new ones and never the old, and which
//! a crash in the middle leaves as they were before.

mod file;
mod journal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use self::file::{Kept, Objects};
pub(crate) use self::journal::Journal;

/// What was found in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// How many objects.
    pub objects: usize,
    /// The revision of the last write that is there.
    pub revision: u64,
    /// Whether the process that had the folder before did not end in order. What it had not committed then is gone; nobody was
    /// answered that it had been written.
    pub interrupted: bool,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// It cannot be read or written.
    #[error("{path}: {source}; give a folder that this user may read and write")]
    Io {
        /// The folder or its file.
        path: Shown,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{path} is in use by another process; stop that, or give another folder")]
    Locked {
        /// The file.
        path: Shown,
    },
    /// It is something else's.
    #[error("{path} is not a data folder of this server: {found}; give a new or an empty folder")]
    Foreign {
        /// The folder or its file.
        path: Shown,
        /// What is there.
        found: String,
    },
    /// Another version wrote it.
    #[error(
        "{path} has format {format}, and this version reads {known}; use the version that wrote it, or give a new folder"
    )]
    OtherFormat {
        /// The file.
        path: Shown,
        /// Its format.
        format: u64,
        /// The one that is known.
        known: u64,
    },
    /// It is not what was written.
    #[error("{path} is damaged: {problem}; put a copy of it in its place, or give a new folder")]
    Damaged {
        /// The file.
        path: Shown,
        /// What is wrong.
        problem: String,
    },
}

/// A path as messages have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(pub PathBuf);

// === impl DataDirError ===

impl DataDirError {
    /// The kind of error in one word, for logs and metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Locked { .. } => "locked",
            Self::Foreign { .. } => "foreign",
            Self::OtherFormat { .. } => "format",
            Self::Damaged { .. } => "damaged",
        }
    }
}

// === impl Shown ===

impl From<&Path> for Shown {
    fn from(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
