//! The CA that signs for the port, and what else is kept beside the objects so that a kubeconfig outlives a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use stagewright_core::time::Time;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, RootCertStore};

use super::files::save;
use crate::tls::{self, Identity};

/// The CA's certificate in a data folder.
const CERTIFICATE_FILE: &str = "ca.crt";
/// Its key, with which anybody could pass for the server.
const KEY_FILE: &str = "ca.key";
/// What clients must bring.
const TOKEN_FILE: &str = "token";

/// The name of the CA.
const COMMON_NAME: &str = "stagewright-ca";
/// The name that every certificate has, whatever else it is for.
const LOCALHOST: &str = "localhost";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A CA holds as long as those of the usual installers.
const CA_HOLDS: Duration = DAY.saturating_mul(10 * 365);
/// Each start has a new certificate.
const CERTIFICATE_HOLDS: Duration = DAY.saturating_mul(365);
/// Clocks of other machines may be so much behind.
const BEHIND: Duration = Duration::from_secs(60 * 60);
/// The last second that a certificate can name, less what a CA holds: 9989.
const LATEST: u64 = 253_070_000_000;

/// A CA.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// Why there is no CA, or no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorityError {
    #[error(
        "--tls: no certificate can be made: {0}; give --tls-cert-file and --tls-private-key-file"
    )]
    Making(#[from] rcgen::Error),
    #[error("--bind: no token can be made: {0}")]
    Chance(#[from] getrandom::Error),
    #[error("--data-dir: {} cannot be read: {source}; let this user read it, or remove it for a new one, which old kubeconfigs do not fit", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("--data-dir: {} cannot be written: {source}; let this user write there, or give another folder", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("--data-dir: {}: {problem}; put back what was there, or remove {remove} for a new one, which old kubeconfigs do not fit", path.display())]
    Unusable {
        path: PathBuf,
        problem: String,
        remove: &'static str,
    },
}

// === impl Authority ===

impl Authority {
    /// A CA that nobody has seen.
    ///
    /// # Errors
    /// If the machine has no chance to give.
    pub(super) fn new(now: Time) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let certificate = authority(now).self_signed(&key)?.der().clone();
        Ok(Self::of(certificate, key, now))
    }

    /// The CA of a data folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the folder cannot be used, or has what makes no certificates that hold; the message names the file.
    pub(super) fn kept(folder: &Path, now: Time) -> Result<Self, AuthorityError> {
        let (certificate_file, key_file) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        let unusable = |path: &Path, problem: String| AuthorityError::Unusable {
            path: path.to_owned(),
            problem,
            remove: "ca.crt and ca.key",
        };
        let certificate = read(&certificate_file)?;
        let key = match read(&key_file)? {
            Some(text) => PrivateKeyDer::from_pem_slice(text.as_bytes())
                .map_err(|error| unusable(&key_file, error.to_string()))
                .and_then(|key| {
                    KeyPair::try_from(&key).map_err(|error| unusable(&key_file, error.to_string()))
                })?,
            None if certificate.is_some() => {
                let problem = format!("it is not there, and {CERTIFICATE_FILE} is");
                return Err(unusable(&key_file, problem));
            }
            None => {
                let key = KeyPair::generate()?;
                write(&key_file, &pem_of("PRIVATE KEY", key.serialized_der()))?;
                key
            }
        };
        let certificate = match certificate {
            Some(text) => CertificateDer::from_pem_slice(text.as_bytes())
                .map_err(|error| unusable(&certificate_file, error.to_string()))?,
            None => {
                let certificate = authority(now).self_signed(&key)?.der().clone();
                write(&certificate_file, &pem_of("CERTIFICATE", &certificate))?;
                certificate
            }
        };
        let kept = Self::of(certificate, key, now);
        kept.check(now)
            .map_err(|problem| unusable(&certificate_file, problem.to_string()))?;
        Ok(kept)
    }

    fn of(certificate: CertificateDer<'static>, key: KeyPair, now: Time) -> Self {
        // The CA's name and the number of its key are in what it signs, and both are the same at each start.
        let issuer = Issuer::new(authority(now), key);
        Self {
            certificate,
            issuer,
        }
    }

    /// Its certificate in PEM.
    pub(super) fn pem(&self) -> String {
        pem_of("CERTIFICATE", &self.certificate)
    }

    /// A new certificate for a server on this machine that others know by the names too.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn certify(&self, names: &[String], now: Time) -> Result<Identity, rcgen::Error> {
        let names = names.iter().map(String::as_str);
        let all = ["127.0.0.1", "::1", LOCALHOST].into_iter().chain(names);
        let mut all: Vec<String> = all.map(str::to_owned).collect();
        all.sort_unstable();
        all.dedup();
        let mut params = lasting(CertificateParams::new(all)?, now, CERTIFICATE_HOLDS);
        params.distinguished_name = named("stagewright");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Identity {
            chain: vec![certificate.der().clone()],
            key,
        })
    }

    /// Whether a client that trusts this CA would trust what it signs.
    ///
    /// # Errors
    /// Why it would not.
    fn check(&self, now: Time) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        let shown = |error: rustls::Error| error.to_string();
        roots.add(self.certificate.clone()).map_err(shown)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider())
                .build()
                .map_err(|error| error.to_string())?;
        let identity = self.certify(&[], now).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(LOCALHOST).map_err(|error| error.to_string())?;
        let time = UnixTime::since_unix_epoch(since_epoch(now));
        let signed = identity.chain.first().ok_or("nothing was signed")?;
        verifier
            .verify_server_cert(signed, &[], &name, &[], time)
            .map(drop)
            .map_err(|error| format!("it makes no certificates that hold with {KEY_FILE}: {error}"))
    }
}

/// The token of a data folder, which is made if it is not there.
///
/// # Errors
/// If the folder cannot be used, or has what no request can bring.
pub(super) fn kept_token(
    folder: &Path,
    make: impl FnOnce() -> Result<String, AuthorityError>,
) -> Result<String, AuthorityError> {
    let path = folder.join(TOKEN_FILE);
    let Some(text) = read(&path)? else {
        let token = make()?;
        write(&path, &token)?;
        return Ok(token);
    };
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AuthorityError::Unusable {
            path,
            problem: "it is no token of visible ASCII characters".to_owned(),
            remove: "it",
        });
    }
    Ok(token.to_owned())
}

/// What the CA says of itself.
fn authority(now: Time) -> CertificateParams {
    let mut params = lasting(CertificateParams::default(), now, CA_HOLDS);
    params.distinguished_name = named(COMMON_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// From a little before now on.
fn lasting(mut params: CertificateParams, now: Time, holds: Duration) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = since_epoch(now);
    params.not_before = epoch + now.saturating_sub(BEHIND);
    params.not_after = epoch + (now + holds);
    params
}

fn since_epoch(now: Time) -> Duration {
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0);
    Duration::from_secs(seconds.min(LATEST))
}

/// As the files of all programs have it.
pub(super) fn pem_of(tag: &str, der: &[u8]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(tag, der), lines)
}

fn read(path: &Path) -> Result<Option<String>, AuthorityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuthorityError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), AuthorityError> {
    save(path, text).map_err(|source| AuthorityError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
