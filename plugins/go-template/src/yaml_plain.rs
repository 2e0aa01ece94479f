//! The YAML that templates of stages nearly always make: block maps and lists of scalars on one line. It becomes text of JSON here without
//! a tree between the two; whatever is not sure to be that is left to the parser of the whole language.

use std::fmt::Write as _;

use super::json;
use super::yaml_read::{DEEPEST, scalar, word};
use super::yaml_style::is_part;

/// Longer texts are counted by the other reader.
const LONGEST: usize = 64 * 1024;
/// Keys of one map. Each is compared with those before it.
const MOST_KEYS: usize = 64;

/// A text as JSON; none if it is more than is read here, or no YAML.
pub fn json(text: &str) -> Option<String> {
    let is_known = |byte: u8| matches!(byte, b'\n' | b' '..=b'~');
    if text.len() > LONGEST || !text.bytes().all(is_known) {
        return None;
    }
    let mut lines = Lines {
        rest: text,
        next: None,
        keys: Vec::new(),
        out: String::with_capacity(text.len()),
    };
    lines.advance()?;
    let indent = lines.next?.indent;
    lines.block(indent, 0)?;
    lines.next.is_none().then_some(lines.out)
}

/// A line that is not blank, from where it is still to be read.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// The column of the text.
    indent: usize,
    text: &'a str,
}

struct Lines<'a> {
    rest: &'a str,
    next: Option<Line<'a>>,
    /// Those of the maps that are read, the outer ones first.
    keys: Vec<&'a str>,
    out: String,
}

impl<'a> Lines<'a> {
    /// Goes to the next line that is not blank; none if it begins with something that is not read here.
    fn advance(&mut self) -> Option<()> {
        self.next = None;
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let text = unindented(line);
            match text.as_bytes() {
                [] => continue,
                // It may be where a document begins or ends.
                [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..] => return None,
                _ => {}
            }
            self.next = Some(Line {
                indent: line.len() - text.len(),
                text: text.trim_ascii_end(),
            });
            return Some(());
        }
        Some(())
    }

    /// A list or a map at a column.
    fn block(&mut self, indent: usize, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        if item(self.next?.text).is_some() {
            self.list(indent, depth)
        } else {
            self.map(indent, depth)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<()> {
        let mut before = '[';
        while let Some(line) = self.next.filter(|line| line.indent == indent) {
            let Some(content) = item(line.text) else {
                break;
            };
            self.out.push(before);
            before = ',';
            if content.is_empty() {
                self.advance()?;
                self.below(indent, depth)?;
                continue;
            }
            let column = indent + line.text.len() - content.len();
            if item(content).is_some() || entry(content).is_some() {
                // The item begins on the line of its dash.
                self.next = Some(Line {
                    indent: column,
                    text: content,
                });
                self.block(column, depth + 1)?;
            } else {
                self.value(content)?;
            }
        }
        self.out.push(']');
        Some(())
    }

    fn map(&mut self, indent: usize, depth: usize) -> Option<()> {
        let outer = self.keys.len();
        self.out.push('{');
        while let Some(line) = self.next.filter(|line| line.indent == indent) {
            // A list may stand at the column of its key, and there alone.
            let (key, content) = entry(line.text)?;
            // Of a key that is there twice the last one counts.
            let before = self.keys.get(outer..)?;
            if before.len() == MOST_KEYS || before.contains(&key) {
                return None;
            }
            if !before.is_empty() {
                self.out.push(',');
            }
            self.keys.push(key);
            json::string(key, false, &mut self.out);
            self.out.push(':');
            if !content.is_empty() {
                self.value(content)?;
                continue;
            }
            self.advance()?;
            let is_list = |line: Line<'_>| line.indent == indent && item(line.text).is_some();
            if self.next.is_some_and(is_list) {
                self.list(indent, depth + 1)?;
            } else {
                self.below(indent, depth)?;
            }
        }
        self.keys.truncate(outer);
        self.out.push('}');
        Some(())
    }

    /// What stands further right than a key or dash with nothing behind it.
    fn below(&mut self, indent: usize, depth: usize) -> Option<()> {
        match self.next {
            Some(line) if line.indent > indent => self.block(line.indent, depth + 1),
            _ => {
                self.out.push_str("null");
                Some(())
            }
        }
    }

    /// A scalar behind a key or dash. If it went on in a line further right, nobody would take that line.
    fn value(&mut self, text: &str) -> Option<()> {
        one(text, &mut self.out)?;
        self.advance()
    }
}

/// From the first character that is no space.
fn unindented(text: &str) -> &str {
    let spaces = text.bytes().take_while(|byte| *byte == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

/// What is behind a dash.
fn item(text: &str) -> Option<&str> {
    match text.as_bytes() {
        b"-" => Some(""),
        [b'-', b' ', ..] => text.get(2..).map(unindented),
        _ => None,
    }
}

/// A key that is a plain word, and what is behind it.
fn entry(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_at_checked(text.bytes().position(|byte| !is_part(byte))?)?;
    let content = match rest.as_bytes() {
        b":" => "",
        [b':', b' ', ..] => rest.get(2..).map(unindented)?,
        _ => return None,
    };
    // What begins with a letter is a text, but for a few words.
    let is_text = key.as_bytes().first()?.is_ascii_alphabetic() && word(key).is_none();
    is_text.then_some((key, content))
}

/// A scalar that is a whole line's rest.
fn one(text: &str, out: &mut String) -> Option<()> {
    let bytes = text.as_bytes();
    match bytes {
        [b'"', ..] => out.push_str(as_in_json(text)?),
        [b'\'', inner @ .., b'\''] => {
            if inner.contains(&b'\'') {
                return None;
            }
            json::string(text.get(1..text.len() - 1)?, false, out);
        }
        b"[]" | b"{}" => out.push_str(text),
        [first, ..]
            if first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'<' | b'.') =>
        {
            let mut pairs = bytes.windows(2);
            if bytes.ends_with(b":") || pairs.any(|pair| matches!(pair, b": " | b" #")) {
                return None;
            }
            match scalar(text).ok()? {
                serde_json::Value::String(text) => json::string(&text, false, out),
                other => write!(out, "{other}").ok()?,
            }
        }
        _ => return None,
    }
    Some(())
}

/// A text in quotes, if all its escapes are those that JSON has too.
fn as_in_json(text: &str) -> Option<&str> {
    let mut bytes = text.strip_prefix('"')?.strip_suffix('"')?.bytes();
    while let Some(byte) = bytes.next() {
        let is_fine = match byte {
            b'\\' => matches!(bytes.next()?, b'"' | b'\\' | b'n' | b't'),
            _ => byte != b'"',
        };
        if !is_fine {
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::yaml_read::read_all;

    fn read(text: &str) -> Option<Json> {
        json(text).map(|json| serde_json::from_str(&json).unwrap())
    }

    /// Lines that are read here, lines that are not, and lines that no reader takes.
    const LINES: [&str; 45] = [
        "a: 1",
        "b:",
        "c: \"x\"",
        "- d",
        "- e: f",
        "-",
        "- - g",
        "h: 'i'",
        "j: []",
        "k: {}",
        "l: <no value>",
        // From here on only in pairs.
        "- m:",
        "- n: o: p",
        "q: r # s",
        "# t",
        "? u",
        "- ? v",
        "w: 2026-01-01T00:00:00Z",
        "yes: no",
        "\"x\": y",
        "z: \"\\\"a\\\\\"",
        "aa: \"\\x41\"",
        "bb: c:d",
        "cc: 'd''e'",
        "dd: \"e\" f",
        "ee: \"f",
        "ff:g",
        "gg: -1",
        "1: 2",
        "-  - h",
        "-   i: j",
        "---",
        "...",
        "jj: |",
        "kk: >-",
        "ll: &m n",
        "mm: *m",
        "nn: !!str 1",
        "oo: [1",
        "pp: [1, 2]",
        "<<: {a: 1}",
        "- 'q'",
        "rr: ~",
        "ss: t ",
        "tt: u:",
    ];

    /// Whatever is read here, the other reader reads alike.
    fn is_alike(lines: &[(usize, &str)]) -> bool {
        let lines = lines
            .iter()
            .map(|(indent, line)| format!("{:indent$}{line}\n", ""));
        let text: String = lines.collect();
        let plain = read(&text);
        if let Some(plain) = &plain {
            let whole = read_all(&text);
            assert_eq!(whole.as_deref(), Ok(&[plain.clone()][..]), "{text}");
        }
        plain.is_some()
    }

    #[test]
    fn what_is_read_here_is_read_alike() {
        let at = |indents: &[usize], lines: &[&'static str]| -> Vec<(usize, &'static str)> {
            let all = indents
                .iter()
                .flat_map(|indent| lines.iter().map(move |line| (*indent, *line)));
            all.collect()
        };
        let mut read = 0_usize;
        let all = at(&[0, 1, 2, 3], &LINES);
        for first in &all {
            for second in &all {
                read += usize::from(is_alike(&[*first, *second]));
            }
        }
        let some = at(&[0, 2, 4], &LINES[..11]);
        for first in &some {
            for second in &some {
                for third in &some {
                    read += usize::from(is_alike(&[*first, *second, *third]));
                }
            }
        }
        assert!(read > 3_500, "only {read}");
    }

    #[test]
    fn what_stages_render_is_read_here() {
        let text = "\n\nconditions:\n- status: \"True\"\n  type: Ready\n\n\ncontainerStatuses:\n\n- image: \"registry:5000/a/b:1\"\n  \
                    state:\n    running:\n      startedAt: \"2026-01-01T00:00:00Z\"\n\n\ninitContainerStatuses:\n\n\nhostIPs:\n\n- ip: \
                    \"10.0.0.1\"\n\nallocatable:\n  cpu: 1k\n  pods: \"110\"\nphase: Running\n";
        let expected = serde_json::json!({
            "conditions": [{"status": "True", "type": "Ready"}],
            "containerStatuses": [{"image": "registry:5000/a/b:1", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
            "initContainerStatuses": null,
            "hostIPs": [{"ip": "10.0.0.1"}],
            "allocatable": {"cpu": "1k", "pods": "110"},
            "phase": "Running",
        });
        assert_eq!(read(text), Some(expected));
        for text in ["", "\n", "a", "- é", "a:\tb", "[a]"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
