//! Calls: arguments are checked by the function's signature, as Go checks them.

use super::Error;
use super::exec::State;
use super::node::Operand;
use super::number::{Ideal, Number};
use crate::Value;
use crate::function::{Body, Function, Ty};

impl State<'_> {
    /// Calls a function; `last` is the value that is piped to it.
    pub(super) fn call(
        &mut self,
        dot: &Value,
        function: &Function,
        words: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let line = self.line;
        let given = words.len() + usize::from(last.is_some());
        let wanted = function.params.len();
        if given < wanted || given > wanted && function.rest.is_none() {
            let least = if function.rest.is_some() {
                "at least "
            } else {
                ""
            };
            return Err(self.error(format!(
                "wrong number of args for {}: want {least}{wanted} got {given}",
                function.name
            )));
        }
        if let Body::And | Body::Or = function.body {
            return self.logic(dot, matches!(function.body, Body::Or), words, last);
        }
        let ty = |at: usize| {
            function
                .params
                .get(at)
                .copied()
                .or(function.rest)
                .unwrap_or(Ty::Any)
        };
        // The calls within are done with theirs by then. After an error nothing of the rendering goes on.
        let begin = self.args.len();
        for (at, word) in words.iter().enumerate() {
            let value = self.arg(dot, ty(at), word)?;
            self.args.push(value);
        }
        if let Some(last) = last {
            let last = ty(words.len()).take(last);
            self.args.push(last.map_err(|message| self.error(message))?);
        }
        self.line = line;
        let args = self.args.get(begin..).unwrap_or_default();
        let result = match function.body {
            Body::Pure(body) => body(args),
            Body::Timed(body) => body(self.around.now(), args),
            Body::World => self.around.call(function.name, args),
            Body::And | Body::Or => Ok(Value::Nil),
        };
        self.args.truncate(begin);
        result.map_err(|message| self.error(format!("error calling {}: {message}", function.name)))
    }

    /// The first argument that decides, or the last one.
    fn logic(
        &mut self,
        dot: &Value,
        is_or: bool,
        words: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let mut value = Value::Nil;
        for word in words {
            value = self.arg(dot, Ty::Any, word)?;
            if value.truth() == is_or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// An argument for a parameter of a type. Constants take the type that is asked for, if they can.
    fn arg(&mut self, dot: &Value, ty: Ty, word: &Operand) -> Result<Value, Error> {
        match (word, ty) {
            (Operand::Nil, Ty::Any) => Ok(Value::Nil),
            (Operand::Nil, Ty::Map) => Ok(Value::map([])),
            (Operand::Nil, _) => Err(self.error(format!("cannot assign nil to {}", ty.name()))),
            (Operand::Bool(_), Ty::Any | Ty::Bool)
            | (Operand::Text(_), Ty::Any | Ty::Text)
            | (Operand::Number(_), Ty::Any) => self.term(dot, word),
            (Operand::Number(number), Ty::Int) => {
                let whole = number.whole.map(Value::Int);
                whole.ok_or_else(|| self.error(format!("expected integer; found {}", number.text)))
            }
            (Operand::Number(number), Ty::Float) => {
                let float = number.float.map(Value::Float);
                float.ok_or_else(|| self.error(format!("expected float; found {}", number.text)))
            }
            (Operand::Bool(_) | Operand::Text(_) | Operand::Number(_), _) => {
                Err(self.error(format!("expected {}", ty.name())))
            }
            _ => {
                let value = self.term(dot, word)?;
                ty.take(value).map_err(|message| self.error(message))
            }
        }
    }

    /// What a constant is where nothing is asked for.
    pub(super) fn ideal(&self, number: &Number) -> Result<Value, Error> {
        match number.ideal {
            Ideal::Int(whole) => Ok(Value::Int(whole)),
            Ideal::Float(float) => Ok(Value::Float(float)),
            Ideal::Overflow => Err(self.error(format!("{} overflows int", number.text))),
        }
    }

    /// A method of a number of the object, or of a time.
    pub(super) fn method(
        &mut self,
        dot: &Value,
        value: &Value,
        name: &str,
        words: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let mut args = Vec::new();
        for word in words {
            args.push(self.arg(dot, Ty::Any, word)?);
        }
        args.extend(last);
        let result = match (value, name, args.as_slice()) {
            (Value::Number(text), "String", []) => Some(Value::Text(text.clone())),
            (Value::Number(text), "Int64", []) => {
                let whole = text.parse().map(Value::Int64);
                Some(whole.map_err(|_| {
                    self.error(format!("error calling Int64: {text:?} is no int64"))
                })?)
            }
            (Value::Number(text), "Float64", []) => text.parse().ok().map(Value::Float),
            (Value::Time(time), "Format", [Value::Text(layout)]) => {
                Some(Value::text(time.layout(layout)))
            }
            (Value::Time(time), "String", []) => Some(Value::text(time.show())),
            (Value::Time(_), "UTC" | "Local", []) => Some(value.clone()),
            (Value::Time(time), "Unix", []) => Some(Value::Int64(time.seconds())),
            (Value::Time(time), "UnixMilli", []) => i64::try_from(time.0.div_euclid(1_000_000))
                .ok()
                .map(Value::Int64),
            (Value::Time(time), "UnixNano", []) => i64::try_from(time.0).ok().map(Value::Int64),
            (Value::Time(time), part, []) => {
                const PARTS: [(&str, &str); 6] = [
                    ("Year", "2006"),
                    ("Day", "2"),
                    ("Hour", "15"),
                    ("Minute", "4"),
                    ("Second", "5"),
                    ("YearDay", "002"),
                ];
                let layout = PARTS
                    .iter()
                    .find(|(name, _)| *name == part)
                    .map(|(_, layout)| *layout);
                layout
                    .and_then(|layout| time.layout(layout).parse().ok())
                    .map(Value::Int)
            }
            _ => None,
        };
        result.ok_or_else(|| self.error(missing_field(name, value)))
    }
}

pub(super) fn missing_field(name: &str, value: &Value) -> String {
    format!("can't evaluate field {name} in type {}", value.type_name())
}
