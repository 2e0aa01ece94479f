//! What decoding into Go's types makes of an object, and encoding it again.
//!
//! Between the two, an object has its normal form: what is zero in Go is not there. So `nil`, empty and missing are one, as they
//! are for defaults and validation.

use std::fmt::Write as _;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::quantity;
use super::schema::{Field, Omitted, Schema, Shape, Sort, Struct};

/// What decoding found.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The places of fields that the kind does not have; they are gone.
    pub(super) unknown: Vec<String>,
    /// The first value of a wrong type, in the words of Go's decoder.
    pub(super) error: Option<String>,
    /// Lists and maps without elements that Go writes as such, where it would write null for none; as JSON pointers. They are gone.
    pub(super) empty: Vec<(String, Value)>,
}

struct Decoder {
    schema: &'static Schema,
    /// `spec.containers[0].image`
    path: String,
    /// Embedded structs on the way, which only Go's own errors name: where in the path, and the name.
    within: Vec<(usize, Box<str>)>,
    /// Where in the path keys of maps are.
    keys: Vec<std::ops::Range<usize>>,
    found: Decoded,
}

/// Brings an object of that kind into its normal form.
pub(super) fn decode(root: &Struct, object: &mut Value) -> Decoded {
    let mut decoder = Decoder {
        schema: Schema::get(),
        path: String::new(),
        within: Vec::new(),
        keys: Vec::new(),
        found: Decoded::default(),
    };
    if let Some(map) = object.as_object_mut() {
        decoder.fields(root, map);
    }
    decoder.found
}

// === impl Decoder ===

impl Decoder {
    fn fields(&mut self, of: &Struct, map: &mut Map<String, Value>) {
        map.retain(|name, value| {
            let length = self.enter(name);
            let kept = match of.fields.get(name.as_str()) {
                Some(field) => {
                    self.within
                        .extend(field.embedded.clone().map(|name| (length, name)));
                    let kept = self.field(of, field, value);
                    self.within.retain(|(place, _)| *place < length);
                    kept
                }
                None => {
                    self.found.unknown.push(self.path.clone());
                    false
                }
            };
            self.path.truncate(length);
            kept
        });
    }

    /// Goes one step further; the length to go back to.
    fn enter(&mut self, name: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        length
    }

    /// Whether the field stays.
    fn field(&mut self, of: &Struct, field: &Field, value: &mut Value) -> bool {
        if value.is_null() {
            return false;
        }
        self.value(of, &field.of, value);
        if field.of.pointer || !is_zero(&field.of.sort, value) {
            return true;
        }
        let holds = matches!(field.of.sort, Sort::List(_) | Sort::Map(_));
        if holds && field.omitted == Omitted::Never {
            self.found.empty.push((self.pointer(), value.take()));
        }
        false
    }

    /// The path as a JSON pointer.
    fn pointer(&self) -> String {
        let mut pointer = "/".to_owned();
        for (index, letter) in self.path.char_indices() {
            let mut keys = self.keys.iter();
            let in_key = keys.any(|key| key.start < index && index < key.end);
            match letter {
                '.' | '[' if !in_key => pointer.push('/'),
                ']' if !in_key => {}
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                _ => pointer.push(letter),
            }
        }
        pointer
    }

    fn value(&mut self, of: &Struct, shape: &Shape, value: &mut Value) {
        let fits = match &shape.sort {
            Sort::Bool => value.is_boolean(),
            Sort::Int32 => whole(value).is_some_and(|number| i32::try_from(number).is_ok()),
            Sort::Int64 => whole(value).is_some(),
            Sort::Float => value.is_number(),
            Sort::Text => value.is_string(),
            Sort::Bytes => {
                if let Some(place) = value.as_str().and_then(not_base64) {
                    self.fail(format!("illegal base64 data at input byte {place}"));
                }
                value.is_string()
            }
            Sort::Any => true,
            Sort::List(item) => match value.as_array_mut() {
                Some(list) => {
                    self.list(of, item, list);
                    true
                }
                None => false,
            },
            Sort::Map(item) => match value.as_object_mut() {
                Some(map) => {
                    self.map(of, item, map);
                    true
                }
                None => false,
            },
            Sort::Struct(place) => match (self.schema.at(*place), value.as_object_mut()) {
                (Some(inner), Some(map)) => {
                    self.fields(inner, map);
                    true
                }
                _ => false,
            },
            Sort::Time | Sort::MicroTime | Sort::Quantity | Sort::IntOrString => {
                match canonical(&shape.sort, value) {
                    Ok(canonical) => *value = canonical,
                    Err(Unread::Words(words)) => self.fail(words),
                    Err(Unread::Type(go)) => self.misfit(of, go, value),
                }
                true
            }
        };
        if !fits {
            self.misfit(of, &shape.go, value);
        }
    }

    fn list(&mut self, of: &Struct, item: &Shape, list: &mut [Value]) {
        for (index, value) in list.iter_mut().enumerate() {
            let length = self.path.len();
            // A text takes everything: this cannot fail.
            let _ = write!(self.path, "[{index}]");
            self.element(of, item, value);
            self.path.truncate(length);
        }
    }

    fn map(&mut self, of: &Struct, item: &Shape, map: &mut Map<String, Value>) {
        for (key, value) in map {
            let length = self.enter(key);
            self.keys.push(length..self.path.len());
            self.element(of, item, value);
            self.keys.pop();
            self.path.truncate(length);
        }
    }

    fn element(&mut self, of: &Struct, item: &Shape, value: &mut Value) {
        if value.is_null() {
            *value = zero(&item.sort);
        }
        if !value.is_null() {
            self.value(of, item, value);
        }
    }

    fn fail(&mut self, error: String) {
        self.found.error.get_or_insert(error);
    }

    fn misfit(&mut self, of: &Struct, go: &str, value: &Value) {
        let what = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if go.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        // Go's path has no indices, no keys of maps, and names of embedded structs.
        let mut place = String::new();
        let mut skipping = false;
        for (index, letter) in self.path.char_indices() {
            for (_, name) in self.within.iter().filter(|(place, _)| *place == index) {
                place.push_str(&format!(".{name}"));
            }
            match letter {
                '[' => skipping = true,
                ']' => skipping = false,
                _ if skipping || self.keys.iter().any(|key| key.contains(&index)) => {}
                _ => place.push(letter),
            }
        }
        self.fail(format!(
            "json: cannot unmarshal {what} into Go struct field {}.{place} of type {}",
            of.name, go
        ));
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// Whether Go's value would be zero, or a map or list without elements, which the store does not tell from it.
pub(super) fn is_zero(sort: &Sort, value: &Value) -> bool {
    match (sort, value) {
        (Sort::Quantity | Sort::IntOrString, _) => false,
        (_, Value::Null | Value::Bool(false)) => true,
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Array(list)) => list.is_empty(),
        (Sort::Any, Value::Object(_)) => false,
        (_, Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

/// The zero value of a type that is no pointer, as Go encodes it.
fn zero(sort: &Sort) -> Value {
    match sort {
        Sort::Bool => json!(false),
        Sort::Int32 | Sort::Int64 | Sort::Float | Sort::IntOrString => json!(0),
        Sort::Text => json!(""),
        Sort::Quantity => json!("0"),
        Sort::Struct(_) => json!({}),
        Sort::Bytes | Sort::Time | Sort::MicroTime | Sort::Any | Sort::List(_) | Sort::Map(_) => {
            Value::Null
        }
    }
}

/// Where a text stops being base64.
fn not_base64(text: &str) -> Option<usize> {
    match STANDARD.decode(text) {
        Ok(_) => None,
        Err(DecodeError::InvalidByte(place, _)) => Some(place),
        Err(_) => Some(text.len()),
    }
}

/// Why a type that reads itself could not.
enum Unread {
    /// In its own words.
    Words(String),
    /// It reads another type, of this name.
    Type(&'static str),
}

/// A value of a type that reads itself, as it writes itself.
fn canonical(sort: &Sort, value: &Value) -> Result<Value, Unread> {
    let small = value
        .as_i64()
        .is_some_and(|number| i32::try_from(number).is_ok());
    match sort {
        Sort::Quantity => {
            let read = quantity::canonical(value);
            return read.map(Value::String).map_err(Unread::Words);
        }
        Sort::IntOrString if value.is_string() || small => return Ok(value.clone()),
        Sort::IntOrString => return Err(Unread::Type("int32")),
        _ => {}
    }
    let text = value.as_str().ok_or(Unread::Type("string"))?;
    let read = match sort {
        Sort::MicroTime => micros(text),
        _ => match Time::parse(text) {
            Some(time) => Ok(time.to_seconds()),
            None => Err(no_time(text, "", text, "2006")),
        },
    };
    read.map(Value::String).map_err(Unread::Words)
}

/// The words of Go for a time that is none: the text, the fraction of its layout, and what could not be read as what.
fn no_time(text: &str, fraction: &str, rest: &str, part: &str) -> String {
    format!(
        "parsing time {text:?} as \"2006-01-02T15:04:05{fraction}Z07:00\": cannot parse {rest:?} as {part:?}"
    )
}

/// A time with exactly six digits of fraction. [`Time`] has fewer, so they are kept as they are.
fn micros(text: &str) -> Result<String, String> {
    const SECONDS: usize = "2006-01-02T15:04:05".len();
    const FRACTION: &str = ".000000";
    let time: Result<jiff::Timestamp, _> = text.parse();
    let (Ok(time), Some(rest)) = (time, text.get(SECONDS..)) else {
        return Err(no_time(text, FRACTION, text, "2006"));
    };
    let digits = rest.strip_prefix('.').map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest.split_at(end.unwrap_or(rest.len()))
    });
    match digits {
        Some((digits, _)) if digits.len() == 6 => {
            Ok(time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        }
        Some((digits, _)) if digits.len() > 6 => {
            let rest = rest.get(FRACTION.len()..).unwrap_or_default();
            Err(no_time(text, FRACTION, rest, "Z07:00"))
        }
        _ => Err(no_time(text, FRACTION, rest, FRACTION)),
    }
}

/// Brings an object from its normal form into the one in which it is stored and sent.
pub(super) fn encode(root: &Struct, object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        encode_fields(Schema::get(), root, map);
    }
}

fn encode_fields(schema: &Schema, of: &Struct, map: &mut Map<String, Value>) {
    for (field, value) in of.inner_mut(map) {
        encode_value(schema, &field.of, value);
    }
    for name in &of.shown {
        let field = of.fields.get(name).filter(|_| !map.contains_key(&**name));
        let shown = field.and_then(|field| Some((field, shown_when_zero(field)?)));
        if let Some((field, mut value)) = shown {
            encode_value(schema, &field.of, &mut value);
            map.insert(name.to_string(), value);
        }
    }
}

/// How a field that is zero is written, if it is.
pub(super) fn shown_when_zero(field: &Field) -> Option<Value> {
    match (field.omitted, field.of.pointer) {
        (Omitted::Never, true) => Some(Value::Null),
        (Omitted::Never, false) => Some(zero(&field.of.sort)),
        (Omitted::Empty, false) => match field.of.sort {
            // These are structs in Go, which are never empty.
            Sort::Struct(_) | Sort::Time | Sort::MicroTime | Sort::Quantity | Sort::IntOrString => {
                Some(zero(&field.of.sort))
            }
            Sort::Any if &*field.of.go == "runtime.RawExtension" => Some(Value::Null),
            _ => None,
        },
        _ => None,
    }
}

fn encode_value(schema: &Schema, shape: &Shape, value: &mut Value) {
    match (&shape.sort, value) {
        (Sort::Struct(place), Value::Object(map)) => {
            if let Some(inner) = schema.at(*place) {
                encode_fields(schema, inner, map);
            }
        }
        (Sort::List(item), Value::Array(list)) => {
            list.iter_mut()
                .for_each(|value| encode_value(schema, item, value));
        }
        (Sort::Map(item), Value::Object(map)) => {
            map.values_mut()
                .for_each(|value| encode_value(schema, item, value));
        }
        _ => {}
    }
}
