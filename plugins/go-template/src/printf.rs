//! `fmt.Sprintf`.

use super::value::Value;
use super::{float, text};

/// Flags, width and precision of one verb.
#[derive(Debug, Default, Clone, Copy)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// A width beyond this is a mistake, and would fill the memory.
const WIDEST: i64 = 100_000;

struct Printer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    values: &'a [Value],
    next: usize,
    reordered: bool,
    out: String,
}

/// Formats.
#[must_use]
pub fn format(format: &str, values: &[Value]) -> String {
    let mut printer = Printer {
        rest: format.chars().peekable(),
        values,
        next: 0,
        reordered: false,
        out: String::with_capacity(format.len()),
    };
    while let Some(char) = printer.rest.next() {
        if char == '%' {
            printer.verb();
        } else {
            printer.out.push(char);
        }
    }
    printer.extra();
    printer.out
}

impl Printer<'_> {
    fn verb(&mut self) {
        let mut spec = Spec::default();
        while let Some(char) = self.rest.peek() {
            match char {
                '+' => spec.plus = true,
                '-' => (spec.minus, spec.zero) = (true, false),
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = !spec.minus,
                _ => break,
            }
            self.rest.next();
        }
        let index_ok = self.index();
        spec.width = self.size("%!(BADWIDTH)", &mut spec);
        if self.rest.peek() == Some(&'.') {
            self.rest.next();
            self.index();
            let mut ignored = Spec::default();
            spec.precision = Some(self.size("%!(BADPREC)", &mut ignored).unwrap_or(0));
            if ignored.minus {
                spec.precision = None;
            }
        }
        let index_ok = self.index() && index_ok;
        let Some(verb) = self.rest.next() else {
            self.out.push_str("%!(NOVERB)");
            return;
        };
        if verb == '%' {
            self.out.push('%');
            return;
        }
        if !index_ok {
            self.out.push_str(&format!("%!{verb}(BADINDEX)"));
            return;
        }
        let Some(value) = self.values.get(self.next) else {
            self.out.push_str(&format!("%!{verb}(MISSING)"));
            return;
        };
        self.next += 1;
        let text = show(verb, spec, value);
        self.out.push_str(&text);
    }

    /// `[3]`: the next value is the third. False if there is no such value.
    fn index(&mut self) -> bool {
        if self.rest.peek() != Some(&'[') {
            return true;
        }
        self.rest.next();
        self.reordered = true;
        let mut number = 0_usize;
        let mut sound = false;
        for char in self.rest.by_ref() {
            match char.to_digit(10) {
                Some(digit) => {
                    number = number.saturating_mul(10).saturating_add(digit as usize);
                    sound = true;
                }
                None if char == ']' => break,
                None => sound = false,
            }
        }
        let found = sound && (1..=self.values.len()).contains(&number);
        if found {
            self.next = number - 1;
        }
        found
    }

    /// A width or precision: digits, or `*` for the next value.
    fn size(&mut self, bad: &str, spec: &mut Spec) -> Option<usize> {
        if self.rest.peek() == Some(&'*') {
            self.rest.next();
            let value = self.values.get(self.next).and_then(Value::whole);
            self.next += 1;
            let Some(value) = value.filter(|value| value.abs() <= WIDEST) else {
                self.out.push_str(bad);
                return None;
            };
            if value < 0 {
                (spec.minus, spec.zero) = (true, false);
            }
            return usize::try_from(value.abs()).ok();
        }
        let mut size = None;
        while let Some(digit) = self.rest.peek().and_then(|char| char.to_digit(10)) {
            self.rest.next();
            let sum = size.unwrap_or(0_usize) * 10 + digit as usize;
            size = Some(sum.min(100_000));
        }
        size
    }

    fn extra(&mut self) {
        let left = self.values.get(self.next..).unwrap_or_default();
        if self.reordered || left.is_empty() {
            return;
        }
        let items = left.iter().map(|value| match value.is_something() {
            true => format!("{}={}", value.type_name(), value.show()),
            false => "<nil>".to_owned(),
        });
        let items: Vec<String> = items.collect();
        self.out
            .push_str(&format!("%!(EXTRA {})", items.join(", ")));
    }
}

/// One value by one verb.
fn show(verb: char, spec: Spec, value: &Value) -> String {
    match (verb, value) {
        ('T', value) => pad(value.type_name(), spec),
        ('v', value) if !value.is_something() => pad("<nil>", spec),
        ('v', value) if spec.sharp => pad(&value.source(), spec),
        (verb, value) if !value.is_something() => format!("%!{verb}(<nil>)"),
        (_, Value::List(list)) if verb != 'p' => {
            let items: Vec<String> = list
                .items
                .iter()
                .map(|item| inside(verb, spec, item))
                .collect();
            format!("[{}]", items.join(" "))
        }
        (_, Value::Map(map)) if verb != 'p' => {
            let entries = map.entries.borrow();
            let items = entries.iter().map(|(key, item)| {
                let key = show(verb, spec, &Value::Text(key.clone()));
                format!("{key}:{}", inside(verb, spec, item))
            });
            format!("map[{}]", items.collect::<Vec<_>>().join(" "))
        }
        ('v' | 't', Value::Bool(value)) => pad(if *value { "true" } else { "false" }, spec),
        (_, Value::Int(whole) | Value::Int64(whole)) => integer(verb, spec, *whole, value),
        (_, Value::Byte(byte)) => integer(verb, spec, i64::from(*byte), value),
        (_, Value::Float(number)) => real(verb, spec, *number, value),
        ('s' | 'v', Value::Time(time)) => pad(&time.show(), spec),
        (_, Value::Text(text) | Value::Number(text)) => string(verb, spec, text, value),
        _ => bad(verb, value),
    }
}

/// An item of a list or map: a nil there has no verb.
fn inside(verb: char, spec: Spec, item: &Value) -> String {
    if item.is_something() {
        show(verb, spec, item)
    } else {
        pad("<nil>", spec)
    }
}

fn bad(verb: char, value: &Value) -> String {
    format!("%!{verb}({}={})", value.type_name(), value.show())
}

fn integer(verb: char, spec: Spec, whole: i64, value: &Value) -> String {
    let size = whole.unsigned_abs();
    let mut digits = match verb {
        'v' | 'd' => size.to_string(),
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        'c' => {
            let char = u32::try_from(whole).ok().and_then(char::from_u32);
            return pad(char.unwrap_or('\u{fffd}').encode_utf8(&mut [0; 4]), spec);
        }
        'q' => {
            let char = u32::try_from(whole).ok().and_then(char::from_u32);
            return pad(&text::quote_char(char.unwrap_or('\u{fffd}')), spec);
        }
        'U' => return pad(&format!("U+{size:04X}"), spec),
        _ => return bad(verb, value),
    };
    if let Some(precision) = spec.precision {
        if precision == 0 && whole == 0 {
            return pad(
                "",
                Spec {
                    zero: false,
                    ..spec
                },
            );
        }
        digits = format!("{digits:0>precision$}");
    }
    let prefix = match (verb, spec.sharp) {
        ('O', _) => "0o",
        ('o', true) if !digits.starts_with('0') => "0",
        ('x', true) => "0x",
        ('X', true) => "0X",
        ('b', true) => "0b",
        _ => "",
    };
    let zero = spec.zero && spec.precision.is_none();
    signed(whole < 0, prefix, &digits, Spec { zero, ..spec })
}

fn real(verb: char, spec: Spec, number: f64, value: &Value) -> String {
    let size = number.abs();
    let digits = match verb {
        'v' | 'g' => float::general(size, spec.precision, if spec.sharp { 21 } else { 6 }),
        'G' => float::general(size, spec.precision, 6).to_uppercase(),
        'e' => float::scientific(size, Some(spec.precision.unwrap_or(6))),
        'E' => float::scientific(size, Some(spec.precision.unwrap_or(6))).to_uppercase(),
        'f' | 'F' => float::fixed(size, Some(spec.precision.unwrap_or(6))),
        _ => return bad(verb, value),
    };
    let digits = digits.trim_start_matches('+');
    let zero = spec.zero && number.is_finite();
    signed(number.is_sign_negative(), "", digits, Spec { zero, ..spec })
}

/// A number with its sign; zeros go between the two.
fn signed(negative: bool, prefix: &str, digits: &str, spec: Spec) -> String {
    let sign = match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    if spec.zero {
        let room = spec.width.unwrap_or(0).saturating_sub(sign.len());
        return format!("{sign}{prefix}{digits:0>room$}");
    }
    pad(&format!("{sign}{prefix}{digits}"), spec)
}

fn string(verb: char, spec: Spec, content: &str, value: &Value) -> String {
    let cut: String = match spec.precision {
        Some(precision) => content.chars().take(precision).collect(),
        None => content.to_owned(),
    };
    match verb {
        's' | 'v' => pad(&cut, spec),
        'q' if spec.sharp && !cut.contains('`') => pad(&format!("`{cut}`"), spec),
        'q' => pad(&text::quote(&cut), spec),
        'x' | 'X' => {
            let bytes = content.bytes().take(spec.precision.unwrap_or(usize::MAX));
            let pairs: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
            let text = pairs.join(if spec.space { " " } else { "" });
            pad(
                &if verb == 'X' {
                    text.to_uppercase()
                } else {
                    text
                },
                spec,
            )
        }
        _ => bad(verb, value),
    }
}

fn pad(text: &str, spec: Spec) -> String {
    let width = spec.width.unwrap_or(0);
    match (spec.minus, spec.zero) {
        (true, _) => format!("{text:<width$}"),
        (false, true) => format!("{text:0>width$}"),
        (false, false) => format!("{text:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        let text = Value::text("aü");
        for (format, value, expected) in [
            (
                "%d|%5d|%-5d|%05d|%+d",
                Value::Int(42),
                "42|   42|42   |00042|+42",
            ),
            (
                "%x|%X|%#x|%o|%b|%c|%q|%U",
                Value::Int(65),
                "41|41|0x41|101|1000001|A|'A'|U+0041",
            ),
            (
                "%s|%5s|%-5s|%.1s|%q|%x",
                text.clone(),
                "aü|   aü|aü   |a|\"aü\"|61c3bc",
            ),
            (
                "%v|%g|%e|%.2f|%8.3f|%f",
                Value::Float(1.5),
                "1.5|1.5|1.500000e+00|1.50|   1.500|1.500000",
            ),
            ("%t|%v|%d", Value::Bool(true), "true|true|%!d(bool=true)"),
            (
                "%d|%s|%v|%T",
                Value::Number("5".into()),
                "%!d(json.Number=5)|5|5|json.Number",
            ),
            ("%s|%v|%#v", Value::Nil, "%!s(<nil>)|<nil>|<nil>"),
            (
                "%v|%#v|%q",
                Value::texts(["a"]),
                "[a]|[]string{\"a\"}|[\"a\"]",
            ),
        ] {
            let count = format.split('|').count();
            assert_eq!(super::format(format, &vec![value; count]), expected);
        }
        assert_eq!(format("%d%%", &[]), "%!d(MISSING)%");
        assert_eq!(
            format("a", &[Value::Int(1), text]),
            "a%!(EXTRA int=1, string=aü)"
        );
        assert_eq!(
            format("%[2]d %[1]d", &[Value::Int(1), Value::Int(2)]),
            "2 1"
        );
        assert_eq!(format("%*d", &[Value::Int(3), Value::Int(2)]), "  2");
    }
}
