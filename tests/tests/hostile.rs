//! Plugins that break, lie, flood and loop, and files that are no plugins: what the host makes of each, and that a well-behaved plugin
//! beside it answers as before. `tests/guests/hostile` holds the guest; bounds are fuel and bytes, never seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "hostile/files.rs"]
mod files;
#[path = "hostile/flipped.rs"]
mod flipped;
#[path = "hostile/refused.rs"]
mod refused;
#[path = "hostile/support.rs"]
mod support;

use serde_json::json;
use stagewright::plugin::{Isolation, Level, Limits};
use stagewright_core::interface::Answer;
use stagewright_core::time::Time;

use support::{context, decide, hostile, load, neighbour, pod, the_neighbour_answers};

#[test]
fn a_decision_that_breaks_is_told_by_its_category() {
    for (behave, category) in [
        ("decide-endless-loop", "OutOfFuel"),
        ("decide-panic", "Trap"),
        ("decide-memory-bomb", "OutOfMemory"),
        ("decide-stack-overflow", "Trap"),
        ("decide-huge", "AnswerTooLarge"),
        ("decide-log-huge", "AnswerTooLarge"),
        ("decide-undeclared-stage", "InvalidAnswer"),
        ("decide-nan", "InvalidAnswer"),
        ("decide-infinite", "InvalidAnswer"),
        ("decide-error", "PluginError"),
    ] {
        let plugin = hostile(behave);
        for _ in 0..3 {
            let mut session = plugin.session().unwrap();
            let error = session
                .decide(&pod("Pending"), &context())
                .expect_err(behave);
            assert_eq!(error.category(), category, "{behave}: {error}");
            assert!(
                error
                    .to_string()
                    .starts_with("plugin hostile 0.1.0: decide "),
                "{behave}: {error}"
            );
            assert!(error.to_string().len() < 2048, "{behave}");
            assert!(
                session.fuel_used() <= 2 * Limits::default().call_fuel,
                "{behave}: {}",
                session.fuel_used()
            );
        }
        the_neighbour_answers();
    }
}

#[test]
fn a_play_that_breaks_is_told_by_its_category() {
    for (behave, category) in [
        ("play-endless-loop", "OutOfFuel"),
        ("play-panic", "Trap"),
        ("play-memory-bomb", "OutOfMemory"),
        ("play-huge-body", "AnswerTooLarge"),
        ("play-20000-effects", "AnswerTooLarge"),
        ("play-aliases", "AnswerTooLarge"),
        ("play-17-effects", "TooManyEffects"),
        ("play-invalid-json", "InvalidAnswer"),
        ("play-deep-json", "InvalidAnswer"),
        ("play-error", "PluginError"),
    ] {
        let plugin = hostile(behave);
        let mut session = plugin.session().unwrap();
        assert!(
            matches!(
                session.decide(&pod("Pending"), &context()),
                Ok(Answer::Stage { .. })
            ),
            "{behave}"
        );
        let error = session
            .play("run", &pod("Pending"), &context())
            .expect_err(behave);
        assert_eq!(error.category(), category, "{behave}: {error}");
        // The session is not lost with the instance.
        assert!(
            matches!(
                session.decide(&pod("Pending"), &context()),
                Ok(Answer::Stage { .. })
            ),
            "{behave}"
        );
        the_neighbour_answers();
    }
}

#[test]
fn a_configure_that_breaks_is_no_plugin() {
    for (behave, category, word) in [
        ("configure-endless-loop", "ConfigureTrap", "fuel"),
        ("configure-panic", "ConfigureTrap", "unreachable"),
        (
            "configure-error",
            "ConfigureFailed",
            "these settings are not for me",
        ),
        ("configure-garbage", "InvalidDescription", "JSON"),
        ("configure-unknown-key", "InvalidDescription", "surprise"),
        ("configure-huge", "InvalidDescription", "bytes"),
        ("configure-requires", "RequiresUnknown", "telepathy"),
        ("configure-order", "InvalidDescription", "order"),
        ("configure-fan-out", "ConfigureTrap", "bytes"),
        ("configure-fan-in", "InvalidDescription", "1000000"),
    ] {
        let error = load(&json!({"behave": behave})).expect_err(behave);
        assert_eq!(error.category(), category, "{behave}: {error}");
        let text = error.to_string();
        assert!(
            text.starts_with("plugin hostile.wasm") && text.contains(word),
            "{behave}: {text}"
        );
        the_neighbour_answers();
    }
}

#[test]
fn the_undeclared_stage_is_named_beside_the_declared() {
    let plugin = hostile("decide-undeclared-stage");
    let error = plugin
        .session()
        .unwrap()
        .decide(&pod("Pending"), &context())
        .unwrap_err();
    assert!(
        error.to_string().contains("\"undeclared\"")
            && error.to_string().ends_with("declares: run"),
        "{error}"
    );
}

#[test]
fn a_due_time_beyond_all_time_is_its_end() {
    let plugin = hostile("decide-far");
    let answer = plugin
        .session()
        .unwrap()
        .decide(&pod("Pending"), &context())
        .unwrap();
    assert_eq!(
        answer,
        Answer::Stage {
            stage: "run".to_owned(),
            due: Time(i64::MAX)
        }
    );
}

#[test]
fn a_flood_of_log_is_cut_and_counted() {
    let plugin = hostile("decide-log-flood");
    let mut session = plugin.session().unwrap();
    session.decide(&pod("Pending"), &context()).unwrap();
    let lines = session.logs();
    assert_eq!(lines.len(), 17);
    assert_eq!(
        (lines[0].level, lines[0].message.as_str()),
        (Level::Warn, "line 0")
    );
    assert!(
        lines[16].message.starts_with("9984 lines dropped"),
        "{}",
        lines[16].message
    );
    assert!(session.logs().is_empty());
}

#[test]
fn a_plugin_that_is_dear_to_configure_is_used_again() {
    let plugin = load(&json!({"behave": "decide-remembers", "dear": true})).unwrap();
    assert_eq!(
        plugin.isolation(),
        Isolation::Warm,
        "{:?}",
        plugin.load_report()
    );
    for call in 0..3 {
        assert_eq!(
            decide(&plugin),
            Ok(Answer::Idle {
                note: format!("call {call}")
            })
        );
    }
}

#[test]
fn a_warm_instance_that_runs_out_of_fuel_is_asked_once_more_fresh() {
    let plugin = load(&json!({"behave": "decide-wears-out", "dear": true})).unwrap();
    for round in 0..10 {
        assert!(
            matches!(decide(&plugin), Ok(Answer::Stage { .. })),
            "round {round}"
        );
    }
}

#[test]
fn a_warm_instance_that_grows_is_retired_before_it_starves() {
    let plugin = load(&json!({"behave": "decide-grows", "dear": true})).unwrap();
    for round in 0..60 {
        assert!(
            matches!(decide(&plugin), Ok(Answer::Stage { .. })),
            "round {round}"
        );
    }
}

#[test]
fn a_warm_instance_that_remembers_is_found_out_and_isolated() {
    let plugin = load(&json!({"behave": "decide-remembers", "dear": true})).unwrap();
    let report = plugin.load_report();
    let price = report.configure_fuel + report.decide_fuel;
    let (mut told, mut spent) = (Vec::new(), 0);
    while !plugin.is_impure() {
        let mut session = plugin.session().unwrap();
        session.decide(&pod("Pending"), &context()).unwrap();
        told.extend(session.logs().into_iter().map(|line| line.message));
        spent += session.fuel_used();
        // Looking for it costs a fiftieth: no later than this, and not sooner either.
        assert!(spent < 60 * price, "not found out");
    }
    assert!(spent >= 50 * price, "{spent} of {price}");
    assert_eq!(plugin.isolation(), Isolation::Fresh);
    assert!(
        told.len() == 1 && told[0].contains("plugin hostile 0.1.0 answers other"),
        "{told:?}"
    );
    for _ in 0..3 {
        let note = "call 0".to_owned();
        assert_eq!(decide(&plugin), Ok(Answer::Idle { note }));
    }
}

#[test]
fn many_threads_share_a_plugin() {
    let plugin = neighbour();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| the_neighbour_answers()));
        }
    });
    assert_eq!(plugin.name(), "hostile");
    assert!(plugin.digest().starts_with("sha256:") && plugin.digest().len() == 71);
}

#[test]
#[cfg(target_os = "linux")]
fn texts_that_share_memory_are_not_copied_beyond_the_bound() {
    use support::resident;

    let plugin = hostile("play-aliases");
    let before = resident();
    for _ in 0..20 {
        let mut session = plugin.session().unwrap();
        assert!(session.play("run", &pod("Pending"), &context()).is_err());
    }
    let grown = resident().saturating_sub(before);
    // One of the twenty answers would be ten gigabytes.
    assert!(grown < 160 << 20, "{} MiB stayed", grown >> 20);
}

#[test]
#[cfg(target_os = "linux")]
fn greed_leaves_no_memory_behind() {
    use support::resident;

    let plugins = ["decide-memory-bomb", "decide-huge", "decide-log-huge"].map(hostile);
    let before = resident();
    for _ in 0..20 {
        for plugin in &plugins {
            assert!(decide(plugin).is_err());
        }
    }
    let grown = resident().saturating_sub(before);
    // What the tests beside this one hold is in it too.
    assert!(grown < 160 << 20, "{} MiB stayed", grown >> 20);
}
