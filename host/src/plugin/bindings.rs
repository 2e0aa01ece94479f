//! The host's side of `wit/stage.wit`, generated.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "stage-plugin",
});
