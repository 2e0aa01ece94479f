//! Sprig's URLs.

use std::rc::Rc;

use stagewright_go_template::function::{Row, arg, text};
use stagewright_go_template::text::percent;
use stagewright_go_template::{Ty, Value};

use Ty::Text;

/// The functions.
pub const TABLE: &[Row] = &[
    ("urlParse", &[Text], None, |args| parse(text(args, 0))),
    ("urlJoin", &[Ty::Map], None, join),
];

fn parse(url: &str) -> Result<Value, String> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |text: &str| {
        text.starts_with(|char: char| char.is_ascii_alphabetic())
            && text
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        Some((scheme, _)) if !scheme.contains('/') => {
            return Err(format!(
                "unable to parse url {url:?}: first path segment cannot contain a colon"
            ));
        }
        _ => (String::new(), rest),
    };
    let (authority, path, opaque) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            (authority, path, "")
        }
        None if !scheme.is_empty() && !rest.starts_with('/') => ("", "", rest),
        None => ("", rest, ""),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let hostname = match host.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let entries = [
        ("scheme", scheme.as_str()),
        ("host", host),
        ("hostname", hostname),
        ("path", &decoded(path)?),
        ("query", query),
        ("opaque", opaque),
        ("fragment", &decoded(fragment)?),
        ("userinfo", user),
    ];
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Rc::from(key), Value::text(value)));
    Ok(Value::map(entries))
}

fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next(), bytes.next()]
            .map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = digits else {
            return Err(format!("invalid URL escape in {text:?}"));
        };
        out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn escaped(text: &str, also: &'static str) -> String {
    percent(text, |byte| {
        let stays = byte.is_ascii_alphanumeric() || "-_.~$&+,/:;=@".contains(char::from(byte));
        (!stays && !also.contains(char::from(byte))).then_some("")
    })
}

fn join(args: &[Value]) -> Result<Value, String> {
    let Value::Map(map) = arg(args, 0) else {
        return Err("no map".to_owned());
    };
    let entries = map.entries.borrow();
    let part = |key: &str| -> Result<String, String> {
        match entries.get(key) {
            None => Ok(String::new()),
            Some(Value::Text(text)) => Ok(text.as_ref().to_owned()),
            Some(other) => Err(format!(
                "unable to parse {key} key, must be of type string, but {} found",
                other.kind_name()
            )),
        }
    };
    let (scheme, host, user) = (part("scheme")?, part("host")?, part("userinfo")?);
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme);
        out.push(':');
    }
    let opaque = part("opaque")?;
    if opaque.is_empty() {
        let path = escaped(&part("path")?, "");
        if !scheme.is_empty() || !host.is_empty() || !user.is_empty() {
            if !host.is_empty() || !path.is_empty() || !user.is_empty() {
                out.push_str("//");
            }
            if !user.is_empty() {
                out.push_str(&user);
                out.push('@');
            }
            out.push_str(&host);
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        out.push_str(&path);
    } else {
        out.push_str(&opaque);
    }
    let (query, fragment) = (part("query")?, part("fragment")?);
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escaped(&fragment, "!()*?'"));
    }
    Ok(Value::text(out))
}
