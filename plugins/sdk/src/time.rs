//! Instants, written as Kubernetes writes them. Own arithmetic: a calendar crate would be most of a plugin's size.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: milliseconds since 1970, UTC. As text and in JSON it is a `metav1.Time`: RFC 3339 in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;

impl Time {
    /// Reads RFC 3339, with or without a fraction, in any zone. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, clock) = (text.get(..10)?, text.get(11..)?);
        if !matches!(text.as_bytes().get(10)?, b'T' | b't' | b' ') {
            return None;
        }
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock.get(..8)?, ':', [2, 2, 2])?;
        let (millis, zone) = fraction(clock.get(8..)?)?;
        let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !valid || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second - offset(zone)?;
        Some(Self(
            days_since_1970(year, month, day) * DAY + seconds * SECOND + millis,
        ))
    }

    /// `metav1.MicroTime`: RFC 3339, UTC, six digits of fraction.
    #[must_use]
    pub fn to_micros(self) -> String {
        let whole = self.to_string();
        let millis = self.0.rem_euclid(SECOND);
        format!("{}.{millis:03}000Z", whole.trim_end_matches('Z'))
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(crate) fn from_f64(millis: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "beyond the range its end is meant"
        )]
        Self(millis as i64)
    }

    pub(crate) fn to_f64(self) -> f64 {
        #[allow(
            clippy::cast_precision_loss,
            reason = "exact for 285,000 years to either side"
        )]
        {
            self.0 as f64
        }
    }
}

/// `count` numbers of fixed widths between separators.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (place, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *place = if digits {
            part.parse().ok()?
        } else {
            return None;
        };
    }
    parts.next().is_none().then_some(found)
}

/// Milliseconds of a fraction, and the zone behind it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = digits
        .find(|char: char| !char.is_ascii_digit())
        .filter(|end| *end > 0)?;
    let (digits, zone) = digits.split_at(end);
    let millis = digits.bytes().chain(*b"000").take(3);
    Some((
        millis.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        zone,
    ))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'Z' | b'z' => return (zone.len() == 1).then_some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let [hours, minutes, _] = numbers(&format!("{hours}:{minutes}:00"), ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the leap day ends them.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + of_era + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0.div_euclid(DAY));
        let seconds = self.0.rem_euclid(DAY) / SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                Time::parse(text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1000),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2026-11-24T01:55:20Z", 1_795_485_320_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(Time::parse(text), Some(Time(millis)), "{text}");
            assert_eq!(Time(millis).to_string(), text);
        }
        assert_eq!(Time(951_825_600_999).to_string(), "2000-02-29T12:00:00Z");
        assert_eq!(Time(1_007).to_micros(), "1970-01-01T00:00:01.007000Z");
        assert_eq!(Time(-1).to_micros(), "1969-12-31T23:59:59.999000Z");
    }

    #[test]
    fn every_day_of_five_centuries_reads_as_it_is_written() {
        for day in -90_000..90_000 {
            let time = Time(day * DAY + 43_201_000);
            assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn fractions_and_zones() {
        let time = Time::parse("2026-01-01T10:00:00Z").unwrap();
        for (text, millis) in [
            ("2026-01-01T10:00:00.123456Z", 123),
            ("2026-01-01T10:00:00.5Z", 500),
            ("2026-01-01T12:00:00+02:00", 0),
            ("2026-01-01T09:30:00.007-00:30", 7),
        ] {
            assert_eq!(Time::parse(text), Some(Time(time.0 + millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00+2:00",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00ä",
            "ääääääääääääääääää",
        ] {
            assert_eq!(Time::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time(5) + Duration::MAX, Time(i64::MAX));
        assert_eq!(Time(-50) - Duration::MAX, Time(i64::MIN));
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
        assert_eq!(Time(9).since(Time(5)), Duration::from_millis(4));
    }
}
