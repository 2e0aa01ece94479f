//! Stock plugin: interprets KWOK's Stage resources.
//!
//! The settings are the stages. Which objects a stage concerns is said in jq, CEL, labels and annotations; what it does is said in Go
//! templates. Both are compiled once an instance, and an object is read once for each language. Where KWOK is wrong, this plugin is
//! not; `DIFFERENCES.md` has the list.
//!
//! The same component has the command line's tools ([`report`], [`convert`], [`lint`]); natively the crate is a library too.

pub mod cel;
pub mod compile;
pub mod compiled;
pub mod convert;
mod decide;
mod description;
mod effects;
mod fields;
pub mod functions;
pub mod index;
pub mod jq;
pub mod lifecycle;
pub mod lint;
pub mod play;
pub mod reads;
pub mod report;
pub mod settings;
pub mod stage;
mod tool;
pub mod world;

use stagewright_plugin::{Answer, Context, Description, Effect, Object, Plugin, Settings};

use decide::Decider;
use tool::Tool;

/// The plugin, configured.
pub enum KwokStages {
    /// It decides on objects.
    Stages(Decider),
    /// It answers the command line.
    Tool(Tool),
}

impl Plugin for KwokStages {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let given = settings::parse(settings.as_str())?;
        let specs = settings::specs(&given.stages, given.root);
        if given.is_tool {
            let stages = compile::compile(specs, &|_, name| functions::find_stubbed(name), false)?;
            let description = description::describe(&stages);
            return Ok((Self::Tool(Tool::new(stages)), description));
        }
        let stages = compile::compile(specs, &functions::find_for, true)?;
        let description = description::describe(&stages);
        Ok((Self::Stages(Decider::new(stages)), description))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        Ok(match self {
            Self::Stages(stages) => stages.answer(object, ctx),
            Self::Tool(_) => Tool::answer(),
        })
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        match self {
            Self::Stages(stages) => stages.effects(stage, object, ctx),
            Self::Tool(tool) => tool.answer_to(stage, object),
        }
    }
}

stagewright_plugin::export!(KwokStages);
