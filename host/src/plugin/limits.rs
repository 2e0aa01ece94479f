//! What one plugin may use.

/// Budgets of a plugin. Fuel is what wasmtime counts: about ten a nanosecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instances that live at once, over all plugins. They cost address space; memory only where one was in use.
    pub instances: u32,
    /// Bytes of linear memory an instance may have.
    pub memory: usize,
    /// Fuel for `configure`, which runs off the hot path.
    pub configure_fuel: u64,
    /// Fuel for one `decide` or `play`.
    pub call_fuel: u64,
    /// Bytes that one call may bring from the guest to the host, counted as the host stores them: the bound on what a guest can make
    /// the host allocate.
    pub hostcall_fuel: usize,
    /// Bytes of all texts of one answer.
    pub answer_bytes: usize,
    /// Effects of one play.
    pub effects: usize,
    /// Log lines kept of one call.
    pub log_lines: usize,
    /// Bytes of log kept of one call.
    pub log_bytes: usize,
    /// Bytes of a component.
    pub component_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instances: 64,
            memory: 64 << 20,
            configure_fuel: 5_000_000_000,
            call_fuel: 50_000_000,
            hostcall_fuel: 1 << 20,
            answer_bytes: 1 << 20,
            effects: 16,
            log_lines: 16,
            log_bytes: 4 << 10,
            component_bytes: 64 << 20,
        }
    }
}
