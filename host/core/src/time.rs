//! Instants on the API server's clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970, UTC, on the API server's clock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// Reads a time as Kubernetes writes it (RFC 3339; fractions of `metav1.MicroTime` too). `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self(timestamp.as_millisecond()))
    }

    /// `metav1.Time`: RFC 3339, UTC, whole seconds.
    #[must_use]
    pub fn to_seconds(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// `metav1.MicroTime`: RFC 3339, UTC, six digits of fraction.
    #[must_use]
    pub fn to_micros(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%6fZ")
    }

    fn format(self, pattern: &str) -> String {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        timestamp.strftime(pattern).to_string()
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_kubernetes_writes() {
        let time = Time::parse("2026-11-24T01:55:20Z").unwrap();
        assert_eq!(time.to_seconds(), "2026-11-24T01:55:20Z");
        assert_eq!(
            Time::parse("2026-11-24T01:55:20.123456Z"),
            Some(Time(time.0 + 123))
        );
        assert_eq!(
            (time + Duration::from_millis(7)).to_micros(),
            "2026-11-24T01:55:20.007000Z"
        );
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in ["", "now", "2026-11-24", "1732413320"] {
            assert_eq!(Time::parse(text), None, "{text:?}");
        }
    }
}
