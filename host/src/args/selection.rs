//! Which nodes a command line selects.

use std::collections::BTreeSet;

use stagewright_core::claims::Selection;
use stagewright_core::selector::Selector;

use super::config::given;
use super::{NodeArgs, UsageError};

/// KWOK's rule: all nodes, or those with labels and annotations, or those named. An empty value is none.
pub(super) fn read(nodes: NodeArgs) -> Result<Selection, UsageError> {
    let NodeArgs {
        manage_all_nodes,
        manage_nodes_with_label_selector,
        manage_nodes_with_annotation_selector,
        manage_single_node,
        node_lease_duration_seconds: _,
    } = nodes;
    let labels = selector(
        "--manage-nodes-with-label-selector",
        manage_nodes_with_label_selector,
    )?;
    let annotations = selector(
        "--manage-nodes-with-annotation-selector",
        manage_nodes_with_annotation_selector,
    )?;
    let names: BTreeSet<String> = given(manage_single_node).collect();
    let ways = [
        manage_all_nodes,
        labels.is_some() || annotations.is_some(),
        !names.is_empty(),
    ];
    let problem = match ways.iter().filter(|way| **way).count() {
        0 => {
            "no node is selected, so there is nothing to do: give this flag, --manage-nodes-with-label-selector, \
            --manage-nodes-with-annotation-selector or --manage-single-node"
        }
        1 => {
            return Ok(match (labels, annotations) {
                (Some(labels), Some(annotations)) => {
                    Selection::LabelsAndAnnotations(labels, annotations)
                }
                (Some(labels), None) => Selection::Labels(labels),
                (None, Some(annotations)) => Selection::Annotations(annotations),
                (None, None) if manage_all_nodes => Selection::All,
                (None, None) => Selection::Names(names),
            });
        }
        _ => {
            "cannot be combined: leave only this flag, or only selectors (--manage-nodes-with-…-selector), or only \
            --manage-single-node"
        }
    };
    Err(UsageError {
        flag: "--manage-all-nodes",
        problem: problem.to_owned(),
    })
}

fn selector(flag: &'static str, text: Option<String>) -> Result<Option<Selector>, UsageError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let error = |error| UsageError {
        flag,
        problem: format!("{error}; write it like `type=kwok` or `tier in (a,b)`"),
    };
    Selector::parse(&text).map(Some).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};
    use super::*;

    #[test]
    fn each_way_to_select_nodes() {
        for (line, expected) in [
            ("--manage-all-nodes", "All"),
            (
                "--manage-all-nodes=T --manage-nodes-with-annotation-selector=",
                "All",
            ),
            ("--manage-nodes-with-label-selector=a=b", "Labels("),
            (
                "--manage-nodes-with-annotation-selector=a=b",
                "Annotations(",
            ),
            (
                "--manage-nodes-with-annotation-selector=a --manage-nodes-with-label-selector=b",
                "LabelsAndAnnotations(",
            ),
            (
                "--manage-single-node=n1 --manage-node n2",
                "Names({\"n1\", \"n2\"})",
            ),
        ] {
            let line = format!("stagewright run {line}");
            let cli = parse(line.split_whitespace().map(Into::into)).unwrap();
            let Command::Run(run) = cli.command else {
                panic!("no run")
            };
            let selection = format!("{:?}", read(run.nodes).unwrap());
            assert!(selection.starts_with(expected), "{line}: {selection}");
        }
    }
}
