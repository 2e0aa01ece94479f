//! The `stagewright` binary.
fn main() {}
