//! The Go types of the built-in kinds: their fields, what is a pointer, what is left out when it is empty.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::decode::shown_when_zero;
use super::defaults::{self, Hook};

/// Written by `cargo run -p stagewright-tests --bin generate-fields`.
static TEXT: &str = include_str!("fields.json");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    // The text is our own, and a test reads it.
    let table: Table = serde_json::from_str(TEXT).unwrap_or_default();
    Schema::new(&table)
});

/// All types, and which kind is which.
#[derive(Debug, Default)]
pub(super) struct Schema {
    kinds: HashMap<Box<str>, usize>,
    structs: Vec<Struct>,
}

/// A struct of Go.
#[derive(Debug, Default)]
pub(super) struct Struct {
    /// Its name as Go's errors have it: `PodSpec`.
    pub(super) name: Box<str>,
    /// The same with its package, as tables name it: `core/v1.PodSpec`.
    pub(super) full: Box<str>,
    /// By their names in JSON.
    pub(super) fields: BTreeMap<Box<str>, Field>,
    /// By their numbers in protobuf.
    pub(super) numbers: Numbers,
    /// What fills in defaults that depend on more than one field.
    pub(super) hook: Option<Hook>,
    /// The fields in which something may be filled in though nothing is there.
    pub(super) filled: Vec<Box<str>>,
    /// The fields that are written though they are zero.
    pub(super) shown: Vec<Box<str>>,
}

/// What the numbers of a message in protobuf stand for.
pub(super) type Numbers = BTreeMap<u32, Numbered>;

/// What one of them stands for.
#[derive(Debug)]
pub(super) enum Numbered {
    /// A field, by its name in JSON.
    Field(Box<str>),
    /// A message of its own, whose fields are the struct's in JSON.
    Inline(Numbers),
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) of: Shape,
    pub(super) omitted: Omitted,
    /// The struct that is embedded and has it, with a dot between where that is embedded too.
    pub(super) embedded: Option<Box<str>>,
    /// What stands there if nothing does.
    pub(super) default: Option<Value>,
}

/// When a field is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Omitted {
    Never,
    /// `omitempty`, which never holds for a struct.
    Empty,
    /// `omitzero`.
    Zero,
}

/// A type, with or without a pointer to it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) pointer: bool,
    /// As Go's errors name it, without the pointer: `[]v1.Container`.
    pub(super) go: Box<str>,
    pub(super) sort: Sort,
}

/// The sorts of types.
#[derive(Debug)]
pub(super) enum Sort {
    Bool,
    Int32,
    Int64,
    Float,
    Text,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// What is kept as it is.
    Any,
    List(Box<Shape>),
    Map(Box<Shape>),
    Struct(usize),
}

#[derive(Default, Deserialize)]
struct Table {
    kinds: BTreeMap<Box<str>, Box<str>>,
    types: BTreeMap<Box<str>, Declaration>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Declaration {
    Alias(Box<str>),
    Struct(BTreeMap<Box<str>, Box<str>>),
}

// === impl Schema ===

impl Schema {
    /// The built-in kinds'.
    pub(super) fn get() -> &'static Self {
        &SCHEMA
    }

    fn new(table: &Table) -> Self {
        let places: HashMap<&str, usize> = table
            .types
            .iter()
            .filter(|(_, declaration)| matches!(declaration, Declaration::Struct(_)))
            .enumerate()
            .map(|(place, (name, _))| (&**name, place))
            .collect();
        let mut structs = Vec::new();
        for (name, declaration) in &table.types {
            let Declaration::Struct(fields) = declaration else {
                continue;
            };
            let mut numbers = Numbers::new();
            let fields = fields.iter().map(|(field, text)| {
                let (text, place) = text.split_once('#').unwrap_or((text, ""));
                number(&mut numbers, place, field);
                let (text, embedded) = match text.split_once('@') {
                    Some((text, embedded)) => (text, Some(embedded.into())),
                    None => (text, None),
                };
                let (of, omitted) = split_mark(text);
                let field_of = Field {
                    of: shape(table, &places, of),
                    omitted,
                    embedded,
                    default: defaults::of_field(name, field),
                };
                (field.clone(), field_of)
            });
            let fields: BTreeMap<Box<str>, Field> = fields.collect();
            let shown = fields
                .iter()
                .filter(|(_, field)| shown_when_zero(field).is_some());
            structs.push(Struct {
                name: name.rsplit('.').next().unwrap_or_default().into(),
                full: name.clone(),
                shown: shown.map(|(name, _)| name.clone()).collect(),
                fields,
                numbers,
                hook: defaults::hook(name),
                filled: Vec::new(),
            });
        }
        let filled: Vec<Vec<Box<str>>> = structs.iter().map(|of| filled(&structs, of)).collect();
        for (of, filled) in structs.iter_mut().zip(filled) {
            of.filled = filled;
        }
        let kinds = table.kinds.iter().filter_map(|(kind, name)| {
            let place = places.get(&**name)?;
            Some((kind.clone(), *place))
        });
        Self {
            kinds: kinds.collect(),
            structs,
        }
    }

    /// The struct of a kind: `v1/Pod`, `batch/v1/Job`.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&Struct> {
        self.structs.get(self.place(api_version, kind)?)
    }

    /// Where the struct of a kind is.
    pub(super) fn place(&self, api_version: &str, kind: &str) -> Option<usize> {
        let name = format!("{api_version}/{kind}");
        self.kinds.get(name.as_str()).copied()
    }

    /// All structs, at their places.
    pub(super) fn structs(&self) -> &[Struct] {
        &self.structs
    }

    /// The struct of what goes with requests, whatever the group: `DeleteOptions`, `Scale`.
    pub(super) fn kind_of_any(&self, kind: &str) -> Option<&Struct> {
        self.structs.get(self.place_of_any(kind)?)
    }

    /// Where that is.
    pub(super) fn place_of_any(&self, kind: &str) -> Option<usize> {
        self.kinds.get(kind).copied()
    }

    /// The struct at that place; all places in shapes are those of structs.
    pub(super) fn at(&self, place: usize) -> Option<&Struct> {
        self.structs.get(place)
    }
}

// === impl Struct ===

impl Struct {
    /// The members of such an object that have something inside, with what they are.
    pub(super) fn inner_mut<'a>(
        &'a self,
        map: &'a mut Map<String, Value>,
    ) -> impl Iterator<Item = (&'a Field, &'a mut Value)> {
        let inner = map
            .iter_mut()
            .filter(|(_, value)| value.is_object() || value.is_array());
        inner.filter_map(|(name, value)| Some((self.fields.get(name.as_str())?, value)))
    }
}

/// The fields with a default of their own, and those that are structs without a pointer in which something is filled in.
fn filled(structs: &[Struct], of: &Struct) -> Vec<Box<str>> {
    let is_filled = |field: &Field| match field.of.sort {
        _ if field.default.is_some() => true,
        Sort::Struct(place) if !field.of.pointer => structs
            .get(place)
            .is_some_and(|inner| inner.hook.is_some() || !filled(structs, inner).is_empty()),
        _ => false,
    };
    let fields = of.fields.iter().filter(|(_, field)| is_filled(field));
    fields.map(|(name, _)| name.clone()).collect()
}

/// Notes a field at its number; `2.1` is number 1 in the message that has number 2.
fn number(numbers: &mut Numbers, place: &str, field: &str) {
    let (first, rest) = match place.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (place, None),
    };
    let Ok(first) = first.parse() else {
        return;
    };
    match rest {
        None => {
            numbers.insert(first, Numbered::Field(field.into()));
        }
        Some(rest) => {
            let inline = numbers
                .entry(first)
                .or_insert_with(|| Numbered::Inline(Numbers::new()));
            if let Numbered::Inline(inner) = inline {
                number(inner, rest, field);
            }
        }
    }
}

fn split_mark(text: &str) -> (&str, Omitted) {
    if let Some(of) = text.strip_suffix('?') {
        (of, Omitted::Empty)
    } else if let Some(of) = text.strip_suffix('!') {
        (of, Omitted::Zero)
    } else {
        (text, Omitted::Never)
    }
}

fn shape(table: &Table, places: &HashMap<&str, usize>, of: &str) -> Shape {
    let (of, pointer) = match of.strip_prefix('*') {
        Some(of) => (of, true),
        None => (of, false),
    };
    Shape {
        pointer,
        go: without_folders(of),
        sort: sort(table, places, of),
    }
}

fn sort(table: &Table, places: &HashMap<&str, usize>, of: &str) -> Sort {
    if of == "[]byte" {
        return Sort::Bytes;
    }
    if let Some(item) = of.strip_prefix("[]") {
        return Sort::List(Box::new(shape(table, places, item)));
    }
    if let Some((_, value)) = of.strip_prefix("map[").and_then(|of| of.split_once(']')) {
        return Sort::Map(Box::new(shape(table, places, value)));
    }
    match of {
        "bool" => Sort::Bool,
        "int32" => Sort::Int32,
        "int64" | "int" => Sort::Int64,
        "float64" => Sort::Float,
        "string" | "types.UID" => Sort::Text,
        "meta/v1.Time" => Sort::Time,
        "meta/v1.MicroTime" => Sort::MicroTime,
        "resource.Quantity" => Sort::Quantity,
        "intstr.IntOrString" => Sort::IntOrString,
        name => match (table.types.get(name), places.get(name)) {
            (Some(Declaration::Alias(of)), _) => sort(table, places, of),
            (_, Some(place)) => Sort::Struct(*place),
            _ => Sort::Any,
        },
    }
}

/// `[]core/v1.Container` as Go's errors have it: `[]v1.Container`.
fn without_folders(of: &str) -> Box<str> {
    let mut text = String::new();
    for part in of.split_inclusive(['[', ']', '*']) {
        text.push_str(part.rsplit_once('/').map_or(part, |(_, last)| last));
    }
    text.into()
}
