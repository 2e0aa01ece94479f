//! Instants: `time.Time` in UTC, its layouts, and RFC 3339 as strictly as Go reads it.

use stagewright_plugin::Time;

/// Nanoseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i128);

const SECOND: i128 = 1_000_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The pieces of a layout, the longer before those they begin with.
const PIECES: [&str; 27] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00",
    "Z0700",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "_2",
    "1",
    "2",
    "3",
];

/// An instant's calendar.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    weekday: usize,
    of_year: i64,
}

impl Instant {
    /// The moment of a context.
    #[must_use]
    pub fn from_time(time: Time) -> Self {
        Self(i128::from(time.0) * 1_000_000)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(i128::from(seconds) * SECOND)
    }

    /// In whole milliseconds; a fraction is rounded up, so that nothing is early.
    #[must_use]
    pub fn to_time(self) -> Time {
        let millis = self.0.div_euclid(1_000_000) + i128::from(self.0.rem_euclid(1_000_000) > 0);
        Time(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(SECOND)).unwrap_or(i64::MAX)
    }

    /// `time.RFC3339Nano`: as many digits of fraction as there are.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let whole = Time(self.millis()).to_string();
        let nanos = self.0.rem_euclid(SECOND);
        match whole.strip_suffix('Z') {
            Some(whole) if nanos != 0 => {
                let fraction = format!("{nanos:09}");
                format!("{whole}.{}Z", fraction.trim_end_matches('0'))
            }
            _ => whole,
        }
    }

    /// `time.Time.String`.
    #[must_use]
    pub fn show(self) -> String {
        self.layout("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    /// Reads RFC 3339 as Go does: `T` and `Z` in upper case, any number of digits of fraction.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let digits = |range: std::ops::Range<usize>| -> Option<i64> {
            let text = text.get(range)?;
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if !marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark)) {
            return None;
        }
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        if second > 59 || hour > 23 || minute > 59 {
            return None;
        }
        let (nanos, zone) = fraction(text.get(19..)?)?;
        // The calendar itself is the kit's; it takes what was checked above.
        let whole = Time::parse(&format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        ))?;
        let offset = offset(zone)?;
        let seconds = i128::from(whole.0) / 1000 - i128::from(offset);
        Some(Self(seconds * SECOND + i128::from(nanos)))
    }

    /// Of its whole seconds, as the kit counts.
    fn millis(self) -> i64 {
        let seconds = self.0.div_euclid(SECOND);
        i64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
    }

    fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(SECOND);
        let days = seconds.div_euclid(86_400);
        let of_day = i64::try_from(seconds.rem_euclid(86_400)).unwrap_or(0);
        let millis = self.millis();
        // The kit's calendar, by its text: `2006-01-02T15:04:05Z`.
        let text = Time(millis).to_string();
        let mut date = text
            .split(['-', 'T'])
            .map(|part| part.parse::<i64>().unwrap_or(1));
        let (year, month, day) = (
            date.next().unwrap_or(1970),
            date.next().unwrap_or(1),
            date.next().unwrap_or(1),
        );
        let january = Time::parse(&format!("{year:04}-01-01T00:00:00Z")).map_or(0, |time| time.0);
        Civil {
            year,
            month: usize::try_from(month).unwrap_or(1),
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanos: u32::try_from(self.0.rem_euclid(SECOND)).unwrap_or(0),
            weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
            of_year: (millis - january) / 86_400_000 + 1,
        }
    }

    /// `time.Time.Format` in UTC.
    #[must_use]
    pub fn layout(self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            if let Some((text, behind)) = civil.fraction(rest) {
                out.push_str(&text);
                rest = behind;
                continue;
            }
            let piece = PIECES.iter().find(|piece| rest.starts_with(**piece));
            // `Jan` begins `January`; `Mon` of `Month` is a piece too, as in Go.
            match piece.and_then(|piece| Some((civil.piece(piece)?, rest.get(piece.len()..)?))) {
                Some((text, behind)) => {
                    out.push_str(&text);
                    rest = behind;
                }
                None => {
                    out.push(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        out
    }
}

impl Civil {
    fn piece(&self, piece: &str) -> Option<String> {
        let short = |names: &[&str], at: usize| {
            names
                .get(at)
                .and_then(|name| name.get(..3))
                .map(str::to_owned)
        };
        let half = if self.hour < 12 { "am" } else { "pm" };
        let twelve = (self.hour + 11) % 12 + 1;
        Some(match piece {
            "January" => (*MONTHS.get(self.month - 1)?).to_owned(),
            "Jan" => return short(&MONTHS, self.month - 1),
            "Monday" => (*DAYS.get(self.weekday)?).to_owned(),
            "Mon" => return short(&DAYS, self.weekday),
            "MST" => "UTC".to_owned(),
            "2006" => format!("{:04}", self.year),
            "06" => format!("{:02}", self.year.rem_euclid(100)),
            "01" => format!("{:02}", self.month),
            "1" => self.month.to_string(),
            "002" => format!("{:03}", self.of_year),
            "02" => format!("{:02}", self.day),
            "_2" => format!("{:>2}", self.day),
            "2" => self.day.to_string(),
            "15" => format!("{:02}", self.hour),
            "03" => format!("{twelve:02}"),
            "3" => twelve.to_string(),
            "04" => format!("{:02}", self.minute),
            "05" => format!("{:02}", self.second),
            "PM" => half.to_uppercase(),
            "pm" => half.to_owned(),
            "-07:00:00" => "+00:00:00".to_owned(),
            "-070000" => "+000000".to_owned(),
            "-07:00" => "+00:00".to_owned(),
            "-0700" => "+0000".to_owned(),
            "-07" => "+00".to_owned(),
            "Z07:00" | "Z0700" => "Z".to_owned(),
            _ => return None,
        })
    }

    /// `.000` keeps its digits, `.999` drops trailing zeros. Only where no digit follows.
    fn fraction<'a>(&self, rest: &'a str) -> Option<(String, &'a str)> {
        let mark = rest
            .chars()
            .next()
            .filter(|char| matches!(char, '.' | ','))?;
        let digits = rest.get(1..)?;
        let digit = digits
            .chars()
            .next()
            .filter(|char| matches!(char, '0' | '9'))?;
        let count = digits.chars().take_while(|char| *char == digit).count();
        let behind = digits.get(count..)?;
        if behind.starts_with(|char: char| char.is_ascii_digit()) || count > 9 {
            return None;
        }
        let text = format!("{:09}", self.nanos);
        let text = text.get(..count)?;
        let text = if digit == '9' {
            text.trim_end_matches('0')
        } else {
            text
        };
        let text = if text.is_empty() {
            String::new()
        } else {
            format!("{mark}{text}")
        };
        Some((text, behind))
    }
}

/// The nanoseconds of a fraction, and the zone behind it. Go drops digits past the ninth.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(digits) = text.strip_prefix(['.', ',']) else {
        return Some((0, text));
    };
    let end = digits
        .find(|char: char| !char.is_ascii_digit())
        .filter(|end| *end > 0)?;
    let (digits, zone) = digits.split_at(end);
    let nanos = digits.bytes().chain(*b"000000000").take(9);
    Some((
        nanos.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')),
        zone,
    ))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, limit: i64| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| text.parse().ok())?
            .filter(|number| *number <= limit)
    };
    Some(sign * (number(hours, 24)? * 60 + number(minutes, 60)?) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_as_go_reads() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2006-01-02T15:04:05Z", 1_136_214_245_000_000_000),
            ("2006-01-02T15:04:05.1234567891Z", 1_136_214_245_123_456_789),
            ("2006-01-02T17:04:05+02:00", 1_136_214_245_000_000_000),
        ] {
            assert_eq!(Instant::parse(text), Some(Instant(nanos)), "{text}");
        }
        for text in [
            "",
            "2006-01-02",
            "2006-01-02t15:04:05Z",
            "2006-01-02 15:04:05Z",
            "2006-01-02T15:04Z",
            "2006-01-02T15:04:60Z",
            "2006-02-30T15:04:05Z",
            "2006-01-02T15:04:05",
            "2006-01-02T15:04:05.Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn layouts() {
        let time = Instant(1_136_214_245_120_000_000);
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z"),
            ("Mon, 2 Jan 2006 3:04PM MST", "Mon, 2 Jan 2006 3:04PM UTC"),
            ("Monday January _2 06 002", "Monday January  2 06 002"),
            ("05.000 05.999 05.99", "05.120 05.12 05.12"),
            ("-0700 -07:00", "+0000 +00:00"),
        ] {
            assert_eq!(time.layout(layout), text);
        }
        assert_eq!(time.rfc3339(), "2006-01-02T15:04:05.12Z");
        for nanos in [
            0,
            1_136_214_245_000_000_000,
            -1,
            1,
            1_000_000,
            253_402_300_800_000_000_000,
            -62_135_596_800_000_000_001,
        ] {
            let time = Instant(nanos);
            let as_laid_out = time.layout("2006-01-02T15:04:05.999999999Z07:00");
            assert_eq!(time.rfc3339(), as_laid_out, "{nanos}");
        }
        assert_eq!(time.show(), "2006-01-02 15:04:05.12 +0000 UTC");
    }
}
