//! Strings as Go quotes and escapes them.

use std::fmt::Write as _;

/// `strconv.Quote`, `%q`.
#[must_use]
pub fn quote(text: &str) -> String {
    quoted(text, '"')
}

/// `%q` of a character.
#[must_use]
pub fn quote_char(char: char) -> String {
    quoted(char.encode_utf8(&mut [0; 4]), '\'')
}

fn quoted(text: &str, mark: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            char if char == mark => {
                out.push('\\');
                out.push(char);
            }
            char if is_print(char) => out.push(char),
            char => escape(char, &mut out),
        }
    }
    out.push(mark);
    out
}

fn escape(char: char, out: &mut String) {
    let code = u32::from(char);
    let written = match code {
        0..0x80 => write!(out, "\\x{code:02x}"),
        0x80..0x10000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok());
}

/// `unicode.IsPrint`, but for characters that no version of Unicode has given a meaning.
#[must_use]
pub fn is_print(char: char) -> bool {
    match char {
        ' ' => true,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{f0000}'.. => false,
        char => !char.is_control() && !char.is_whitespace(),
    }
}

/// `strconv.Unquote` of a quoted string or character, or a raw string; the text holds its marks.
#[must_use]
pub fn unquote(text: &str) -> Option<String> {
    let mark = text.chars().next()?;
    let inside = text.strip_prefix(mark)?.strip_suffix(mark)?;
    if mark == '`' {
        return Some(inside.replace('\r', ""));
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            push(&mut out, char);
            continue;
        }
        match chars.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            char if char == mark => push(&mut out, char),
            'x' => out.push(u8::try_from(digits(&mut chars, 2, 16, 0)?).ok()?),
            'u' => push(&mut out, char::from_u32(digits(&mut chars, 4, 16, 0)?)?),
            'U' => push(&mut out, char::from_u32(digits(&mut chars, 8, 16, 0)?)?),
            char @ '0'..='7' => {
                out.push(u8::try_from(digits(&mut chars, 2, 8, char.to_digit(8)?)?).ok()?);
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn push(out: &mut Vec<u8>, char: char) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32, first: u32) -> Option<u32> {
    (0..count).try_fold(first, |sum, _| {
        let digit = chars.next()?.to_digit(radix)?;
        sum.checked_mul(radix)?.checked_add(digit)
    })
}

/// `html`.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            char => out.push(char),
        }
    }
    out
}

/// `js`.
#[must_use]
pub fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '\'' | '"' => {
                out.push('\\');
                out.push(char);
            }
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(char))),
            char if char >= ' ' && (char.is_ascii() || is_print(char)) => out.push(char),
            char => out.push_str(&format!("\\u{:04X}", u32::from(char))),
        }
    }
    out
}

/// `url.QueryEscape`.
#[must_use]
pub fn url_query(text: &str) -> String {
    percent(text, |byte| match byte {
        b' ' => Some("+"),
        b'-' | b'_' | b'.' | b'~' => None,
        byte if byte.is_ascii_alphanumeric() => None,
        _ => Some(""),
    })
}

/// Percent-encodes. The rule answers nothing for a byte that stays, a text that stands for it, or an empty one for its escape.
#[must_use]
pub fn percent(text: &str, rule: impl Fn(u8) -> Option<&'static str>) -> String {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match rule(byte) {
            None => out.push(byte),
            Some("") => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            Some(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_back() {
        for text in [
            "",
            "a b",
            "\"\\\n\t\u{7}",
            "ü→",
            "\u{1}\u{7f}",
            "\u{a0}\u{200b}",
        ] {
            assert_eq!(unquote(&quote(text)).as_deref(), Some(text));
        }
        assert_eq!(quote("\u{1}\u{a0}\"'"), r#""\x01\u00a0\"'""#);
        assert_eq!(quote_char('\''), r"'\''");
        assert_eq!(unquote(r"'\x41'").as_deref(), Some("A"));
        assert_eq!(unquote("`a\\n`").as_deref(), Some("a\\n"));
        assert_eq!(unquote(r#""\q""#), None);
        assert_eq!(js("<a href='b'>\n"), r"\u003Ca href\u003D\'b\'\u003E\u000A");
        assert_eq!(url_query("a b/ü"), "a+b%2F%C3%BC");
    }
}
