//! How Wasm is compiled, and the room that instances get. `build.rs` includes this file, so that what it compiles ahead of time is
//! taken by the engine that runs it; hence it names nothing of this crate.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Core modules of one component: a Rust plugin has three, a componentised interpreter with its shared libraries some twenty.
const MODULES: u32 = 32;

/// What stays resident of a freed slot. A guest that is cheap enough to be made anew for each decision touches far less, and a
/// greedy one must not leave its memory with us.
const KEEP_RESIDENT: usize = 2 << 20;

/// What decides whether compiled code fits the engine: deterministic, metered by fuel, nothing that depends on the machine's clock.
/// Threads, garbage-collected types and the component model's async are not compiled into this wasmtime at all.
#[must_use]
pub fn code() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Nobody unwinds through guests, and wasmtime finds its own way.
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}

/// [`code`], and where so many instances live, of so many bytes each: slots reserved once, reset after each use by copying back the
/// pages that were touched.
#[must_use]
#[allow(dead_code, reason = "build.rs compiles and never runs")]
pub fn run(instances: u32, memory: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * MODULES)
        .total_memories(instances)
        .total_tables(instances * 4)
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(1)
        .max_tables_per_component(4)
        .max_tables_per_module(4)
        .table_elements(20_000)
        .max_memory_size(memory)
        .max_unused_warm_slots(8)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = code();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
