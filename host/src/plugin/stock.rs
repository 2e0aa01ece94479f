//! The plugins inside this binary, compiled when it was built.

use super::embedded::Aligned;

/// A stock plugin.
#[derive(Debug)]
pub(super) struct Stock {
    /// Its name.
    pub name: &'static str,
    /// `sha256:…` of the component.
    pub digest: &'static str,
    /// Bytes of the component.
    pub size: usize,
    /// What the component was compiled to.
    pub code: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/stock.rs"));

/// The names of the stock plugins.
#[must_use]
pub fn stock() -> &'static [&'static str] {
    NAMES
}

pub(super) fn find(name: &str) -> Option<&'static Stock> {
    STOCK.iter().find(|stock| stock.name == name)
}

/// A component of the interface's own types and no code, compiled when this binary was built: what others are measured against.
pub(super) fn reference() -> &'static [u8] {
    REFERENCE
}
