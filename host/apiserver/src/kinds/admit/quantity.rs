//! `resource.Quantity`: numbers with units (apimachinery, `pkg/api/resource`).

use std::cmp::Ordering;

use serde_json::Value;

/// Billionths in one; what is finer is rounded up.
const NANOS: i128 = 1_000_000_000;

/// Decimal suffixes with their powers of ten.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// Binary suffixes with their powers of two.
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// How a number was written, and is written again.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// The value in billionths, and how it is written.
fn parse(text: &str) -> Result<(i128, Format), &'static str> {
    const FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    const SUFFIX: &str = "unable to parse quantity's suffix";
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(FORM);
    }
    let (format, exponent, shift) = match unit(suffix) {
        Some(unit) => unit,
        None if has_form(suffix) => return Err(SUFFIX),
        None => return Err(FORM),
    };
    let mut value: i128 = 0;
    for digit in whole
        .chars()
        .chain(fraction.chars())
        .filter_map(|digit| digit.to_digit(10))
    {
        value = value.saturating_mul(10).saturating_add(i128::from(digit));
    }
    let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let value = scale(
        value.saturating_mul(1_i128 << shift),
        exponent.saturating_add(9).saturating_sub(places),
    );
    let value = if text.starts_with('-') { -value } else { value };
    Ok((value, format))
}

/// Whether the suffix looks like one: letters of suffixes, then perhaps a number.
fn has_form(suffix: &str) -> bool {
    let number = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn unit(suffix: &str) -> Option<(Format, i32, u32)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Format::Decimal, *power, 0));
    }
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Format::Binary, 0, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Format::Exponent, exponent.parse().ok()?, 0))
}

/// Times a power of ten; what does not come out even is rounded away from zero, as the real type does.
fn scale(value: i128, power: i32) -> i128 {
    if power >= 0 {
        let factor = 10_i128.checked_pow(power.unsigned_abs());
        return factor.map_or(i128::MAX, |factor| value.saturating_mul(factor));
    }
    match 10_i128.checked_pow(power.unsigned_abs()) {
        Some(factor) => value / factor + i128::from(value % factor != 0),
        None => i128::from(value != 0),
    }
}

/// The canonical text of a quantity.
///
/// # Errors
/// The real decoder's words.
pub(super) fn canonical(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let (nanos, format) = parse(&text)?;
    Ok(write(nanos, format))
}

fn write(nanos: i128, format: Format) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    // A binary quantity is written so if it is whole and not small.
    if format == Format::Binary && nanos % NANOS == 0 && (nanos / NANOS).abs() >= 1024 {
        let mut value = nanos / NANOS;
        let mut suffix = "";
        for (name, _) in BINARY {
            if value % 1024 != 0 {
                break;
            }
            value /= 1024;
            suffix = name;
        }
        return format!("{value}{suffix}");
    }
    let (mut value, mut power) = (nanos, -9);
    while power < 18 && value % 1000 == 0 {
        value /= 1000;
        power += 3;
    }
    let suffix = DECIMAL.iter().find(|(_, known)| *known == power);
    match (format, suffix) {
        (Format::Exponent, _) if power != 0 => format!("{value}e{power}"),
        (_, Some((name, _))) => format!("{value}{name}"),
        _ => value.to_string(),
    }
}

/// Compares two quantities; what is none is zero.
pub(super) fn compare(one: &Value, other: &Value) -> Ordering {
    nanos(one).cmp(&nanos(other))
}

/// Whether a quantity is a whole number.
pub(super) fn is_whole(value: &Value) -> bool {
    nanos(value) % NANOS == 0
}

/// The value in billionths; zero for what is no quantity.
pub(super) fn nanos(value: &Value) -> i128 {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    parse(&text).map_or(0, |(nanos, _)| nanos)
}
