//! One instance of a plugin: its store, its limits, its log, and calls on it.

use stagewright_core::interface::Context;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Store, Trap, WasmBacktrace};

use super::bindings::exports::stagewright::stage::plugin as wit;
use super::bindings::stagewright::stage::log;
use super::bindings::{StagePlugin, StagePluginPre};
use super::convert;
use super::engine::{Engine, chain};
use super::limits::Limits;

/// How loud a line of a plugin's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Wrong.
    Error,
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// The text, cut to what was left of the budget.
    pub message: String,
}

/// What a store holds beside the guest.
pub(super) struct State {
    memory_limit: usize,
    memory: usize,
    denied: bool,
    lines_left: usize,
    bytes_left: usize,
    lines: Vec<LogLine>,
    dropped: u32,
}

/// Why a call on an instance gave nothing; the session says whose.
pub(super) enum Fault {
    OutOfFuel,
    OutOfMemory,
    Busy,
    TooMuch,
    Trap(String),
    /// Bytes that the canonical ABI does not allow: text that is no UTF-8, pointers outside memory.
    Abi(String),
}

/// A live instance.
pub(super) struct Instance {
    store: Store<State>,
    guest: StagePlugin,
    /// Bytes of memory after `configure`.
    settled: usize,
    fuel: u64,
    calls: u32,
}

// === impl State ===

impl State {
    fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory,
            memory: 0,
            denied: false,
            lines_left: 0,
            bytes_left: 0,
            lines: Vec::new(),
            dropped: 0,
        }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_sub(current).saturating_add(desired);
        if memory > self.memory_limit {
            // Trap codes do not tell an allocation that failed from a panic; this does.
            self.denied = true;
            return Ok(false);
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // The pool bounds tables; what it refuses, the guest sees as a growth that failed.
        Ok(true)
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, mut message: String) {
        if self.lines_left == 0 || self.bytes_left == 0 {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.lines_left -= 1;
        message.truncate(message.floor_char_boundary(self.bytes_left));
        self.bytes_left -= message.len();
        // Kept for as long as somebody may read it: not at the size that the guest made it.
        message.shrink_to_fit();
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.lines.push(LogLine { level, message });
    }
}

// === impl Instance ===

impl Instance {
    /// Instantiates, which runs the component's start code, if any.
    pub(super) fn new(engine: &Engine, pre: &StagePluginPre<State>) -> Result<Self, Fault> {
        let limits = engine.limits();
        let mut store = Store::new(engine.wasm(), State::new(limits));
        store.limiter(|state| state);
        store.set_hostcall_fuel(limits.hostcall_fuel);
        store
            .set_fuel(limits.configure_fuel)
            .map_err(|error| Fault::Trap(chain(&error)))?;
        let guest = match pre.instantiate(&mut store) {
            Ok(guest) => guest,
            Err(error) => return Err(fault(&error, store.data())),
        };
        Ok(Self {
            store,
            guest,
            settled: 0,
            fuel: 0,
            calls: 0,
        })
    }

    /// The first call, once. `Ok(Err(_))` is what the plugin says against the settings.
    pub(super) fn configure(
        &mut self,
        limits: &Limits,
        settings: &str,
    ) -> Result<Result<String, String>, Fault> {
        let settings = settings.to_owned();
        let answer = self.call(limits, limits.configure_fuel, |guest, store| {
            guest.call_configure(store, &settings)
        })?;
        self.settled = self.store.data().memory;
        self.calls = 0;
        Ok(answer)
    }

    pub(super) fn decide(
        &mut self,
        limits: &Limits,
        object: &str,
        context: &Context,
    ) -> Result<Result<wit::Answer, String>, Fault> {
        let (object, context) = (object.to_owned(), convert::context(context));
        self.call(limits, limits.call_fuel, |guest, store| {
            guest.call_decide(store, &object, &context)
        })
    }

    pub(super) fn play(
        &mut self,
        limits: &Limits,
        stage: &str,
        object: &str,
        context: &Context,
    ) -> Result<Result<Vec<wit::Effect>, String>, Fault> {
        let (object, context) = (object.to_owned(), convert::context(context));
        self.call(limits, limits.call_fuel, |guest, store| {
            guest.call_play(store, stage, &object, &context)
        })
    }

    fn call<T>(
        &mut self,
        limits: &Limits,
        fuel: u64,
        call: impl FnOnce(&wit::Guest, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        let state = self.store.data_mut();
        state.lines_left = limits.log_lines;
        state.bytes_left = limits.log_bytes;
        self.calls = self.calls.saturating_add(1);
        self.store
            .set_fuel(fuel)
            .map_err(|error| Fault::Trap(chain(&error)))?;
        let result = call(self.guest.stagewright_stage_plugin(), &mut self.store);
        self.fuel = fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        result.map_err(|error| fault(&error, self.store.data()))
    }

    /// Fuel of the last call.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory
    }

    /// Whether it answered before, so that its state is no longer what `configure` left.
    pub(super) fn is_used(&self) -> bool {
        self.calls > 0
    }

    /// Whether it grew so much since `configure` that a new one is better. Some growth is a heap that finds its size.
    pub(super) fn has_grown(&self) -> bool {
        self.memory()
            > self
                .settled
                .saturating_mul(2)
                .max(self.settled.saturating_add(1 << 20))
    }

    /// Takes the lines written since the last time, and the count of those dropped.
    pub(super) fn take_log(&mut self) -> (Vec<LogLine>, u32) {
        let state = self.store.data_mut();
        (
            std::mem::take(&mut state.lines),
            std::mem::take(&mut state.dropped),
        )
    }
}

/// Sorts an error of wasmtime. The store is dead after it.
fn fault(error: &wasmtime::Error, state: &State) -> Fault {
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::Busy;
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return Fault::OutOfFuel;
    }
    if state.denied {
        return Fault::OutOfMemory;
    }
    let message = error.root_cause().to_string();
    // wasmtime has no public type for it; tests/tests/hostile.rs fails if the words change.
    if message.contains("fuel allocated for hostcalls") {
        return Fault::TooMuch;
    }
    match trap {
        Some(trap) => Fault::Trap(format!("{trap}{}", frames(error))),
        None => Fault::Abi(message),
    }
}

/// The innermost functions, where the component kept their names.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<&str> = trace
        .frames()
        .iter()
        .filter_map(wasmtime::FrameInfo::func_name)
        .take(6)
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" in {}", names.join(" < "))
    }
}
