//! How long ago, for people (apimachinery, `pkg/util/duration`).

use stagewright_core::time::Time;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// Up to which length which two units are told, the second of them only if it is not zero: limit, unit, smaller unit.
const STEPS: [(i64, i64, i64); 8] = [
    (2 * MINUTE, 1, 0),
    (10 * MINUTE, MINUTE, 1),
    (3 * HOUR, MINUTE, 0),
    (8 * HOUR, HOUR, MINUTE),
    (2 * DAY, HOUR, 0),
    (8 * DAY, DAY, HOUR),
    (2 * YEAR, DAY, 0),
    (8 * YEAR, YEAR, DAY),
];

/// The time from one moment to another. A clock that is a little behind is forgiven.
pub(super) fn between(earlier: Time, later: Time) -> String {
    let seconds = (later.0 - earlier.0) / 1_000;
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    of_seconds(seconds.max(0))
}

/// A length of time.
pub(super) fn of_seconds(seconds: i64) -> String {
    let step = STEPS.iter().find(|(limit, _, _)| seconds < *limit);
    let (_, unit, smaller) = step.copied().unwrap_or((0, YEAR, 0));
    let mut text = format!("{}{}", seconds / unit, letter(unit));
    if smaller > 0 && seconds % unit / smaller > 0 {
        text.push_str(&format!("{}{}", seconds % unit / smaller, letter(smaller)));
    }
    text
}

fn letter(unit: i64) -> char {
    match unit {
        YEAR => 'y',
        DAY => 'd',
        HOUR => 'h',
        MINUTE => 'm',
        _ => 's',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_as_kubectl_tells_them() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 61, "3h1m"),
            (8 * HOUR + 61, "8h"),
            (2 * DAY, "2d"),
            (2 * DAY + HOUR, "2d1h"),
            (8 * DAY + HOUR, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (3 * YEAR + DAY, "3y1d"),
            (9 * YEAR + DAY, "9y"),
        ] {
            assert_eq!(of_seconds(seconds), text, "{seconds}");
        }
        assert_eq!(between(Time(5_000), Time(0)), "<invalid>");
        assert_eq!(between(Time(1_000), Time(0)), "0s");
    }
}
