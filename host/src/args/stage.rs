//! `stagewright stage`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `stagewright stage`.
#[derive(Debug, Clone, Args)]
pub struct StageArgs {
    /// What to do with stages.
    #[command(subcommand)]
    pub command: StageCommand,
}

/// The tools.
#[derive(Debug, Clone, Subcommand)]
pub enum StageCommand {
    /// Print what stages would do with an object, as KWOK's own test suite prints it, or run all cases below a folder.
    Test(TestArgs),
    /// Say what is wrong with stages, and what is probably not meant.
    Lint(LintArgs),
    /// Rewrite the deprecated spelling (next, key, expressionFrom) into steps, jq and cel.
    Convert(ConvertArgs),
    /// Walk an object through its life on a clock that costs no time.
    Simulate(SimulateArgs),
}

/// `stagewright stage test`.
#[derive(Debug, Clone, Args)]
pub struct TestArgs {
    /// An object, or a folder: each NAME.input.yaml below it is compared with NAME.output.yaml.
    #[arg(value_name = "INPUT_OR_DIR")]
    pub input: PathBuf,
    /// The folder of the object's stages. (Of a case below a folder: the one above `testdata`, or its own.)
    #[arg(value_name = "STAGE_DIR")]
    pub stages: Option<PathBuf>,
    /// Write the output files instead of comparing with them.
    #[arg(long, conflicts_with = "stages")]
    pub update: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `stagewright stage lint`.
#[derive(Debug, Clone, Args)]
pub struct LintArgs {
    /// Files, folders, kustomizations; `-` is stdin.
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,
    /// Fail for warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Print the moves of the stages, and a PhaseOrder for each kind that has no order of its own.
    #[arg(long)]
    pub order: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `stagewright stage convert`.
#[derive(Debug, Clone, Args)]
pub struct ConvertArgs {
    /// Files, folders, kustomizations; `-` is stdin.
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,
    /// How to print it. As text, documents that are in order stay as they are written, with their comments.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `stagewright stage simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// The object: a file with one document, or `-`.
    #[arg(short, long, value_name = "FILE")]
    pub file: String,
    /// Stages, as `run` takes them. May be repeated. Without: the stock plugins decide.
    #[arg(short, long, value_name = "SOURCE")]
    pub config: Vec<String>,
    /// The settings of the stock plugins, as `run` takes them.
    #[arg(long, value_name = "NAME=FILE_OR_TEXT")]
    pub settings: Vec<String>,
    /// Request the object's deletion once nothing else happens to it.
    #[arg(long)]
    pub delete: bool,
    /// Part of the randomness.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
    /// Stop after so many stages.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub stages: usize,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Life::Text)]
    pub output: Life,
}

/// How a life is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Life {
    /// A table.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A state diagram in Mermaid's language.
    Mermaid,
}
