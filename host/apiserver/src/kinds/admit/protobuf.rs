//! Bodies in protobuf, as Go's clients send built-in kinds, made into the JSON that they stand for.
//!
//! The numbers of fields are in the table of Go's types, so no code is generated. A body begins with four bytes; a
//! `runtime.Unknown` follows, which says the kind and has the object (apimachinery, `pkg/runtime/serializer/protobuf`).
//!
//! # Known gaps
//! Schemas of CustomResourceDefinitions that are either a schema or something else are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::decode::is_zero;
use super::schema::{Numbered, Numbers, Schema, Shape, Sort, Struct};

/// What such a body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Messages inside of each other. No kind has so many, but for schemas in schemas.
const DEPTH: usize = 100;
/// Milliseconds of a second.
const MILLIS: i64 = 1_000;

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// It is no protobuf, or breaks off.
    #[error("illegal protobuf: {0}")]
    Broken(&'static str),
    /// The kind is no built-in one, or has a part that is not read in this form.
    #[error("{0} is not read as protobuf")]
    Unknown(String),
}

/// A value as it is on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

/// Reads an object with its kind.
///
/// # Errors
/// If the body is broken, or of a kind that is not known in this form.
pub fn from_protobuf(body: &[u8]) -> Result<Value, ProtobufError> {
    let unknown = body
        .strip_prefix(MAGIC)
        .ok_or(ProtobufError::Broken("it does not begin as it must"))?;
    let [mut type_meta, mut raw] = [&[][..]; 2];
    let mut reader = Reader(unknown);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => type_meta = wire.bytes()?,
            2 => raw = wire.bytes()?,
            _ => {}
        }
    }
    let [mut api_version, mut kind] = [""; 2];
    let mut reader = Reader(type_meta);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => api_version = wire.text()?,
            2 => kind = wire.text()?,
            _ => {}
        }
    }
    let schema = Schema::get();
    let root = schema
        .kind(api_version, kind)
        // What requests carry beside objects is the same in all groups.
        .or_else(|| schema.kind_of_any(kind))
        .ok_or_else(|| ProtobufError::Unknown(format!("{api_version} {kind}")))?;
    let mut map = Map::new();
    message(&root.numbers, root, raw, &mut map, DEPTH)?;
    map.insert("apiVersion".to_owned(), json!(api_version));
    map.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(map))
}

/// Reads the fields of a struct. A number that is not known is of a later version, and passed over.
fn message(
    numbers: &Numbers,
    of: &Struct,
    bytes: &[u8],
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    let depth = depth
        .checked_sub(1)
        .ok_or(ProtobufError::Broken("messages are too deep"))?;
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        match numbers.get(&number) {
            None => {}
            Some(Numbered::Inline(inner)) => message(inner, of, wire.bytes()?, map, depth)?,
            Some(Numbered::Field(name)) => {
                if let Some(field) = of.fields.get(name) {
                    let slot = map.entry(name.to_string()).or_insert(Value::Null);
                    put(&field.of, wire, slot, depth)?;
                }
            }
        }
    }
    // What is no pointer is always sent. In JSON it is not there when it is zero.
    map.retain(|name, value| {
        let shape = of.fields.get(name.as_str()).map(|field| &field.of);
        !value.is_null() && shape.is_none_or(|shape| shape.pointer || !is_zero(&shape.sort, value))
    });
    Ok(())
}

/// Puts a value into its place, or adds it to what is there of a list or a map.
fn put(shape: &Shape, wire: Wire<'_>, slot: &mut Value, depth: usize) -> Result<(), ProtobufError> {
    match &shape.sort {
        Sort::List(item) => {
            if slot.is_null() {
                *slot = json!([]);
            }
            if let Some(list) = slot.as_array_mut() {
                items(item, wire, list, depth)?;
            }
        }
        Sort::Map(item) => {
            let (key, value) = entry(item, wire.bytes()?, depth)?;
            if slot.is_null() {
                *slot = json!({});
            }
            if let Some(map) = slot.as_object_mut() {
                map.insert(key, value);
            }
        }
        _ => *slot = value(shape, wire, depth)?,
    }
    Ok(())
}

/// One item, or several numbers in one field.
fn items(
    item: &Shape,
    wire: Wire<'_>,
    list: &mut Vec<Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    match (&item.sort, wire) {
        (Sort::Bool | Sort::Int32 | Sort::Int64, Wire::Bytes(bytes)) => {
            let mut packed = Reader(bytes);
            while !packed.0.is_empty() {
                let number = Wire::Number(packed.varint()?);
                list.push(value(item, number, depth)?);
            }
        }
        _ => list.push(value(item, wire, depth)?),
    }
    Ok(())
}

/// An entry of a map.
fn entry(item: &Shape, bytes: &[u8], depth: usize) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut found) = (String::new(), None);
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => wire.text()?.clone_into(&mut key),
            2 => found = Some(value(item, wire, depth)?),
            _ => {}
        }
    }
    let found = match found {
        Some(found) => found,
        None => value(item, Wire::Bytes(&[]), depth)?,
    };
    Ok((key, found))
}

fn value(shape: &Shape, wire: Wire<'_>, depth: usize) -> Result<Value, ProtobufError> {
    Ok(match &shape.sort {
        Sort::Bool => json!(wire.number()? != 0),
        Sort::Int32 | Sort::Int64 => json!(wire.number()?.cast_signed()),
        Sort::Float => match wire {
            Wire::Fixed(bits) => json!(f64::from_bits(bits)),
            _ => return Err(ProtobufError::Broken("a number has another form")),
        },
        Sort::Text => json!(wire.text()?),
        Sort::Bytes => json!(STANDARD.encode(wire.bytes()?)),
        Sort::Time => {
            time(wire.bytes()?)?.map_or(Value::Null, |(time, _)| json!(time.to_seconds()))
        }
        Sort::MicroTime => time(wire.bytes()?)?.map_or(Value::Null, micro_time),
        Sort::Quantity => json!(only(wire.bytes()?, "0", Wire::text)?),
        Sort::IntOrString => int_or_string(wire.bytes()?)?,
        Sort::Any if ["v1.JSON", "v1.FieldsV1", "runtime.RawExtension"].contains(&&*shape.go) => {
            let raw = only(wire.bytes()?, &[][..], Wire::bytes)?;
            if raw.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(raw)
                .map_err(|_| ProtobufError::Broken("a part that must be JSON is none"))?
        }
        Sort::Any => return Err(ProtobufError::Unknown(shape.go.to_string())),
        // As a value of a map.
        Sort::List(_) | Sort::Map(_) => {
            let mut all = Value::Null;
            let mut reader = Reader(wire.bytes()?);
            while let Some((_, wire)) = reader.next()? {
                put(shape, wire, &mut all, depth)?;
            }
            all
        }
        Sort::Struct(place) => {
            let mut map = Map::new();
            if let Some(of) = Schema::get().at(*place) {
                message(&of.numbers, of, wire.bytes()?, &mut map, depth)?;
            }
            Value::Object(map)
        }
    })
}

/// The only field of a message.
fn only<'a, T>(
    bytes: &'a [u8],
    missing: T,
    read: impl Fn(Wire<'a>) -> Result<T, ProtobufError>,
) -> Result<T, ProtobufError> {
    let mut found = missing;
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            found = read(wire)?;
        }
    }
    Ok(found)
}

/// Seconds and nanoseconds; no time if there are none. Answers the second, and the microseconds in it.
fn time(bytes: &[u8]) -> Result<Option<(Time, u32)>, ProtobufError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let [mut seconds, mut nanos] = [0_i64; 2];
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => seconds = wire.number()?.cast_signed(),
            2 => nanos = wire.number()?.cast_signed(),
            _ => {}
        }
    }
    let millis = seconds.checked_mul(MILLIS);
    let millis = millis.ok_or(ProtobufError::Broken("a time is out of range"))?;
    let micros = u32::try_from(nanos / 1_000).unwrap_or(0);
    Ok(Some((Time(millis), micros)))
}

/// `metav1.MicroTime`.
fn micro_time((seconds, micros): (Time, u32)) -> Value {
    let text = seconds.to_seconds();
    json!(format!("{}.{micros:06}Z", text.trim_end_matches('Z')))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    let mut reader = Reader(bytes);
    while let Some((field, wire)) = reader.next()? {
        match field {
            1 => is_text = wire.number()? == 1,
            2 => number = wire.number()?.cast_signed(),
            3 => text = wire.text()?,
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

// === impl Wire ===

impl<'a> Wire<'a> {
    fn number(self) -> Result<u64, ProtobufError> {
        match self {
            Self::Number(number) => Ok(number),
            // A map has no value where that is zero.
            Self::Bytes([]) => Ok(0),
            _ => Err(ProtobufError::Broken("a number has another form")),
        }
    }

    fn bytes(self) -> Result<&'a [u8], ProtobufError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(ProtobufError::Broken("a message has another form")),
        }
    }

    fn text(self) -> Result<&'a str, ProtobufError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ProtobufError::Broken("text is not UTF-8"))
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// The next field with its number.
    fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, ProtobufError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).map_err(|_| ProtobufError::Broken("a number is too large"))?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Fixed(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed(u64::from(u32::from_le_bytes(self.fixed()?))),
            _ => {
                return Err(ProtobufError::Broken(
                    "a field has a form that there is not",
                ));
            }
        };
        Ok(Some((number, wire)))
    }

    fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Broken("a number is too long"))
    }

    fn fixed<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], ProtobufError> {
        let bytes = self.take(LENGTH)?;
        bytes
            .try_into()
            .map_err(|_| ProtobufError::Broken("it breaks off"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(ProtobufError::Broken("it breaks off"))?;
        self.0 = rest;
        Ok(taken)
    }
}
