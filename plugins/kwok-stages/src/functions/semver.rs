//! Sprig's versions: `semverCompare` with constraints like `>=1.2, <2` or `~1.4 || ^2`. `semver` gives the version's text, since a
//! template has no other use for it than to print it.

use std::cmp::Ordering;

use stagewright_go_template::function::{Row, text};
use stagewright_go_template::{Ty, Value};

use Ty::Text;

/// The functions.
pub const TABLE: &[Row] = &[
    ("semver", &[Text], None, |args| {
        Ok(Value::text(Version::parse(text(args, 0))?.show()))
    }),
    ("semverCompare", &[Text, Text], None, |args| {
        let version = Version::parse(text(args, 1))?;
        let mut any = false;
        for alternative in text(args, 0).split("||") {
            let constraints = parts(alternative);
            if constraints.is_empty() {
                return Err(format!("improper constraint {:?}", text(args, 0)));
            }
            let mut all = true;
            for constraint in constraints {
                all &= holds(&constraint, &version)?;
            }
            any |= all;
        }
        Ok(Value::Bool(any))
    }),
];

/// A version. Parts that are not written are none.
struct Version {
    parts: [Option<u64>; 3],
    pre: String,
    meta: String,
}

impl Version {
    fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is no semantic version");
        let rest = text.trim().trim_start_matches(['v', 'V']);
        let (rest, meta) = rest.split_once('+').unwrap_or((rest, ""));
        let (numbers, pre) = rest.split_once('-').unwrap_or((rest, ""));
        let mut parts = [None; 3];
        let mut words = numbers.split('.');
        for part in &mut parts {
            let Some(word) = words.next() else { break };
            if matches!(word, "x" | "X" | "*") {
                break;
            }
            let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            *part = Some(
                digits
                    .then(|| word.parse().ok())
                    .flatten()
                    .ok_or_else(invalid)?,
            );
        }
        if words.next().is_some() {
            return Err(invalid());
        }
        Ok(Self {
            parts,
            pre: pre.to_owned(),
            meta: meta.to_owned(),
        })
    }

    fn numbers(&self) -> [u64; 3] {
        self.parts.map(|part| part.unwrap_or(0))
    }

    fn show(&self) -> String {
        let [major, minor, patch] = self.numbers();
        let pre = if self.pre.is_empty() {
            String::new()
        } else {
            format!("-{}", self.pre)
        };
        let meta = if self.meta.is_empty() {
            String::new()
        } else {
            format!("+{}", self.meta)
        };
        format!("{major}.{minor}.{patch}{pre}{meta}")
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| {
            match (self.pre.as_str(), other.pre.as_str()) {
                ("", "") => Ordering::Equal,
                ("", _) => Ordering::Greater,
                (_, "") => Ordering::Less,
                (a, b) => compare_pre(a, b),
            }
        })
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let ordering = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

/// The constraints of one alternative: parted by commas or spaces, with spaces allowed behind an operator; `1 - 2` is a range.
fn parts(text: &str) -> Vec<String> {
    if let Some((from, to)) = text.split_once(" - ") {
        return vec![format!(">={}", from.trim()), format!("<={}", to.trim())];
    }
    let mut found: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match found.last_mut() {
            Some(last) if last.chars().all(|char| "<>=!~^".contains(char)) => last.push_str(word),
            _ => found.push(word.to_owned()),
        }
    }
    found
}

fn holds(constraint: &str, version: &Version) -> Result<bool, String> {
    let end = constraint
        .find(|char| !"<>=!~^".contains(char))
        .unwrap_or(constraint.len());
    let (operator, wanted) = constraint.split_at(end);
    let wanted = Version::parse(wanted)?;
    // A pre-release is meant only where one is named.
    if !version.pre.is_empty() && wanted.pre.is_empty() {
        return Ok(false);
    }
    let ordering = version.compare(&wanted);
    let written = wanted.parts.iter().flatten().count();
    let same = |count: usize| {
        version
            .numbers()
            .iter()
            .zip(wanted.numbers())
            .take(count)
            .all(|(a, b)| *a == b)
    };
    Ok(match operator {
        "" | "=" if written < 3 => same(written),
        "" | "=" => ordering == Ordering::Equal,
        "!=" if written < 3 => !same(written),
        "!=" => ordering != Ordering::Equal,
        ">" if written < 3 => ordering == Ordering::Greater && !same(written),
        ">" => ordering == Ordering::Greater,
        "<" => ordering == Ordering::Less,
        ">=" | "=>" => ordering != Ordering::Less,
        "<=" | "=<" => ordering != Ordering::Greater || written < 3 && same(written),
        "~" | "~>" => ordering != Ordering::Less && same(written.min(2)),
        "^" => {
            let [major, minor, _] = wanted.numbers();
            let fixed = match (major, minor, written) {
                (1.., ..) | (0, _, 1) => 1,
                (0, 1.., _) | (0, 0, 2) => 2,
                _ => 3,
            };
            ordering != Ordering::Less && same(fixed)
        }
        _ => return Err(format!("{operator:?} is no operator of versions")),
    })
}
