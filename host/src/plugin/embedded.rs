//! Code that was compiled together with this binary. Where that is possible it runs where the binary's file is mapped: it is not copied, and
//! only those of its pages are in memory that are run.
//!
//! The only unsafe code of this crate.

#![allow(
    unsafe_code,
    reason = "the one place where compiled code is taken as it is"
)]

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::component::Component;
use wasmtime::{Config, CustomCodeMemory, Engine};

/// Whether code runs in place. Elsewhere there is more to it than the kernel's leave: other processors keep instructions apart from data and
/// mark where branches may land, and other systems run nothing of a file but what its signature says. wasmtime knows all that.
const HERE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// At the beginning of a page.
#[repr(C, align(4096))]
pub(super) struct Aligned<T>(pub T);

/// What may be run, and where, is the kernel's to say.
struct Pages;

/// Where code is that runs in place. wasmtime finds a component by the addresses of its code, so each place is for one alone.
static IN_PLACE: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Lets an engine run code where it is.
pub(super) fn in_place(mut config: Config) -> Config {
    if HERE {
        config.with_custom_code_memory(Some(Arc::new(Pages)));
    }
    config
}

/// Takes code that was compiled together with this binary.
///
/// wasmtime checks that the engine's version and settings fit, but not the code itself; so no bytes from outside may come here, and
/// `Source` turns them away.
pub(super) fn load(engine: &Engine, code: &'static [u8]) -> wasmtime::Result<Component> {
    if !HERE || !IN_PLACE.lock().insert(code.as_ptr().addr()) {
        // SAFETY: as below; here a second engine has a copy, and elsewhere each.
        return unsafe { Component::deserialize(engine, code) };
    }
    // SAFETY: `deserialize_raw` asks for bytes that `Engine::precompile_component` wrote, that live as long as the component and do not
    // change. `code` comes from `stock.rs` alone, which holds what build.rs precompiled in this very build; read-only data of this
    // binary lives as long as the process, and cannot be written.
    unsafe { Component::deserialize_raw(engine, NonNull::from(code)) }
}

// SAFETY, of both: wasmtime hands over whole pages that hold nothing but compiled code, and asks that they be run and no more written.
// Nothing of Rust's writes them: they are read-only data of this binary, or a mapping of wasmtime's own.
impl CustomCodeMemory for Pages {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, code: *const u8, len: usize) -> wasmtime::Result<()> {
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        Ok(unsafe { mprotect(code.cast_mut().cast::<c_void>(), len, flags) }?)
    }

    /// Code that is done with is not written either: it is unmapped, or stays what it is in the binary.
    fn unpublish_executable(&self, code: *const u8, len: usize) -> wasmtime::Result<()> {
        Ok(unsafe { mprotect(code.cast_mut().cast::<c_void>(), len, MprotectFlags::READ) }?)
    }
}
