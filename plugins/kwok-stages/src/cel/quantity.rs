//! Kubernetes' quantities: `1500m`, `2Gi`, `1e3`.

/// A quantity in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const ONE: i128 = 1_000_000_000;

impl Quantity {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|char: char| !matches!(char, '0'..='9' | '.' | '+' | '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !sound(whole) || !sound(fraction) {
            return None;
        }
        let (top, bottom) = scale(suffix)?;
        let places = u32::try_from(fraction.len()).ok()?;
        let value: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let top = value.checked_mul(top)?.checked_mul(ONE)?;
        let bottom = bottom.checked_mul(10_i128.checked_pow(places)?)?;
        // What is finer than a billionth is rounded up.
        let size = top / bottom + i128::from(top % bottom != 0);
        Some(Self(if negative { -size } else { size }))
    }

    /// Thousandths, rounded up.
    #[must_use]
    pub fn millis(self) -> i128 {
        let unit = ONE / 1000;
        self.0.div_euclid(unit) + i128::from(self.0.rem_euclid(unit) != 0)
    }

    /// Of thousandths.
    #[must_use]
    pub fn of_millis(millis: i128) -> Self {
        Self(millis.saturating_mul(ONE / 1000))
    }

    /// Of a float, to thousandths.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "as KWOK cuts it")]
    pub fn of_float(value: f64) -> Option<Self> {
        value
            .is_finite()
            .then(|| Self::of_millis((value * 1e3) as i128))
    }

    /// As a float.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a float is what is asked for")]
    pub fn float(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// With the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(-self.0)
    }
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    const TENS: [(&str, i32); 10] = [
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
    const TWOS: [(&str, u32); 6] = [
        ("Ki", 10),
        ("Mi", 20),
        ("Gi", 30),
        ("Ti", 40),
        ("Pi", 50),
        ("Ei", 60),
    ];
    if let Some((_, power)) = TWOS.iter().find(|(name, _)| *name == suffix) {
        return Some((1 << power, 1));
    }
    let power = match TENS.iter().find(|(name, _)| *name == suffix) {
        Some((_, power)) => *power,
        None => suffix.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    let ten = 10_i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, ten) } else { (ten, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, millis) in [
            ("1", 1000),
            ("1500m", 1500),
            ("1Ki", 1_024_000),
            ("1e3", 1_000_000),
            ("0.5", 500),
            ("-1", -1000),
            ("100u", 1),
            ("1.", 1000),
            (".5", 500),
        ] {
            assert_eq!(
                Quantity::parse(text).map(Quantity::millis),
                Some(millis),
                "{text}"
            );
        }
        for text in ["", "x", "1x", "m", "1.2.3", "--1"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
