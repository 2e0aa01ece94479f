//! The functions of templates: Go's own, KWOK's, and sprig's pure ones. Each has a signature, since Go checks arguments by it: a number
//! of the object is no `string`, and the `int64` of sprig's arithmetic is no `int`.

mod builtin;
mod cases;
mod codec;
mod date;
mod kwok;
mod list;
mod map;
mod math;
mod number;
mod path;
mod regex;
mod semver;
mod strings;
mod url;

use crate::go::time::Instant;
use crate::go::{Elem, Value};

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
    /// It asks the world around.
    Outer(Outer),
    /// `and`: arguments are looked at only as far as needed.
    And,
    /// `or`.
    Or,
}

/// What only the world around a template knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outer {
    /// The moment, as RFC 3339.
    Now,
    /// The moment, as sprig has it.
    SprigNow,
    /// When the process began.
    StartTime,
    /// The program's version.
    Version,
    /// The node's address.
    NodeIp,
    /// The node's name in its network.
    NodeName,
    /// Where the kubelet answers.
    NodePort,
    /// The pod's address.
    PodIp,
    /// The address of a node by name.
    NodeIpWith,
    /// Its addresses.
    NodeIpsWith,
    /// The address of a pod on a node.
    PodIpWith,
    /// Its addresses.
    PodIpsWith,
}

/// The world around a template.
pub trait Surroundings {
    /// The moment.
    fn now(&self) -> Instant;

    /// Answers a call.
    ///
    /// # Errors
    /// If the arguments are wrong, or the answer is not known.
    fn call(&self, function: Outer, args: &[Value]) -> Result<Value, String>;
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

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// A function.
    Function(Function),
    /// One that KWOK has and this plugin never gives, and why.
    Refused(&'static str),
    /// None.
    Unknown,
}

type Pure = fn(&[Value]) -> Result<Value, String>;
type Row = (&'static str, &'static [Ty], Option<Ty>, Pure);

/// Sprig's functions that cannot be: names, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["env", "expandenv"],
        "it reads the environment of the process, and a sandbox has none",
    ),
    (
        &["getHostByName"],
        "it asks the network, and a sandbox has none",
    ),
    (
        &[
            "randAlphaNum",
            "randAlpha",
            "randAscii",
            "randNumeric",
            "randBytes",
            "randInt",
            "shuffle",
            "uuidv4",
        ],
        "it is random: a repeated play would write something else each time",
    ),
    (
        &[
            "bcrypt",
            "htpasswd",
            "genPrivateKey",
            "derivePassword",
            "buildCustomCert",
            "genCA",
            "genCAWithKey",
            "genSelfSignedCert",
            "genSelfSignedCertWithKey",
            "genSignedCert",
            "genSignedCertWithKey",
            "encryptAES",
            "decryptAES",
        ],
        "it makes or uses keys",
    ),
];

/// The pure ones. A name that stands in several tables is the first one's.
const TABLES: [&[Row]; 14] = [
    kwok::TABLE,
    list::TABLE,
    map::TABLE,
    number::TABLE,
    math::TABLE,
    strings::TABLE,
    cases::TABLE,
    codec::TABLE,
    date::TABLE,
    regex::TABLE,
    path::TABLE,
    url::TABLE,
    semver::TABLE,
    builtin::TABLE,
];

/// Functions that every kind has, by name. Later ones win in Go: KWOK's over sprig's over the language's.
#[must_use]
pub fn find(name: &str) -> Found {
    if let Some((_, reason)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return Found::Refused(reason);
    }
    for (name_of, params, rest, body) in TABLES.into_iter().flatten() {
        if *name_of == name {
            return Found::Function(Function {
                name: name_of,
                params,
                rest: *rest,
                body: Body::Pure(*body),
            });
        }
    }
    for function in date::TIMED
        .iter()
        .chain(builtin::LOGIC)
        .chain(kwok::EVERYWHERE)
    {
        if function.name == name {
            return Found::Function(*function);
        }
    }
    Found::Unknown
}

/// The functions that KWOK gives to templates of pods, or of nodes, beside those of all kinds.
#[must_use]
pub fn find_for(kind: &str, name: &str) -> Found {
    let own = match kind {
        "v1/Pod" => kwok::PODS,
        "v1/Node" => kwok::NODES,
        _ => &[],
    };
    match own.iter().find(|function| function.name == name) {
        Some(function) => Found::Function(*function),
        None => find(name),
    }
}

/// All functions of all kinds, as KWOK's own test harness has them: those that ask the world take any arguments.
#[must_use]
pub fn find_stubbed(name: &str) -> Found {
    let stubs = kwok::PODS.iter().chain(kwok::NODES).chain(kwok::EVERYWHERE);
    match stubs
        .into_iter()
        .find(|function| function.name == name && function.name != "StartTime")
    {
        Some(function) => Found::Function(Function {
            params: &[],
            rest: Some(Ty::Any),
            ..*function
        }),
        None => find(name),
    }
}

/// The names of all functions, for tests that count what they use.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let rows = TABLES.into_iter().flatten().map(|row| row.0);
    let others = date::TIMED
        .iter()
        .chain(builtin::LOGIC)
        .chain(kwok::EVERYWHERE);
    let mut names: Vec<&str> = rows.chain(others.map(|function| function.name)).collect();
    names.sort_unstable();
    names.dedup();
    names
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

fn arg(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_text).unwrap_or_default()
}

fn int(args: &[Value], at: usize) -> i64 {
    args.get(at).and_then(Value::whole).unwrap_or_default()
}

/// As sprig turns any value into text.
fn strval(value: &Value) -> String {
    value.show()
}

/// Sprig's `empty`: as false, but for instants, which are never empty.
fn empty(value: &Value) -> bool {
    !value.truth()
}

/// More than this is a mistake, and would fill the memory.
const MOST: usize = 1_000_000;

fn bounded(count: usize) -> Result<usize, String> {
    if count <= MOST {
        return Ok(count);
    }
    Err(format!("the result would be larger than {MOST}"))
}
