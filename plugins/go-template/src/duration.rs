//! Durations as Go reads and writes them: nanoseconds in 64 bits.

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// `time.ParseDuration`: `1h30m`, `-1.5s`, `.5s`, `0`.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0_u64;
    loop {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(end);
        let end = behind
            .find(|char: char| char.is_ascii_digit() || char == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        sum = sum
            .checked_add(part(number, unit)?)
            .filter(|sum| *sum <= 1 << 63)?;
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    match (negative, i64::try_from(sum)) {
        (true, Err(_)) => Some(i64::MIN),
        (true, Ok(nanos)) => Some(-nanos),
        (false, nanos) => nanos.ok(),
    }
}

fn part(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(unit)?;
    if !fraction.is_empty() {
        let digits: f64 = format!("0.{fraction}").parse().ok()?;
        // Go multiplies as floats too, and truncates.
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below one unit"
        )]
        let below = (digits * unit as f64) as u64;
        nanos = nanos.checked_add(below)?;
    }
    Some(nanos)
}

/// `time.Duration.String`: `1h30m0s`, `1.5s`, `2ms`.
#[must_use]
pub fn show(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let text = match size {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", decimal(size, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(size, 1_000_000)),
        _ => {
            let minutes = size / 60_000_000_000;
            let seconds = decimal(size % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

fn decimal(size: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", size / unit, size % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for (text, nanos) in [
            ("0", 0),
            ("10s", 10_000_000_000),
            ("1m1m", 120_000_000_000),
            ("1s1h", 3_601_000_000_000),
            (".5s", 500_000_000),
            ("3.s", 3_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1\u{b5}s", 1_000),
            ("+2ms", 2_000_000),
        ] {
            assert_eq!(parse(text), Some(nanos), "{text}");
            assert_eq!(parse(&show(nanos)), Some(nanos), "{text}");
        }
        for text in [
            "",
            "1",
            "s",
            ".s",
            "1h 2m",
            "PT5S",
            "1d",
            "--1s",
            "9999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(show(5_400_000_000_000), "1h30m0s");
        assert_eq!(show(1_500_000), "1.5ms");
        assert_eq!(show(-90_000_000_000), "-1m30s");
    }
}
