//! Random inputs for what reads foreign bytes, for as long as `STAGEWRIGHT_FUZZ_SECONDS` says (a second where nothing does).
//!
//! Each target first takes what is in its folder of `tests/corpus`: inputs that once were too much. A failure prints the smallest input
//! that was found; put it there as a file of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path as File;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::claims::{Claims, Selection};
use stagewright_core::guard::{Action, Rules, Surface, Verdict, WireForm, admit};
use stagewright_core::interface::{Effect, Form};
use stagewright_core::json::{self, Difference, Path, difference, equal, pointer};
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::order::Order;
use stagewright_core::time::Time;
use stagewright_tests::environment::number;
use stagewright_tests::generated;
use stagewright_tests::simulator::dice::Dice;

type Checked = Result<(), TestCaseError>;

/// Runs the target on its corpus, then on new inputs until the time is up.
fn fuzz<S>(target: &str, strategy: &S, check: impl Fn(S::Value) -> Checked)
where
    S: Strategy,
    S::Value: Serialize + DeserializeOwned + Clone,
{
    let folder = File::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let input = serde_json::from_str(&std::fs::read_to_string(&file).unwrap());
        let input = input.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        check(input).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let seconds = number("STAGEWRIGHT_FUZZ_SECONDS").unwrap().unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let mut cases = 0;
    while Instant::now() < until {
        match TestRunner::new(config.clone()).run(strategy, &check) {
            Ok(()) => cases += 64,
            Err(TestError::Fail(reason, input)) => panic!(
                "{target}: {reason}\nput this into {}:\n{}",
                folder.display(),
                serde_json::to_string(&input).unwrap()
            ),
            Err(TestError::Abort(reason)) => panic!("{target}: {reason}"),
        }
    }
    assert!(cases > 0, "{target}: no time for a single case");
    println!("{target}: {cases} cases in {seconds} s");
}

/// A name that two trees are likely to share, now and then one that is not.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c/d", "e~f", "", "0", "1", "-", "*", "metadata", "name", "status", "$patch", "type"])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        name().prop_map(Value::from),
        Just(json!("delete")),
    ];
    leaf.prop_recursive(6, 64, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((name(), tree()), 0..8)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// A JSON patch, sound or nearly.
fn operations() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec![
        "add", "remove", "replace", "move", "copy", "test", "swap",
    ]);
    let path = || prop::collection::vec(name(), 0..4).prop_map(pointer);
    let operation = (op, path(), path(), tree()).prop_map(
        |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
    );
    prop::collection::vec(operation, 0..6).prop_map(Value::Array)
}

const FORMS: [Form; 4] = [Form::Merge, Form::Json, Form::Strategic, Form::Replace];

#[test]
fn patches() {
    let body = prop_oneof![object(), operations(), tree()];
    fuzz(
        "patches",
        &(object(), body, 0..4usize),
        |(before, body, form)| {
            let kind = Kind::new("v1", "Pod");
            for subresource in [None, Some("status")] {
                let form = FORMS.get(form).copied().unwrap_or(Form::Merge);
                let Ok(after) = json::apply(form, &kind, &before, &body, subresource) else {
                    continue;
                };
                // The same again, and what a merge patch sets is there.
                let again = json::apply(form, &kind, &before, &body, subresource);
                prop_assert_eq!(again.as_ref(), Ok(&after));
                if form == Form::Merge {
                    let twice = json::apply(form, &kind, &after, &body, subresource);
                    prop_assert_eq!(twice.as_ref(), Ok(&after), "a merge patch is idempotent");
                }
                // What came out still parses when it is read back.
                let text = after.to_string();
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
            }
            Ok(())
        },
    );
}

#[test]
fn differences() {
    let pair = prop_oneof![
        (object(), object()),
        // Two that are nearly alike: the one is a patch of the other.
        (object(), object()).prop_map(|(before, patch)| {
            let kind = Kind::new("v1", "ConfigMap");
            let after = json::apply(Form::Merge, &kind, &before, &patch, None);
            (before.clone(), after.unwrap_or(before))
        }),
    ];
    fuzz("differences", &pair, |(before, after)| {
        let kind = Kind::new("example.com/v1", "Any");
        let (form, body) = match difference(&before, &after) {
            Difference::None => {
                prop_assert!(equal(&before, &after));
                return Ok(());
            }
            Difference::Merge(body) => (Form::Merge, body),
            Difference::Json(body) => (Form::Json, body),
        };
        prop_assert!(!equal(&before, &after), "a difference of equals: {}", body);
        match json::apply(form, &kind, &before, &body, None) {
            Ok(patched) => prop_assert!(equal(&patched, &after), "{} made {}", body, patched),
            Err(error) => prop_assert!(false, "{}: {}", body, error),
        }
        Ok(())
    });
}

#[test]
fn paths() {
    let text = prop_oneof![
        any::<String>(),
        prop::collection::vec(name(), 0..6).prop_map(pointer),
        prop::collection::vec("[~*/a01]{0,4}", 0..5)
            .prop_map(|parts| format!("/{}", parts.join("/"))),
    ];
    fuzz("paths", &(text, tree()), |(text, tree)| {
        let Ok(path) = Path::parse(&text) else {
            return Ok(());
        };
        prop_assert_eq!(path.to_string(), text);
        let segments: Vec<&str> = path.segments().collect();
        prop_assert!(path.covers(&segments));
        let found = path.values(&tree);
        prop_assert_eq!(path.first(&tree), found.first().copied());
        if !path.has_wildcard() {
            prop_assert!(found.len() <= 1);
            prop_assert_eq!(found.first().copied(), tree.pointer(&path.to_string()));
        }
        Ok(())
    });
}

/// Bytes that begin as a component does, cut, doubled, overwritten or turned over somewhere.
#[test]
fn components() {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(Limits::default()).unwrap());
    let wit = File::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let whole = stagewright_plugin_build::reference(&wit, "stage-plugin").unwrap();
    let changes = prop::collection::vec((0..5u8, any::<u16>(), any::<u8>()), 0..12);
    fuzz("components", &changes, |changes| {
        let is_whole = changes.is_empty();
        let mut bytes = whole.clone();
        for (how, place, byte) in changes {
            let place = usize::from(place) % bytes.len().max(1);
            match how {
                0 => bytes.truncate(place),
                1 => bytes.extend_from_within(place..),
                2 => drop(bytes.splice(place..place, [byte])),
                3 => drop(bytes.splice(place..bytes.len().min(place + 1), [])),
                _ => bytes
                    .iter_mut()
                    .skip(place)
                    .take(1)
                    .for_each(|old| *old ^= byte),
            }
            bytes.truncate(1 << 20);
        }
        let source = Source::Bytes {
            name: "fuzzed.wasm".to_owned(),
            bytes,
        };
        match Plugin::load(engine, &source, &json!({})) {
            Ok(plugin) => prop_assert!(false, "{} loads, and has no code", plugin.name()),
            Err(error) => {
                prop_assert!(
                    error.to_string().starts_with("plugin fuzzed.wasm"),
                    "{}",
                    error
                );
                prop_assert!(
                    !is_whole || error.category() == "ConfigureTrap",
                    "{}",
                    error
                );
            }
        }
        Ok(())
    });
}

const KINDS: [&str; 8] = [
    "v1/Pod",
    "v1/Node",
    "batch/v1/Job",
    "v1/Namespace",
    "v1/PersistentVolume",
    "v1/PersistentVolumeClaim",
    "coordination.k8s.io/v1/Lease",
    "example.com/v1/Any",
];

/// Trees that claim to be objects: whatever they say, they are ranked, mended and compared.
#[test]
fn objects() {
    let part = || {
        prop_oneof![
            tree(),
            any::<u64>().prop_map(|seed| generated::stored(&mut Dice::new(seed)))
        ]
    };
    fuzz("objects", &(part(), part()), |(one, other)| {
        for kind in KINDS {
            let kind = Kind::parse(kind).unwrap();
            drop(Snapshot::parse(&kind, one.clone()));
            let order = Order::built_in(&kind).unwrap_or(Order::Any);
            let mut after = other.clone();
            order.mend(&one, &mut after, Time(0));
            let (from, to) = (order.rank(&one), order.rank(&after));
            let is_forward = order.breaches(&one, &after).is_empty();
            prop_assert!(!is_forward || from.reaches(&order, &to));
            prop_assert!(from.reaches(&order, &from), "a rank is not its own");
            prop_assert!(
                order.mend(&one, &mut after, Time(0)).is_empty(),
                "mended twice"
            );
        }
        Ok(())
    });
}

/// Any effect on any pod: what is admitted and applied never lowers a rank.
#[test]
fn admitted() {
    let node = json!({"metadata": {"name": "n", "uid": "n", "resourceVersion": "1"}});
    let mut claims = Claims::new(Selection::All, "stagewright-fuzz".to_owned(), false);
    claims.observe_node(&Snapshot::parse(&Kind::new("v1", "Node"), node).unwrap());
    let kind = Kind::new("v1", "Pod");
    let (order, surface) = (Order::Pod, Surface::built_in(&kind).unwrap());
    let writes = [Path::parse("").unwrap()];
    let rules = Rules {
        plugin: "any",
        order: &order,
        surface: &surface,
        writes: &writes,
        applies: &[],
        impersonation: false,
        now: Time::parse("2026-03-01T12:00:00Z").unwrap(),
    };
    fuzz("admitted", &any::<u64>(), |seed| {
        let mut dice = Dice::new(seed);
        let subject = Snapshot::parse(&kind, generated::stored(&mut dice)).unwrap();
        let from = order.rank(subject.body());
        for effect in generated::play(&mut dice, subject.body()) {
            let claim = claims.claim(&subject).unwrap();
            let Ok(Verdict::Write(admitted)) = admit(&claim, &subject, &effect, &rules) else {
                continue;
            };
            prop_assert!(from.reaches(&order, admitted.to()));
            let Action::Patch { form, body, .. } = admitted.action() else {
                prop_assert!(matches!(effect, Effect::Delete { .. }), "no patch");
                continue;
            };
            let form = match form {
                WireForm::Merge => Form::Merge,
                WireForm::Json => Form::Json,
            };
            let body: Value = serde_json::from_slice(body).unwrap();
            let after = json::apply(form, &kind, subject.body(), &body, None);
            let after = after.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let breaches = order.breaches(subject.body(), &after);
            prop_assert!(breaches.is_empty(), "{:?} by {}", breaches, body);
        }
        Ok(())
    });
}
