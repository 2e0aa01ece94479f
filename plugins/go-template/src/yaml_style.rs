//! Which quotes a string of YAML takes, and where its lines are folded. Go's library decides by what a reader of YAML 1.1 would make of
//! the bare string.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex_lite::Regex;
use stagewright_plugin::Time;

use super::yaml_read::decimal;

/// Where a string begins.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Characters before it in its line.
    pub column: usize,
    /// Where its further lines begin.
    pub indent: usize,
    /// A key has one line.
    pub is_key: bool,
}

const WIDTH: usize = 80;

/// What a look at the characters tells of a string.
#[derive(Default)]
struct Analysis {
    no_plain: bool,
    no_single: bool,
    no_literal: bool,
    lines: bool,
}

/// What a word of YAML is made of: nothing that means more than itself.
pub fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.')
}

/// A string of one word, which is nearly every one: with it there is nothing to fold or escape.
#[must_use]
pub fn word(text: &str) -> Option<Cow<'_, str>> {
    let begins = text.bytes().next()?.is_ascii_alphanumeric();
    if !begins || !text.bytes().all(is_part) {
        return None;
    }
    Some(if stays_text(text) {
        text.into()
    } else {
        format!("\"{text}\"").into()
    })
}

/// Goes on to a column.
pub fn pad(out: &mut String, spaces: usize) {
    const SPACES: &str = "                                ";
    let mut left = spaces;
    while let Some(now) = SPACES
        .get(..left.min(SPACES.len()))
        .filter(|now| !now.is_empty())
    {
        out.push_str(now);
        left -= now.len();
    }
}

/// A string, quoted as it must be. A literal block ends with a line feed.
#[must_use]
pub fn scalar(text: &str, place: Place) -> String {
    let analysis = analyse(text);
    let literal = text.contains('\n');
    if literal && !place.is_key && !analysis.no_literal {
        return block(text, place.indent);
    }
    let quotes = literal || !stays_text(text);
    if quotes || analysis.no_single && analysis.no_plain {
        return double(text, place);
    }
    if analysis.no_plain || text.is_empty() && place.is_key {
        return single(text, place);
    }
    fold(text, place, text, None)
}

fn analyse(text: &str) -> Analysis {
    let mut found = Analysis::default();
    let blank =
        |char: Option<char>| char.is_none_or(|char| matches!(char, ' ' | '\t') || is_break(char));
    found.no_plain = text.starts_with("---") || text.starts_with("...");
    let mut before: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let after = chars.peek().copied();
        found.no_plain |= match (before, char) {
            (
                None,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`',
            ) => true,
            (None, '?' | '-') | (_, ':') => blank(after),
            (Some(_), '#') => blank(before),
            (None, ' ') => true,
            _ => char == ' ' && after.is_none(),
        };
        let special = !is_printable(char);
        found.no_single |= special || char == ' ' && before.is_some_and(is_break);
        found.no_literal |= special || char == ' ' && after.is_none();
        // A space before the end of a line would be lost.
        if is_break(char) {
            found.lines = true;
            found.no_plain = true;
            if before == Some(' ') {
                found.no_single = true;
                found.no_literal = true;
            }
        }
        found.no_plain |= special || found.no_single;
        before = Some(char);
    }
    found
}

fn is_break(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && char != '\u{feff}'
}

/// Whether a reader takes the bare text for a string.
fn stays_text(text: &str) -> bool {
    const WORDS: [&str; 38] = [
        "", "~", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N",
        "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "null", "Null", "NULL",
        ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf",
    ];
    const LONGEST_WORD: usize = 5;
    if text.len() <= LONGEST_WORD && (WORDS.contains(&text) || matches!(text, "-.INF" | "<<")) {
        return false;
    }
    match text.bytes().next() {
        Some(b'.') => !is_number(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            !is_number(&without_gaps(text)) && !is_time(text) && !is_base_60(text)
        }
        _ => true,
    }
}

/// Without the underscores between the digits of a number.
fn without_gaps(text: &str) -> Cow<'_, str> {
    match text.contains('_') {
        true => text.replace('_', "").into(),
        false => text.into(),
    }
}

fn pattern(cell: &'static OnceLock<Option<Regex>>, text: &str) -> Option<&'static Regex> {
    cell.get_or_init(|| Regex::new(text).ok()).as_ref()
}

fn is_number(text: &str) -> bool {
    decimal(text).is_some() || is_whole(text.strip_prefix(['-', '+']).unwrap_or(text))
}

/// A whole number of another base, as long as 64 bits are.
fn is_whole(unsigned: &str) -> bool {
    let Some(rest) = unsigned.strip_prefix('0') else {
        return false;
    };
    let (digits, base, longest) = match rest.as_bytes().first() {
        Some(b'x' | b'X') => (rest.get(1..), 16, 16),
        Some(b'b' | b'B') => (rest.get(1..), 2, 64),
        Some(b'o' | b'O') => (rest.get(1..), 8, 22),
        _ => (Some(rest), 8, 22),
    };
    digits.is_some_and(|digits| {
        (1..=longest).contains(&digits.len()) && digits.chars().all(|digit| digit.is_digit(base))
    })
}

fn is_base_60(text: &str) -> bool {
    static SIXTY: OnceLock<Option<Regex>> = OnceLock::new();
    let sixty = pattern(
        &SIXTY,
        r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$",
    );
    text.contains(':') && sixty.is_some_and(|sixty| sixty.is_match(text))
}

fn is_time(text: &str) -> bool {
    // Behind a year of four digits.
    if text.as_bytes().get(4) != Some(&b'-') {
        return false;
    }
    static TIME: OnceLock<Option<Regex>> = OnceLock::new();
    let time = pattern(
        &TIME,
        r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)| +(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?)?$",
    );
    let Some(found) = time.and_then(|time| time.captures(text)) else {
        return false;
    };
    let part = |at: usize| found.get(at).map_or("0", |part| part.as_str());
    let clock = |at: usize, other: usize| part(if found.get(at).is_some() { at } else { other });
    let text = format!(
        "{}-{:0>2}-{:0>2}T{:0>2}:{:0>2}:{:0>2}Z",
        part(1),
        part(2),
        part(3),
        clock(4, 7),
        clock(5, 8),
        clock(6, 9)
    );
    Time::parse(&text).is_some()
}

fn block(text: &str, indent: usize) -> String {
    let mut out = "|".to_owned();
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(&mut out, indent);
            out.push_str(line);
        }
    }
    out.push('\n');
    out
}

fn single(text: &str, place: Place) -> String {
    fold(&text.replace('\'', "''"), place, text, Some('\''))
}

fn double(text: &str, place: Place) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        let name = match char {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            char if is_printable(char) => {
                escaped.push(char);
                continue;
            }
            char => {
                let code = u32::from(char);
                escaped.push_str(&match code {
                    0..0x100 => format!("\\x{code:02X}"),
                    0x100..0x10000 => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                });
                continue;
            }
        };
        escaped.push('\\');
        escaped.push(name);
    }
    fold(&escaped, place, text, Some('"'))
}

/// Breaks lines at single spaces past the width. In double quotes a break before more spaces keeps them by a backslash.
fn fold(text: &str, place: Place, original: &str, quote: Option<char>) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.extend(quote);
    let mut column = place.column + usize::from(quote.is_some());
    let mut chars = text.chars().peekable();
    let mut spaces = false;
    let mut is_first = true;
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        let inner = quote.is_none() || !is_first && next.is_some();
        let single = quote == Some('"') || next != Some(' ');
        if char == ' ' && !place.is_key && !spaces && column > WIDTH && inner && single {
            out.push('\n');
            pad(&mut out, place.indent);
            column = place.indent;
            if quote == Some('"') && next == Some(' ') {
                out.push('\\');
                column += 1;
            }
        } else {
            out.push(char);
            column += 1;
        }
        spaces = char == ' ';
        is_first = false;
    }
    debug_assert!(!original.contains('\n') || quote.is_some());
    out.extend(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns of Go's library (`resolve.go` of `go.yaml.in/yaml/v2`), and what its number parser takes of them.
    #[test]
    fn numbers_are_those_of_the_patterns() {
        let float = Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").unwrap();
        let whole =
            Regex::new(r"^[-+]?0([xX][0-9a-fA-F]{1,16}|[oO]?[0-7]{1,22}|[bB][01]{1,64})$").unwrap();
        let mut texts = vec![String::new()];
        for length in 1..6 {
            let longer = texts.iter().filter(|text| text.len() + 1 == length);
            let longer: Vec<String> = longer
                .flat_map(|text| {
                    "+-.089eExoBa"
                        .chars()
                        .map(move |char| format!("{text}{char}"))
                })
                .collect();
            texts.extend(longer);
        }
        for (prefix, longest) in [("0x", 16), ("0o", 22), ("0", 22), ("-0b", 64)] {
            texts.extend(
                [longest, longest + 1].map(|length| format!("{prefix}{}", "1".repeat(length))),
            );
        }
        let mut numbers = 0;
        for text in &texts {
            let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
            let expected = float.is_match(text) && finite || whole.is_match(text);
            assert_eq!(is_number(text), expected, "{text}");
            numbers += usize::from(expected);
        }
        assert!(numbers > 1_000, "only {numbers}");
    }

    #[test]
    fn a_word_is_what_it_is_among_all_strings() {
        let place = Place {
            column: 0,
            indent: 2,
            is_key: false,
        };
        for text in [
            "a",
            "n",
            "yes",
            "null",
            "10",
            "0x1",
            "256Gi",
            "2026-01-02",
            "a.b/c_d-e",
            "1_0",
            "1.5",
            "no-",
        ] {
            assert_eq!(word(text).unwrap(), scalar(text, place), "{text}");
        }
        for text in ["", "a b", "-a", ".5", "a:", "é", "a\nb"] {
            assert_eq!(word(text), None, "{text}");
        }
    }
}
