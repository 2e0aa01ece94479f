//! Rules about the tree itself: what may import what, how large a file may grow, what stands at the top.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tree that cannot be read is a failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A room, what its files must never name, and the files of it that are let off.
struct Room {
    files: &'static [&'static str],
    never: &'static [&'static str],
}

/// `host/ARCHITECTURE.md`, "Code map".
const ROOMS: &[Room] = &[
    Room {
        files: &["host/core/src"],
        never: &[
            "tokio",
            "kube::",
            "wasmtime",
            "tracing",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
            "rand::",
            "std::fs",
            "std::net::Tcp",
        ],
    },
    Room {
        files: &["host/src/plugin"],
        never: &[
            "kube::",
            "k8s_openapi",
            "crate::watch",
            "crate::commit",
            "crate::controller",
        ],
    },
    Room {
        files: &["host/src/watch.rs", "host/src/watch"],
        never: &[
            "crate::plugin",
            "crate::commit",
            "crate::controller",
            "crate::observe",
            "crate::lease",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/commit.rs", "host/src/commit"],
        never: &[
            "crate::plugin",
            "crate::watch",
            "crate::controller",
            "crate::observe",
            "crate::lease",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/observe.rs", "host/src/observe"],
        never: &[
            "crate::lease",
            "crate::admin",
            "crate::args",
            "crate::plugin",
            "crate::controller",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/lease.rs", "host/src/lease"],
        never: &[
            "crate::observe",
            "crate::admin",
            "crate::args",
            "crate::plugin",
            "crate::controller",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/admin.rs", "host/src/admin"],
        never: &[
            "crate::observe",
            "crate::lease",
            "crate::args",
            "crate::plugin",
            "crate::controller",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/args.rs", "host/src/args"],
        never: &[
            "crate::observe",
            "crate::lease",
            "crate::admin",
            "crate::plugin",
            "crate::controller",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/kwok"],
        never: &[
            "crate::args",
            "crate::plugin",
            "crate::controller",
            "kube::",
            "wasmtime",
        ],
    },
    Room {
        files: &["host/src/loading.rs", "host/src/reload.rs"],
        never: &["crate::controller", "crate::commit", "kube::", "wasmtime"],
    },
    Room {
        files: &["host/src/ctl"],
        never: &["crate::commit", "crate::controller"],
    },
    Room {
        files: &["host/src/up"],
        never: &[
            "crate::watch",
            "crate::commit",
            "crate::controller",
            "wasmtime",
            "kube::",
        ],
    },
    Room {
        files: &["host/apiserver/src"],
        never: &["kube::", "wasmtime", "SystemTime", "Timestamp::now"],
    },
    Room {
        files: &[
            "plugins/sdk",
            "plugins/pod",
            "plugins/node",
            "plugins/network",
            "plugins/storage",
            "plugins/devices",
        ],
        never: &["stagewright_core", "kube::", "wasmtime", "tokio"],
    },
    // The rank watcher judges the host, so its rules are its own.
    Room {
        files: &["tests/src/watcher.rs", "tests/src/watcher"],
        never: &["stagewright_core", "stagewright::"],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The Rust files at or below a path, with their text.
fn sources(place: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut places = vec![root().join(place)];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            let entries = fs::read_dir(&place)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            places.extend(
                entries.filter(|path| path.file_name().is_some_and(|name| name != "target")),
            );
        } else if place.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&place).unwrap();
            found.push((place, text));
        }
    }
    found
}

/// The code of a line: what stands before a comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut breaches = Vec::new();
    for room in ROOMS {
        let files: Vec<_> = room.files.iter().flat_map(|place| sources(place)).collect();
        assert!(
            !files.is_empty(),
            "{:?}: the table names files that are not there",
            room.files
        );
        for (path, text) in files {
            for (number, line) in text.lines().enumerate() {
                for never in room
                    .never
                    .iter()
                    .filter(|never| code(line).contains(**never))
                {
                    breaches.push(format!("{}:{}: {never}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(
        breaches.is_empty(),
        "host/ARCHITECTURE.md says otherwise:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn only_the_controller_and_the_wiring_join_reading_asking_and_writing() {
    for (path, text) in sources("host/src") {
        let relative = path
            .strip_prefix(root().join("host/src"))
            .unwrap()
            .to_owned();
        let joins = ["crate::watch", "crate::plugin", "crate::commit"];
        let named = joins
            .iter()
            .filter(|room| text.lines().any(|line| code(line).contains(**room)))
            .count();
        let may = relative.starts_with("controller")
            || [Path::new("run.rs"), Path::new("host.rs")].contains(&relative.as_path());
        assert!(
            may || named < 2,
            "{}: only the controller names two of {joins:?}",
            relative.display()
        );
    }
}

#[test]
fn unsafe_code_is_the_one_audited_place() {
    let mut places = Vec::new();
    for place in [
        "host",
        "plugins/build",
        "plugins/pod",
        "plugins/node",
        "plugins/network",
        "plugins/storage",
        "plugins/devices",
        "tests",
    ] {
        for (path, text) in sources(place) {
            let count = text
                .lines()
                .filter(|line| code(line).contains("allow(unsafe_code"))
                .count();
            places.extend(std::iter::repeat_n(path.display().to_string(), count));
        }
    }
    let audited: Vec<_> = places
        .iter()
        .filter(|path| path.contains("host/src/plugin/"))
        .collect();
    assert!(audited.len() <= 1, "{audited:?}");
    let elsewhere: Vec<_> = places
        .iter()
        .filter(|path| {
            !path.contains("host/src/plugin/")
                && !path.contains("tidy.rs")
                && !path.contains("tests/guests/")
        })
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn files_are_rooms_and_not_halls() {
    for place in ["host", "plugins", "tests"] {
        for (path, text) in sources(place) {
            let lines = text.lines().count();
            let generated = text.lines().take(3).any(|line| line.contains("@generated"));
            // A table of cases may be longer than code, but not without end.
            let table = path.ends_with("tests.rs");
            let most = if table { 550 } else { 450 };
            assert!(
                generated || lines <= most,
                "{} has {lines} lines: split it where its parts part",
                path.display()
            );
        }
    }
}

#[test]
fn the_top_level_is_as_fixed() {
    let fixed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "host",
        "plugins",
        "rust-toolchain.toml",
        "target",
        "tests",
        "wit",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || fixed.contains(&name.as_str()),
            "{name} has no place at the top"
        );
    }
}

#[test]
fn nothing_is_left_for_later_in_silence() {
    let marks = ["TO", "FIX", "XX"].map(|half| {
        format!(
            "{half}{}",
            if half == "FIX" {
                "ME"
            } else if half == "XX" {
                "X"
            } else {
                "DO"
            }
        )
    });
    for place in ["host", "plugins", "tests"] {
        for (path, text) in sources(place) {
            for (number, line) in text.lines().enumerate() {
                let marked = marks.iter().any(|mark| line.contains(mark.as_str()));
                assert!(
                    !marked || line.contains("(#"),
                    "{}:{}: name the issue",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn tests_wait_for_what_happens_and_none_is_ignored() {
    let forbidden = ["thread::sleep", "#[ignore"];
    for place in ["host", "plugins", "tests"] {
        for (path, text) in sources(place) {
            if path.ends_with("tidy.rs") {
                continue;
            }
            for never in forbidden {
                assert!(!text.contains(never), "{}: {never}", path.display());
            }
        }
    }
}

/// What cargo would compile, with these arguments. Only a nightly cargo says that, so this one is told to be one.
fn units(arguments: &[&str]) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.env("RUSTC_BOOTSTRAP", "1").current_dir(root());
    cargo.args(["build", "--offline", "-Zunstable-options", "--unit-graph"]);
    let told = cargo.args(arguments).output().unwrap();
    let graph: Result<Value, _> = serde_json::from_slice(&told.stdout);
    let graph = graph.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&told.stderr)));
    let units = graph.pointer("/units").and_then(Value::as_array);
    units.unwrap().clone()
}

/// What the build script, the binary and the tests have in common is compiled once for all of them: with one set of features. What is not
/// takes everything that rests on it along.
#[test]
fn no_dependency_is_compiled_twice() {
    // What derives code, and the generator of bindings, which only tests run.
    const APART: [&str; 3] = ["proc_macro2", "quote", "syn"];
    let mut features = BTreeMap::<(String, String), BTreeSet<String>>::new();
    let ways: [&[&str]; 2] = [&["--workspace", "--tests"], &["--bin=stagewright"]];
    for unit in ways.into_iter().flat_map(units) {
        let target = &unit["target"];
        let [package, name] = [&unit["pkg_id"], &target["name"]].map(|text| text.to_string());
        let is_foreign = package.contains("registry+");
        let is_library = target["kind"] == json!(["lib"]) && unit["mode"] == "build";
        if is_foreign && is_library && !APART.contains(&name.trim_matches('"')) {
            let with = unit["features"].to_string();
            features.entry((package, name)).or_default().insert(with);
        }
    }
    assert!(features.len() > 200, "{}", features.len());
    features.retain(|_, with| with.len() > 1);
    assert!(features.is_empty(), "{features:#?}");
}

/// The first two commands that the README shows.
fn readme_commands() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            // What makes the toolchain ready may stand before it.
            let command = line.split('#').next().unwrap().trim();
            let command = command.rsplit("&& ").next().unwrap();
            if command.starts_with("cargo ") {
                commands.push(command.to_owned());
            }
        }
    }
    commands.truncate(2);
    commands
}

#[test]
fn ci_runs_the_readmes_test_command() {
    let commands = readme_commands();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let config = fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
    assert_eq!(commands.len(), 2, "{commands:?}");
    let alias = commands[0].split_whitespace().nth(1).unwrap();
    assert!(
        config.contains(&format!("{alias} = ")),
        "`{}` is no alias of .cargo/config.toml",
        commands[0]
    );
    assert!(
        ci.contains(&format!(" {}\n", commands[1])),
        "`{}` is not what CI runs",
        commands[1]
    );
}
