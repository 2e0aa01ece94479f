//! Sprig's dates. There is one time zone: UTC.

use stagewright_go_template::function::{Row, arg, text};
use stagewright_go_template::time::Instant;
use stagewright_go_template::{Body, Function, Ty, Value, duration};

use Ty::{Any, Text, Time};

type Timed = fn(Instant, &[Value]) -> Result<Value, String>;

const fn timed(name: &'static str, params: &'static [Ty], function: Timed) -> Function {
    Function {
        name,
        params,
        rest: None,
        body: Body::Timed(function),
    }
}

/// What takes the moment where no date is given.
pub const TIMED: &[Function] = &[
    timed("date", &[Text, Any], |now, args| {
        format(text(args, 0), now, arg(args, 1), "Local")
    }),
    timed("dateInZone", &[Text, Any, Text], |now, args| {
        format(text(args, 0), now, arg(args, 1), text(args, 2))
    }),
    timed("date_in_zone", &[Text, Any, Text], |now, args| {
        format(text(args, 0), now, arg(args, 1), text(args, 2))
    }),
    timed("htmlDate", &[Any], |now, args| {
        format("2006-01-02", now, arg(args, 0), "Local")
    }),
    timed("htmlDateInZone", &[Any, Text], |now, args| {
        format("2006-01-02", now, arg(args, 0), text(args, 1))
    }),
    timed("ago", &[Any], |now, args| {
        let nanos = now.0 - instant(now, arg(args, 0)).0;
        let seconds = (nanos + 500_000_000).div_euclid(1_000_000_000);
        let nanos = i64::try_from(seconds * 1_000_000_000).unwrap_or(i64::MAX);
        Ok(Value::text(duration::show(nanos)))
    }),
    timed("durationRound", &[Any], |now, args| {
        Ok(Value::text(rounded(now, arg(args, 0))))
    }),
];

/// The rest.
pub const TABLE: &[Row] = &[
    ("dateModify", &[Text, Time], None, |args| {
        Ok(modified(args).unwrap_or_else(|| arg(args, 1).clone()))
    }),
    ("date_modify", &[Text, Time], None, |args| {
        Ok(modified(args).unwrap_or_else(|| arg(args, 1).clone()))
    }),
    ("mustDateModify", &[Text, Time], None, must_modify),
    ("must_date_modify", &[Text, Time], None, must_modify),
    ("unixEpoch", &[Time], None, |args| match arg(args, 0) {
        Value::Time(time) => Ok(Value::text(time.seconds().to_string())),
        other => Err(format!("{} is no time", other.type_name())),
    }),
    ("duration", &[Any], None, |args| {
        let seconds = match arg(args, 0) {
            Value::Text(text) => text.parse().unwrap_or(0),
            Value::Int64(seconds) => *seconds,
            _ => 0_i64,
        };
        Ok(Value::text(duration::show(
            seconds.wrapping_mul(1_000_000_000),
        )))
    }),
    ("toDate", &[Text, Text], None, |args| {
        // Go's zero time is the first of January of the year 1.
        let zero = Instant(-62_135_596_800 * 1_000_000_000);
        Ok(Value::Time(
            read(text(args, 0), text(args, 1)).unwrap_or(zero),
        ))
    }),
    ("mustToDate", &[Text, Text], None, |args| {
        let time = read(text(args, 0), text(args, 1));
        time.map(Value::Time).ok_or_else(|| {
            format!(
                "{:?} is no date of the layout {:?}",
                text(args, 1),
                text(args, 0)
            )
        })
    }),
];

fn instant(now: Instant, value: &Value) -> Instant {
    match value {
        Value::Time(time) => *time,
        Value::Int(seconds) | Value::Int64(seconds) => Instant::from_seconds(*seconds),
        _ => now,
    }
}

fn format(layout: &str, now: Instant, value: &Value, zone: &str) -> Result<Value, String> {
    if !matches!(zone, "" | "UTC" | "Local") {
        return Err(format!(
            "time zone {zone:?}: there is no table of time zones; write \"UTC\""
        ));
    }
    Ok(Value::text(instant(now, value).layout(layout)))
}

fn modified(args: &[Value]) -> Option<Value> {
    let nanos = duration::parse(text(args, 0))?;
    match arg(args, 1) {
        Value::Time(time) => Some(Value::Time(Instant(time.0 + i128::from(nanos)))),
        _ => None,
    }
}

fn must_modify(args: &[Value]) -> Result<Value, String> {
    modified(args).ok_or_else(|| format!("invalid duration {:?}", text(args, 0)))
}

fn rounded(now: Instant, value: &Value) -> String {
    let nanos = match value {
        Value::Text(text) => duration::parse(text).unwrap_or(0),
        Value::Int64(nanos) => *nanos,
        Value::Time(time) => i64::try_from(now.0 - time.0).unwrap_or(i64::MAX),
        _ => 0,
    };
    let seconds = nanos.unsigned_abs() / 1_000_000_000;
    let exact = nanos.unsigned_abs() % 1_000_000_000 == 0;
    const UNITS: [(u64, &str); 6] = [
        (365 * 86_400, "y"),
        (30 * 86_400, "mo"),
        (86_400, "d"),
        (3600, "h"),
        (60, "m"),
        (1, "s"),
    ];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| seconds > *unit || seconds == *unit && !exact);
    unit.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", seconds / unit),
    )
}

/// Reads a date by a layout of digits: what is not one of its pieces must stand there as it is.
fn read(layout: &str, content: &str) -> Option<Instant> {
    const PIECES: [(&str, usize); 12] = [
        ("2006", 0),
        ("01", 1),
        ("02", 2),
        ("15", 3),
        ("04", 4),
        ("05", 5),
        ("1", 1),
        ("2", 2),
        ("3", 3),
        ("4", 4),
        ("5", 5),
        ("Z07:00", 6),
    ];
    let (mut layout, mut rest) = (layout, content);
    let mut parts = [0_i64, 1, 1, 0, 0, 0];
    let mut zone = "Z".to_owned();
    while !layout.is_empty() {
        if let Some((piece, place)) = PIECES.iter().find(|(piece, _)| layout.starts_with(piece)) {
            layout = layout.get(piece.len()..)?;
            if *place == 6 {
                let length = if rest.starts_with('Z') { 1 } else { 6 };
                zone = rest.get(..length)?.to_owned();
                rest = rest.get(length..)?;
                continue;
            }
            let most = if *place == 0 { 4 } else { 2 };
            let digits = rest
                .bytes()
                .take(most)
                .take_while(u8::is_ascii_digit)
                .count();
            if digits == 0 || piece.len() > 1 && digits != piece.len() {
                return None;
            }
            *parts.get_mut(*place)? = rest.get(..digits)?.parse().ok()?;
            rest = rest.get(digits..)?;
        } else {
            let char = layout.chars().next()?;
            layout = layout.get(char.len_utf8()..)?;
            rest = rest.strip_prefix(char)?;
        }
    }
    let [year, month, day, hour, minute, second] = parts;
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}");
    rest.is_empty().then(|| Instant::parse(&text))?
}
