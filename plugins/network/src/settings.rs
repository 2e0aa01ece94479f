//! The plugin's settings. Unknown keys are refused by name, with those that are known.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use stagewright_plugin::{Delay, Settings as Json, Value, json};

/// The settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where load balancers have their addresses; the first of a family counts.
    ranges: Vec<IpNet>,
    /// Where all ingresses are: an address, or a host name.
    ingress: String,
    /// The classes that are served; none: all, and what has none.
    classes: Vec<String>,
    /// How long each waits for its address.
    pub delay: Delay,
}

impl Default for Settings {
    fn default() -> Self {
        let all = |[a, b]: [u16; 2]| [a, b, 0, 0, 0, 0, 0, 0];
        Self {
            // Of RFC 2544 and RFC 3849: routed nowhere, and in no cluster's way.
            ranges: [
                ([198, 18, 0, 0].into(), 15),
                (IpAddr::from(all([0x2001, 0xdb8])), 64),
            ]
            .into_iter()
            .filter_map(|(address, length): (IpAddr, u8)| IpNet::new(address, length).ok())
            .collect(),
            ingress: "198.19.255.254".to_owned(),
            classes: Vec::new(),
            delay: Delay::seconds(0, 0),
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
                "the settings are no object: write {\"ranges\": [\"198.18.0.0/15\"]}".to_owned(),
            );
        }
        let settings: Self = json.parse()?;
        if settings.ingress.is_empty() {
            return Err(
                "ingress is empty: write an address or a host name, or leave it out".to_owned(),
            );
        }
        Ok(settings)
    }

    /// Whether objects of the class are served.
    pub fn has(&self, class: Option<&str>) -> bool {
        self.classes.is_empty()
            || class.is_some_and(|class| self.classes.iter().any(|known| known == class))
    }

    /// The address outside for one inside. Those of services are unique, so theirs outside are too as far as the range reaches: its
    /// place in the service range is its place in ours. Nothing must be remembered for that.
    ///
    /// # Errors
    /// If the address is none, or there is no range of its family.
    pub fn public(&self, own: &str) -> Result<IpAddr, String> {
        let own: IpAddr = own.parse().map_err(|_| format!("{own:?} is no address"))?;
        self.ranges
            .iter()
            .find_map(|range| match (range, own) {
                (IpNet::V4(range), IpAddr::V4(own)) => {
                    let host = u32::from(own) & u32::from(range.hostmask());
                    Some(IpAddr::V4((u32::from(range.network()) | host).into()))
                }
                (IpNet::V6(range), IpAddr::V6(own)) => {
                    let host = u128::from(own) & u128::from(range.hostmask());
                    Some(IpAddr::V6((u128::from(range.network()) | host).into()))
                }
                _ => None,
            })
            .ok_or_else(|| format!("ranges: none is of the family of {own}"))
    }

    /// Where ingresses are, as their status has it.
    pub fn ingress(&self) -> Value {
        match self.ingress.parse::<IpAddr>() {
            Ok(address) => json!({"ip": address}),
            Err(_) => json!({"hostname": self.ingress}),
        }
    }
}
