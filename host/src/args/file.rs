//! Flags that a `KwokConfiguration` gives. A flag on the command line counts more.

use super::RunArgs;
use crate::kwok::Options;

/// The ways to select nodes, as clap names the flags.
const SELECTIONS: [&str; 4] = [
    "manage_all_nodes",
    "manage_nodes_with_label_selector",
    "manage_nodes_with_annotation_selector",
    "manage_single_node",
];

/// What KWOK's own files have: it hands out addresses beyond it too, so that nobody notices that it is used up after 254 pods. Here it
/// means that nobody chose a network.
const KWOK_CIDR: &str = "10.0.0.0/24";

/// Fills in the flags that were not given. Whoever selects nodes by a flag does not mean the file's selection beside it.
pub(super) fn fill(options: Options, args: &mut RunArgs) {
    let given = std::mem::take(&mut args.given);
    let is_given = |flag: &str| given.iter().any(|given| given == flag);
    let selects = selects(args) && SELECTIONS.iter().any(|flag| is_given(flag));
    let may = |flag: &str| !(is_given(flag) || selects && SELECTIONS.contains(&flag));
    let (nodes, network) = (&mut args.nodes, &mut args.network);
    let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let text = |flag: &str, value: Option<String>| value.filter(|_| may(flag));
    let cidr = options.cidr.filter(|cidr| cidr != KWOK_CIDR);
    if let Some(cidr) = text("cidr", cidr) {
        network.cidr = list(cidr);
    }
    if let Some(ip) = text("node_ip", options.node_ip) {
        network.node_ip = list(ip);
    }
    if let Some(name) = text("node_name", options.node_name) {
        network.node_name = Some(name);
    }
    if let Some(port) = options.node_port.filter(|_| may("node_port")) {
        network.node_port = port;
    }
    if let Some(address) = text("server_address", options.server_address) {
        network.server_address = Some(address);
    }
    if let Some(name) = text("manage_single_node", options.manage_single_node) {
        nodes.manage_single_node = vec![name];
    }
    if let Some(all) = options.manage_all_nodes.filter(|_| may("manage_all_nodes")) {
        nodes.manage_all_nodes = all;
    }
    let [_, labels, annotations, _] = SELECTIONS;
    if let Some(selector) = text(annotations, options.manage_nodes_with_annotation_selector) {
        nodes.manage_nodes_with_annotation_selector = Some(selector);
    }
    if let Some(selector) = text(labels, options.manage_nodes_with_label_selector) {
        nodes.manage_nodes_with_label_selector = Some(selector);
    }
    if let Some(file) = text("tls_cert_file", options.tls_cert_file) {
        args.kwok.tls_cert_file = Some(file);
    }
    if let Some(file) = text("tls_private_key_file", options.tls_private_key_file) {
        args.kwok.tls_private_key_file = Some(file);
    }
    let lease = options.node_lease_duration_seconds;
    if let Some(seconds) = lease.filter(|_| may("node_lease_duration_seconds")) {
        nodes.node_lease_duration_seconds = seconds;
    }
    args.given = given;
}

/// Whether the flags select nodes; an empty value takes back what the file says.
fn selects(args: &RunArgs) -> bool {
    let nodes = &args.nodes;
    let full = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    nodes.manage_all_nodes
        || full(&nodes.manage_nodes_with_label_selector)
        || full(&nodes.manage_nodes_with_annotation_selector)
        || nodes.manage_single_node.iter().any(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Command, parse};
    use super::*;

    fn filled(line: &str) -> RunArgs {
        let options = json!({"options": {"cidr": "10.1.0.0/16,fd00::/64", "nodePort": 7, "nodeName": "n", "nodeLeaseDurationSeconds": 200,
            "manageNodesWithAnnotationSelector": "kwok.x-k8s.io/node=fake", "podPlayStageParallelism": 4}});
        let options = Options::read(&options).unwrap();
        let line = format!("stagewright run {line}");
        let cli = parse(line.split_whitespace().map(Into::into)).unwrap();
        let Command::Run(mut run) = cli.command else {
            panic!("no run")
        };
        fill(options, &mut run);
        *run
    }

    #[test]
    fn the_file_fills_what_the_command_line_leaves() {
        let args = filled("--node-port=10247 --node-ip=");
        assert_eq!(args.network.cidr, ["10.1.0.0/16", "fd00::/64"]);
        assert_eq!(args.network.node_port, 10247);
        assert_eq!(args.network.node_name.as_deref(), Some("n"));
        assert_eq!(args.nodes.node_lease_duration_seconds, 200);
        let selector = args.nodes.manage_nodes_with_annotation_selector;
        assert_eq!(selector.as_deref(), Some("kwok.x-k8s.io/node=fake"));
    }

    #[test]
    fn a_selection_on_the_command_line_is_the_only_one() {
        for line in ["--manage-all-nodes=true", "--manage-single-node=a"] {
            let nodes = filled(line).nodes;
            assert_eq!(nodes.manage_nodes_with_annotation_selector, None, "{line}");
        }
        // An empty one takes back the file's.
        let nodes = filled("--manage-nodes-with-annotation-selector=").nodes;
        let selector = nodes.manage_nodes_with_annotation_selector;
        assert_eq!(selector.as_deref(), Some(""));
        let nodes = filled("--manage-all-nodes=false").nodes;
        assert!(nodes.manage_nodes_with_annotation_selector.is_some());
    }
}
