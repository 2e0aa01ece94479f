//! Scripts of requests from seeds: what a real kube-apiserver answers to them, and what the server in the box does.
//!
//! A script plays in a namespace of its own, and its cluster-scoped objects have that name before theirs, so that scripts do not meet.

mod lists;
mod script;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::controlplane::ControlPlane;
use crate::recorded;
use crate::recorded::replay::{Exchange, script_differences};
pub use script::{Kind, kinds, script};

/// Stands for the script's own name in its paths and bodies.
const RUN: &str = "RUN";

/// What two servers do with one script.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The requests with the real server's answers.
    pub answered: Vec<Exchange>,
    /// Where the server in the box answers otherwise: the place in the script, and what is apart.
    pub apart: Vec<(usize, String)>,
}

/// Sends a script to the real server and to a fresh one in the box. `prelude` is what the real server has been sent before all scripts.
///
/// # Errors
/// If the real server does not answer.
pub async fn compare(
    plane: &ControlPlane,
    prelude: &[Exchange],
    script: &[Exchange],
) -> Result<Comparison> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = format!("d{:05}", RUNS.fetch_add(1, Ordering::Relaxed));
    let script = serde_json::to_string(script)?.replace(RUN, &run);
    let answered = recorded::answers(plane, &serde_json::from_str::<Vec<_>>(&script)?).await?;
    let apart = script_differences(prelude, &answered);
    Ok(Comparison { answered, apart })
}

/// The shortest script that can be found in which the last difference of the given one is still there: requests are left out, in ever
/// smaller pieces, as long as the two servers go on differing at the same request.
///
/// # Errors
/// If the real server does not answer.
pub async fn shrink(
    plane: &ControlPlane,
    prelude: &[Exchange],
    script: &[Exchange],
    place: usize,
) -> Result<Vec<Exchange>> {
    // What comes after the difference has no part in it.
    let mut short: Vec<Exchange> = script.iter().take(place + 1).cloned().collect();
    let mut piece = short.len() / 2;
    while piece > 0 {
        let mut from = 0;
        // The last request is the one that is answered otherwise.
        while from + 1 < short.len() {
            let until = (from + piece).min(short.len() - 1);
            let without: Vec<Exchange> = short
                .iter()
                .enumerate()
                .filter(|(index, _)| !(from..until).contains(index))
                .map(|(_, exchange)| exchange.clone())
                .collect();
            let tried = compare(plane, prelude, &without).await?;
            if tried
                .apart
                .iter()
                .any(|(index, _)| index + 1 == without.len())
            {
                short = without;
            } else {
                from = until;
            }
        }
        piece /= 2;
    }
    Ok(short)
}
