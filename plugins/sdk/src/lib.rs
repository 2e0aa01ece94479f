//! The Rust SDK: bindings, builders and a native test harness for stagewright plugins.
