//! What a port speaks TLS with.

use std::path::PathBuf;

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that signed it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}
