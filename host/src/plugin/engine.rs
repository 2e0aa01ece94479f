//! The engine that all plugins share: compiled code, the linker with the one import, and the interface's own types.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use super::bindings::{StagePlugin, StagePluginPre};
use super::config;
use super::embedded;
use super::errors::{EngineError, LoadError};
use super::instance::State;
use super::interface_check;
use super::limits::Limits;
use super::source::Held;
use super::stock;

/// What all plugins share. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    reference: Component,
    limits: Limits,
    /// The stock plugins that were asked for, by name.
    stock: Mutex<BTreeMap<&'static str, Prepared>>,
    /// What was compiled last, newest at the end: other settings for the same component, a roll-back and a second host object with
    /// the same plugin must not compile it again.
    compiled: Mutex<Vec<(String, Prepared)>>,
}

/// Compiled, checked and linked.
pub(super) type Prepared = StagePluginPre<State>;

/// Components whose code is kept. The code of an interpreter takes tens of MiB.
const KEPT: usize = 4;

impl Engine {
    /// Reserves the instances' address space.
    ///
    /// # Errors
    /// If the machine does not give it.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let error = |cause: wasmtime::Error| EngineError {
            slots: limits.instances,
            cause: chain(&cause),
        };
        let config = embedded::in_place(config::run(limits.instances, limits.memory));
        let wasm = wasmtime::Engine::new(&config).map_err(error)?;
        let mut linker = Linker::new(&wasm);
        StagePlugin::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)
            .map_err(error)?;
        let reference = embedded::load(&wasm, stock::reference()).map_err(error)?;
        Ok(Self(Arc::new(Shared {
            wasm,
            linker,
            reference,
            limits,
            stock: Mutex::default(),
            compiled: Mutex::default(),
        })))
    }

    /// The budgets of every plugin on this engine.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    /// Compiles what a source held, or takes what was compiled with this binary or before. The type is checked, nothing has run yet.
    pub(super) fn prepare(
        &self,
        plugin: &str,
        held: &Held,
        digest: &str,
    ) -> Result<Prepared, LoadError> {
        let invalid = |error| invalid(plugin, &error);
        match held {
            Held::Stock(stock) => {
                let mut known = self.0.stock.lock();
                if let Some(prepared) = known.get(stock.name) {
                    return Ok(prepared.clone());
                }
                let component = embedded::load(self.wasm(), stock.code).map_err(invalid)?;
                let prepared = self.linked(plugin, &component)?;
                known.insert(stock.name, prepared.clone());
                Ok(prepared)
            }
            Held::Wasm(bytes) => {
                if let Some(prepared) = self.compiled(digest) {
                    return Ok(prepared);
                }
                let component = compile(self.wasm(), bytes).map_err(invalid)?;
                let prepared = self.linked(plugin, &component)?;
                let mut compiled = self.0.compiled.lock();
                if compiled.len() >= KEPT {
                    compiled.remove(0);
                }
                compiled.push((digest.to_owned(), prepared.clone()));
                Ok(prepared)
            }
        }
    }

    /// Checks the type, and links the import.
    fn linked(&self, plugin: &str, component: &Component) -> Result<Prepared, LoadError> {
        let invalid = |error| invalid(plugin, &error);
        let reference = self.0.reference.component_type();
        interface_check::check(plugin, self.wasm(), &reference, &component.component_type())?;
        let linked: InstancePre<State> =
            self.0.linker.instantiate_pre(component).map_err(invalid)?;
        StagePluginPre::new(linked).map_err(invalid)
    }

    fn compiled(&self, digest: &str) -> Option<Prepared> {
        let mut compiled = self.0.compiled.lock();
        let place = compiled.iter().position(|(of, _)| of == digest)?;
        let found = compiled.remove(place);
        let prepared = found.1.clone();
        compiled.push(found);
        Some(prepared)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// Validates every byte and compiles, on one thread: compiling on all of them slows the plugins that decide meanwhile.
fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(|| Component::from_binary(engine, bytes)),
        // No thread to be had: this one will do.
        Err(_) => Component::from_binary(engine, bytes),
    }
}

fn invalid(plugin: &str, error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid {
        plugin: plugin.to_owned(),
        message: chain(error),
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ").replace('\n', " ")
}
