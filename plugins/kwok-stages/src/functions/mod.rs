//! The functions of templates: Go's own, KWOK's, and sprig's pure ones.

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

use stagewright_go_template::function::Row;
use stagewright_go_template::{Body, Found, Function, Ty, Value, builtin};

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

#[cfg(test)]
mod tests;
