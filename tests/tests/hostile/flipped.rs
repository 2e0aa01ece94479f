//! Components with bits that fell over: each loads or does not, and either way nothing else notices.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use stagewright_core::interface::Answer;
use stagewright_tests::simulator::dice::Dice;

use super::support::{context, guest, load_bytes, pod, the_neighbour_answers};

/// Of the smallest component there is of the interface: most bits are structure.
const SMALL: u64 = 3_000;
/// Of a real one, which takes a while to compile: most bits are code, and some of it still runs.
const REAL: u64 = 40;

#[test]
fn no_flipped_bits_of_a_small_component_are_more_than_an_error() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let whole = stagewright_plugin_build::reference(&wit, "stage-plugin").unwrap();
    // It is a component of the interface; its functions trap.
    let error = load_bytes(whole.clone(), &json!({})).expect_err("a dummy");
    assert_eq!(error.category(), "ConfigureTrap", "{error}");
    let mut categories = BTreeMap::<&str, u64>::new();
    for seed in 0..SMALL {
        let Err(error) = load_bytes(flipped(&whole, seed), &json!({})) else {
            panic!("seed {seed}: it loads")
        };
        let text = error.to_string();
        assert!(
            text.starts_with("plugin hostile.wasm"),
            "seed {seed}: {text}"
        );
        assert!(text.len() < 4096, "seed {seed}: {text}");
        *categories.entry(error.category()).or_default() += 1;
    }
    the_neighbour_answers();
    assert!(categories.len() >= 4, "{categories:?}");
    println!("{categories:?}");
}

#[test]
fn a_component_with_flipped_code_hurts_itself_alone() {
    let mut loaded = 0;
    for seed in 0..REAL {
        let Ok(plugin) = load_bytes(flipped(guest(), seed), &json!({})) else {
            continue;
        };
        loaded += 1;
        let mut session = plugin.session().unwrap();
        // Any answer that means something, or an error that names the plugin.
        let answer = session.decide(&pod("Pending"), &context());
        if let Err(error) = &answer {
            assert!(
                error.to_string().starts_with("plugin "),
                "seed {seed}: {error}"
            );
        }
        if let Ok(Answer::Stage { stage, .. }) = answer {
            drop(session.play(&stage, &pod("Pending"), &context()));
        }
    }
    the_neighbour_answers();
    assert!(loaded > 0, "no flipped component was loaded: none was run");
    println!("{loaded} of {REAL} were loaded");
}

/// The bytes with one to three bits turned over.
fn flipped(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut bytes = whole.to_vec();
    for _ in 0..dice.number(1..=3) {
        let place = dice.number(0..=bytes.len() as u64 - 1) as usize;
        bytes[place] ^= 1 << dice.number(0..=7);
    }
    bytes
}
