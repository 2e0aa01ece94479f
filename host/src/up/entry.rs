//! How the port is entered: by which protocol, as whom the server answers, and what clients must bring.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use stagewright_apiserver::serve::PROTOCOLS;
use stagewright_core::time::Time;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, ServerConfig as TlsConfig};

use super::authority::{Authority, AuthorityError, kept_token, pem_of};
use super::kubeconfig::Access;
use crate::args::{Protocol, ServerConfig};
use crate::clock::Clock;
use crate::tls::{Identity, TlsFiles};

/// Bytes of a token.
const TOKEN: usize = 24;
/// Own addresses as which this machine would ask others; those are of documentation (RFC 5737, RFC 3849), and nothing is sent.
const OUTWARD: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// The way in.
pub(super) struct Entry {
    /// What TLS is spoken with; none: plain HTTP.
    pub tls: Option<Arc<TlsConfig>>,
    /// What clients are told.
    pub access: Access,
    /// What the certificate that was made calls the server beside loopback's names; empty without one.
    pub names: Vec<String>,
}

// === impl Entry ===

impl Entry {
    /// Makes what is not given: CA, certificate and token. With a data folder they are kept there.
    ///
    /// # Errors
    /// If a file cannot be used; the message names it.
    pub(super) fn new(config: &ServerConfig, address: SocketAddr) -> anyhow::Result<Self> {
        let folder = config.data_dir.as_deref();
        let token = match folder {
            _ if address.ip().is_loopback() => None,
            Some(folder) => Some(kept_token(folder, new_token)?),
            None => Some(new_token()?),
        };
        let outward = outward();
        let reached = reachable(address, &outward);
        let mut names = Vec::new();
        let (tls, authority, server_name) = match &config.protocol {
            Protocol::Plain => (None, None, None),
            Protocol::Tls => {
                names = self::names(address.ip(), &outward);
                let (tls, authority) = made(folder, &names)?;
                (Some(tls), Some(authority), None)
            }
            Protocol::TlsOf(files) => {
                let identity = files.identity()?;
                let authority = identity.chain.iter();
                let authority = authority.map(|der| pem_of("CERTIFICATE", der)).collect();
                let name =
                    asked_for(&identity, reached.ip()).map_err(|error| files.apart(error))?;
                (Some(given(identity, files)?), Some(authority), name)
            }
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let access = Access {
            url: format!("{scheme}://{reached}"),
            authority,
            server_name,
            token,
        };
        Ok(Self { tls, access, names })
    }
}

/// TLS with a certificate of our own, and the CA in PEM.
fn made(folder: Option<&Path>, names: &[String]) -> anyhow::Result<(Arc<TlsConfig>, String)> {
    // Certificates are for others, whose time is the machine's, whatever that of the cluster is.
    let now = Time(Clock::new().local());
    let authority = match folder {
        Some(folder) => Authority::kept(folder, now)?,
        None => Authority::new(now)?,
    };
    let identity = authority
        .certify(names, now)
        .map_err(AuthorityError::Making)?;
    Ok((identity.serve(&PROTOCOLS)?, authority.pem()))
}

fn given(identity: Identity, files: &TlsFiles) -> anyhow::Result<Arc<TlsConfig>> {
    let tls = identity.serve(&PROTOCOLS);
    Ok(tls.map_err(|error| files.apart(error))?)
}

/// What else than loopback others may call the server.
fn names(bound: IpAddr, outward: &[IpAddr]) -> Vec<String> {
    let addresses = if bound.is_unspecified() {
        outward
    } else {
        &[bound]
    };
    let names = addresses.iter().map(IpAddr::to_string);
    names.chain(host_name()).collect()
}

/// The own addresses as which this machine asks others, of each family that it has a way out for.
fn outward() -> Vec<IpAddr> {
    let asks = |(own, other): &(&str, &str)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(other).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    OUTWARD.iter().filter_map(asks).collect()
}

/// The machine's name, if it is one that certificates can have.
fn host_name() -> Option<String> {
    let name = hostname::get().ok()?.into_string().ok()?;
    let is_name = matches!(ServerName::try_from(&*name), Ok(ServerName::DnsName(_)));
    is_name.then_some(name)
}

/// The name that clients must ask for, if a certificate that was given does not have the address that they ask.
///
/// # Errors
/// If it is no certificate.
fn asked_for(identity: &Identity, reached: IpAddr) -> Result<Option<String>, rustls::Error> {
    let Some(certificate) = identity.chain.first() else {
        return Ok(None);
    };
    let certificate = ParsedCertificate::try_from(certificate)?;
    let has = |name: &ServerName<'_>| verify_server_name(&certificate, name).is_ok();
    if has(&ServerName::from(reached)) {
        return Ok(None);
    }
    let others = [Some("localhost".to_owned()), host_name()];
    let mut others = others.into_iter().flatten();
    let found = others.find(|name| ServerName::try_from(&**name).is_ok_and(|name| has(&name)));
    if found.is_none() {
        tracing::warn!(
            address = %reached,
            "--tls-cert-file: the certificate names neither the address nor localhost nor this machine; clients must set tls-server-name to a name that it has"
        );
    }
    Ok(found)
}

/// The address that clients ask, on this machine and on others; a machine with no way out is asked by itself alone.
fn reachable(address: SocketAddr, outward: &[IpAddr]) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return address,
    };
    let mut outward = outward.iter().copied();
    let ip = outward.find(|ip| ip.is_ipv4() == address.is_ipv4());
    SocketAddr::new(ip.unwrap_or(loopback), address.port())
}

fn new_token() -> Result<String, AuthorityError> {
    let mut bytes = [0_u8; TOKEN];
    getrandom::fill(&mut bytes)?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(digits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), 2 * TOKEN);
        assert_ne!(one, other);
    }

    #[test]
    fn the_bound_address_is_one_of_the_names() {
        let bound = IpAddr::from([192, 0, 2, 7]);
        let outward = [IpAddr::from([192, 0, 2, 8])];
        assert!(names(bound, &outward).contains(&"192.0.2.7".to_owned()));
        let all = names(Ipv4Addr::UNSPECIFIED.into(), &outward);
        assert!(all.contains(&"192.0.2.8".to_owned()), "{all:?}");
        assert!(!all.contains(&"0.0.0.0".to_owned()), "{all:?}");
    }

    #[test]
    fn where_every_address_is_listened_on_others_are_told_one_that_they_reach() {
        let outward: Vec<IpAddr> = ["192.0.2.8", "2001:db8::8"]
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect();
        for (bound, outward, expected) in [
            ("0.0.0.0:1", &outward[..], "192.0.2.8:1"),
            ("[::]:1", &outward, "[2001:db8::8]:1"),
            ("[::]:1", &outward[..1], "[::1]:1"),
            ("0.0.0.0:1", &[], "127.0.0.1:1"),
            ("127.0.0.1:1", &outward, "127.0.0.1:1"),
            ("192.0.2.7:1", &outward, "192.0.2.7:1"),
        ] {
            let reached = reachable(bound.parse().unwrap(), outward);
            assert_eq!(reached.to_string(), expected, "{bound}");
        }
    }
}
