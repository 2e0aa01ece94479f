//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json};

use crate::delays::{Delays, Stage};

/// The settings, checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How pods live.
    pub profile: Profile,
    /// For [`Profile::General`]: how long each stage is waited for.
    pub delays: Delays,
}

/// How pods live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Everything at once.
    #[default]
    Fast,
    /// Step by step, with delays.
    General,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the key or value that is wrong, and what it may be.
    pub fn parse(json: &Json) -> Result<Self, String> {
        // Derived types take lists too, by position.
        if !json.as_str().trim_start().starts_with('{') {
            return Err("the settings are no object: write {\"profile\": \"fast\"}".to_owned());
        }
        let settings: Self = json.parse()?;
        if settings.profile == Profile::Fast && settings.delays != Delays::default() {
            return Err(
                "delays: profile fast has none; write \"profile\": \"general\" beside them"
                    .to_owned(),
            );
        }
        Ok(settings)
    }

    /// The delay of a stage for pods that do not say otherwise.
    #[must_use]
    pub fn delay(&self, stage: Stage, longest: Delay) -> Delay {
        self.delays.of(stage).unwrap_or(longest)
    }
}
