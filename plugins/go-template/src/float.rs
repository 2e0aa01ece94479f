//! Floats as Go writes them: `strconv.FormatFloat`.

/// `'g'` with the fewest digits that read back as the same number, which is what `%v` prints.
#[must_use]
pub fn shortest(value: f64) -> String {
    general(value, None, 6)
}

/// The same, with an exponent only from ten to the power `above` on.
#[must_use]
pub fn shortest_above(value: f64, above: i32) -> String {
    general(value, None, above)
}

/// `'e'`, with the digits behind the point.
#[must_use]
pub fn scientific(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.precision$e}"),
        None => format!("{value:e}"),
    };
    let Some((digits, exponent)) = text.split_once('e') else {
        return special(value).unwrap_or(text);
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `'f'`, with the digits behind the point.
#[must_use]
pub fn fixed(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    match precision {
        Some(precision) => format!("{value:.precision$}"),
        None => format!("{value}"),
    }
}

/// `'g'`: the significant digits, or as few as do; an exponent below -4, and from `above` on if digits are not given.
#[must_use]
pub fn general(value: f64, precision: Option<usize>, above: i32) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    let precision = precision.map(|precision| precision.max(1));
    let text = match precision {
        Some(precision) => format!("{value:.*e}", precision - 1),
        None => format!("{value:e}"),
    };
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    let count =
        i32::try_from(digits.bytes().filter(u8::is_ascii_digit).count()).unwrap_or(i32::MAX);
    let limit = match precision.and_then(|precision| i32::try_from(precision).ok()) {
        // As Go has it: digits that nobody wrote do not keep the exponent away.
        Some(precision) if precision > count && count > exponent => count,
        Some(precision) => precision,
        None => above,
    };
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let behind = usize::try_from((count - 1 - exponent).max(0)).unwrap_or(0);
    format!("{value:.behind$}")
}

/// As `encoding/json` writes it.
#[must_use]
pub fn json(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = scientific(value, None);
        // One digit is enough for a negative exponent of one digit.
        return match text.split_once("e-0") {
            Some((digits, exponent)) => format!("{digits}e-{exponent}"),
            None => text,
        };
    }
    format!("{value}")
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        return Some("NaN".to_owned());
    }
    let text = if value > 0.0 { "+Inf" } else { "-Inf" };
    value.is_infinite().then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(shortest(value), text);
        }
        assert_eq!(general(1_234_567.0, Some(3), 6), "1.23e+06");
        assert_eq!(general(100.0, Some(3), 6), "100");
        assert_eq!(general(1000.0, Some(3), 6), "1e+03");
        assert_eq!(general(0.5, Some(6), 6), "0.5");
        assert_eq!(scientific(1234.5, Some(2)), "1.23e+03");
        assert_eq!(fixed(2.5, Some(0)), "2");
        assert_eq!(json(1e21), "1e+21");
        assert_eq!(json(1e-7), "1e-7");
        assert_eq!(json(1e20), "100000000000000000000");
    }
}
