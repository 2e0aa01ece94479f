//! Durations as Go and Kubernetes write them, and delays with room for chance.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Why a text is no duration or delay. Says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationError {
    text: String,
    is_delay: bool,
}

/// Reads a duration as Go writes it: numbers, with a fraction if need be, each with a unit (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`), like
/// `10s`, `1m30s` or `1.5h`; and `0`. Negative ones are refused: nothing is due before its stay began.
///
/// # Errors
/// If the text has another shape.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    read(text).ok_or_else(|| DurationError {
        text: text.to_owned(),
        is_delay: false,
    })
}

fn read(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0_u128;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(end);
        let end = behind
            .find(|char: char| char.is_ascii_digit() || char == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        nanos = nanos.checked_add(part(number, unit)?)?;
        rest = behind;
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let below = u32::try_from(nanos % 1_000_000_000).ok()?;
    (!text.is_empty()).then(|| Duration::new(seconds, below))
}

/// The nanoseconds of a number and its unit.
fn part(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look alike; Go takes both.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| -> Option<u128> {
        match text {
            "" => Some(0),
            _ if text.len() <= 18 => text.parse().ok(),
            _ => None,
        }
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let below = digits(fraction)?.checked_mul(unit)? / scale;
    digits(whole)?.checked_mul(unit)?.checked_add(below)
}

/// A delay: exactly `min`, or anything from `min` to `max`. Written `10s` or `5s..10s`; [`crate::Context::draw`] picks one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Delay {
    /// The shortest.
    pub min: Duration,
    /// The longest; never below `min`.
    pub max: Duration,
}

impl Delay {
    /// No delay.
    pub const NONE: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };

    /// From `min` to `max` seconds.
    #[must_use]
    pub const fn seconds(min: u64, max: u64) -> Self {
        Self {
            min: Duration::from_secs(min),
            max: Duration::from_secs(if max < min { min } else { max }),
        }
    }

    /// Reads `10s` or `5s..10s`.
    ///
    /// # Errors
    /// If the text has another shape, or its end is before its beginning.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        match (read(min.trim()), read(max.trim())) {
            (Some(min), Some(max)) if min <= max => Ok(Self { min, max }),
            _ => Err(DurationError {
                text: text.to_owned(),
                is_delay: true,
            }),
        }
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        if self.is_delay {
            return write!(
                f,
                "{text:?} is no delay: write a duration like \"10s\" or \"1m30s\", or a range like \"5s..10s\""
            );
        }
        write!(
            f,
            "{text:?} is no duration: write numbers with units, like \"10s\", \"1m30s\" or \"500ms\""
        )
    }
}

impl std::error::Error for DurationError {}

impl From<DurationError> for String {
    fn from(error: DurationError) -> Self {
        error.to_string()
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("5.s", 5_000),
            ("250ms", 250),
            ("2500us", 2),
            ("3000µs", 3),
            ("1h1m1s1ms", 3_661_001),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration.as_millis(), millis, "{text}");
        }
        assert_eq!(
            parse_duration("1ns1us").unwrap(),
            Duration::from_nanos(1_001)
        );
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "soon",
            "10",
            "-1s",
            "1 s",
            "s",
            ".s",
            "1d",
            "1..5s",
            "99999999999999999999h",
            "1s5",
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains("10s"),
                "{error}"
            );
        }
    }

    #[test]
    fn delays_are_one_duration_or_two() {
        assert_eq!(Delay::parse("10s"), Ok(Delay::seconds(10, 10)));
        assert_eq!(Delay::parse("5s..1m"), Ok(Delay::seconds(5, 60)));
        for text in ["", "10s..5s", "5s..", "..5s", "5s..6s..7s", "a..b"] {
            let error = Delay::parse(text).unwrap_err().to_string();
            assert!(error.contains("5s..10s"), "{error}");
        }
    }
}
