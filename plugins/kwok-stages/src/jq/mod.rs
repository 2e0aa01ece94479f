//! jq. An expression that is a [`Path`] is answered from the object. All others of all stages are one program: the standard
//! library is read once, and an expression is found by its number.

mod natives;
mod path;
mod read;
#[cfg(test)]
mod tests;
mod ticks;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashSet;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Lut, Vars};
use jaq_json::{Num, Val};
use serde_json::Value as Json;
use stagewright_go_template::json::number_text;

pub use self::path::{Names, Path};
use self::read::term;

/// What one expression may do before it counts as endless: values passed from one filter to the next. One that nests with each value,
/// like `repeat`, costs the square of it, and the fuel of a decision must last for the other stages.
const STEPS: u32 = 2_000;
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
    expressions: Vec<Expression>,
    filter: Option<Filter<Kind>>,
}

/// How an expression is answered.
enum Expression {
    /// From the object.
    Path(Path),
    /// By the program of this number.
    Program(usize),
}

/// An object that expressions are asked about, and what they gave: each is run once, however many stages ask.
pub struct Input<'a> {
    object: &'a Json,
    value: OnceCell<Val>,
    answers: Vec<OnceCell<Result<Vec<Found<'a>>, Failure>>>,
}

/// A value that an expression gave, as far as stages look at it.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
    /// Something else.
    Other,
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
    paths: Vec<Option<Path>>,
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
        let path = Path::of(&term(source)?);
        if path.is_none() {
            self.check(source)?;
        }
        self.texts.push(source.to_owned());
        self.paths.push(path);
        Ok(self.texts.len() - 1)
    }

    fn check(&mut self, source: &str) -> Result<(), String> {
        let library = self.library.get_or_insert_with(|| {
            let defs = natives::library();
            let natives = natives::all().map(|(name, params, _)| (name, params.len()));
            let names = natives
                .chain(defs.iter().map(|def| (def.name, def.args.len())))
                .collect();
            Library { defs, names }
        });
        check(source, &library.names)
    }

    /// Compiles them all. Those that the compiler does not take, since they use a variable that is not there, are told, and always fail.
    ///
    /// # Errors
    /// Never, unless the library itself is broken.
    pub fn compile(self) -> Result<(Programs, Vec<(usize, String)>), String> {
        let mut texts = Vec::new();
        let mut places = Vec::new();
        let mut expressions = Vec::new();
        for (place, (text, path)) in self.texts.into_iter().zip(self.paths).enumerate() {
            expressions.push(match path {
                Some(path) => Expression::Path(path),
                None => {
                    texts.push(text);
                    places.push(place);
                    Expression::Program(texts.len() - 1)
                }
            });
        }
        let mut problems = Vec::new();
        let filter = match self.library {
            Some(library) if !texts.is_empty() => {
                Some(compile_each(&mut texts, &library.defs, &mut problems)?)
            }
            _ => None,
        };
        let told = problems
            .into_iter()
            .filter_map(|(number, problem)| Some((*places.get(number)?, problem)));
        let told = told.collect();
        Ok((
            Programs {
                expressions,
                filter,
            },
            told,
        ))
    }
}

/// Compiles all that can be, and tells what cannot.
fn compile_each(
    texts: &mut [String],
    library: &[Def<&'static str>],
    problems: &mut Vec<(usize, String)>,
) -> Result<Filter<Kind>, String> {
    if let Ok(filter) = compile(texts, library) {
        return Ok(filter);
    }
    for (number, text) in texts.iter_mut().enumerate() {
        if let Err(problem) = compile(std::slice::from_ref(text), library) {
            problems.push((number, problem));
            *text = "error".to_owned();
        }
    }
    compile(texts, library)
}

impl Programs {
    /// The names that an expression goes down, if it does nothing else.
    #[must_use]
    pub fn names(&self, number: usize) -> Option<&Names> {
        match self.expressions.get(number)? {
            Expression::Path(path) => path.names(),
            Expression::Program(_) => None,
        }
    }

    /// An object to ask about.
    #[must_use]
    pub fn input<'a>(&self, object: &'a Json) -> Input<'a> {
        let answers = self.expressions.iter().map(|_| OnceCell::new());
        Input {
            object,
            value: OnceCell::new(),
            answers: answers.collect(),
        }
    }

    /// What an expression gives for an object. Nulls are left out, as KWOK does.
    ///
    /// # Errors
    /// If it fails, or goes on for too long.
    pub fn run<'i>(&self, number: usize, input: &'i Input<'_>) -> Result<&'i [Found<'i>], Failure> {
        let answer = input.answers.get(number).ok_or(Failure::Error)?;
        let answer = answer.get_or_init(|| match self.expressions.get(number) {
            Some(Expression::Path(path)) => {
                let found = path.find(input.object)?.into_iter();
                let found = found.filter(|value| !value.is_null());
                Ok(found.map(Found::from).collect())
            }
            Some(Expression::Program(number)) => {
                let value = input.value.get_or_init(|| value(input.object));
                Ok(self
                    .calculate(*number, value)?
                    .iter()
                    .map(Found::from)
                    .collect())
            }
            None => Err(Failure::Error),
        });
        answer.as_deref().map_err(|failure| *failure)
    }

    fn calculate(&self, number: usize, input: &Val) -> Result<Vec<Val>, Failure> {
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

impl<'a> From<&'a Json> for Found<'a> {
    fn from(value: &'a Json) -> Self {
        match value {
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Number(number) => number.as_f64().map_or(Self::Other, Self::Number),
            Json::Bool(value) => Self::Bool(*value),
            _ => Self::Other,
        }
    }
}

impl From<&Val> for Found<'_> {
    fn from(value: &Val) -> Self {
        match (text(value), number(value), value) {
            (Some(text), _, _) => Self::Text(text.to_owned().into()),
            (_, Some(number), _) => Self::Number(number),
            (_, _, Val::Bool(value)) => Self::Bool(*value),
            _ => Self::Other,
        }
    }
}

/// A string's text.
fn text(value: &Val) -> Option<&str> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// A number: whole if it is.
fn number(value: &Val) -> Option<f64> {
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
