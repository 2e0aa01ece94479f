//! The forms of names, in the words of apimachinery (`pkg/util/validation`, `pkg/api/validate/content`).

use std::net::{IpAddr, Ipv4Addr};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// What is wrong with a text; nothing if it has the form.
pub(super) type Check = fn(&str) -> Vec<String>;

fn characters(most: usize) -> String {
    format!("must be no more than {most} characters")
}

fn bytes(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

fn form(words: &str, regex: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|text| format!("'{text}', ")).collect();
    format!(
        "{words} (e.g. {}regex used for validation is '{regex}')",
        examples.join(" or ")
    )
}

/// Letters or digits at both ends, and these besides within.
fn is_framed(text: &str, ends: fn(char) -> bool, within: &[char]) -> bool {
    let all = |letter: char| ends(letter) || within.contains(&letter);
    text.chars().all(all) && text.starts_with(ends) && text.ends_with(ends)
}

fn is_lower(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

fn is_alphanumeric(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
}

fn is_subdomain(text: &str) -> bool {
    text.split('.')
        .all(|part| is_framed(part, is_lower, &['-']))
}

/// A label of DNS (RFC 1123).
pub(super) fn label(text: &str) -> Vec<String> {
    const WORDS: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(characters(63));
    }
    if !is_framed(text, is_lower, &['-']) {
        errors.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            form(WORDS, LABEL, &["my-name", "123-abc"])
        });
    }
    errors
}

/// A subdomain of DNS (RFC 1123).
pub(super) fn subdomain(text: &str) -> Vec<String> {
    const WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(characters(253));
    }
    if !is_subdomain(text) {
        errors.push(form(WORDS, SUBDOMAIN, &["example.com"]));
    }
    errors
}

/// A domain where names are looked for: a subdomain, whose parts may begin with an underscore and have more of them within.
pub(super) fn search(text: &str) -> Vec<String> {
    const WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
    const PART: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(characters(253));
    }
    let is_part = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        is_framed(part, is_lower, &['-', '_'])
    };
    if !text.split('.').all(is_part) {
        let regex = format!("{PART}(\\.{PART})*");
        errors.push(form(WORDS, &regex, &["example.com"]));
    }
    errors
}

/// An address of the Internet Protocol, of either version.
pub(super) fn ip(text: &str) -> Vec<String> {
    const WORDS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    let words = match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            "must not be an IPv4-mapped IPv6 address"
        }
        Ok(_) => return Vec::new(),
        Err(_) if without_zeros(text).parse::<Ipv4Addr>().is_ok() => "must not have leading 0s",
        Err(_) => WORDS,
    };
    vec![words.to_owned()]
}

/// The parts of an address of the fourth version without zeros before them.
fn without_zeros(text: &str) -> String {
    let parts = text
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            rest => rest,
        });
    parts.collect::<Vec<_>>().join(".")
}

/// A part of a path.
pub(super) fn segment(text: &str) -> Vec<String> {
    if [".", ".."].contains(&text) {
        return vec![format!("may not be '{text}'")];
    }
    let parts = ["/", "%"].iter().filter(|part| text.contains(**part));
    parts
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// A key of a label: a name, with a domain before it or without.
pub(super) fn key(text: &str) -> Vec<String> {
    const WORDS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(
                    subdomain(prefix)
                        .iter()
                        .map(|error| format!("prefix part {error}")),
                );
            }
            *name
        }
        _ => {
            let words = form(WORDS, KEY, &EXAMPLES);
            return vec![format!(
                "a valid label key {words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push(format!("name part {}", bytes(63)));
    }
    if !is_framed(name, is_alphanumeric, &['-', '_', '.']) {
        errors.push(format!("name part {}", form(WORDS, KEY, &EXAMPLES)));
    }
    errors
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Vec<String> {
    const WORDS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(bytes(63));
    }
    if !text.is_empty() && !is_framed(text, is_alphanumeric, &['-', '_', '.']) {
        let regex = format!("({KEY})?");
        errors.push(form(WORDS, &regex, &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    const WORDS: &str =
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(characters(253));
    }
    let fits = |letter: char| is_alphanumeric(letter) || ['-', '_', '.'].contains(&letter);
    if text.is_empty() || !text.chars().all(fits) {
        errors.push(form(
            WORDS,
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." | ".." => errors.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

/// The name of a port.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let rules = [
        (text.len() > 15, "must be no more than 15 characters"),
        (
            text.is_empty() || !text.chars().all(|letter| is_lower(letter) || letter == '-'),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !text.contains(|letter: char| letter.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (
            text.starts_with('-') || text.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    broken.map(|(_, words)| words.to_owned()).collect()
}

/// The name of an environment variable.
pub(super) fn env_name(text: &str) -> Vec<String> {
    let fits = |letter: char| (letter.is_ascii_graphic() || letter == ' ') && letter != '=';
    if text.chars().all(fits) {
        Vec::new()
    } else {
        vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()]
    }
}

/// The number of a port.
pub(super) fn port(number: i64) -> Option<&'static str> {
    (!(1..=65_535).contains(&number)).then_some("must be between 1 and 65535, inclusive")
}

/// The name of a header of HTTP.
pub(super) fn header(text: &str) -> Vec<String> {
    const WORDS: &str = "a valid HTTP header must consist of alphanumeric characters or '-'";
    let fits = |letter: char| is_alphanumeric(letter) || letter == '-';
    if !text.is_empty() && text.chars().all(fits) {
        return Vec::new();
    }
    vec![form(WORDS, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}
