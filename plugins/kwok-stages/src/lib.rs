//! Stock plugin: interprets KWOK's Stage resources.
//!
//! The settings are the stages. Which objects a stage concerns is said in jq, CEL, labels and annotations; what it does is said in Go
//! templates. Both are compiled once an instance, and an object is read once for each language. Where KWOK is wrong, this plugin is
//! not; `DIFFERENCES.md` has the list.
//!
//! Natively the crate is a library too: [`report`] prints what KWOK's test suite prints, [`convert`] turns old stages into new ones.

pub mod cel;
pub mod compile;
pub mod compiled;
pub mod convert;
mod decide;
mod description;
mod effects;
pub mod functions;
pub mod go;
pub mod jq;
pub mod lifecycle;
pub mod play;
pub mod reads;
pub mod report;
pub mod settings;
pub mod stage;
pub mod template;
pub mod world;

use stagewright_plugin::{Answer, Context, Description, Effect, Object, Plugin, Settings};

pub use decide::KwokStages;

impl Plugin for KwokStages {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let (stages, root) = settings::parse(settings.as_str())?;
        let find = functions::find_for;
        let stages = compile::compile(settings::specs(&stages, root), &find, true)?;
        let description = description::describe(&stages);
        Ok((Self::new(stages), description))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        Ok(self.answer(object, ctx))
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        self.effects(stage, object, ctx)
    }
}

stagewright_plugin::export!(KwokStages);
