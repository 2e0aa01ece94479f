//! A value of a template, with as much of its Go type as a template can tell apart.

use std::cell::RefCell;
use std::rc::Rc;

use litemap::LiteMap;

use super::time::Instant;
use super::{float, printf, text};

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// No value at all: a key that a map does not have. A field of it is missing too.
    Missing,
    /// A nil inside an interface: a null. A field of it is an error.
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `int64`, which sprig's arithmetic gives, and which no `int` parameter takes.
    Int64(i64),
    /// `uint8`: a byte of a string.
    Byte(u8),
    /// `float64`.
    Float(f64),
    /// `string`.
    Text(Rc<str>),
    /// `json.Number`: a number of the object, as text. Its kind is a string, but it is none.
    Number(Rc<str>),
    /// `time.Time`.
    Time(Instant),
    /// A slice.
    List(Rc<List>),
    /// A map with string keys. `set` changes it for all who hold it.
    Map(Rc<Map>),
}

/// What a slice or map holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elem {
    /// `interface {}`.
    Any,
    /// `string`.
    Text,
    /// `int`.
    Int,
    /// `[]interface {}`.
    List,
}

/// A slice.
#[derive(Debug)]
pub struct List {
    /// What it holds.
    pub elem: Elem,
    /// Its items.
    pub items: Vec<Value>,
}

/// What a map with string keys holds, in their order. Nearly all are small.
pub type Entries = LiteMap<Rc<str>, Value>;

/// A map with string keys, in their order.
#[derive(Debug)]
pub struct Map {
    /// What it holds.
    pub elem: Elem,
    /// Its entries.
    pub entries: RefCell<Entries>,
}

/// The kinds that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basic {
    /// Everything else.
    None,
    /// Booleans.
    Bool,
    /// Whole numbers, with a sign or without.
    Int,
    /// Floats.
    Float,
    /// Strings, and numbers of JSON.
    Text,
}

// === impl Value ===

impl Value {
    /// A string.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }

    /// `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(List {
            elem: Elem::Any,
            items,
        }))
    }

    /// A slice of something narrower.
    #[must_use]
    pub fn list_of(elem: Elem, items: Vec<Value>) -> Self {
        Self::List(Rc::new(List { elem, items }))
    }

    /// `[]string`.
    #[must_use]
    pub fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::list_of(Elem::Text, items.into_iter().map(Self::text).collect())
    }

    /// `map[string]interface {}`.
    #[must_use]
    pub fn map(entries: impl IntoIterator<Item = (Rc<str>, Value)>) -> Self {
        Self::map_of(Elem::Any, entries)
    }

    /// A map of something narrower.
    #[must_use]
    pub fn map_of(elem: Elem, found: impl IntoIterator<Item = (Rc<str>, Value)>) -> Self {
        let found = found.into_iter();
        let mut entries = Entries::with_capacity(found.size_hint().0);
        for (key, value) in found {
            entries.insert(key, value);
        }
        Self::Map(Rc::new(Map {
            elem,
            entries: RefCell::new(entries),
        }))
    }

    /// Neither missing nor nil.
    #[must_use]
    pub fn is_something(&self) -> bool {
        !matches!(self, Self::Missing | Self::Nil)
    }

    /// What `if` makes of it: false, zero, empty and nothing are false.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) | Self::Number(text) => !text.is_empty(),
            Self::Time(_) => true,
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.borrow().is_empty(),
        }
    }

    /// The type as Go writes it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Byte(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Number(_) => "json.Number",
            Self::Time(_) => "time.Time",
            Self::List(list) => match list.elem {
                Elem::Any => "[]interface {}",
                Elem::Text => "[]string",
                Elem::Int => "[]int",
                Elem::List => "[][]interface {}",
            },
            Self::Map(map) => match map.elem {
                Elem::Text => "map[string]string",
                _ => "map[string]interface {}",
            },
        }
    }

    /// The kind as Go writes it.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "invalid",
            Self::Number(_) => "string",
            Self::Time(_) => "struct",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            other => other.type_name(),
        }
    }

    /// How it is compared.
    #[must_use]
    pub fn basic(&self) -> Basic {
        match self {
            Self::Bool(_) => Basic::Bool,
            Self::Int(_) | Self::Int64(_) | Self::Byte(_) => Basic::Int,
            Self::Float(_) => Basic::Float,
            Self::Text(_) | Self::Number(_) => Basic::Text,
            _ => Basic::None,
        }
    }

    /// The value of a whole number.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Int64(value) => Some(*value),
            Self::Byte(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// The text of a string or a number of JSON.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// `reflect.DeepEqual`.
    #[must_use]
    pub fn deep_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing | Self::Nil, Self::Missing | Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Text(a), Self::Text(b)) | (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                let alike = a.elem == b.elem && a.items.len() == b.items.len();
                alike && a.items.iter().zip(&b.items).all(|(a, b)| a.deep_equal(b))
            }
            (Self::Map(a), Self::Map(b)) => {
                if Rc::ptr_eq(a, b) {
                    return true;
                }
                let alike = a.elem == b.elem;
                let (a, b) = (a.entries.borrow(), b.entries.borrow());
                let mut pairs = a.iter().zip(b.iter());
                alike && a.len() == b.len() && pairs.all(|(a, b)| a.0 == b.0 && a.1.deep_equal(b.1))
            }
            _ => false,
        }
    }

    /// As `%v` writes it.
    #[must_use]
    pub fn show(&self) -> String {
        let mut out = String::new();
        self.show_into(&mut out);
        out
    }

    /// As `%v` writes it, behind what is there.
    pub fn show_into(&self, out: &mut String) {
        match self {
            Self::Missing | Self::Nil => out.push_str("<nil>"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) | Self::Int64(value) => out.push_str(&value.to_string()),
            Self::Byte(value) => out.push_str(&value.to_string()),
            Self::Float(value) => out.push_str(&float::shortest(*value)),
            Self::Text(text) | Self::Number(text) => out.push_str(text),
            Self::Time(time) => out.push_str(&time.show()),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    item.show_into(out);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push_str("map[");
                for (index, (key, item)) in map.entries.borrow().iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    out.push_str(key);
                    out.push(':');
                    item.show_into(out);
                }
                out.push(']');
            }
        }
    }

    /// As `%#v` writes it: Go source.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text::quote(text),
            Self::Byte(value) => format!("0x{value:x}"),
            Self::Float(value) => float::shortest_above(*value, 21),
            Self::List(list) => {
                let items: Vec<String> = list.items.iter().map(Self::source_inside).collect();
                format!("{}{{{}}}", self.type_name(), items.join(", "))
            }
            Self::Map(map) => {
                let entries = map.entries.borrow();
                let items = entries
                    .iter()
                    .map(|(key, item)| format!("{}:{}", text::quote(key), item.source_inside()));
                let items: Vec<String> = items.collect();
                format!("{}{{{}}}", self.type_name(), items.join(", "))
            }
            other => other.show(),
        }
    }

    fn source_inside(&self) -> String {
        if self.is_something() {
            self.source()
        } else {
            "interface {}(nil)".to_owned()
        }
    }

    /// What `fmt.Sprint` makes of several: a space between two of which none is a string.
    #[must_use]
    pub fn print(values: &[Value]) -> String {
        let mut out = String::new();
        let mut after_text = true;
        for (index, value) in values.iter().enumerate() {
            let is_text = value.as_text().is_some();
            if index > 0 && !is_text && !after_text {
                out.push(' ');
            }
            value.show_into(&mut out);
            after_text = is_text;
        }
        out
    }

    /// What `fmt.Sprintf` makes of them.
    #[must_use]
    pub fn printf(format: &str, values: &[Value]) -> String {
        printf::format(format, values)
    }
}
