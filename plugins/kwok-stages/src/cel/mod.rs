//! CEL. Expressions are read by the library's small parser, then rewritten: what depends on the moment becomes a variable, KWOK's methods
//! become functions, and fields of pods and nodes are read as KWOK's typed objects have them.

mod functions;
mod quantity;
mod rewrite;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt};
use cel::common::value::CowVal;
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, Env, Value};
use serde_json::Value as Json;
use stagewright_go_template::duration;
use stagewright_go_template::json::number_text;
use stagewright_go_template::time::Instant;

use self::values::{Moment, Span};

/// Longer expressions are refused: reading them takes stack.
const LONGEST: usize = 4096;

/// A compiled expression.
#[derive(Debug)]
pub struct Program(IdedExpr);

/// The functions that expressions may call.
pub struct Environment(Arc<Env>);

/// An object, and the moment, for expressions.
pub struct Scope<'a> {
    context: Context<'a, 'a>,
}

impl Environment {
    /// The standard functions, and KWOK's.
    ///
    /// # Errors
    /// Never, unless the library itself is broken.
    pub fn new() -> Result<Self, String> {
        let mut env = Env::stdlib();
        functions::add(&mut env).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(env)))
    }

    /// What expressions are run over. `chance` is what `Rand` gives.
    #[must_use]
    pub fn scope(&self, object: &Json, now: Instant, chance: f64) -> Scope<'static> {
        let mut context = Context::with_env(self.0.clone());
        context.add_variable_from_value("self", value(object));
        context.add_variable_as_val("@now", Box::new(Moment(now.0)));
        context.add_variable_from_value("@chance", Value::Float(chance));
        Scope { context }
    }
}

impl Program {
    /// Reads an expression. `is_typed` is for pods and nodes.
    ///
    /// # Errors
    /// If it is no CEL, or calls what is not there; with line and column.
    pub fn compile(source: &str, is_typed: bool) -> Result<Self, String> {
        if source.len() > LONGEST {
            return Err(format!("an expression is longer than {LONGEST} bytes"));
        }
        let parsed = PrattParser::default()
            .enable_optional_syntax(true)
            .parse(source);
        let expr = parsed.map_err(|errors| match errors.errors.first() {
            Some(error) => format!("line {} column {}: {}", error.pos.0, error.pos.1, error.msg),
            None => "cannot be read".to_owned(),
        })?;
        rewrite::check(&expr)?;
        Ok(Self(rewrite::rewrite(expr, is_typed)))
    }

    /// Whether it depends on the moment or on chance.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        rewrite::names(&self.0)
            .iter()
            .any(|name| name.starts_with('@'))
    }

    /// The value as `bool`.
    ///
    /// # Errors
    /// If it fails, or is none.
    pub fn truth(&self, scope: &Scope<'_>) -> Result<bool, String> {
        let value = self.run(scope)?;
        let found = value.downcast_ref::<CelBool>().map(|value| *value.inner());
        found.ok_or_else(|| unsupported("bool", &value))
    }

    /// The value as a whole number, as weights take it.
    ///
    /// # Errors
    /// If it fails, or is none.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float is cut, as Go does"
    )]
    pub fn whole(&self, scope: &Scope<'_>) -> Result<i64, String> {
        let value = self.run(scope)?;
        if let Some(value) = value.downcast_ref::<CelBool>() {
            return Ok(i64::from(*value.inner()));
        }
        if let Some(Span(nanos)) = value.downcast_ref::<Span>() {
            return Ok(*nanos);
        }
        number(&value).map(|number| match number {
            Number::Whole(whole) => whole,
            Number::Float(float) => float as i64,
        })
    }

    /// The value as a duration, or as an instant that something is due at.
    ///
    /// # Errors
    /// If it fails, or is neither.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float is cut, as Go does"
    )]
    pub fn when(&self, scope: &Scope<'_>) -> Result<When, String> {
        let value = self.run(scope)?;
        if let Some(text) = value.downcast_ref::<CelString<'_>>() {
            let nanos = duration::parse(text.inner());
            return nanos
                .map(When::After)
                .ok_or_else(|| format!("{:?} is no duration", text.inner()));
        }
        if let Some(Span(nanos)) = value.downcast_ref::<Span>() {
            return Ok(When::After(*nanos));
        }
        if let Some(Moment(nanos)) = value.downcast_ref::<Moment>() {
            return Ok(When::At(Instant(*nanos)));
        }
        number(&value).map(|number| match number {
            Number::Whole(nanos) => When::After(nanos),
            Number::Float(nanos) => When::After(nanos as i64),
        })
    }

    fn run<'a>(&'a self, scope: &'a Scope<'a>) -> Result<CowVal<'a, 'a>, String> {
        functions::begin();
        Value::resolve_val(&self.0, &scope.context).map_err(|error| error.to_string())
    }

    /// Its fields of the object, for what is read of it.
    #[must_use]
    pub fn reads(&self) -> Vec<String> {
        rewrite::reads(&self.0)
    }
}

/// What a duration expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nanoseconds from the beginning.
    After(i64),
    /// A time.
    At(Instant),
}

enum Number {
    Whole(i64),
    Float(f64),
}

fn number(value: &CowVal<'_, '_>) -> Result<Number, String> {
    if let Some(value) = value.downcast_ref::<CelInt>() {
        return Ok(Number::Whole(*value.inner()));
    }
    if let Some(value) = value.downcast_ref::<CelUInt>() {
        return Ok(Number::Whole(
            i64::try_from(*value.inner()).unwrap_or(i64::MAX),
        ));
    }
    match value.downcast_ref::<CelDouble>() {
        Some(value) => Ok(Number::Float(*value.inner())),
        None => Err(unsupported("number", value)),
    }
}

fn unsupported(wanted: &str, value: &CowVal<'_, '_>) -> String {
    format!("the value is no {wanted} but {}", value.get_type().name())
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number_text(number).parse() {
            Ok(whole) if !number.is_f64() => Value::Int(whole),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, item)| (Key::from(key.as_str()), value(item)));
            let map = Arc::new(entries.collect::<HashMap<_, _>>());
            Value::Map(Map { map })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Json {
        json!({"metadata": {"name": "a", "creationTimestamp": "2006-01-02T15:04:00Z", "labels": {"a": "b"}},
            "spec": {"n": 3, "cpu": "1500m", "f": 1.5, "wait": "10s"}, "status": {"phase": "Running", "list": ["x", "y"]}})
    }

    fn evaluate<T>(
        source: &str,
        is_typed: bool,
        how: fn(&Program, &Scope<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let environment = Environment::new()?;
        let now = Instant::parse("2006-01-02T15:04:05Z").unwrap();
        let scope = environment.scope(&pod(), now, 0.25);
        how(&Program::compile(source, is_typed)?, &scope)
    }

    #[test]
    fn conditions() {
        for (source, expected) in [
            ("self.status.phase == 'Running'", true),
            ("has(self.metadata.deletionTimestamp)", false),
            ("!has(self.spec.volumeName) && self.spec.n > 2", true),
            ("self.status.list.exists(x, x == 'y')", true),
            (
                "'a' in self.metadata.labels && size(self.status.list) == 2",
                true,
            ),
            (
                "self.status.phase.startsWith('Run') && self.status.phase.matches('^R.*g$')",
                true,
            ),
            (
                "Quantity(self.spec.cpu) > Quantity('1') && Quantity('1').Quantity() == Quantity('1000m')",
                true,
            ),
            (
                "Quantity('1') + Quantity('500m') == Quantity('1500m')",
                true,
            ),
            (
                "UnixSecond(timestamp('1970-01-01T00:00:10Z')) == 10.0",
                true,
            ),
            (
                "timestamp(self.metadata.creationTimestamp) + duration('5s') == Now()",
                true,
            ),
            (
                "Now() - timestamp('2006-01-02T15:04:00Z') == duration('5s')",
                true,
            ),
            ("Rand() < 0.5", true),
            ("self.spec.?none.orValue('x') == 'x'", true),
        ] {
            assert_eq!(
                evaluate(source, false, Program::truth),
                Ok(expected),
                "{source}"
            );
        }
    }

    #[test]
    fn pods_and_nodes_are_typed() {
        for (source, expected) in [
            ("self.spec.nodeName == ''", true),
            ("self.spec.hostNetwork", false),
            ("self.SinceSecond() == 5.0 && SinceSecond(self) > 4.0", true),
            ("self.metadata.creationTimestamp.UnixSecond() > 0.0", true),
            ("has(self.status.startTime)", false),
            ("size(self.spec.containers) == 0", true),
        ] {
            assert_eq!(
                evaluate(source, true, Program::truth),
                Ok(expected),
                "{source}"
            );
        }
        assert!(evaluate("self.spec.nodeName == ''", false, Program::truth).is_err());
    }

    #[test]
    fn numbers_and_durations() {
        assert_eq!(evaluate("self.spec.n * 2", false, Program::whole), Ok(6));
        assert_eq!(evaluate("2.9", false, Program::whole), Ok(2));
        assert_eq!(evaluate("true", false, Program::whole), Ok(1));
        assert!(evaluate("'1'", false, Program::whole).is_err());
        assert_eq!(
            evaluate("self.spec.wait", false, Program::when),
            Ok(When::After(10_000_000_000))
        );
        assert_eq!(
            evaluate("duration('1m')", false, Program::when),
            Ok(When::After(60_000_000_000))
        );
        assert_eq!(evaluate("5", false, Program::when), Ok(When::After(5)));
        let at = Instant::parse("2006-01-02T15:04:00Z").unwrap();
        assert_eq!(
            evaluate(
                "timestamp(self.metadata.creationTimestamp)",
                false,
                Program::when
            ),
            Ok(When::At(at))
        );
    }

    #[test]
    fn what_is_refused_and_where() {
        for (source, message) in [
            ("self.", "line 1 column"),
            ("other.x", "other"),
            ("nosuch(self)", "nosuch"),
            ("self.nosuch()", "nosuch"),
        ] {
            let error = Program::compile(source, false).map(|_| ()).unwrap_err();
            assert!(error.contains(message), "{source}: {error}");
        }
        assert!(Program::compile(&"(".repeat(3000), false).is_err());
        assert!(!Program::compile("self.a == 1", false).unwrap().is_timed());
        assert!(
            Program::compile("Now() > self.a", false)
                .unwrap()
                .is_timed()
        );
    }

    #[test]
    fn what_is_read() {
        let program =
            Program::compile("has(self.a.b) && self.c['d'].e == self.l[0].f", false).unwrap();
        assert_eq!(program.reads(), ["/a/b", "/c/d/e", "/l"]);
    }
}
