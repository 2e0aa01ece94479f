//! Sprig's floats, which it reckons as decimals, so that a tenth and two tenths are three tenths.

use stagewright_go_template::function::{Row, arg, int};
use stagewright_go_template::{Ty, Value};

use super::number::to_float;

use Ty::{Any, Float, Int};

/// The functions.
pub const TABLE: &[Row] = &[
    ("add1f", &[Any], None, |args| {
        Ok(reckon(
            &[arg(args, 0).clone(), Value::Int(1)],
            None,
            Decimal::add,
        ))
    }),
    ("addf", &[], Some(Any), |args| {
        Ok(reckon(args, Some(0.0), Decimal::add))
    }),
    ("subf", &[Any], Some(Any), |args| {
        Ok(reckon(args, None, Decimal::sub))
    }),
    ("mulf", &[Any], Some(Any), |args| {
        Ok(reckon(args, None, Decimal::mul))
    }),
    ("divf", &[Any], Some(Any), |args| {
        if args.iter().skip(1).any(|value| to_float(value) == 0.0) {
            return Err("decimal division by 0".to_owned());
        }
        Ok(reckon(args, None, Decimal::div))
    }),
    ("maxf", &[Any], Some(Any), |args| {
        Ok(Value::Float(
            args.iter().map(to_float).fold(f64::NEG_INFINITY, f64::max),
        ))
    }),
    ("minf", &[Any], Some(Any), |args| {
        Ok(Value::Float(
            args.iter().map(to_float).fold(f64::INFINITY, f64::min),
        ))
    }),
    ("ceil", &[Any], None, |args| {
        Ok(Value::Float(to_float(arg(args, 0)).ceil()))
    }),
    ("floor", &[Any], None, |args| {
        Ok(Value::Float(to_float(arg(args, 0)).floor()))
    }),
    ("round", &[Any, Int], Some(Float), round),
];

fn round(args: &[Value]) -> Result<Value, String> {
    let from = match args.get(2) {
        Some(Value::Float(from)) => *from,
        _ => 0.5,
    };
    let places = i32::try_from(int(args, 1)).unwrap_or(0);
    let power = 10_f64.powi(places);
    let digit = power * to_float(arg(args, 0));
    let whole = if digit.fract() >= from {
        digit.ceil()
    } else {
        digit.floor()
    };
    Ok(Value::Float(whole / power))
}

/// A number and the power of ten that it is counted in.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    power: i32,
}

type Step = fn(Decimal, Decimal) -> Option<Decimal>;

/// Where the digits do not suffice, the result is nothing, as for Go's largest numbers it is infinite.
fn reckon(args: &[Value], start: Option<f64>, step: Step) -> Value {
    let mut numbers = start
        .into_iter()
        .chain(args.iter().map(to_float))
        .map(Decimal::of);
    let first = numbers.next().flatten();
    let sum = numbers.fold(first, |sum, number| step(sum?, number?));
    Value::Float(sum.map_or(f64::NAN, Decimal::float))
}

impl Decimal {
    fn of(value: f64) -> Option<Self> {
        let text = format!("{value:e}");
        let (digits, power) = text.split_once('e')?;
        let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
        let power: i32 = power.parse().ok()?;
        Some(Self {
            digits: digits.replace('.', "").parse().ok()?,
            power: power - i32::try_from(behind).ok()?,
        })
    }

    fn float(self) -> f64 {
        format!("{}e{}", self.digits, self.power)
            .parse()
            .unwrap_or(f64::NAN)
    }

    fn at(self, power: i32) -> Option<i128> {
        let ten = 10_i128.checked_pow(u32::try_from(self.power - power).ok()?)?;
        self.digits.checked_mul(ten)
    }

    fn add(self, other: Self) -> Option<Self> {
        let power = self.power.min(other.power);
        let digits = self.at(power)?.checked_add(other.at(power)?)?;
        Some(Self { digits, power })
    }

    fn sub(self, other: Self) -> Option<Self> {
        self.add(Self {
            digits: -other.digits,
            ..other
        })
    }

    fn mul(self, other: Self) -> Option<Self> {
        Some(Self {
            digits: self.digits.checked_mul(other.digits)?,
            power: self.power + other.power,
        })
    }

    /// To sixteen places, half away from zero.
    fn div(self, other: Self) -> Option<Self> {
        const PLACES: i32 = 16;
        let raise = PLACES + self.power - other.power;
        let (top, bottom) = if raise >= 0 {
            let ten = 10_i128.checked_pow(u32::try_from(raise).ok()?)?;
            (self.digits.checked_mul(ten)?, other.digits)
        } else {
            let ten = 10_i128.checked_pow(u32::try_from(-raise).ok()?)?;
            (self.digits, other.digits.checked_mul(ten)?)
        };
        let (mut digits, left) = (top.checked_div(bottom)?, top.checked_rem(bottom)?);
        if left.checked_abs()?.checked_mul(2)? >= bottom.checked_abs()? {
            digits += if (top < 0) == (bottom < 0) { 1 } else { -1 };
        }
        Some(Self {
            digits,
            power: -PLACES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let numbers = |values: &[f64]| values.iter().copied().map(Value::Float).collect::<Vec<_>>();
        for (step, values, expected) in [
            (Decimal::add as Step, [0.1, 0.2], "0.3"),
            (Decimal::sub, [0.3, 0.1], "0.2"),
            (Decimal::mul, [0.1, 3.0], "0.3"),
            (Decimal::div, [1.0, 3.0], "0.3333333333333333"),
            (Decimal::div, [2.0, 3.0], "0.6666666666666667"),
            (Decimal::div, [-1.0, 4.0], "-0.25"),
        ] {
            assert_eq!(reckon(&numbers(&values), None, step).show(), expected);
        }
    }
}
