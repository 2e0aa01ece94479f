//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json};

use crate::view::Flap;

/// The settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// How long after one heartbeat the next follows. One duration is stretched by up to a sixtieth, so that nodes that were made
    /// together do not stay together; `0s`: there are none.
    pub heartbeat: Delay,
    /// What nodes have that do not say: quantities by resource. Allocatable is what of it nobody sets aside.
    pub capacity: BTreeMap<String, String>,
    /// What of the capacity pods may use, where that is not all.
    pub allocatable: BTreeMap<String, String>,
    /// What nodes say of themselves where their maker said nothing.
    pub node_info: BTreeMap<String, String>,
    /// Features of the kubelet that nodes declare where their maker said nothing: the scheduler of Kubernetes 1.36 places some pods only
    /// where they are (`nodedeclaredfeatures` in component-helpers). Servers before 1.35 store none, so none is usual.
    pub declared_features: BTreeSet<String>,
    /// How nodes flap that do not say: `5m/30s` is five minutes Ready, half a minute not, and so on.
    #[serde(deserialize_with = "crate::view::flap")]
    pub flap: Option<Flap>,
    /// Where the kubelet is said to answer; without it, where the host answers.
    pub kubelet_port: Option<u16>,
}

/// The fields of `status.nodeInfo` that are texts.
const NODE_INFO: [&str; 10] = [
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Delay::seconds(600, 600),
            capacity: BTreeMap::new(),
            allocatable: BTreeMap::new(),
            node_info: BTreeMap::new(),
            declared_features: BTreeSet::new(),
            flap: None,
            kubelet_port: None,
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
            return Err("the settings are no object: write {\"heartbeat\": \"10m\"}".to_owned());
        }
        let mut settings: Self = json.parse()?;
        for (name, quantities) in [
            ("capacity", &settings.capacity),
            ("allocatable", &settings.allocatable),
        ] {
            for (resource, quantity) in quantities {
                if !is_quantity(quantity) {
                    return Err(format!(
                        "{name}.{resource}: {quantity:?} is no quantity: write a number like \"4\", \"500m\" or \"16Gi\""
                    ));
                }
            }
        }
        let unknown = settings
            .node_info
            .keys()
            .find(|field| !NODE_INFO.contains(&field.as_str()));
        if let Some(field) = unknown {
            return Err(format!(
                "nodeInfo.{field} is unknown: {} are known",
                NODE_INFO.join(", ")
            ));
        }
        let Delay { min, max } = settings.heartbeat;
        if min == max {
            settings.heartbeat.max = min + min / 60;
        }
        Ok(settings)
    }
}

/// Whether the API server would take it (apimachinery/pkg/api/resource/quantity.go): a number of at most 18 digits, and a suffix.
fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let end = unsigned
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let suffixes = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let exponent = || {
        suffix
            .strip_prefix(['e', 'E'])
            .is_some_and(|exponent| exponent.parse::<i8>().is_ok())
    };
    (1..=18).contains(&digits)
        && number.len() <= digits + 1
        && (suffixes.contains(&suffix) || exponent())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for text in [
            "0", "4", "500m", "1k", "1Ti", "1.5Gi", ".5", "5.", "1e3", "1E-3", "+1",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "",
            ".",
            "many",
            "-1",
            "1 Gi",
            "1gi",
            "1..5",
            "1e",
            "1KiB",
            "1234567890123456789",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }
}
