//! Constants. One number may do as a whole number, one without sign, or a float, as its text allows.

use crate::text;

/// A constant.
#[derive(Debug, Clone)]
pub struct Number {
    /// As it is written.
    pub text: String,
    /// As an integer.
    pub whole: Option<i64>,
    /// As a float.
    pub float: Option<f64>,
    /// What it is where nothing is asked for.
    pub ideal: Ideal,
}

/// What a constant is by its spelling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ideal {
    /// An `int`.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// Too large.
    Overflow,
}

/// Reads a number or a character.
#[must_use]
pub fn parse(text: &str) -> Option<Number> {
    if text.starts_with('\'') {
        let inside = text::unquote(text)?;
        let mut chars = inside.chars();
        let char = chars.next().filter(|_| chars.as_str().is_empty())?;
        let whole = i64::from(u32::from(char));
        return Some(Number {
            text: text.to_owned(),
            whole: Some(whole),
            #[allow(clippy::cast_precision_loss, reason = "a character is small")]
            float: Some(whole as f64),
            ideal: Ideal::Int(whole),
        });
    }
    let (signed, unsigned) = (
        integer(text),
        text.starts_with(|char: char| char != '-')
            .then(|| unsigned(text))
            .flatten(),
    );
    let mut whole = signed;
    #[allow(clippy::cast_precision_loss, reason = "as Go has it")]
    let mut float = signed
        .map(|whole| whole as f64)
        .or(unsigned.map(|whole| whole as f64));
    if float.is_none() {
        // A whole number that is none is no float either.
        let value = text.contains(['.', 'e', 'E']).then(|| real(text))??;
        float = Some(value);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "only where nothing is lost"
        )]
        if whole.is_none() && (value as i64) as f64 == value {
            whole = Some(value as i64);
        }
    }
    let is_hex = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X"));
    let looks_float = !is_hex && text.contains(['.', 'e', 'E', 'p', 'P']);
    let ideal = match (float, whole) {
        (Some(float), _) if looks_float => Ideal::Float(float),
        (_, Some(whole)) => Ideal::Int(whole),
        _ => Ideal::Overflow,
    };
    Some(Number {
        text: text.to_owned(),
        whole,
        float,
        ideal,
    })
}

/// `strconv.ParseInt(text, 0, 64)`.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let size = i128::from(unsigned(digits)?);
    i64::try_from(if negative { -size } else { size }).ok()
}

/// `strconv.ParseUint(text, 0, 64)`, where a plus is not allowed but for ParseInt.
fn unsigned(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let prefixed = radix != 10;
    // An underscore stands between digits, or behind the base's prefix.
    if digits.contains('_') {
        let sound = prefixed && !digits.ends_with('_') && !digits.contains("__");
        if !sound {
            return None;
        }
        return u64::from_str_radix(&digits.replace('_', ""), radix).ok();
    }
    if !digits.starts_with(|char: char| char.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A decimal float. `nan` and the like are names in a template, never numbers.
fn real(text: &str) -> Option<f64> {
    let sound = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = sound.then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, whole, ideal) in [
            ("1", Some(1), Ideal::Int(1)),
            ("-7", Some(-7), Ideal::Int(-7)),
            ("+7", Some(7), Ideal::Int(7)),
            ("0x1F", Some(31), Ideal::Int(31)),
            ("010", Some(8), Ideal::Int(8)),
            ("0b11", Some(3), Ideal::Int(3)),
            ("0o17", Some(15), Ideal::Int(15)),
            ("1e3", Some(1000), Ideal::Float(1000.0)),
            ("1.5", None, Ideal::Float(1.5)),
            (".5", None, Ideal::Float(0.5)),
            ("'a'", Some(97), Ideal::Int(97)),
            ("9223372036854775807", Some(i64::MAX), Ideal::Int(i64::MAX)),
            ("18446744073709551615", None, Ideal::Overflow),
        ] {
            let number = parse(text).unwrap();
            assert_eq!((number.whole, number.ideal), (whole, ideal), "{text}");
        }
        for text in ["", "089", "0x", "1__2", "1x", "'ab'", "."] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
