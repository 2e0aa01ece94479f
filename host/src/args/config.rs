//! `stagewright run`'s arguments as types: after this, nothing is parsed again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use stagewright_core::claims::Selection;

use super::kwok as rules;
use super::{
    ClientArgs, Dialect, LimitArgs, NetworkArgs, PluginArgs, RunArgs, Surroundings, UsageError,
    file, selection, settings,
};
use crate::kwok;
use crate::tls::TlsFiles;

/// What `stagewright run` does.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Which cluster, as whom.
    pub client: ClientArgs,
    /// What the host does there.
    pub host: HostConfig,
    /// Who decides.
    pub plugins: PluginConfig,
    /// Where health, metrics and `explain` are served; none: nowhere.
    pub server_address: Option<SocketAddr>,
    /// Whether another process may have that address, since others share the machine's ports.
    pub server_optional: bool,
    /// What that port speaks TLS with, beside plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Flags of KWOK's that were given and do nothing yet.
    pub unserved: Vec<&'static str>,
}

/// Which plugins there are.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// Plugin files, the first asked first.
    pub files: Vec<PathBuf>,
    /// Stock plugins, asked after those.
    pub stock: Vec<String>,
    /// Settings by the plugin's name; always a JSON object.
    pub settings: BTreeMap<String, Value>,
    /// KWOK's stages, and what else its configuration says.
    pub kwok: kwok::Config,
}

/// What a host does, whichever API server it works against.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Which nodes are ours.
    pub selection: Selection,
    /// How long a node's Lease holds; none: no leases.
    pub lease_duration: Option<Duration>,
    /// Whether plugins may write as another user.
    pub allow_impersonation: bool,
    /// Part of the plugins' randomness.
    pub seed: u64,
    /// Addresses of pods on nodes without podCIDRs.
    pub cidrs: Vec<IpNet>,
    /// Addresses of nodes that have none.
    pub node_ips: Vec<IpAddr>,
    /// The port that nodes name as their kubelet's.
    pub node_port: u16,
    /// The host name that nodes name as their kubelet's; none: their own.
    pub node_name: Option<String>,
    /// Write nothing.
    pub dry_run: bool,
    /// Threads that ask plugins. None: they are asked on the runtime itself, one object after another, so that a runtime of one
    /// thread on a paused clock does the same each time. The command line gives at least one.
    pub decide_threads: usize,
    /// Writes under way at once; at least one.
    pub max_writes_in_flight: usize,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
}

impl RunConfig {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// Names the flag and the remedy.
    pub fn new(mut args: RunArgs, around: &Surroundings) -> Result<Self, UsageError> {
        let sources = rules::sources(&args, around);
        let mut kwok = kwok::Config::load(&sources).map_err(|error| UsageError {
            flag: "--config",
            problem: error.to_string(),
        })?;
        file::fill(kwok.options.clone(), &mut args);
        rules::settle(&mut args, &mut kwok, around)?;
        let server_address = server_address(&args, around)?;
        // Taken apart by name, so that a new flag that nobody uses does not compile.
        let RunArgs {
            client,
            nodes,
            plugins,
            network,
            limits,
            kwok: kwok_args,
            dialect: _,
            given: _,
        } = args;
        let PluginArgs {
            config: _,
            plugin,
            settings,
            stock_plugins,
            no_stock_plugins,
            allow_impersonation,
            seed,
        } = plugins;
        let NetworkArgs {
            cidr,
            node_ip,
            node_port,
            node_name,
            server_address: _,
        } = network;
        let LimitArgs {
            dry_run,
            decide_threads,
            max_writes_in_flight,
            request_timeout,
            shutdown_grace,
        } = limits;
        let lease = nodes.node_lease_duration_seconds;
        let cores = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(8);
        let host_config = HostConfig {
            selection: selection::read(nodes)?,
            lease_duration: (lease > 0).then(|| Duration::from_secs(lease.into())),
            allow_impersonation,
            seed,
            cidrs: all("--cidr", cidr, "write a network like 10.0.0.0/8")?,
            node_ips: node_ips(all("--node-ip", node_ip, "write an address like 10.1.2.3")?),
            node_port,
            node_name: node_name.filter(|name| !name.is_empty()),
            dry_run,
            decide_threads: positive("--decide-threads", decide_threads.unwrap_or(cores))?,
            max_writes_in_flight: positive("--max-writes-in-flight", max_writes_in_flight)?,
            request_timeout: duration("--request-timeout", &request_timeout)?,
            shutdown_grace: duration("--shutdown-grace", &shutdown_grace)?,
        };
        Ok(Self {
            client,
            host: host_config,
            plugins: PluginConfig {
                files: plugin,
                stock: if no_stock_plugins {
                    Vec::new()
                } else {
                    given(stock_plugins).collect()
                },
                settings: settings::read(&settings)?,
                kwok,
            },
            server_address,
            server_optional: around.host_network,
            unserved: kwok_args.unserved(),
            tls: tls(kwok_args.tls_cert_file, kwok_args.tls_private_key_file)?,
        })
    }
}

/// Without the empty ones: `--node-ip=` means none.
pub(super) fn given(values: Vec<String>) -> impl Iterator<Item = String> {
    values
        .into_iter()
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

fn all<T: std::str::FromStr>(
    flag: &'static str,
    values: Vec<String>,
    remedy: &str,
) -> Result<Vec<T>, UsageError> {
    let parse = |value: String| {
        value.parse().map_err(|_| UsageError {
            flag,
            problem: format!("{value:?} cannot be read; {remedy}"),
        })
    };
    given(values).map(parse).collect()
}

fn positive(flag: &'static str, count: usize) -> Result<usize, UsageError> {
    if count == 0 {
        return Err(UsageError {
            flag,
            problem: "must be at least 1".to_owned(),
        });
    }
    Ok(count)
}

pub(super) fn duration(flag: &'static str, text: &str) -> Result<Duration, UsageError> {
    let duration: Option<jiff::SignedDuration> = text.parse().ok();
    duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| UsageError {
            flag,
            problem: format!("{text:?} is no duration; write it like 30s, 500ms or 2m"),
        })
}

/// What was asked for, or the node's port: for this machine alone, but for others too in a pod and as KWOK has it.
fn server_address(args: &RunArgs, around: &Surroundings) -> Result<Option<SocketAddr>, UsageError> {
    let NetworkArgs {
        server_address,
        node_port,
        ..
    } = &args.network;
    if let Some(address) = server_address.as_deref().filter(|text| !text.is_empty()) {
        return server_address_of(address).map(Some);
    }
    let is_kwok = args.dialect == Dialect::Kwok;
    let host = if around.in_cluster || is_kwok {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::LOCALHOST
    };
    let is_served = *node_port != 0 || !is_kwok;
    Ok(is_served.then(|| SocketAddr::from((host, *node_port))))
}

/// The two files of TLS, which go together.
pub(super) fn tls(
    certificate: Option<String>,
    key: Option<String>,
) -> Result<Option<TlsFiles>, UsageError> {
    let file = |text: Option<String>| text.filter(|text| !text.is_empty()).map(PathBuf::from);
    match (file(certificate), file(key)) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (certificate, _) => Err(UsageError {
            flag: match certificate {
                Some(_) => "--tls-private-key-file",
                None => "--tls-cert-file",
            },
            problem: "a certificate and its key go together; give both flags, or none".to_owned(),
        }),
    }
}

fn server_address_of(text: &str) -> Result<SocketAddr, UsageError> {
    // Go programs write `:10247` for all addresses.
    let whole = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.replace("localhost:", "127.0.0.1:")
    };
    let problem = || format!("{text:?} is no address with a port; write it like 127.0.0.1:10247");
    whole.parse().map_err(|_| UsageError {
        flag: "--server-address",
        problem: problem(),
    })
}

/// A node without an address is of no use to its pods; by default it is this machine's.
fn node_ips(given: Vec<IpAddr>) -> Vec<IpAddr> {
    if !given.is_empty() {
        return given;
    }
    vec![own_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))]
}

/// The address from which this machine speaks to others. Nothing is sent: connecting a datagram socket only picks a route.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // RFC 5737: an address for documentation, which nobody has.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};
    use super::*;

    fn run(line: &str) -> Result<RunConfig, String> {
        let line = format!("stagewright run {line}");
        let cli = parse(line.split_whitespace().map(Into::into)).unwrap();
        let Command::Run(args) = cli.command else {
            panic!("no run")
        };
        RunConfig::new(*args, &Surroundings::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_makes_no_sense_names_flag_and_remedy() {
        for (line, parts) in [
            (
                "",
                ["--manage-all-nodes", "--manage-nodes-with-label-selector"],
            ),
            (
                "--manage-all-nodes=false",
                ["--manage-all-nodes", "--manage-single-node"],
            ),
            (
                "--manage-all-nodes --manage-single-node=a",
                ["--manage-all-nodes", "cannot be combined"],
            ),
            (
                "--manage-nodes-with-label-selector=a=b --manage-single-node=a",
                ["selectors", "cannot be combined"],
            ),
            (
                "--manage-all-nodes --cidr=10.0.0.0",
                ["--cidr", "10.0.0.0/8"],
            ),
            ("--manage-all-nodes --node-ip=x", ["--node-ip", "10.1.2.3"]),
            (
                "--manage-all-nodes --server-address=x",
                ["--server-address", "127.0.0.1:10247"],
            ),
            (
                "--manage-all-nodes --decide-threads=0",
                ["--decide-threads", "at least 1"],
            ),
            (
                "--manage-all-nodes --max-writes-in-flight=0",
                ["--max-writes-in-flight", "at least 1"],
            ),
            (
                "--manage-all-nodes --request-timeout=fast",
                ["--request-timeout", "30s"],
            ),
            (
                "--manage-all-nodes --shutdown-grace=0s",
                ["--shutdown-grace", "30s"],
            ),
            (
                "--manage-all-nodes --tls-cert-file=a.crt",
                ["--tls-private-key-file", "both flags"],
            ),
            (
                "--manage-all-nodes --enable-crds=Stage,Pod",
                ["--enable-crds", "ClusterResourceUsage"],
            ),
        ] {
            let error = run(line).unwrap_err();
            assert!(
                parts.iter().all(|part| error.contains(part)),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn defaults_are_for_one_machine() {
        let config = run("--manage-all-nodes --node-ip=").unwrap();
        assert_eq!(
            config.server_address,
            Some("127.0.0.1:10247".parse().unwrap())
        );
        assert_eq!(config.host.lease_duration, Some(Duration::from_secs(40)));
        assert_eq!(config.plugins.stock, ["node", "pod"]);
        assert_eq!(config.host.node_ips.len(), 1);
        assert!(config.host.decide_threads >= 1);
        let config = run(
            "--manage-all-nodes --node-lease-duration-seconds=0 --no-stock-plugins --node-port=1 --cidr=10.0.0.0/8,fd00::/64",
        );
        let config = config.unwrap();
        assert_eq!(
            (
                config.host.lease_duration,
                config.plugins.stock.len(),
                config.host.cidrs.len()
            ),
            (None, 0, 2)
        );
        assert_eq!(config.server_address.unwrap().port(), 1);
    }
}
