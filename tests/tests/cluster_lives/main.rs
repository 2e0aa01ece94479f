//! The lives that the stock plugins give, beside the real kube-controller-manager and kube-scheduler.
//!
//! All cases run side by side on one control plane and under one host, and everything that is written meanwhile is watched: nothing
//! moves backward. Where an expectation is the kubelet's, it names the place in Kubernetes' source that has it.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod devices;
mod ends;
mod images;
mod kinds;
mod nodes;
mod orphans;
mod restarts;
mod starts;
mod support;
mod workloads;

use stagewright_tests::controlplane::Options;
use stagewright_tests::scenario::{self, Company};

/// Delays are as short as whole seconds let them be told apart.
const PODS: &str = r#"--settings=pod={"profile": "general", "delays": {"create": "0s", "init-start": "0s", "init-complete": "1s",
    "ready": "1s", "complete": "1s", "terminate": "1s", "resize": "2s"}}"#;

/// The scheduler looks for this where a pod may restart all of its containers.
const NODES: &str =
    r#"--settings=node={"declaredFeatures": ["RestartAllContainersOnContainerExits"]}"#;

fn main() {
    // Nodes are a kubelet's until somebody annotates them.
    let annotated = format!(
        "--manage-nodes-with-annotation-selector={}=fake",
        support::OURS
    );
    let company = Company {
        options: Options::default(),
        host: Some(vec![
            annotated,
            PODS.to_owned(),
            NODES.to_owned(),
            "--stock-plugins=node,pod,network,storage,devices".to_owned(),
        ]),
    };
    scenario::play_together(
        &[
            stagewright_tests::scenario!(starts::init_containers_run_in_order_and_are_retried),
            stagewright_tests::scenario!(
                starts::sidecars_start_first_and_end_last_and_a_job_completes_beside_them
            ),
            stagewright_tests::scenario!(starts::readiness_gates_are_others_to_open),
            stagewright_tests::scenario!(
                starts::a_container_is_unready_restarted_and_slow_by_itself
            ),
            stagewright_tests::scenario!(
                starts::addresses_are_of_both_families_and_the_hosts_where_asked
            ),
            stagewright_tests::scenario!(starts::a_pod_is_resized_in_place),
            stagewright_tests::scenario!(restarts::a_container_that_crashes_waits_longer_each_time),
            stagewright_tests::scenario!(
                restarts::policies_and_rules_say_what_becomes_of_an_exit_code
            ),
            stagewright_tests::scenario!(restarts::a_rule_restarts_all_containers_in_place),
            stagewright_tests::scenario!(restarts::a_replica_set_keeps_pods_that_restart),
            stagewright_tests::scenario!(images::an_image_fails_to_come_and_comes),
            stagewright_tests::scenario!(ends::a_deleted_pod_ends_and_waits_for_its_finalizers),
            stagewright_tests::scenario!(ends::containers_end_one_by_one_within_one_stay),
            stagewright_tests::scenario!(ends::active_deadlines_end_pods_and_jobs),
            stagewright_tests::scenario!(ends::evictions_respect_budgets_and_leave_their_mark),
            stagewright_tests::scenario!(ends::the_kubelets_evictions_fail_pods_that_are_replaced),
            stagewright_tests::scenario!(workloads::jobs_fail_at_their_back_off_limit),
            stagewright_tests::scenario!(workloads::pod_failure_policies_read_exit_codes),
            stagewright_tests::scenario!(workloads::an_indexed_job_completes_every_index),
            stagewright_tests::scenario!(workloads::a_stateful_set_goes_up_and_down_in_order),
            stagewright_tests::scenario!(workloads::a_daemon_set_is_on_all_nodes),
            stagewright_tests::scenario!(nodes::pressure_taints_the_node_while_it_lasts),
            stagewright_tests::scenario!(
                nodes::a_node_that_is_not_ready_is_tainted_emptied_and_recovers
            ),
            stagewright_tests::scenario!(nodes::a_node_flaps),
            stagewright_tests::scenario!(nodes::what_a_node_was_given_stays),
            stagewright_tests::scenario!(nodes::a_node_is_annotated_late_and_released),
            stagewright_tests::scenario!(
                orphans::a_deleted_nodes_pods_are_cleaned_and_its_namesake_starts_clean
            ),
            stagewright_tests::scenario!(
                kinds::a_claim_is_provisioned_bound_attached_and_reclaimed
            ),
            stagewright_tests::scenario!(kinds::a_volume_that_is_to_be_kept_stays_released),
            stagewright_tests::scenario!(kinds::a_node_takes_no_more_volumes_than_it_attaches),
            stagewright_tests::scenario!(devices::as_many_pods_run_as_there_are_devices),
            stagewright_tests::scenario!(devices::a_pod_that_ends_frees_its_device),
            stagewright_tests::scenario!(kinds::load_balancers_and_ingresses_get_addresses),
        ],
        company,
    );
}
