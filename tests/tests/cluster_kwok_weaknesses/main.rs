//! What kwok v0.8.0 does wrong with stages, done beside it by the host with the same stages on the same cluster: in each scenario kwok
//! fails and the host does not. A scenario whose kwok half does not fail any more says so, and then is none.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod contest;
mod order;
mod robust;

use order::*;
use robust::*;
use stagewright_tests::scenario;
use stagewright_tests::scenario::play;

fn main() {
    play(&[
        scenario!(a_stage_revives_pods_that_succeeded),
        scenario!(a_pod_failed_from_outside_is_brought_back),
        scenario!(a_pod_gets_what_its_dead_namesake_was_due),
        scenario!(a_finalizer_of_somebody_else_is_removed),
        scenario!(a_touch_begins_a_delay_anew),
        scenario!(one_bad_stage_stops_all),
        scenario!(an_expression_that_fails_stops_all),
        scenario!(an_expression_without_an_end_stops_all),
        scenario!(an_annotation_of_a_pod_ends_the_controller),
        scenario!(a_delay_that_cannot_be_reckoned_is_none),
        scenario!(a_write_that_is_refused_once_is_lost),
        scenario!(a_node_annotated_later_is_never_taken),
        scenario!(a_stage_reads_the_controllers_environment),
    ]);
}
