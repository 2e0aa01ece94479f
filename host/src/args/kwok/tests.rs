use stagewright_core::claims::Selection;

use super::super::RunConfig;
use super::*;
use crate::tls::TlsFiles;

/// A folder with KWOK's own file, and another.
struct Files {
    folder: tempfile::TempDir,
    around: Surroundings,
}

const STAGE_OF_PODS: &str = "
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector: {}
";

fn options(options: &str) -> String {
    format!(
        "apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {{{options}}}\n"
    )
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let around = Surroundings {
            kwok_file: folder.path().join("kwok.yaml"),
            ..Surroundings::default()
        };
        Self { folder, around }
    }

    /// `DIR` in the line is the folder.
    fn run(&self, line: &str) -> Result<RunConfig, String> {
        let line = line.replace("DIR", self.folder.path().to_str().unwrap());
        let line = format!("/usr/local/bin/kwok {line}");
        let cli = super::super::parse(line.split_whitespace().map(Into::into))
            .map_err(|error| error.to_string())?;
        let Command::Run(run) = cli.command else {
            panic!("no run")
        };
        RunConfig::new(*run, &self.around).map_err(|error| error.to_string())
    }
}

/// What of a configuration the tables below compare.
fn shown(config: &RunConfig) -> String {
    let selection = match &config.host.selection {
        Selection::All => "all".to_owned(),
        Selection::Names(names) => format!("{names:?}"),
        Selection::Labels(_) => "labels".to_owned(),
        Selection::Annotations(_) => "annotations".to_owned(),
        Selection::LabelsAndAnnotations(..) => "labels and annotations".to_owned(),
    };
    let lease = config
        .host
        .lease_duration
        .map_or(0, |lease| lease.as_secs());
    let address = config.server_address.map(|address| address.to_string());
    let port = config.host.node_port;
    let address = address.unwrap_or_else(|| "nowhere".to_owned());
    let cidrs: Vec<String> = config.host.cidrs.iter().map(ToString::to_string).collect();
    let name = config.host.node_name.clone().unwrap_or_default();
    format!(
        "{selection}; lease {lease}; port {port}; {address}; {}; {name}",
        cidrs.join(",")
    )
}

#[test]
fn flags_before_files_before_defaults() {
    let first = options("nodePort: 1, cidr: 10.1.0.0/16, nodeName: first, manageAllNodes: true");
    let second = options("nodePort: 2, nodeName: '', nodeLeaseDurationSeconds: 40");
    let files = Files::new(&[("kwok.yaml", &first), ("second.yaml", &second)]);
    for (line, expected) in [
        // KWOK's own file is read without being asked for, and first.
        ("", "all; lease 0; port 1; 0.0.0.0:1; 10.1.0.0/16; first"),
        (
            "--config=DIR/second.yaml",
            "all; lease 40; port 2; 0.0.0.0:2; 10.1.0.0/16; first",
        ),
        (
            "-c DIR/second.yaml --config DIR/kwok.yaml",
            "all; lease 40; port 1; 0.0.0.0:1; 10.1.0.0/16; first",
        ),
        (
            "--config=DIR/kwok.yaml,DIR/second.yaml",
            "all; lease 40; port 2; 0.0.0.0:2; 10.1.0.0/16; first",
        ),
        (
            "--config=DIR/second.yaml --node-port=3 --node-lease-duration-seconds=0 --cidr=10.2.0.0/24 --node-name=flag",
            "all; lease 0; port 3; 0.0.0.0:3; 10.2.0.0/24; flag",
        ),
        (
            "--manage-all-nodes=false --manage-single-node=n --node-port=0",
            "{\"n\"}; lease 0; port 0; nowhere; 10.1.0.0/16; first",
        ),
        (
            "--manage-nodes-with-annotation-selector=a=b --server-address=:5",
            "annotations; lease 0; port 1; 0.0.0.0:5; 10.1.0.0/16; first",
        ),
        // The last of a flag counts, as in Go.
        (
            "--node-port=7 --node-port=8 --manage-all-nodes=0 --manage-all-nodes=T",
            "all; lease 0; port 8; 0.0.0.0:8; 10.1.0.0/16; first",
        ),
    ] {
        let config = files
            .run(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(shown(&config), expected, "{line}");
    }
}

#[test]
fn without_files_kwoks_defaults_count() {
    let files = Files::new(&[]);
    for (line, expected) in [
        (
            "--manage-all-nodes",
            "all; lease 0; port 0; nowhere; 10.0.0.0/8; ",
        ),
        // Its own file, named though it is not there, is none.
        (
            "--manage-all-nodes --config=DIR/kwok.yaml --server-address=127.0.0.1:9",
            "all; lease 0; port 0; 127.0.0.1:9; 10.0.0.0/8; ",
        ),
    ] {
        assert_eq!(shown(&files.run(line).unwrap()), expected, "{line}");
    }
    let config = files.run("--manage-all-nodes").unwrap();
    assert_eq!(config.plugins.stock, ["node", "pod"]);
}

#[test]
fn all_that_kwokctl_passes_is_taken() {
    let files = Files::new(&[("k.yaml", STAGE_OF_PODS), ("kubeconfig.yaml", "")]);
    let config = files
        .run(
            "--manage-all-nodes=true --kubeconfig=DIR/kubeconfig.yaml --config=DIR/k.yaml --tls-cert-file=DIR/pki/admin.crt \
             --tls-private-key-file=DIR/pki/admin.key --node-ip= --node-name=localhost --node-port=10247 \
             --server-address=0.0.0.0:10247 --node-lease-duration-seconds=200 --tracing-endpoint=127.0.0.1:4317 \
             --tracing-sampling-rate-per-million=1000000 --v=-4 --enable-crds=Metric,Logs \
             --disregard-status-with-label-selector=a --disregard-status-with-annotation-selector=",
        )
        .unwrap();
    let expected = "all; lease 200; port 10247; 0.0.0.0:10247; 10.0.0.0/8; localhost";
    assert_eq!(shown(&config), expected);
    let file = |name: &str| files.folder.path().join(name);
    assert_eq!(
        config.tls,
        Some(TlsFiles {
            certificate: file("pki/admin.crt"),
            key: file("pki/admin.key"),
        })
    );
    assert_eq!(
        config.unserved,
        [
            "--tracing-endpoint",
            "--disregard-status-with-label-selector"
        ]
    );
    assert_eq!(
        config.plugins.kwok.options.enable_crds,
        Some(vec!["Metric".to_owned(), "Logs".to_owned()])
    );
    // Who has stages for pods wants nothing to happen to nodes.
    assert_eq!(config.plugins.stock, Vec::<String>::new());
}

#[test]
fn stages_come_from_one_place() {
    let logs = "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Logs\nmetadata: {name: l}\n";
    let files = Files::new(&[("stage.yaml", STAGE_OF_PODS), ("logs.yaml", logs)]);
    let run = |line: &str| files.run(&format!("--manage-all-nodes {line}"));
    for line in [
        "--config=DIR/stage.yaml --enable-crds=Stage",
        "--config=DIR/logs.yaml --enable-crds=Metric --enable-crds=Logs",
    ] {
        let error = run(line).unwrap_err();
        assert!(error.contains("--config too"), "{line}: {error}");
    }
    let config = files.folder.path().join("stage.yaml");
    let line = format!(
        "stagewright run --manage-all-nodes --enable-crds=Stage --config={}",
        config.display()
    );
    let cli = super::super::parse(line.split_whitespace().map(Into::into)).unwrap();
    let Command::Run(own) = cli.command else {
        panic!("no run")
    };
    let error = RunConfig::new(*own, &files.around).unwrap_err().to_string();
    assert!(error.contains("--config too"), "{error}");
    assert!(run("--config=DIR/logs.yaml --enable-crds=Stage").is_ok());
    let error = run("--enable-crds=Pod").unwrap_err();
    assert!(error.contains("\"Pod\" is no kind of KWOK"), "{error}");
    // From the API server alone.
    let config = run("--enable-crds=Stage").unwrap();
    assert_eq!(config.plugins.stock, Vec::<String>::new());
    let config = run("--enable-crds=Stage --stock-plugins=node").unwrap();
    assert_eq!(config.plugins.stock, ["node"]);
}

#[test]
fn a_kubeconfig_that_is_missing_means_the_service_account_or_nothing() {
    let mut files = Files::new(&[("good", "")]);
    let run =
        |files: &Files, name: &str| files.run(&format!("--manage-all-nodes --kubeconfig={name}"));
    let client = run(&files, "DIR/good").unwrap().client;
    assert!(client.kubeconfig.is_some() && !client.service_account);
    for name in ["DIR/none", "DIR", ""] {
        let error = run(&files, name).unwrap_err();
        assert!(error.contains("--kubeconfig"), "{name}: {error}");
    }
    files.around.in_cluster = true;
    for name in ["DIR/none", "DIR", ""] {
        let client = run(&files, name).unwrap().client;
        assert!(
            client.kubeconfig.is_none() && client.service_account,
            "{name}"
        );
    }
}

#[test]
fn who_is_called_so_is_kwok() {
    for (name, expected) in [
        ("kwok", Dialect::Kwok),
        ("/a/b/kwok-controller", Dialect::Kwok),
        ("kwok-linux-amd64", Dialect::Kwok),
        ("./kwok.exe", Dialect::Kwok),
        ("stagewright", Dialect::Own),
        ("/kwok/stagewright", Dialect::Own),
        ("kwokctl", Dialect::Own),
        ("", Dialect::Own),
    ] {
        assert_eq!(Dialect::of(Some(&name.into())), expected, "{name}");
    }
    assert_eq!(Dialect::of(None), Dialect::Own);
}

#[test]
fn levels_are_those_of_gos_slog() {
    for (text, expected) in [
        ("debug", Ok("info,stagewright=debug")),
        ("INFO", Ok("info")),
        ("-4", Ok("info,stagewright=debug")),
        ("-8", Ok("info,stagewright=trace")),
        ("0", Ok("info")),
        ("4", Ok("warn")),
        ("Warn", Ok("warn")),
        ("8", Ok("error")),
        ("info+1", Ok("info")),
        ("info-1", Ok("info,stagewright=debug")),
        ("loud", Err(())),
        ("info+x", Err(())),
        ("", Err(())),
    ] {
        assert_eq!(level(text).map_err(|_| ()), expected, "{text}");
    }
}

#[test]
fn the_command_line_is_sound() {
    KwokCli::command().debug_assert();
    let expected = format!(
        "kwok version v0.8.0 stagewright/{}\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(KwokCli::command().render_version(), expected);
}
