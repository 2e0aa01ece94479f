//! The filters of jq that are functions, and the library written in jq itself. Those of `jaq` are taken where they neither read the
//! system nor bring tables of time zones; the rest of what stages use is here.

use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, run, v};
use jaq_core::{Bind, Cv, Error, Exn, Native, RunPtr, ValR, ValXs};
use jaq_json::{Num, Val};
use regex_lite::RegexBuilder;
use stagewright_go_template::text as go_text;
use stagewright_go_template::time::Instant;

use super::{Kind, text, ticks};

type Run = RunPtr<Kind>;

/// Names that jq has and a plugin never gives, and why.
pub fn refused(name: &str) -> Option<&'static str> {
    match name {
        "env" | "$ENV" => Some("a sandbox has no environment"),
        "now" | "localtime" | "strflocaltime" => {
            Some("a decision must not depend on when it is made")
        }
        "input" | "inputs" | "input_filename" | "input_line_number" => {
            Some("there is one input, the object")
        }
        "halt" | "halt_error" | "debug" | "stderr" => Some("there is no process and no output"),
        _ => None,
    }
}

/// Definitions of the library that rest on what is not there.
const DROPPED: [&str; 11] = [
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "pow10",
];

/// jq's own that jaq lacks.
const MORE: &str = r#"
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def INDEX(stream; f): reduce stream as $row ({}; . + {($row | f | tostring): $row});
def INDEX(f): INDEX(.[]; f);
def toarray: if isarray then . else [.] end;
def ascii: [.] | implode;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def pow10: pow(10; .);
"#;

/// The library.
pub fn library() -> Vec<Def<&'static str>> {
    let own = jaq_core::load::parse(MORE, |parser| parser.defs()).unwrap_or_default();
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    defs.filter(|def| !DROPPED.contains(&def.name))
        .chain(own)
        .collect()
}

/// All functions.
pub fn all() -> impl Iterator<Item = Fun<Kind>> {
    let theirs = jaq_core::funs()
        .chain(jaq_std::base_funs())
        .chain(jaq_json::funs());
    let theirs = theirs.filter(|(name, ..)| *name != "halt");
    let step: Fun<Kind> = (
        ticks::STEP,
        v(0),
        Native::<Kind>::new(step)
            .with_paths(|cv| Box::new(std::iter::once(Ok(cv.1))))
            .with_update(|cv, update| update(cv.1)),
    );
    let two = || [Bind::Var(()), Bind::Var(())].into();
    let ours: [(&'static str, Box<[Bind]>, Run); 14] = [
        (ticks::TIMES, two(), times),
        ("matches", two(), |cv| once(matched(cv, false, true))),
        ("split_matches", two(), |cv| once(matched(cv, true, true))),
        ("split_", two(), |cv| once(matched(cv, true, false))),
        ("escape_html", v(0), |cv| changed(&cv.1, escape_html)),
        ("unescape_html", v(0), |cv| changed(&cv.1, unescape_html)),
        ("encode_uri", v(0), |cv| changed(&cv.1, encode_uri)),
        ("decode_uri", v(0), |cv| changed(&cv.1, decode_uri)),
        ("encode_base64", v(0), |cv| {
            changed(&cv.1, |text| call("b64enc", text))
        }),
        ("decode_base64", v(0), |cv| {
            changed(&cv.1, |text| call("b64dec", text))
        }),
        ("fromdateiso8601", v(0), |cv| {
            once(match text(&cv.1).and_then(Instant::parse) {
                Some(time) => Ok(Val::Num(Num::from_integral(time.seconds()))),
                None => Err(Error::str(format_args!("{} is no date", cv.1))),
            })
        }),
        ("todateiso8601", v(0), |cv| {
            once(float(&cv.1).map(|seconds| {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "whole seconds are what is written"
                )]
                let seconds = seconds.floor() as i64;
                Val::from(Instant::from_seconds(seconds).rfc3339())
            }))
        }),
        ("ldexp", v(2), |mut cv| {
            let (power, number) = (cv.0.pop_var(), cv.0.pop_var());
            once(float(&number).and_then(|number| Ok(Val::from(number * float(&power)?.exp2()))))
        }),
        ("pow", v(2), |mut cv| {
            let (power, number) = (cv.0.pop_var(), cv.0.pop_var());
            once(float(&number).and_then(|number| Ok(Val::from(number.powf(float(&power)?)))))
        }),
    ];
    let ours = ours
        .into_iter()
        .chain(MATH.iter().map(|(name, run)| (*name, v(0), *run)));
    theirs.chain([step]).chain(ours.map(run::<Kind>))
}

macro_rules! math {
    ($($name:literal $function:path;)*) => {
        &[$(($name, |cv| once(float(&cv.1).map(|number| Val::from($function(number)))))),*]
    };
}

const MATH: &[(&str, Run)] = math! {
    "sqrt" f64::sqrt; "cbrt" f64::cbrt; "fabs" f64::abs; "trunc" f64::trunc; "exp" f64::exp; "exp2" f64::exp2; "expm1" f64::exp_m1;
    "log" f64::ln; "log2" f64::log2; "log10" f64::log10; "log1p" f64::ln_1p; "sin" f64::sin; "cos" f64::cos; "tan" f64::tan;
    "asin" f64::asin; "acos" f64::acos; "atan" f64::atan; "sinh" f64::sinh; "cosh" f64::cosh; "tanh" f64::tanh; "rint" f64::round_ties_even;
    "nearbyint" f64::round_ties_even;
};

fn step(cv: Cv<'_, Kind>) -> ValXs<'_, Val> {
    let left = cv.0.data().left;
    let weight = weight(&cv.1, left.get());
    match left
        .get()
        .checked_sub(1)
        .and_then(|rest| rest.checked_sub(weight))
    {
        Some(rest) if rest > 0 => {
            left.set(rest);
            Box::new(std::iter::once(Ok(cv.1)))
        }
        // No expression can catch this one.
        _ => {
            left.set(0);
            Box::new(std::iter::once(Err(Exn::halt(1))))
        }
    }
}

/// What a value costs beyond the step, for what doubles with each, also by holding the same twice: a step for each KiB of text, and for so
/// many values within it. More than are left are not counted.
fn weight(value: &Val, left: u32) -> u32 {
    let most = left.saturating_mul(WITHIN);
    let mut rest = most;
    count(value, 0, &mut rest);
    (most - rest) / WITHIN
}

/// So many values cost a step.
const WITHIN: u32 = 64;

/// Values within each other; more cost all that is left.
const DEEPEST: u32 = 100;

fn count(value: &Val, depth: u32, left: &mut u32) {
    if depth > DEEPEST {
        *left = 0;
    }
    let own = match value {
        Val::TStr(text) | Val::BStr(text) => text.len() * WITHIN as usize / 1024,
        _ => 0,
    };
    *left = left.saturating_sub(u32::try_from(own + 1).unwrap_or(u32::MAX));
    let mut each = |items: &mut dyn Iterator<Item = &Val>| {
        for item in items {
            if *left == 0 {
                break;
            }
            count(item, depth + 1, left);
        }
    };
    match value {
        Val::Arr(items) => each(&mut items.iter()),
        Val::Obj(entries) => each(&mut entries.values()),
        _ => {}
    }
}

/// The product of two values. A text that is repeated is paid for before it is made.
fn times<'a>(mut cv: Cv<'a, Kind>) -> ValXs<'a, Val> {
    let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
    let size = |text: &Val, times: &Val| match text {
        Val::TStr(text) | Val::BStr(text) => {
            super::number(times).map_or(0.0, |times| text.len() as f64 * times)
        }
        _ => 0.0,
    };
    if size(&left, &right).max(size(&right, &left)) > LONGEST {
        cv.0.data().left.set(0);
        return Box::new(std::iter::once(Err(Exn::halt(1))));
    }
    once(left * right)
}

/// The longest text that a product makes, in bytes.
const LONGEST: f64 = 1_000_000.0;

fn once<'a>(result: ValR<Val>) -> ValXs<'a, Val> {
    Box::new(std::iter::once(result.map_err(Exn::from)))
}

fn float(value: &Val) -> ValR<f64, Val> {
    super::number(value).ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn changed<'a>(value: &Val, change: fn(&str) -> Result<String, String>) -> ValXs<'a, Val> {
    let result = match text(value) {
        Some(text) => change(text).map(Val::from).map_err(Error::str),
        None => Err(Error::typ(value.clone(), "string")),
    };
    once(result)
}

/// A function of templates does the same.
fn call(name: &str, text: &str) -> Result<String, String> {
    use crate::functions::find;
    use stagewright_go_template::{Body, Found};
    match find(name) {
        Found::Function(function) => match function.body {
            Body::Pure(body) => Ok(body(&[stagewright_go_template::Value::text(text)])?.show()),
            _ => Err("no function of its argument alone".to_owned()),
        },
        _ => Err("not there".to_owned()),
    }
}

const HTML: [(char, &str); 5] = [
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('&', "&amp;"),
    ('\'', "&#39;"),
    ('"', "&quot;"),
];

fn escape_html(text: &str) -> Result<String, String> {
    let mut out = String::new();
    for char in text.chars() {
        match HTML.iter().find(|(from, _)| *from == char) {
            Some((_, to)) => out.push_str(to),
            None => out.push(char),
        }
    }
    Ok(out)
}

fn unescape_html(text: &str) -> Result<String, String> {
    let unescaped = HTML.iter().fold(text.to_owned(), |text, (to, from)| {
        text.replace(from, &to.to_string())
    });
    Ok(unescaped)
}

fn encode_uri(text: &str) -> Result<String, String> {
    Ok(go_text::percent(text, |byte| match byte {
        b'-' | b'_' | b'.' | b'~' => None,
        byte => (!byte.is_ascii_alphanumeric()).then_some(""),
    }))
}

fn decode_uri(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match (
            first,
            code.and_then(|digits| u8::from_str_radix(digits, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The matches of a regular expression, what is between them, or both, as jaq's library wants them.
fn matched(mut cv: Cv<'_, Kind>, mismatches: bool, matches: bool) -> ValR<Val> {
    let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
    let string = |value: &Val| {
        text(value)
            .map(str::to_owned)
            .ok_or_else(|| Error::typ(value.clone(), "string"))
    };
    let (flags, pattern, content) = (string(&flags)?, string(&pattern)?, string(&cv.1)?);
    let mut builder = RegexBuilder::new(&pattern);
    builder.size_limit(256 * 1024);
    for flag in flags.chars() {
        match flag {
            'g' | 'n' => continue,
            'i' => builder.case_insensitive(true),
            'x' => builder.ignore_whitespace(true),
            's' => builder.dot_matches_new_line(true),
            'l' => builder.swap_greed(true),
            'p' => builder.dot_matches_new_line(true).multi_line(true),
            flag => return Err(Error::str(format_args!("invalid regex flag: {flag}"))),
        };
    }
    let regex = builder
        .build()
        .map_err(|error| Error::str(format_args!("invalid regex: {error}")))?;
    let names: Vec<Option<&str>> = regex.capture_names().collect();
    let (mut parts, mut last) = (Vec::new(), 0);
    for found in regex.captures_iter(&content) {
        let Some(whole) = found.get(0) else { continue };
        if flags.contains('n') && whole.as_str().is_empty() {
            continue;
        }
        if mismatches {
            parts.push(Val::from(
                content
                    .get(last..whole.start())
                    .unwrap_or_default()
                    .to_owned(),
            ));
            last = whole.end();
        }
        if matches {
            let groups = found.iter().zip(&names);
            let groups = groups.filter_map(|(group, name)| {
                let group = group?;
                let place = content
                    .get(..group.start())
                    .unwrap_or_default()
                    .chars()
                    .count();
                let entry = |key: &str, value: Val| (Val::from(key.to_owned()), value);
                let fields = [
                    entry("offset", Val::from(place)),
                    entry("length", Val::from(group.as_str().chars().count())),
                    entry("string", Val::from(group.as_str().to_owned())),
                ];
                let name = name.map(|name| entry("name", Val::from(name.to_owned())));
                Some(Val::obj(fields.into_iter().chain(name).collect()))
            });
            parts.push(groups.collect());
        }
        if !flags.contains('g') {
            break;
        }
    }
    if mismatches {
        parts.push(Val::from(
            content.get(last..).unwrap_or_default().to_owned(),
        ));
    }
    Ok(parts.into_iter().collect())
}
