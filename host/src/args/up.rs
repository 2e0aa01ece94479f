//! `stagewright up`'s arguments, as they are given and as types.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::config::{duration, tls};
use super::{
    ClientArgs, Dialect, HostConfig, KwokArgs, LimitArgs, NetworkArgs, NodeArgs, Output,
    PluginArgs, PluginConfig, RunArgs, RunConfig, Shape, Surroundings, UsageError,
};
use crate::tls::TlsFiles;

/// As fast as time may go: beyond that, leases and heartbeats are all that happens.
const FASTEST: f64 = 1_000.0;
/// So slow that a second takes a quarter of an hour.
const SLOWEST: f64 = 0.001;

/// `stagewright up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// What is brought to life.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Where it is served.
    #[command(flatten)]
    pub server: ServerArgs,
    /// When it ends, and what it tells.
    #[command(flatten)]
    pub end: EndArgs,
    /// Who decides.
    #[command(flatten)]
    pub plugins: PluginArgs,
    /// What nodes and pods are given.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// How fast, and how careful.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// As [`RunArgs::given`].
    #[arg(skip)]
    pub given: Vec<String>,
}

/// What is brought to life.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// How many nodes, and a YAML file of what they are like (name, zone, labels, annotations, taints, capacity, allocatable). May be
    /// repeated, for nodes of several shapes.
    #[arg(long, value_name = "COUNT[@FILE]", default_value = "100")]
    pub nodes: Vec<String>,
    /// How many pods, spread over the nodes, in the namespace default.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub pods: u32,
    /// Manifests to create, in YAML or JSON: a file, a folder of them, or - for standard input. May be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-")]
    pub filename: Vec<PathBuf>,
    /// Leave pods without a node to a scheduler. (One that holds the Lease kube-system/kube-scheduler is left alone anyway.)
    #[arg(long)]
    pub no_binder: bool,
    /// Let the cluster's time go so many times as fast: delays, leases and ages with it.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    pub time_scale: f64,
    /// How long a node's Lease holds without being renewed; it is renewed four times as often. 0: no leases.
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    pub node_lease_duration_seconds: u32,
}

/// Where it is served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "API server")]
pub struct ServerArgs {
    /// Only the API server: nothing is created in it, and nobody changes anything by himself.
    #[arg(long, conflicts_with_all = ["nodes", "pods", "filename", "no_binder", "exit_when_settled", "plugin", "settings"])]
    pub server_only: bool,
    /// Keep the objects in this folder, which is made if it is not there: what was acknowledged is there again after the next start,
    /// whatever ended this one, and what lives goes on from there. What is missing of --nodes and --pods is created again.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The API server's port [default: a free one].
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// The address to serve on. Any but a loopback address is served with HTTPS alone, and asks for a token; the CA and the token are made
    /// and put into the kubeconfig.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Serve HTTPS on a loopback address too, where it is plain HTTP otherwise.
    #[arg(long)]
    pub tls: bool,
    /// Serve HTTPS with this certificate in PEM, and those that signed it, instead of one that is made.
    #[arg(long, value_name = "FILE")]
    pub tls_cert_file: Option<String>,
    /// The certificate's key in PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_private_key_file: Option<String>,
    /// Where the kubeconfig is written; it goes with the cluster [default: ~/.stagewright/kubeconfig-PORT].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Put the context `stagewright` into $KUBECONFIG (or ~/.kube/config) too and make it the current one, as long as the cluster is there.
    #[arg(long)]
    pub merge_kubeconfig: bool,
}

/// When it ends, and what it tells.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "End and output")]
pub struct EndArgs {
    /// End when all nodes are Ready and no pod is Pending or being deleted, instead of waiting for Ctrl-C.
    #[arg(long)]
    pub exit_when_settled: bool,
    /// With --exit-when-settled: fail if that takes longer.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub timeout: String,
    /// `json` and `yaml`: a summary on stdout when everything is settled (or served), and no progress.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// What `stagewright up` does.
#[derive(Debug, Clone)]
pub struct UpConfig {
    /// The API server.
    pub server: ServerConfig,
    /// What lives in it; none: nothing does.
    pub engine: Option<EngineConfig>,
    /// How many times as fast as the machine's the cluster's time goes.
    pub speed: f64,
    /// What is printed.
    pub output: Output,
}

/// The API server of `stagewright up`.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it is served; port 0 is a free one.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where the objects are kept; none: in memory alone.
    pub data_dir: Option<PathBuf>,
    /// Where the kubeconfig goes; none: into the user's folder.
    pub kubeconfig: Option<PathBuf>,
    /// Whether it is merged into the user's own.
    pub merge: bool,
}

/// What the API server of `stagewright up` speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, on loopback alone.
    Plain,
    /// HTTPS, with a certificate of a CA that is made for it.
    Tls,
    /// HTTPS, with a certificate that is given.
    TlsOf(TlsFiles),
}

/// The controller of `stagewright up`, and its load.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// What the host does.
    pub host: HostConfig,
    /// Who decides.
    pub plugins: PluginConfig,
    /// Where health, metrics and `explain` are served.
    pub server_address: SocketAddr,
    /// Whether that was asked for; if not, another port does as well.
    pub server_address_given: bool,
    /// The nodes.
    pub nodes: Vec<Shape>,
    /// How many pods.
    pub pods: usize,
    /// Manifests; `-` is standard input.
    pub manifests: Vec<PathBuf>,
    /// Whether pods without a node are bound.
    pub binder: bool,
    /// Whether to end when everything is settled, and after how long to fail.
    pub settle: Option<Duration>,
}

// === impl UpConfig ===

impl UpConfig {
    /// Checks the arguments and reads the files that they name, but for manifests.
    ///
    /// # Errors
    /// Names the flag and the remedy.
    pub fn new(args: UpArgs) -> Result<Self, UsageError> {
        let UpArgs {
            load,
            server,
            end,
            plugins,
            network,
            limits,
            mut given,
        } = args;
        // Every node here is simulated, whatever a file selects.
        given.push("manage_all_nodes".to_owned());
        let LoadArgs {
            nodes,
            pods,
            filename,
            no_binder,
            time_scale,
            node_lease_duration_seconds,
        } = load;
        let ServerArgs {
            server_only,
            data_dir,
            port,
            bind,
            tls: wants_tls,
            tls_cert_file,
            tls_private_key_file,
            kubeconfig,
            merge_kubeconfig,
        } = server;
        let protocol = match tls(tls_cert_file, tls_private_key_file)? {
            Some(files) => Protocol::TlsOf(files),
            // A token that others could read on its way would keep nobody out.
            None if wants_tls || !bind.is_loopback() => Protocol::Tls,
            None => Protocol::Plain,
        };
        let timeout = duration("--timeout", &end.timeout)?;
        let server_address_given = network.server_address.is_some();
        let run = RunConfig::new(
            RunArgs {
                client: ClientArgs::default(),
                nodes: NodeArgs {
                    manage_all_nodes: true,
                    node_lease_duration_seconds,
                    ..NodeArgs::default()
                },
                plugins,
                network,
                limits,
                kwok: KwokArgs::default(),
                dialect: Dialect::Own,
                given,
            },
            &Surroundings::default(),
        )?;
        let nodes: Result<Vec<Shape>, UsageError> =
            nodes.iter().map(|text| Shape::parse(text)).collect();
        let nodes = nodes?;
        if pods > 0 && nodes.iter().all(|shape| shape.count == 0) && !server_only {
            return Err(UsageError {
                flag: "--pods",
                problem: "there is no node for them; give --nodes a count, or --pods 0".to_owned(),
            });
        }
        let speed = speed(time_scale)?;
        // The next start begins with the machine's time again, which is behind what faster time has written.
        if data_dir.is_some() && speed > 1.0 {
            return Err(UsageError {
                flag: "--time-scale",
                problem: "what is kept in --data-dir would be of a later time than the next start; leave one of the two out".to_owned(),
            });
        }
        Ok(Self {
            server: ServerConfig {
                address: SocketAddr::new(bind, port),
                protocol,
                data_dir,
                kubeconfig,
                merge: merge_kubeconfig,
            },
            engine: (!server_only).then_some(EngineConfig {
                host: run.host,
                plugins: run.plugins,
                server_address: run
                    .server_address
                    .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
                server_address_given,
                nodes,
                pods: usize::try_from(pods).unwrap_or(usize::MAX),
                manifests: filename,
                binder: !no_binder,
                settle: end.exit_when_settled.then_some(timeout),
            }),
            speed,
            output: end.output,
        })
    }
}

fn speed(scale: f64) -> Result<f64, UsageError> {
    if (SLOWEST..=FASTEST).contains(&scale) {
        return Ok(scale);
    }
    Err(UsageError {
        flag: "--time-scale",
        problem: format!("{scale} is not between {SLOWEST} and {FASTEST}; 10 is ten times as fast"),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn up(line: &str) -> Result<UpConfig, String> {
        let line = format!("stagewright up {line}");
        let cli =
            Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::Up(args) = cli.command else {
            panic!("no up")
        };
        UpConfig::new(*args).map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_a_hundred_nodes_and_a_thousand_pods_on_loopback() {
        let config = up("").unwrap();
        assert_eq!(config.server.address.to_string(), "127.0.0.1:0");
        let engine = config.engine.unwrap();
        let counts: Vec<usize> = engine.nodes.iter().map(|shape| shape.count).collect();
        assert_eq!(
            (counts, engine.pods, engine.settle),
            (vec![100], 1_000, None)
        );
        assert!(engine.binder && !engine.server_address_given);
        assert_eq!(engine.plugins.stock, ["node", "pod"]);
    }

    #[test]
    fn shapes_add_up_and_the_server_may_stand_alone() {
        let engine = up("--nodes 3 --nodes 4 --exit-when-settled --timeout 5s")
            .unwrap()
            .engine
            .unwrap();
        assert_eq!(
            engine.nodes.iter().map(|shape| shape.count).sum::<usize>(),
            7
        );
        assert_eq!(engine.settle, Some(Duration::from_secs(5)));
        assert!(up("--server-only --port 6443").unwrap().engine.is_none());
        assert!(up("--data-dir x").unwrap().engine.is_some());
    }

    #[test]
    fn only_loopback_is_served_without_tls() {
        let files = TlsFiles {
            certificate: "a.crt".into(),
            key: "a.key".into(),
        };
        for (line, expected) in [
            ("", Protocol::Plain),
            ("--bind ::1", Protocol::Plain),
            ("--tls", Protocol::Tls),
            ("--bind 0.0.0.0", Protocol::Tls),
            ("--bind 192.0.2.7", Protocol::Tls),
            (
                "--tls-cert-file a.crt --tls-private-key-file a.key",
                Protocol::TlsOf(files),
            ),
        ] {
            assert_eq!(up(line).unwrap().server.protocol, expected, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_names_flag_and_remedy() {
        for (line, parts) in [
            ("--server-only --pods 3", ["--server-only", "--pods"]),
            ("--server-only -f x.yaml", ["--server-only", "--filename"]),
            ("--nodes 0", ["--pods", "--nodes"]),
            ("--nodes x", ["--nodes", "40@gpu.yaml"]),
            ("--time-scale 0", ["--time-scale", "0.001"]),
            ("--time-scale inf", ["--time-scale", "1000"]),
            (
                "--time-scale 2 --data-dir x",
                ["--time-scale", "--data-dir"],
            ),
            (
                "--server-only --time-scale 2 --data-dir x",
                ["--time-scale", "--data-dir"],
            ),
            ("--timeout soon", ["--timeout", "30s"]),
            ("--bind everywhere", ["--bind", "everywhere"]),
            ("--tls-cert-file a", ["--tls-private-key-file", "together"]),
            ("--tls-private-key-file a", ["--tls-cert-file", "together"]),
        ] {
            let error = up(line).unwrap_err();
            assert!(
                parts.iter().all(|part| error.contains(part)),
                "{line}: {error}"
            );
        }
    }
}
