//! jq. All expressions of all stages are one program: the standard library is read once, and an expression is found by its number.

mod natives;
mod read;
mod ticks;

use std::cell::Cell;
use std::collections::HashSet;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Lut, Vars};
use jaq_json::{Num, Val};
use serde_json::Value as Json;

use self::read::term;
use crate::go::json::number_text;

/// What one expression may do before it counts as endless: values passed from one filter to the next. One that nests with each value,
/// like `repeat`, costs the square of it, and the fuel of a decision must last for the other stages.
const STEPS: u32 = 2_500;
/// The values that programs run on, and what they may spend.
pub(crate) struct Kind;

#[derive(Clone)]
pub(crate) struct Data<'a> {
    lut: &'a Lut<Kind>,
    left: &'a Cell<u32>,
}

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> HasLut<'a, Kind> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

/// The compiled expressions.
pub struct Programs {
    filter: Option<Filter<Kind>>,
}

/// Why an expression gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An error of jq, like an index into a number: KWOK takes it for no value.
    Error,
    /// It went on for too long.
    Endless,
}

/// The expressions so far, for the compiler.
#[derive(Default)]
pub struct Sources {
    texts: Vec<String>,
    library: Option<Library>,
}

/// The library, and the names of all that is there.
struct Library {
    defs: Vec<Def<&'static str>>,
    names: HashSet<(&'static str, usize)>,
}

impl Sources {
    /// Takes an expression; its number is what [`Programs::run`] wants.
    ///
    /// # Errors
    /// If it is no jq: what is wrong, and at which character.
    pub fn add(&mut self, source: &str) -> Result<usize, String> {
        if let Some(known) = self.texts.iter().position(|known| known == source) {
            return Ok(known);
        }
        let library = self.library.get_or_insert_with(|| {
            let defs = natives::library();
            let natives = natives::all().map(|(name, params, _)| (name, params.len()));
            let names = natives
                .chain(defs.iter().map(|def| (def.name, def.args.len())))
                .collect();
            Library { defs, names }
        });
        check(source, &library.names)?;
        self.texts.push(source.to_owned());
        Ok(self.texts.len() - 1)
    }

    /// Compiles them all. Those that the compiler does not take, since they use a variable that is not there, are told, and always fail.
    ///
    /// # Errors
    /// Never, unless the library itself is broken.
    pub fn compile(self) -> Result<(Programs, Vec<(usize, String)>), String> {
        let Some(library) = self.library.filter(|_| !self.texts.is_empty()) else {
            return Ok((Programs { filter: None }, Vec::new()));
        };
        if let Ok(filter) = compile(&self.texts, &library.defs) {
            let filter = Some(filter);
            return Ok((Programs { filter }, Vec::new()));
        }
        let mut texts = self.texts;
        let mut problems = Vec::new();
        for (number, text) in texts.iter_mut().enumerate() {
            if let Err(problem) = compile(std::slice::from_ref(text), &library.defs) {
                problems.push((number, problem));
                *text = "error".to_owned();
            }
        }
        let filter = Some(compile(&texts, &library.defs)?);
        Ok((Programs { filter }, problems))
    }
}

impl Programs {
    /// Runs an expression over an object. Nulls are left out, as KWOK does.
    ///
    /// # Errors
    /// If it fails, or goes on for too long.
    pub fn run(&self, number: usize, input: &Val) -> Result<Vec<Val>, Failure> {
        let Some(filter) = &self.filter else {
            return Err(Failure::Error);
        };
        let left = Cell::new(STEPS);
        let data = Data {
            lut: &filter.lut,
            left: &left,
        };
        let ctx = Ctx::<Kind>::new(data, Vars::new([Val::from(number)]));
        let mut found = Vec::new();
        for value in filter.id.run((ctx, input.clone())) {
            let endless = left.get() == 0 || found.len() > STEPS as usize;
            match value {
                _ if endless => return Err(Failure::Endless),
                Ok(Val::Null) => {}
                Ok(value) => found.push(value),
                Err(_) => return Err(Failure::Error),
            }
        }
        if left.get() == 0 {
            return Err(Failure::Endless);
        }
        Ok(found)
    }
}

/// The object for jq. Whole numbers are whole, however they are written.
#[must_use]
pub fn value(json: &Json) -> Val {
    match json {
        Json::Null => Val::Null,
        Json::Bool(value) => Val::Bool(*value),
        Json::Number(number) => match number_text(number).parse::<i64>() {
            Ok(whole) => Val::Num(Num::from_integral(whole)),
            Err(_) => Val::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Val::from(text.clone()),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, item)| (Val::from(key.clone()), value(item)));
            Val::obj(entries.collect())
        }
    }
}

/// A string's text.
#[must_use]
pub fn text(value: &Val) -> Option<&str> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// A number: whole if it is.
#[must_use]
pub fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Num(_) => value.to_string().parse().ok(),
        _ => None,
    }
}

/// Looks at an expression alone: its syntax, and the names it uses.
fn check(source: &str, known: &HashSet<(&str, usize)>) -> Result<(), String> {
    let term = term(source)?;
    ticks::refuse_recursion(&term)?;
    for (name, arity) in ticks::calls(&term) {
        if let Some(reason) = natives::refused(name) {
            return Err(format!("{name:?} is not available: {reason}"));
        }
        if !known.contains(&(name, arity)) {
            return Err(format!("{name}/{arity} is not defined"));
        }
    }
    Ok(())
}

/// One program of many definitions, and a choice among them by number. Of the library only what is called is compiled.
fn compile(sources: &[String], library: &[Def<&'static str>]) -> Result<Filter<Kind>, String> {
    let names: Vec<String> = (0..sources.len())
        .map(|number| format!("expression{number}"))
        .collect();
    let choice = choice(&names, 0);
    let mut own = Vec::new();
    let mut wanted: HashSet<(&str, usize)> = HashSet::new();
    for (name, source) in names.iter().zip(sources) {
        let body = term(source)?;
        wanted.extend(ticks::calls(&body));
        own.push(Def {
            name: name.as_str(),
            args: Vec::new(),
            body: ticks::counted(body),
        });
    }
    // A definition calls only those before it.
    let mut defs: Vec<Def<&str>> = Vec::new();
    for def in library.iter().rev() {
        if wanted.contains(&(def.name, def.args.len())) {
            wanted.extend(ticks::calls(&def.body));
            defs.push(Def {
                body: ticks::counted(def.body.clone()),
                ..def.clone()
            });
        }
    }
    defs.reverse();
    defs.extend(own);
    let arena = Arena::default();
    let main = File {
        code: choice.as_str(),
        path: (),
    };
    let modules = Loader::new(defs)
        .load(&arena, main)
        .map_err(|_| "the library cannot be read".to_owned())?;
    let compiler = Compiler::default()
        .with_funs(natives::all())
        .with_global_vars(["$number"]);
    compiler.compile(modules).map_err(|errors| {
        let first = errors.iter().flat_map(|(_, errors)| errors).next();
        match first {
            Some((name, undefined)) => format!("undefined {} {name}", undefined.as_str()),
            None => "cannot be compiled".to_owned(),
        }
    })
}

/// A tree of comparisons, so that the hundredth expression costs seven of them.
fn choice(names: &[String], first: usize) -> String {
    match names {
        [] => "empty".to_owned(),
        [name] => name.clone(),
        names => {
            let (low, high) = names.split_at(names.len() / 2);
            let middle = first + low.len();
            format!(
                "if $number < {middle} then {} else {} end",
                choice(low, first),
                choice(high, middle)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(source: &str, input: &Json) -> Result<Vec<String>, String> {
        let mut sources = Sources::default();
        sources.add(".unused")?;
        let number = sources.add(source)?;
        let (programs, problems) = sources.compile()?;
        if let Some((_, problem)) = problems.into_iter().next() {
            return Err(problem);
        }
        let found = programs
            .run(number, &value(input))
            .map_err(|failure| format!("{failure:?}"))?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn expressions() {
        let pod = json!({"metadata": {"annotations": {"a/b": "10s"}}, "status": {"phase": "Running", "n": 2.0, "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
        for (source, expected) in [
            (".status.phase", vec!["\"Running\""]),
            (".status.none", vec![]),
            (".metadata.annotations[\"a/b\"]", vec!["\"10s\""]),
            (
                ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
                vec!["\"True\""],
            ),
            (".status.n", vec!["2"]),
            (".status.conditions | length", vec!["2"]),
            (
                "[.status.conditions[].type] | sort | join(\",\")",
                vec!["\"Other,Ready\""],
            ),
            (".status.phase | test(\"^Run\")", vec!["true"]),
            (
                ".status.phase | sub(\"R(?<x>u)\"; \"\\(.x)!\")",
                vec!["\"u!nning\""],
            ),
            ("\"2006-01-02T15:04:05Z\" | fromdate", vec!["1136214245"]),
            ("@base64 \"\\(.status.phase)\"", vec!["\"UnVubmluZw==\""]),
            ("reduce .status.conditions[] as $c (0; . + 1)", vec!["2"]),
            (
                ".status.phase |= ascii_downcase | .status.phase",
                vec!["\"running\""],
            ),
            (
                "del(.status.conditions | .[0]) | .status.conditions | length",
                vec!["1"],
            ),
            ("def f(x): x + 1; f(1)", vec!["2"]),
            ("16 | sqrt, pow(2; 3)", vec!["4.0", "8.0"]),
        ] {
            assert_eq!(run(source, &pod).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        for (source, message) in [
            (".a |", "expected term"),
            (".a[", "not closed"),
            ("nosuch", "nosuch/0 is not defined"),
            ("env", "not available"),
            ("now", "not available"),
            ("$x", "undefined variable"),
            ("def f: f; f", "calls itself"),
            ("input", "not available"),
        ] {
            let error = run(source, &json!(null)).unwrap_err();
            assert!(error.contains(message), "{source}: {error}");
        }
        let deep = "(".repeat(100_000) + "1" + &")".repeat(100_000);
        assert!(run(&deep, &json!(null)).is_err());
        assert!(run(&format!("{}1", "-".repeat(4000)), &json!(null)).is_err());
    }

    #[test]
    fn what_has_no_end_is_ended() {
        for source in [
            "[range(1e9)] | length",
            "[repeat(1)] | length",
            "last(range(1e9))",
            "def f: range(1e6); [f, f] | length",
            "until(false; .)",
            "[recurse(.)] | length",
            "[range(300) as $a | range(300) as $b | 1] | length",
        ] {
            assert_eq!(run(source, &json!(1)).unwrap_err(), "Endless", "{source}");
        }
        assert_eq!(run(".a.b", &json!({"a": 1})).unwrap_err(), "Error");
    }
}
