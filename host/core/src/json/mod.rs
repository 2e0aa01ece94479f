//! JSON trees: paths into them, cuts, differences, and the four forms of a patch.
//!
//! All of it is total. Recursion follows the trees: what the parser reads is at most 128 deep, and [`apply`] neither takes nor
//! makes anything deeper than [`MAX_DEPTH`].

mod at;
mod difference;
mod forms;
mod lean;
mod path;
mod prune;
mod strategic;
#[cfg(test)]
mod testing;

pub use at::At;
pub use difference::{Difference, changed_pointers, difference, equal};
pub use forms::{PatchError, apply};
pub use lean::Lean;
pub use path::{Path, PathError, pointer};
pub use prune::{Cut, prune};

/// The deepest tree that is patched, and the longest path. An object within it still parses (the parser stops at 128) when a
/// list or a watch event is wrapped around it; otherwise one object could blind the host to its whole kind.
pub const MAX_DEPTH: usize = 100;

/// Whether the tree has more levels of arrays and objects than `limit`. Looks no deeper than that itself.
pub(crate) fn deeper_than(value: &serde_json::Value, limit: usize) -> bool {
    let Some(below) = limit.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        serde_json::Value::Array(items) => items.iter().any(|item| deeper_than(item, below)),
        serde_json::Value::Object(map) => map.values().any(|value| deeper_than(value, below)),
        _ => false,
    }
}
