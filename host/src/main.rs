//! The `stagewright` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    stagewright::ctl::main(std::env::args_os())
}
