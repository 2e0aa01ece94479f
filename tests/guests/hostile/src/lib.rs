//! A plugin that does whatever its settings say: `{"behave": "decide-panic"}`. `tests/tests/hostile.rs` has the list, and what the
//! host makes of each. Without settings it behaves: pods that are Pending become Running.
#![cfg(target_family = "wasm")]
#![allow(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "breaking rules is what it is for"
)]

#[allow(unsafe_code, reason = "exporting a function by name is")]
mod exported {
    stagewright_plugin::bindings::export_component!(Hostile with_types_in stagewright_plugin::bindings);
    use super::Hostile;
}

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use stagewright_plugin::bindings::exports::stagewright::stage::plugin::{
    Answer, Apply, Context, Effect, Event, Form, Guest, Next, Patch, Severity,
};
use stagewright_plugin::bindings::stagewright::stage::log;

struct Hostile;

static BEHAVE: Mutex<String> = Mutex::new(String::new());
static CALLS: AtomicU32 = AtomicU32::new(0);

const MIB: usize = 1 << 20;
/// Where it wanders, and how often.
const PHASES: [&str; 4] = ["Queued", "Started", "Done", "Filed"];
const STEPS: u64 = 12;

impl Guest for Hostile {
    fn configure(settings: String) -> Result<String, String> {
        let settings: Value = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
        let behave = settings
            .get("behave")
            .and_then(Value::as_str)
            .unwrap_or("well")
            .to_owned();
        if let Ok(mut stored) = BEHAVE.lock() {
            stored.clone_from(&behave);
        }
        let mut description = match settings.get("order") {
            Some(order) => wanderer(order),
            None => describe(),
        };
        match behave.as_str() {
            "configure-endless-loop" => endless_loop(),
            "configure-panic" => panic!("as configured"),
            "configure-error" => return Err("these settings are not for me".to_owned()),
            "configure-garbage" => return Ok("{not json".to_owned()),
            "configure-unknown-key" => set(&mut description, "surprise", json!(true)),
            "configure-huge" => set(&mut description, "version", json!("9".repeat(300 << 10))),
            "configure-order" => set_subject(
                &mut description,
                "order",
                json!({"path": "/status/phase", "phases": {"Running": ["Pending"], "Pending": []}}),
            ),
            "configure-fan-out" => set_subject(
                &mut description,
                "relations",
                (0..10_000)
                    .map(|number| relation(&number.to_string()))
                    .collect(),
            ),
            "configure-fan-in" => {
                let mut greedy = relation("all");
                set(&mut greedy, "max", json!(1_000_000));
                set_subject(&mut description, "relations", json!([greedy]));
            }
            "crowd" => set_subject(&mut description, "relations", json!([relation("crowd")])),
            "play-other-namespace" => set(
                &mut description,
                "applies",
                json!([{"kind": "v1/ConfigMap", "adopt": true}]),
            ),
            "configure-requires" => set(&mut description, "requires", json!(["telepathy"])),
            _ => {}
        }
        // Whatever else it claims of its objects.
        for (key, value) in settings
            .get("subject")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            set_subject(&mut description, key, value.clone());
        }
        if settings.get("dear").is_some() {
            burn(20_000_000);
        }
        Ok(description.to_string())
    }

    fn decide(object: String, ctx: Context) -> Result<Answer, String> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed);
        let behave = behave();
        // Asked again later, or from that time on, it has nothing to say, and the next plugin is asked.
        if let Some(until) = behave.strip_prefix("decide-panic-at-times-until-") {
            let is_its_time = ctx.now_ms < until.parse().unwrap_or(f64::INFINITY);
            let draw = (ctx.now_ms as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62;
            assert!(!is_its_time || draw > 0, "as configured");
            return Ok(Answer::Pass);
        }
        match behave.as_str() {
            "decide-endless-loop" => endless_loop(),
            "decide-panic" => panic!("as configured"),
            "decide-memory-bomb" => memory_bomb(),
            "decide-stack-overflow" => return Ok(Answer::Idle(deeper(1).to_string())),
            "decide-huge" => return Ok(Answer::Idle("x".repeat(8 * MIB))),
            "decide-undeclared-stage" => return Ok(stage("undeclared", ctx.since_ms)),
            "decide-nan" => return Ok(stage("run", f64::NAN)),
            "decide-infinite" => return Ok(Answer::PassUntil(f64::INFINITY)),
            "decide-far" => return Ok(stage("run", 1e300)),
            "decide-error" => return Err("x".repeat(4096)),
            "decide-log-flood" => {
                (0..10_000).for_each(|line| log::write(log::Level::Warn, &format!("line {line}")))
            }
            "decide-log-huge" => log::write(log::Level::Error, &"x".repeat(8 * MIB)),
            // With `dear` in the settings it is used again, and worn out by the fourth call.
            "decide-wears-out" if calls >= 3 => endless_loop(),
            "decide-grows" => drop(black_box(Box::leak(vec![1_u8; 3 * MIB].into_boxed_slice()))),
            "decide-remembers" => return Ok(Answer::Idle(format!("call {calls}"))),
            _ => {}
        }
        let object: Value = serde_json::from_str(&object).map_err(|error| error.to_string())?;
        if behave == "play-wander" {
            return Ok(match steps(&object) {
                0..STEPS => stage("run", ctx.since_ms),
                _ => Answer::Idle("wandered enough".to_owned()),
            });
        }
        match object.pointer("/status/phase").and_then(Value::as_str) {
            None | Some("Pending") => Ok(stage("run", ctx.since_ms + 1000.0)),
            Some(phase) => Ok(Answer::Idle(format!("nothing to do when {phase}"))),
        }
    }

    fn play(_stage: String, object: String, ctx: Context) -> Result<Vec<Effect>, String> {
        let running = json!({"status": {"phase": "Running"}}).to_string();
        Ok(match behave().as_str() {
            "play-endless-loop" => endless_loop(),
            "play-panic" => panic!("as configured"),
            "play-memory-bomb" => memory_bomb(),
            "play-error" => return Err("cannot play".to_owned()),
            "play-wander" => {
                let object: Value =
                    serde_json::from_str(&object).map_err(|error| error.to_string())?;
                let steps = steps(&object) + 1;
                // Wherever the second hand points.
                let phase = PHASES
                    .get((ctx.now_ms / 1000.0) as usize % PHASES.len())
                    .copied();
                vec![main(
                    &json!({"data": {"phase": phase, "steps": steps.to_string()}}),
                )]
            }
            "play-invalid-json" => vec![merge("{not json".to_owned())],
            "play-deep-json" => vec![merge("[".repeat(100_000))],
            "play-huge-body" => vec![merge(format!("\"{}\"", "x".repeat(10 * MIB)))],
            "play-17-effects" => (0..17).map(|_| merge(running.clone())).collect(),
            "play-20000-effects" => (0..20_000).map(|_| merge(running.clone())).collect(),
            "play-aliases" => aliases(),
            "play-spec" => vec![main(&json!({"spec": {"nodeName": "another"}}))],
            "play-other-namespace" => {
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "mine", "namespace": "kube-system"}, "data": {"a": "b"}});
                vec![Effect::Apply(Apply {
                    object: object.to_string(),
                    subresource: None,
                    owned: false,
                })]
            }
            "play-backward" => vec![merge(json!({"status": {"phase": "Pending"}}).to_string())],
            "play-outside-writes" => vec![main(&json!({"metadata": {"labels": {"mine": "now"}}}))],
            "play-uid" => vec![main(&json!({"metadata": {"uid": "another"}}))],
            "play-name" => vec![main(&json!({"metadata": {"name": "another"}}))],
            "play-namespace" => vec![main(&json!({"metadata": {"namespace": "another"}}))],
            "play-delete-first" => vec![Effect::Delete(Some(0)), merge(running)],
            "play-impersonate" => vec![patch(running, Some("status"), Some("system:admin"))],
            _ => vec![merge(running)],
        })
    }
}

fn describe() -> Value {
    json!({
        "schema": "stagewright.dev/description/v1",
        "name": "hostile",
        "version": "0.1.0",
        "stages": ["run"],
        "subjects": [{"kind": "v1/Pod", "reads": ["/status/phase"], "writes": ["/status"]}],
    })
}

/// Of ConfigMaps, which have no order but the one that is declared; `null` declares none.
fn wanderer(order: &Value) -> Value {
    let mut subject = json!({"kind": "v1/ConfigMap", "reads": ["/data"], "playReads": ["/data"], "writes": ["/data"]});
    if !order.is_null() {
        set(&mut subject, "order", order.clone());
    }
    let mut description = describe();
    set(&mut description, "subjects", json!([subject]));
    description
}

/// Of pods that have the same value in the label `crowd`.
fn relation(name: &str) -> Value {
    json!({"name": name, "kind": "v1/Pod", "reads": ["/status/phase"],
        "by": {"label": "crowd", "value": "/metadata/labels/crowd"}})
}

fn set_subject(description: &mut Value, key: &str, value: Value) {
    if let Some(subject) = description.pointer_mut("/subjects/0") {
        set(subject, key, value);
    }
}

fn steps(object: &Value) -> u64 {
    let steps = object.pointer("/data/steps").and_then(Value::as_str);
    steps.and_then(|steps| steps.parse().ok()).unwrap_or(0)
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

fn behave() -> String {
    BEHAVE
        .lock()
        .map(|behave| behave.clone())
        .unwrap_or_default()
}

fn stage(name: &str, due_ms: f64) -> Answer {
    Answer::Stage(Next {
        stage: name.to_owned(),
        due_ms,
    })
}

fn merge(body: String) -> Effect {
    patch(body, Some("status"), None)
}

fn main(body: &Value) -> Effect {
    patch(body.to_string(), None, None)
}

fn patch(body: String, subresource: Option<&str>, as_user: Option<&str>) -> Effect {
    let (subresource, as_user) = (subresource.map(str::to_owned), as_user.map(str::to_owned));
    Effect::Patch(Patch {
        form: Form::Merge,
        subresource,
        body,
        as_user,
    })
}

/// Ten thousand texts that are one: little memory here, ten gigabytes where each is copied.
#[allow(unsafe_code, reason = "safe code cannot write this answer")]
fn aliases() -> Vec<Effect> {
    let text = Box::leak("x".repeat(MIB).into_boxed_str());
    let (start, length) = (text.as_mut_ptr(), text.len());
    // SAFETY: the text is never freed: the answer breaks its bounds, and the instance goes with it.
    let again = || unsafe { String::from_raw_parts(start, length, length) };
    let event = |_| {
        Effect::Event(Event {
            severity: Severity::Normal,
            reason: String::new(),
            message: again(),
        })
    };
    (0..10_000).map(event).collect()
}

fn endless_loop() -> ! {
    loop {
        black_box(());
    }
}

fn burn(rounds: u32) {
    (0..rounds).for_each(|round| {
        black_box(round);
    });
}

fn memory_bomb() -> ! {
    let mut kept = Vec::new();
    loop {
        // Asked for, not filled: filling would run out of fuel first.
        kept.push(black_box(Vec::<u8>::with_capacity(MIB)));
    }
}

#[allow(unconditional_recursion, reason = "the stack is what it is after")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(black_box(depth + 1)) + frame.iter().sum::<u64>()
}
