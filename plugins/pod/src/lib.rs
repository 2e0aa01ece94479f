//! Stock plugin: the life of a pod on a node that runs nothing, as a kubelet would report it.
//!
//! Profile `fast` (the default) makes a pod Running at once, a Job's pod Succeeded at once, and deletes at once. Profile `general` takes
//! its time and does what a kubelet does: init containers run one after the other, sidecars run on, probes, restarts and back-offs,
//! resizes, deadlines, and a deleted pod ends within its grace period. Annotations of a pod make its containers fail, end, or not be
//! ready; the README has them all. Delays are settings (`delays`) too; see [`delays`].

pub mod annotations;
mod decide;
pub mod delays;
mod description;
mod general;
mod ids;
mod phase;
mod plan;
mod play;
mod resize;
mod restart;
mod settings;
mod statuses;
mod view;

use stagewright_plugin::{Answer, Context, Description, Effect, Object, Plugin, Settings};

use crate::settings::Profile;

/// The plugin, configured.
pub struct Pods {
    settings: settings::Settings,
}

impl Plugin for Pods {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let settings = settings::Settings::parse(settings)?;
        let description = match settings.profile {
            Profile::Fast => description::FAST,
            Profile::General => description::GENERAL,
        };
        Ok((Self { settings }, Description::from_static(description)))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        let pod = object.parse()?;
        Ok(decide::decide(&self.settings, &pod, ctx).unwrap_or_else(Answer::Invalid))
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        if stage == "delete" {
            return Ok(vec![Effect::delete(0)]);
        }
        match self.settings.profile {
            // Events are for those who watch one pod; whoever takes the fast profile makes pods by the thousand.
            Profile::Fast => play::fast(stage, object, ctx),
            Profile::General => {
                let pod = object.parse()?;
                let plan = plan::Plan::new(&self.settings, &pod, ctx)?;
                general::play(stage, object, &plan, ctx)
            }
        }
    }
}

stagewright_plugin::export!(Pods);
