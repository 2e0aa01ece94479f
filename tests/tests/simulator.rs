//! Worlds from seeds: whatever goes wrong between hosts, users and API server, no write of a host moves an object backward or lands on
//! another object, and everything comes to rest. And the proof that each layer counts: without it, worlds are found where that fails.
//!
//! `STAGEWRIGHT_SEED=n` runs one world again, with the hosts' log if `RUST_LOG` asks for it, and with less in it as `STAGEWRIGHT_LESS`
//! says; `STAGEWRIGHT_SEEDS=n` runs so many.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use stagewright::args::{LogArgs, LogFormat};
use stagewright::plugin::{Plugin, Source};
use stagewright_tests::environment::number;
use stagewright_tests::simulator::{
    Options, Outcome, Scale, engine, run, run_all, run_each, shortest,
};
use stagewright_tests::watcher::DeclaredOrder;

/// As in the host: worlds are made of small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Worlds that a usual run looks at.
const SEEDS: u64 = 100;

fn log() {
    if let Ok(log_level) = std::env::var("RUST_LOG") {
        let log_format = LogFormat::Text;
        let arguments = LogArgs {
            log_format,
            log_level: Some(log_level),
            verbose: 0,
        };
        stagewright::logging::init(&arguments, "info", std::io::stderr).unwrap();
    }
}

/// Runs the usual worlds, or the one that is asked for.
fn all_is_well(options: &Options) {
    let seeds = match number("STAGEWRIGHT_SEED").unwrap() {
        Some(seed) => {
            log();
            seed..seed + 1
        }
        None => 0..number("STAGEWRIGHT_SEEDS").unwrap().unwrap_or(SEEDS),
    };
    let less = std::env::var("STAGEWRIGHT_LESS").unwrap_or_default();
    let options = &Options {
        less: less.parse().unwrap(),
        ..options.clone()
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
        // At once: to look for the shortest takes long, and what ends it would leave nothing to go on from.
        println!("{outcome}");
        let shortest = shortest(outcome, options).unwrap();
        panic!("the same with less in it: {shortest}");
    }
    // Worlds in which little happens prove little.
    let expected = match options.scale {
        Scale::Small => 10,
        Scale::Full => 100,
    };
    assert!(
        sums.worlds < SEEDS || sums.transitions >= expected * sums.worlds,
        "{sums:?}"
    );
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
            assert!(first.transitions > 5, "{first}");
            assert_eq!(first, second, "seed {seed}");
        }
    }
}

#[test]
fn a_world_that_breaks_ends_the_others() {
    const BROKEN: u64 = 3;
    const SEEDS: u64 = 2_000;
    let options = Options {
        scale: Scale::Small,
        ..Options::default()
    };
    let breaks: [fn() -> anyhow::Result<Outcome>; 2] = [
        || panic!("so it does"),
        || Err(anyhow::anyhow!("so it does")),
    ];
    for broken in breaks {
        let played = AtomicU64::new(0);
        let world = |seed| match seed {
            BROKEN => broken(),
            _ => {
                played.fetch_add(1, Ordering::Relaxed);
                run(seed, &options)
            }
        };
        let error = run_each(0..SEEDS, world).unwrap_err().to_string();
        assert_eq!(error, format!("the world of seed {BROKEN} broke"));
        let played = played.into_inner();
        assert!(
            played < SEEDS / 2,
            "{played} worlds were played all the same"
        );
    }
}

/// Worlds in which a mutation must be found.
const MUTANTS: Range<u64> = 0..1_000;

/// Rules that a write which is held up by nothing breaks.
const ORDER: &[&str] = &[
    "PhaseBackward",
    "TerminalLeft",
    "ContainerBackward",
    "ContainerLost",
    "RestartCountFell",
    "SetOnceChanged",
    "TimeFell",
];

/// The first of these worlds in which the mutation is found.
fn found(what: &str, seeds: Range<u64>, options: &Options) -> Outcome {
    let sums = run_all(seeds, options).unwrap();
    let outcome = sums.failed;
    let outcome =
        outcome.unwrap_or_else(|| panic!("{what}: nothing found in {} worlds", sums.worlds));
    let first = outcome.violations.first();
    println!(
        "{what}: found in seed {} after {} worlds: {}",
        outcome.seed,
        sums.worlds,
        first.map(ToString::to_string).unwrap_or_default()
    );
    outcome
}

/// Its world is also told as shortly as it can be, and that one can be run again.
#[test]
fn without_resource_versions_a_stale_write_moves_a_pod_backward() {
    let options = Options {
        strip: &["resourceVersion"],
        rules: ORDER,
        ..Options::default()
    };
    let mut seeds = MUTANTS;
    let short = loop {
        let whole = found("without resourceVersion", seeds.clone(), &options);
        let short = shortest(whole.clone(), &options).unwrap();
        if short.versions < whole.versions {
            break short;
        }
        // Of this world nothing can be left out; of the next one it can.
        seeds.start = whole.seed + 1;
    };
    let told = short.less.to_string();
    let again = Options {
        less: told.parse().unwrap(),
        ..options
    };
    assert_eq!(run(short.seed, &again).unwrap(), short);
    assert!(short.to_string().contains(&told), "{short}");
}

#[test]
fn without_any_precondition_a_write_lands_on_another_pod_of_the_name() {
    let options = Options {
        strip: &["uid", "resourceVersion"],
        rules: &["WrongUid"],
        ..Options::default()
    };
    found("without uid and resourceVersion", MUTANTS, &options);
}

/// The order of ConfigMaps that the wandering plugin declares, or not, and by which it is judged.
const PHASES: [(&str, &[&str]); 4] = [
    ("Queued", &["Started"]),
    ("Started", &["Done"]),
    ("Done", &["Filed"]),
    ("Filed", &[]),
];

/// A plugin that goes anywhere, and what is said of its order.
fn wanderer(declares: bool) -> Options {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/hostile/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let bytes = stagewright_plugin_build::component(&manifest, &target).unwrap();
    let declared = json!({"path": "/data/phase", "initial": "Queued", "phases": PHASES.into_iter().collect::<BTreeMap<_, _>>()});
    let settings =
        json!({"behave": "play-wander", "order": if declares { declared } else { Value::Null }});
    let source = Source::Bytes {
        name: "wanderer".to_owned(),
        bytes,
    };
    let plugin = Plugin::load(engine().unwrap(), &source, &settings).unwrap();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let order = DeclaredOrder {
        phase: "/data/phase".to_owned(),
        initial: "Queued".to_owned(),
        next: PHASES
            .iter()
            .map(|(phase, next)| ((*phase).to_owned(), names(next)))
            .collect(),
        ..DeclaredOrder::default()
    };
    Options {
        own: Some((Arc::new(plugin), order)),
        ..Options::default()
    }
}

/// The guard cannot be taken out; but what it has no order for it lets pass, and the same plugin then does what the guard is there
/// against. So of the three layers it alone is what holds the plugin.
#[test]
fn without_an_order_to_guard_a_plugin_moves_its_objects_backward() {
    found("without the guard", MUTANTS, &wanderer(false));
    let guarded = run_all(0..40, &wanderer(true)).unwrap();
    if let Some(outcome) = guarded.failed {
        panic!("{outcome}");
    }
    assert!(guarded.transitions > 40, "{guarded:?}");
}
