//! The YAML that templates of stages nearly always make: block maps and lists of scalars on one line. It is read here in a fifth of the
//! time; whatever is not sure to be that is left to the parser of the whole language.

use serde_json::{Map, Value as Json};

use super::yaml_read::{DEEPEST, scalar, word};

/// Longer texts are counted by the other reader.
const LONGEST: usize = 64 * 1024;

/// Reads a text; none if it is more than is read here, or no YAML.
pub fn read(text: &str) -> Option<Json> {
    let is_known = |byte: u8| matches!(byte, b'\n' | b' '..=b'~');
    if text.len() > LONGEST || !text.bytes().all(is_known) {
        return None;
    }
    let mut lines = Lines {
        rest: text,
        next: None,
    };
    lines.advance()?;
    let indent = lines.next.as_ref()?.indent;
    let value = lines.block(indent, 0)?;
    lines.next.is_none().then_some(value)
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
}

impl<'a> Lines<'a> {
    /// Goes to the next line that is not blank; none if it begins with something that is not read here.
    fn advance(&mut self) -> Option<()> {
        self.next = None;
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let text = line.trim_start_matches(' ');
            if text.is_empty() {
                continue;
            }
            let is_document = text.starts_with("---") || text.starts_with("...");
            self.next = Some(Line {
                indent: line.len() - text.len(),
                text: text.trim_end_matches(' '),
            });
            return (!is_document).then_some(());
        }
        Some(())
    }

    /// A list or a map at a column.
    fn block(&mut self, indent: usize, depth: usize) -> Option<Json> {
        if depth > DEEPEST {
            return None;
        }
        if item(self.next?.text).is_some() {
            self.list(indent, depth)
        } else {
            self.map(indent, depth)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<Json> {
        let mut items = Vec::new();
        while let Some(line) = self.next.filter(|line| line.indent == indent) {
            let Some(content) = item(line.text) else {
                break;
            };
            if content.is_empty() {
                self.advance()?;
                items.push(self.below(indent, depth)?);
                continue;
            }
            let column = indent + line.text.len() - content.len();
            if item(content).is_some() || entry(content).is_some() {
                // The item begins on the line of its dash.
                self.next = Some(Line {
                    indent: column,
                    text: content,
                });
                items.push(self.block(column, depth + 1)?);
            } else {
                items.push(self.value(content)?);
            }
        }
        Some(Json::Array(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Option<Json> {
        let mut entries = Map::new();
        while let Some(line) = self.next.filter(|line| line.indent == indent) {
            // A list may stand at the column of its key, and there alone.
            let (key, content) = entry(line.text)?;
            let value = if content.is_empty() {
                self.advance()?;
                let is_list = |line: &Line<'_>| line.indent == indent && item(line.text).is_some();
                if self.next.as_ref().is_some_and(is_list) {
                    self.list(indent, depth + 1)?
                } else {
                    self.below(indent, depth)?
                }
            } else {
                self.value(content)?
            };
            entries.insert(key.to_owned(), value);
        }
        Some(Json::Object(entries))
    }

    /// What stands further right than a key or dash with nothing behind it.
    fn below(&mut self, indent: usize, depth: usize) -> Option<Json> {
        match self.next {
            Some(line) if line.indent > indent => self.block(line.indent, depth + 1),
            _ => Some(Json::Null),
        }
    }

    /// A scalar behind a key or dash. If it went on in a line further right, nobody would take that line.
    fn value(&mut self, text: &str) -> Option<Json> {
        let value = one(text)?;
        self.advance()?;
        Some(value)
    }
}

/// What is behind a dash.
fn item(text: &str) -> Option<&str> {
    match text {
        "-" => Some(""),
        _ => Some(text.strip_prefix("- ")?.trim_start_matches(' ')),
    }
}

/// A key that is a plain word, and what is behind it.
fn entry(text: &str) -> Option<(&str, &str)> {
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let (key, rest) = text.split_at_checked(text.bytes().position(|byte| !is_part(&byte))?)?;
    let rest = rest.strip_prefix(':')?;
    let content = rest.trim_start_matches(' ');
    let is_apart = rest.is_empty() || content.len() < rest.len();
    // What begins with a letter is a text, but for a few words.
    let is_text = key.starts_with(|first: char| first.is_ascii_alphabetic()) && word(key).is_none();
    (is_apart && is_text).then_some((key, content))
}

/// A scalar that is a whole line's rest.
fn one(text: &str) -> Option<Json> {
    let (first, rest) = text.split_at_checked(1)?;
    match first {
        "\"" => {
            let inner = rest.strip_suffix('"')?;
            if inner.contains('"') || inner.contains('\\') {
                return escaped(text);
            }
            Some(inner.into())
        }
        "'" => {
            let inner = rest.strip_suffix('\'')?;
            (!inner.contains('\'')).then(|| inner.into())
        }
        "[" if rest == "]" => Some(Json::Array(Vec::new())),
        "{" if rest == "}" => Some(Json::Object(Map::new())),
        _ => {
            let may_begin =
                |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '/' | '<' | '.');
            let is_plain = text.starts_with(may_begin)
                && !text.contains(": ")
                && !text.contains(" #")
                && !text.ends_with(':');
            is_plain.then(|| scalar(text).ok())?
        }
    }
}

/// A text in quotes with escapes that JSON has too.
fn escaped(text: &str) -> Option<Json> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && !matches!(bytes.next()?, b'"' | b'\\' | b'n' | b't') {
            return None;
        }
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml_read::read_all;

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
        assert!(read > 4_000, "only {read}");
    }

    #[test]
    fn what_stages_render_is_read_here() {
        let text = "\n\nconditions:\n- status: \"True\"\n  type: Ready\n\n\ncontainerStatuses:\n\n- image: \"registry:5000/a/b:1\"\n  \
                    state:\n    running:\n      startedAt: \"2026-01-01T00:00:00Z\"\n\n\ninitContainerStatuses:\n\n\nhostIPs:\n\n- ip: \
                    \"10.0.0.1\"\n\nallocatable:\n  cpu: 1k\n  pods: \"110\"\nphase: Running\n";
        let expected = json!({
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
