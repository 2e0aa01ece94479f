//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use std::collections::BTreeMap;

use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json, Value, json};

/// The settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the devices of these drivers have; those of others have names alone.
    drivers: BTreeMap<String, Driver>,
    /// How long after its allocation a device is ready.
    pub prepare: Delay,
}

/// What each device of a driver has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Driver {
    /// By name: a text, a whole number or a boolean; or as in a ResourceSlice (`{version: 1.2.3}`).
    attributes: BTreeMap<String, Value>,
    /// Quantities by name.
    capacity: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            drivers: BTreeMap::new(),
            prepare: Delay::seconds(0, 0),
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
            return Err(
                "the settings are no object: write {\"drivers\": {\"gpu.example.com\": {}}}"
                    .to_owned(),
            );
        }
        let mut settings: Self = json.parse()?;
        for (name, driver) in &mut settings.drivers {
            for (attribute, value) in &mut driver.attributes {
                *value = typed(value).ok_or_else(|| {
                    format!(
                        "drivers.{name}.attributes.{attribute}: {value} is no text, whole number or boolean: quote it, or write {{\"version\": \"1.2.3\"}}"
                    )
                })?;
            }
        }
        Ok(settings)
    }

    /// A device as it stands in a slice.
    pub fn device(&self, driver: &str, name: &str) -> Value {
        let mut device = json!({ "name": name });
        if let (Some(driver), Some(device)) = (self.drivers.get(driver), device.as_object_mut()) {
            device.insert("attributes".to_owned(), json!(driver.attributes));
            let capacity = driver.capacity.iter();
            let capacity =
                capacity.map(|(name, quantity)| (name.clone(), json!({"value": quantity})));
            device.insert("capacity".to_owned(), capacity.collect());
        }
        device
    }

    /// All that a slice follows from, as text: the same for the same slice.
    pub fn made_of(&self, driver: &str, count: u8) -> String {
        let device = self.device(driver, "");
        let part = |name: &str| device.get(name).cloned().unwrap_or_default();
        json!([count, part("attributes"), part("capacity")]).to_string()
    }
}

/// An attribute as the API has it, which names its type.
fn typed(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(json!({ "string": text })),
        Value::Number(number) if number.is_i64() => Some(json!({ "int": number })),
        Value::Bool(bool) => Some(json!({ "bool": bool })),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}
