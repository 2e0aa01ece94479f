//! What a port speaks TLS with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that signed it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Whom a port says that it is.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The certificate, and those that signed it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or not what it should be.
    #[error("{flag}: {}: {message}; give a file in PEM", path.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The two do not belong together, or are of a kind that is not spoken.
    #[error(
        "--tls-cert-file, --tls-private-key-file: {} and {}: {source}; give a certificate and the key that it was made with",
        files.certificate.display(),
        files.key.display()
    )]
    Pair {
        /// The two files.
        files: TlsFiles,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// The cryptography of all TLS here, which is that of kube's client.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

// === impl TlsFiles ===

impl TlsFiles {
    /// What is in the files.
    ///
    /// # Errors
    /// If one cannot be read, or has nothing of the kind; the message names it.
    pub(crate) fn identity(&self) -> Result<Identity, TlsError> {
        let file = |flag, path: &Path, message: String| TlsError::File {
            flag,
            path: path.to_owned(),
            message,
        };
        let certificate = |message: String| file("--tls-cert-file", &self.certificate, message);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(certificate("there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| file("--tls-private-key-file", &self.key, error.to_string()))?;
        Ok(Identity { chain, key })
    }

    /// The error of two that do not belong together.
    pub(crate) fn apart(&self, source: rustls::Error) -> TlsError {
        TlsError::Pair {
            files: self.clone(),
            source,
        }
    }
}

// === impl Identity ===

impl Identity {
    /// The server's side of TLS, for whoever speaks one of the protocols; none: for all.
    ///
    /// # Errors
    /// If certificate and key do not belong together, or are of a kind that is not spoken.
    pub(crate) fn serve(self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}
