//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use std::collections::BTreeMap;

use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json};

use crate::annotations::{KEYS, Key};
use crate::delays::{Delays, Stage};

/// The settings, checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How pods live.
    pub profile: Profile,
    /// For [`Profile::General`]: how long each stage is waited for.
    pub delays: Delays,
    /// For [`Profile::General`]: what the annotations `stagewright.dev/pod.…` of pods that have none of that name would say.
    pub defaults: BTreeMap<String, String>,
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
        if settings.profile == Profile::Fast {
            for (name, is_there) in [
                ("delays", settings.delays != Delays::default()),
                ("defaults", !settings.defaults.is_empty()),
            ] {
                if is_there {
                    return Err(format!(
                        "{name}: profile fast has none; write \"profile\": \"general\" beside them"
                    ));
                }
            }
        }
        for (name, value) in &settings.defaults {
            let Some(key) = KEYS.iter().find(|key| key.name() == name) else {
                let known: Vec<&str> = KEYS.iter().map(|key| key.name()).collect();
                return Err(format!(
                    "defaults.{name} is unknown: {} are known",
                    known.join(", ")
                ));
            };
            key.check(value, std::iter::empty())
                .map_err(|error| format!("defaults.{name}: {error}"))?;
        }
        Ok(settings)
    }

    /// The delay of a stage for pods that do not say otherwise.
    #[must_use]
    pub fn delay(&self, stage: Stage, longest: Delay) -> Delay {
        self.delays.of(stage).unwrap_or(longest)
    }

    /// What is asked of pods that do not say otherwise.
    #[must_use]
    pub fn default(&self, key: &Key) -> Option<&str> {
        if self.defaults.is_empty() {
            return None;
        }
        self.defaults.get(key.name()).map(String::as_str)
    }
}
