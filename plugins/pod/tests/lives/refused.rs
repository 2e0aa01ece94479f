//! Annotations that say nothing are named, with what they may say; they crash nothing.

use serde_json::{Value, json};
use stagewright_plugin::Answer;
use stagewright_plugin::harness::Harness;
use stagewright_plugin_pod::Pods;
use stagewright_plugin_pod::annotations::KEYS;

use crate::world::{LATER, annotate, general, job_pod, live, pod, pod_with_inits, steady};

#[track_caller]
fn refused(pod: &Value, parts: &[&str]) {
    let Answer::Invalid(message) = general().decide(pod, LATER).unwrap() else {
        panic!("{} is not invalid", pod["metadata"]["annotations"])
    };
    for part in parts {
        assert!(
            message.contains(part),
            "{message:?} does not contain {part:?}"
        );
    }
}

#[test]
fn an_annotation_that_says_nothing_is_named_with_its_remedy() {
    for (key, value, remedy) in [
        ("exit-code", "256", "0 to 255"),
        ("exit-code", "main=-1", "0 to 255"),
        ("exit-reason", "out of memory", "OOMKilled"),
        ("run-for", "soon", "5s..10s"),
        ("crashes", "many", "always"),
        ("liveness-fails-after", "-5s", "10s"),
        ("startup-failures", "1.5", "always"),
        ("not-ready", "maybe", "true"),
        ("pull-delay", "10s..5s", "5s..10s"),
        ("pull-failures", "", "always"),
        ("resize", "denied", "infeasible"),
        ("gates", "closed", "wait"),
        ("run-for", "mian=5s", "no container \"mian\""),
    ] {
        let key = format!("stagewright.dev/pod.{key}");
        for mut pod in [
            pod(),
            pod_with_inits(),
            live(&mut steady(), pod()).object().unwrap().clone(),
        ] {
            annotate(&mut pod, &key, value);
            refused(&pod, &[&key, remedy]);
            // A pod that cannot be read is not deleted either: it says so instead.
            stagewright_plugin::harness::delete(&mut pod, LATER, 30);
            refused(&pod, &[&key, remedy]);
        }
    }
}

/// Whatever stands in all annotations at once: an answer, never a crash.
#[test]
fn no_annotation_crashes_anything() {
    let values = [
        "",
        ",",
        "=",
        "main=",
        "=1",
        "0",
        "always",
        "18446744073709551616",
        "1e9",
        "999999h",
        "main=1,main=2",
        "\u{0}",
        "true",
    ];
    for value in values {
        for key in KEYS {
            for mut pod in [pod_with_inits(), job_pod(true)] {
                annotate(&mut pod, key.key, value);
                let mut walked = steady();
                match walked.live(pod.clone(), "2026-01-01T00:10:00Z") {
                    Ok(life) => drop(life),
                    Err(error) => panic!("{} = {value:?}: {error}", key.key),
                }
            }
        }
        for memory in ["stagewright.dev/pod.pulls", "stagewright.dev/pod.calm"] {
            let mut pod = live(&mut steady(), pod()).object().unwrap().clone();
            annotate(&mut pod, memory, &format!("main={value}"));
            annotate(&mut pod, "stagewright.dev/pod.run-for", "1s");
            live(&mut steady(), pod);
        }
    }
}

#[test]
fn defaults_that_say_nothing_are_named() {
    for (defaults, parts) in [
        (json!({"exit": "1"}), ["defaults.exit", "exit-code"]),
        (
            json!({"exit-code": "one"}),
            ["defaults.exit-code", "0 to 255"],
        ),
    ] {
        let error = Harness::<Pods>::new(&json!({"profile": "general", "defaults": defaults}))
            .err()
            .unwrap();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let error = Harness::<Pods>::new(&json!({"defaults": {"exit-code": "1"}}))
        .err()
        .unwrap();
    assert!(
        error.contains("defaults") && error.contains("general"),
        "{error}"
    );
}
