//! Sprig's upper and lower case, and words written together.

use stagewright_go_template::function::{Row, text};
use stagewright_go_template::{Ty, Value};

use Ty::Text;

/// The functions.
pub const TABLE: &[Row] = &[
    ("upper", &[Text], None, |args| {
        Ok(Value::text(map(text(args, 0), upper)))
    }),
    ("lower", &[Text], None, |args| {
        Ok(Value::text(map(text(args, 0), lower)))
    }),
    ("title", &[Text], None, |args| {
        Ok(Value::text(title(text(args, 0))))
    }),
    ("untitle", &[Text], None, |args| {
        Ok(Value::text(untitle(text(args, 0))))
    }),
    ("swapcase", &[Text], None, |args| {
        Ok(Value::text(swapped(text(args, 0))))
    }),
    ("snakecase", &[Text], None, |args| {
        Ok(Value::text(joined(text(args, 0), '_')))
    }),
    ("kebabcase", &[Text], None, |args| {
        Ok(Value::text(joined(text(args, 0), '-')))
    }),
    ("camelcase", &[Text], None, |args| {
        Ok(Value::text(camel(text(args, 0))))
    }),
];

// Go maps a character to one character.

fn upper(char: char) -> char {
    let mut chars = char.to_uppercase();
    chars
        .next()
        .filter(|_| chars.next().is_none())
        .unwrap_or(char)
}

fn lower(char: char) -> char {
    let mut chars = char.to_lowercase();
    chars
        .next()
        .filter(|_| chars.next().is_none())
        .unwrap_or(char)
}

fn map(content: &str, change: fn(char) -> char) -> String {
    content.chars().map(change).collect()
}

/// Letters, digits and underscores are of a word; of what else there is, white space alone parts words beyond ASCII.
fn parts_words(char: char) -> bool {
    match char {
        '_' => false,
        char if char.is_ascii() => !char.is_ascii_alphanumeric(),
        char => !char.is_alphabetic() && !char.is_numeric() && char.is_whitespace(),
    }
}

fn title(content: &str) -> String {
    let mut before = ' ';
    let titled = content.chars().map(|char| {
        let changed = if parts_words(before) {
            upper(char)
        } else {
            char
        };
        before = char;
        changed
    });
    titled.collect()
}

fn untitle(content: &str) -> String {
    let mut begins = true;
    let changed = content.chars().map(|char| {
        if char.is_whitespace() {
            begins = true;
            return char;
        }
        if std::mem::take(&mut begins) {
            lower(char)
        } else {
            char
        }
    });
    changed.collect()
}

fn swapped(content: &str) -> String {
    let mut after_space = true;
    let changed = content.chars().map(|char| {
        let swapped = match char {
            char if char.is_uppercase() => lower(char),
            char if char.is_lowercase() && after_space => upper(char),
            char if char.is_lowercase() => upper(char),
            char => char,
        };
        after_space = char.is_whitespace();
        swapped
    });
    changed.collect()
}

fn is_connector(char: char) -> bool {
    matches!(char, '-' | '_') || char.is_whitespace()
}

/// Words begin at connectors, at a capital behind a small letter, and at the last capital of several before a small letter. Digits stay
/// with the word before them, unless letters follow.
fn joined(content: &str, connector: char) -> String {
    let chars: Vec<char> = content.chars().collect();
    let mut out = String::with_capacity(content.len() + 8);
    for (at, char) in chars.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied();
        let after = chars.get(at + 1).copied();
        if is_connector(char) {
            out.push(connector);
            continue;
        }
        let begins = match (before, char) {
            (Some(before), char) if char.is_uppercase() => {
                let small = before.is_lowercase() || before.is_numeric();
                small || before.is_uppercase() && after.is_some_and(char::is_lowercase)
            }
            (Some(before), char) if char.is_numeric() => {
                before.is_alphabetic() && digits_begin_a_word(&chars, at)
            }
            _ => false,
        };
        if begins && !out.ends_with(connector) {
            out.push(connector);
        }
        out.push(lower(char));
    }
    out
}

/// `HTTP2xx` is `http_2xx`, `Bld4Floor` is `bld4_floor`.
fn digits_begin_a_word(chars: &[char], at: usize) -> bool {
    let rest = chars.get(at..).unwrap_or_default();
    let behind = rest.iter().find(|char| !char.is_numeric());
    behind.is_some_and(|char| char.is_lowercase())
}

fn camel(content: &str) -> String {
    let leading = content
        .chars()
        .take_while(|char| is_connector(*char))
        .count();
    let mut out: String = content.chars().take(leading).collect();
    let mut before: Option<char> = None;
    let mut was_upper = false;
    for char in content.chars().skip(leading) {
        let begins = before.is_none_or(is_connector);
        if is_connector(char) {
            // Of several connectors all but the last stay.
            if before.is_some_and(is_connector) {
                out.extend(before);
            }
        } else if begins {
            was_upper = char.is_uppercase();
            out.push(upper(char));
        } else if was_upper && char.is_uppercase() {
            out.push(lower(char));
        } else {
            was_upper = false;
            out.push(char);
        }
        before = Some(char);
    }
    if before.is_some_and(is_connector) && out.chars().count() > leading {
        out.extend(before);
    }
    out
}
