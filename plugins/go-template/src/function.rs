//! What a function of templates is. Each has a signature, since Go checks arguments by it: a number of the object is no `string`, and
//! the `int64` of sprig's arithmetic is no `int`.

use crate::time::Instant;
use crate::{Elem, Value};

/// A type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    /// `interface {}`.
    Any,
    /// `string`.
    Text,
    /// `int`.
    Int,
    /// `bool`.
    Bool,
    /// `float64`.
    Float,
    /// `map[string]interface {}`.
    Map,
    /// `time.Time`.
    Time,
}

/// What a function does with its arguments.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// Nothing but them counts.
    Pure(fn(&[Value]) -> Result<Value, String>),
    /// The moment counts too.
    Timed(fn(Instant, &[Value]) -> Result<Value, String>),
    /// Only the world around a template knows, which is asked by the function's name.
    World,
    /// `and`: arguments are looked at only as far as needed.
    And,
    /// `or`.
    Or,
}

/// The world around a template.
pub trait Surroundings {
    /// The moment.
    fn now(&self) -> Instant;

    /// Answers a call of a function by its name.
    ///
    /// # Errors
    /// If the arguments are wrong, or the answer is not known.
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String>;
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Ty],
    /// The type of those that follow, if any may.
    pub rest: Option<Ty>,
    /// What it does.
    pub body: Body,
}

type Pure = fn(&[Value]) -> Result<Value, String>;

/// A pure function in a table: its name, its parameters, the type of those that follow, and what it does.
pub type Row = (&'static str, &'static [Ty], Option<Ty>, Pure);

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// A function.
    Function(Function),
    /// One that a template elsewhere may call, and none here, and why.
    Refused(&'static str),
    /// None.
    Unknown,
}

impl Ty {
    /// As Go writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Float => "float64",
            Self::Map => "map[string]interface {}",
            Self::Time => "time.Time",
        }
    }

    /// Takes a value for a parameter of this type.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn take(self, value: Value) -> Result<Value, String> {
        let fits = match (self, &value) {
            (Self::Any, Value::Missing) => return Ok(Value::Nil),
            (Self::Map, Value::Missing) => return Ok(Value::map([])),
            (_, Value::Missing) => return Err(format!("invalid value; expected {}", self.name())),
            (Self::Any, _)
            | (Self::Text, Value::Text(_))
            | (Self::Int, Value::Int(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Float, Value::Float(_))
            | (Self::Time, Value::Time(_)) => true,
            (Self::Map, Value::Map(map)) => map.elem == Elem::Any,
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        Err(format!(
            "wrong type for value; expected {}; got {}",
            self.name(),
            value.type_name()
        ))
    }
}

// What the signature has checked is taken by place.

/// The argument at a place; nil if there is none.
#[must_use]
pub fn arg(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

/// The text there.
#[must_use]
pub fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_text).unwrap_or_default()
}

/// The whole number there.
#[must_use]
pub fn int(args: &[Value], at: usize) -> i64 {
    args.get(at).and_then(Value::whole).unwrap_or_default()
}
