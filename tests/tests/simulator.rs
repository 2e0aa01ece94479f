//! Worlds from seeds: whatever goes wrong between hosts, users and API server, no write of a host moves an object backward or lands on
//! another object, and everything comes to rest. And the proof that each layer counts: without it, worlds are found where that fails.
//!
//! `STAGEWRIGHT_SEED=n` runs one world again, with the hosts' log if `RUST_LOG` asks for it; `STAGEWRIGHT_SEEDS=n` runs so many.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Instant;

use stagewright::args::{LogArgs, LogFormat};
use stagewright_tests::simulator::{Options, Scale, run, run_all};

/// Worlds that a usual run looks at.
const SEEDS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text:?}")),
    )
}

fn log() {
    if let Ok(log_level) = std::env::var("RUST_LOG") {
        let log_format = LogFormat::Text;
        let arguments = LogArgs {
            log_format,
            log_level,
            verbose: 0,
        };
        stagewright::logging::init(&arguments).unwrap();
    }
}

/// Runs the usual worlds, or the one that is asked for.
fn all_is_well(options: &Options) {
    let seeds = match number("STAGEWRIGHT_SEED") {
        Some(seed) => {
            log();
            seed..seed + 1
        }
        None => 0..number("STAGEWRIGHT_SEEDS").unwrap_or(SEEDS),
    };
    let begun = Instant::now();
    let sums = run_all(seeds, options).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} worlds, {} versions, {} transitions in {seconds:.1} s: {:.0} worlds/s, {:.0} transitions/s",
        sums.worlds,
        sums.versions,
        sums.transitions,
        sums.worlds as f64 / seconds,
        sums.transitions as f64 / seconds
    );
    if let Some(outcome) = sums.failed {
        panic!("{outcome}");
    }
}

#[test]
fn one_host_brings_its_pods_to_life_in_virtual_time() {
    let options = Options {
        scale: Scale::Small,
        ..Options::default()
    };
    all_is_well(&options);
}

#[test]
fn whatever_goes_wrong_nothing_moves_backward_and_everything_comes_to_rest() {
    all_is_well(&Options::default());
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    for scale in [Scale::Small, Scale::Full] {
        for seed in 0..5 {
            let options = Options {
                scale,
                ..Options::default()
            };
            let [first, second] = [(); 2].map(|()| run(seed, &options).unwrap());
            assert!(first.transitions > 10, "{first}");
            assert_eq!(first, second, "seed {seed}");
        }
    }
}
