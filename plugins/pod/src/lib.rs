//! Stock plugin: the life of a pod on a node that runs nothing, as a kubelet would report it.
//!
//! Profile `fast` (the default) makes a pod Running at once, a Job's pod Succeeded at once, and deletes at once. Profile `general` takes
//! its time: containers are created, init containers run one after the other, and a deleted pod ends within its grace period. Delays
//! are settings (`delays`), and annotations of a pod override them; see [`delays`].

mod decide;
pub mod delays;
mod description;
mod ids;
mod play;
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
        // Events are for those who watch one pod; whoever takes the fast profile makes pods by the thousand.
        let events = self.settings.profile == Profile::General;
        let effects = play::play(stage, object, ctx)?;
        Ok(effects
            .into_iter()
            .filter(|effect| events || !matches!(effect, Effect::Event(_)))
            .collect())
    }
}

stagewright_plugin::export!(Pods);
