//! The plugin's answers.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use stagewright_go_template::time::Instant;
use stagewright_plugin::{Answer, Context, Effect, Object, Time};

use crate::compiled::{Stage, Stages};
use crate::description::{OTHER, names};
use crate::effects::effects;
use crate::lifecycle::{Due, Failed, Moment, View, kind};
use crate::play::play;
use crate::world::World;

/// The stages of objects.
pub struct Decider {
    stages: Stages,
    /// Stages that are told by their own names.
    named: BTreeSet<String>,
}

impl Decider {
    pub(crate) fn new(stages: Stages) -> Self {
        let mut named = BTreeSet::new();
        named.extend(names(&stages).into_iter().map(str::to_owned));
        Self { stages, named }
    }

    /// Which stage comes next, and when.
    pub(crate) fn answer(&self, object: &Json, ctx: &Context) -> Answer {
        let view = View::new(&self.stages, object, moment(ctx));
        let (matching, failed) = view.matching();
        let Some(stage) = choose(&view, matching, ctx) else {
            return Answer::idle(nothing(&failed));
        };
        match view.due(stage) {
            Ok(due) => {
                let name = if self.named.contains(&stage.name) {
                    &stage.name
                } else {
                    OTHER
                };
                Answer::stage(name, at(due, stage, ctx))
            }
            // To guess would be to play at once.
            Err(error) => Answer::Invalid(format!("stage {}: {error}", stage.name)),
        }
    }

    /// What a stage does.
    pub(crate) fn effects(
        &self,
        name: &str,
        object: &Object,
        ctx: &Context,
    ) -> Result<Vec<Effect>, String> {
        let play = |stage: &Stage, object: &Json| match play(stage, object, &World::new(ctx)) {
            Ok(actions) => Ok(effects(actions)),
            Err(error) => Err(format!("stage {}: {error}", stage.name)),
        };
        let missing = || format!("there is no stage {name:?} of {}", kind(object));
        if name == OTHER {
            let view = View::new(&self.stages, object, moment(ctx));
            let stage = choose(&view, view.matching().0, ctx);
            return play(stage.ok_or_else(missing)?, object);
        }
        // Stages of one name and several kinds are few: the first one nearly always is of the object's.
        for stage in self.stages.stages.iter().filter(|it| it.name == name) {
            let part = stage.wanted.read(object.as_str())?;
            if kind(&part) == stage.kind {
                return play(stage, &part);
            }
        }
        Err(missing())
    }
}

fn moment(ctx: &Context) -> Moment {
    Moment {
        // The stage's condition may have come true later than the object's times tell.
        began: Instant::from_time(ctx.changed),
        now: Instant::from_time(ctx.now),
        chance: ctx.chance("Rand"),
    }
}

/// One of those that match, by weight. The same for one stay, whoever asks and how often.
fn choose<'a>(view: &View<'a>, matching: Vec<&'a Stage>, ctx: &Context) -> Option<&'a Stage> {
    let possible = view.possible(matching);
    let total: f64 = possible.iter().map(|(_, weight)| share(*weight)).sum();
    let mut left = ctx.chance("stage") * total;
    for (stage, weight) in &possible {
        left -= share(*weight);
        if left < 0.0 {
            return Some(stage);
        }
    }
    possible.last().map(|(stage, _)| *stage)
}

#[allow(clippy::cast_precision_loss, reason = "shares of a whole")]
fn share(weight: i64) -> f64 {
    weight as f64
}

fn at(due: Due, stage: &Stage, ctx: &Context) -> Time {
    match due {
        Due::AtOnce => ctx.changed,
        Due::At(time) => time.to_time(),
        Due::Between(range) => {
            let room = range.end.0 - range.start.0;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "nanoseconds of a jitter"
            )]
            let part = (room as f64 * ctx.chance(&stage.name)) as i128;
            Instant(range.start.0 + part).to_time()
        }
    }
}

/// Why there is nothing to do. A stage that cannot be asked is told here, since nothing else would show it.
fn nothing(failed: &[Failed<'_>]) -> String {
    const SHOWN: usize = 3;
    let mut text = "no stage matches".to_owned();
    for (name, message) in failed.iter().take(SHOWN) {
        text.push_str(&format!("; stage {name} could not be asked: {message}"));
    }
    if failed.len() > SHOWN {
        text.push_str(&format!("; and {} more", failed.len() - SHOWN));
    }
    text
}
