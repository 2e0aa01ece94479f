//! The guest, built once, and what a well-behaved plugin beside it does.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use stagewright::plugin::{CallError, Engine, Limits, LoadError, Plugin, Source};
use stagewright_core::interface::{Answer, Context, Effect};
use stagewright_core::time::Time;

pub fn the_neighbour_answers() {
    let plugin = neighbour();
    let mut session = plugin.session().unwrap();
    let answer = session.decide(&pod("Pending"), &context()).unwrap();
    assert_eq!(
        answer,
        Answer::Stage {
            stage: "run".to_owned(),
            due: Time(2_000)
        }
    );
    let effects = session.play("run", &pod("Pending"), &context()).unwrap();
    let [Effect::Patch(patch)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(patch.body, json!({"status": {"phase": "Running"}}));
}

pub fn neighbour() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| load(&Value::Null).unwrap())
}

pub fn decide(plugin: &Plugin) -> Result<Answer, CallError> {
    plugin.session()?.decide(&pod("Pending"), &context())
}

pub fn hostile(behave: &str) -> Plugin {
    load(&json!({"behave": behave})).unwrap_or_else(|error| panic!("{behave}: {error}"))
}

pub fn load(settings: &Value) -> Result<Plugin, LoadError> {
    load_bytes(guest().to_vec(), settings)
}

pub fn load_bytes(bytes: Vec<u8>, settings: &Value) -> Result<Plugin, LoadError> {
    Plugin::load(
        engine(),
        &Source::Bytes {
            name: "hostile.wasm".to_owned(),
            bytes,
        },
        settings,
    )
}

pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Limits::default()).unwrap())
}

pub fn guest() -> &'static [u8] {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    GUEST.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/hostile/Cargo.toml");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        stagewright_plugin_build::component(&manifest, &target).unwrap()
    })
}

pub fn pod(phase: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default", "uid": "u"},
        "status": {"phase": phase},
    })
    .to_string()
}

pub fn context() -> Context {
    Context {
        now: Time(5_000),
        since: Time(1_000),
        changed: Time(1_000),
        entropy: [1, 2, 3, 4],
        related: "{}".to_owned(),
        facts: "{}".to_owned(),
    }
}

#[cfg(target_os = "linux")]
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
