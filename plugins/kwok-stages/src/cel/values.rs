//! CEL values beside the library's own: durations and times without its calendar, and KWOK's quantities.

use std::any::Any;
use std::cmp::Ordering;

use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Divider, Multiplier, Negator, Subtractor};
use cel::common::types::{CelDouble, CelInt, CelUInt, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use super::quantity::Quantity;

/// A duration in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);
/// A time, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i128);

pub static SPAN: Type = Type::new_unspecified_type("google.protobuf.Duration");
pub static MOMENT: Type = Type::new_unspecified_type("google.protobuf.Timestamp");
pub static QUANTITY: Type = Type::new_unspecified_type("kubernetes.Quantity");

type Result<'b, 'v> = std::result::Result<CowVal<'b, 'v>, ExecutionError>;

fn mismatch(operator: &str, left: &dyn Val, right: &dyn Val) -> ExecutionError {
    let types = [left, right].map(|value| value.get_type().name().to_owned());
    ExecutionError::no_such_overload(operator, types.to_vec())
}

fn overflow(operator: &str) -> ExecutionError {
    ExecutionError::function_error(operator, "the result is out of range")
}

macro_rules! value {
    ($name:ty, $type:ident; $($accessor:ident -> $capability:ident),*) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$type
            }
            fn cel_type() -> &'static Type {
                &$type
            }
            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>().is_some_and(|other| self == other)
            }
            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(*self)
            }
            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
            fn as_comparer(&self) -> Option<&dyn Comparer> {
                Some(self)
            }
            $(fn $accessor<'b, 'v>(&'b self) -> Option<&'b (dyn $capability + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            })*
        }
        impl StaticVal for $name {}
        impl Comparer for $name {
            fn compare(&self, other: &dyn Val) -> std::result::Result<Ordering, ExecutionError> {
                match other.downcast_ref::<Self>() {
                    Some(other) => Ok(self.cmp(other)),
                    None => Err(mismatch("_<_", self, other)),
                }
            }
        }
    };
}

value!(Span, SPAN; as_adder -> Adder, as_subtractor -> Subtractor);
value!(Moment, MOMENT; as_adder -> Adder, as_subtractor -> Subtractor);
value!(Quantity, QUANTITY; as_adder -> Adder, as_subtractor -> Subtractor, as_multiplier -> Multiplier, as_divider -> Divider,
    as_negator -> Negator);

macro_rules! operator {
    ($name:ty, $capability:ident, $method:ident, $sign:literal, |$left:ident, $right:ident| $body:expr) => {
        impl $capability for $name {
            fn $method<'b, 'v>(&'b self, right: &(dyn Val + 'v)) -> Result<'b, 'v>
            where
                Self: 'v,
            {
                let $left = self;
                let $right = right;
                let found: Option<Option<Box<dyn Val + 'v>>> = $body;
                match found {
                    Some(Some(value)) => Ok(CowVal::Owned(value)),
                    Some(None) => Err(overflow($sign)),
                    None => Err(mismatch($sign, self, right)),
                }
            }
        }
    };
}

fn boxed<'v, T: Val + 'static>(value: Option<T>) -> Option<Box<dyn Val + 'v>> {
    value.map(|value| Box::new(value) as Box<dyn Val + 'v>)
}

operator!(Span, Adder, add, "_+_", |left, right| {
    let span = right
        .downcast_ref::<Span>()
        .map(|right| boxed(left.0.checked_add(right.0).map(Span)));
    span.or_else(|| {
        right
            .downcast_ref::<Moment>()
            .map(|right| boxed(Some(Moment(right.0 + i128::from(left.0)))))
    })
});
operator!(Span, Subtractor, sub, "_-_", |left, right| {
    right
        .downcast_ref::<Span>()
        .map(|right| boxed(left.0.checked_sub(right.0).map(Span)))
});
operator!(Moment, Adder, add, "_+_", |left, right| {
    right
        .downcast_ref::<Span>()
        .map(|right| boxed(Some(Moment(left.0 + i128::from(right.0)))))
});
operator!(Moment, Subtractor, sub, "_-_", |left, right| {
    let span = right
        .downcast_ref::<Moment>()
        .map(|right| boxed(i64::try_from(left.0 - right.0).ok().map(Span)));
    span.or_else(|| {
        right
            .downcast_ref::<Span>()
            .map(|right| boxed(Some(Moment(left.0 - i128::from(right.0)))))
    })
});
operator!(Quantity, Adder, add, "_+_", |left, right| {
    right
        .downcast_ref::<Quantity>()
        .map(|right| boxed(left.plus(*right)))
});
operator!(Quantity, Subtractor, sub, "_-_", |left, right| {
    right
        .downcast_ref::<Quantity>()
        .map(|right| boxed(left.plus(right.negated())))
});
operator!(Quantity, Multiplier, mul, "_*_", |left, right| {
    whole(right)
        .map(|by| boxed(left.millis().checked_mul(by).map(Quantity::of_millis)))
        .or_else(|| {
            right
                .downcast_ref::<CelDouble>()
                .map(|by| boxed(Quantity::of_float(left.float() * by.inner())))
        })
});
operator!(Quantity, Divider, div, "_/_", |left, right| {
    whole(right)
        .map(|by| boxed(left.millis().checked_div(by).map(Quantity::of_millis)))
        .or_else(|| {
            right
                .downcast_ref::<CelDouble>()
                .map(|by| boxed(Quantity::of_float(left.float() / by.inner())))
        })
});

fn whole(value: &dyn Val) -> Option<i128> {
    let int = value
        .downcast_ref::<CelInt>()
        .map(|value| i128::from(*value.inner()));
    int.or_else(|| {
        value
            .downcast_ref::<CelUInt>()
            .map(|value| i128::from(*value.inner()))
    })
}

impl Negator for Quantity {
    fn negate<'v>(&self) -> std::result::Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(Box::new(self.negated()))
    }
}
