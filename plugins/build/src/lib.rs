//! Builds a plugin crate into a component: cargo for wasm32, then wit-component.
