//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json};

/// The driver whose volumes these are, if nobody says otherwise: what a StorageClass names as its `provisioner`.
pub const DRIVER: &str = "volumes.stagewright.dev";

/// The settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Provisioners and attachers that are played.
    pub drivers: Vec<String>,
    /// How many volumes of each driver a node can attach that does not say; none: as many as there are.
    pub volumes: Option<u16>,
    /// How long a claim waits for its volume.
    pub provision: Delay,
    /// How long a volume takes to be attached.
    pub attach: Delay,
    /// How long a released volume takes to go.
    pub reclaim: Delay,
}

impl Default for Settings {
    fn default() -> Self {
        let at_once = Delay::seconds(0, 0);
        Self {
            drivers: vec![DRIVER.to_owned()],
            volumes: None,
            provision: at_once,
            attach: at_once,
            reclaim: at_once,
        }
    }
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the key or value that is wrong, and what it may be.
    pub fn parse(json: &Json) -> Result<Self, String> {
        // Derived types take lists too, by position.
        if !json.as_str().trim_start().starts_with('{') {
            return Err(format!(
                "the settings are no object: write {{\"drivers\": [\"{DRIVER}\"]}}"
            ));
        }
        let settings: Self = json.parse()?;
        if settings.drivers.is_empty() {
            return Err(format!(
                "drivers: there is none, so nothing would be done: write [\"{DRIVER}\"], or leave it out"
            ));
        }
        Ok(settings)
    }

    /// Whether the driver is one of those that are played.
    pub fn has(&self, driver: &str) -> bool {
        self.drivers.iter().any(|known| known == driver)
    }
}
