//! What the built-in kinds are made of, for who owns which field: the fields' table, and what the OpenAPI documents say of lists
//! and maps beyond.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::decode;
use super::schema::{Schema, Shape, Sort};
use crate::kinds::Resource;
use crate::managed::{ATOMIC, Atom, DEDUCED, List, Members, Place, Relation, Scalar, Typed, Types};

/// Written by `cargo run -p stagewright-tests --bin generate-relations`.
static TEXT: &str = include_str!("relations.json");

static TYPES: LazyLock<Builtin> = LazyLock::new(|| {
    // The text is our own, and a test reads it.
    let table: Table = serde_json::from_str(TEXT).unwrap_or_default();
    Builtin::new(Schema::get(), &table)
});

/// By struct and field, what a list or map is where it is not the usual: `set`, `atomic`, `granular`, or `map` with the names of
/// its keys, each with the default that it has. The empty field is the struct itself.
#[derive(Default, Deserialize)]
struct Table {
    types: BTreeMap<Box<str>, BTreeMap<Box<str>, Box<str>>>,
}

struct Builtin {
    types: Types,
    /// Where the first struct of the schema is.
    first: Place,
    scalars: [Place; 4],
    /// Fields that are another struct than they name: one value, or not.
    variants: Vec<(Place, Place, bool)>,
}

/// The type of a built-in kind.
pub(crate) fn typed(resource: &Resource) -> Typed<'static> {
    let place = Schema::get().place(&resource.api_version(), &resource.kind);
    match place {
        Some(place) => TYPES.types.typed(TYPES.first + place),
        None => Typed::deduced(),
    }
}

/// The type of a Scale.
pub(crate) fn typed_scale() -> Typed<'static> {
    match Schema::get().place_of_any("Scale") {
        Some(place) => TYPES.types.typed(TYPES.first + place),
        None => Typed::deduced(),
    }
}

/// A Scale that nobody wrote to.
pub(crate) fn blank_scale() -> Value {
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {}, "status": {"replicas": 0}})
}

/// An object of the kind that nobody wrote to, as Go's zero value is written.
pub(crate) fn blank(resource: &Resource) -> Value {
    let mut blank = json!({"kind": resource.kind, "apiVersion": resource.api_version()});
    if let (false, Some(root)) = (
        resource.custom,
        Schema::get().kind(&resource.api_version(), &resource.kind),
    ) {
        decode::encode(root, &mut blank);
    }
    blank
}

/// Why an object that is deduced from a configuration cannot be one of its kind: the words of Go, which converts it member by member.
pub(crate) fn unreadable(resource: &Resource, object: &Value) -> Option<String> {
    let root = Schema::get().kind(&resource.api_version(), &resource.kind);
    let root = root.filter(|_| !resource.custom)?;
    let words = decode::decode(root, &mut object.clone()).error?;
    Some(if words.starts_with("illegal base64 data") {
        format!("error decoding from json: {words}")
    } else {
        words
    })
}

// === impl Builtin ===

impl Builtin {
    fn new(schema: &Schema, table: &Table) -> Self {
        let mut types = Types::new();
        let scalars = [Scalar::Number, Scalar::Text, Scalar::Bool, Scalar::Any].map(|scalar| {
            types.add(Atom {
                scalar: Some(scalar),
                ..Atom::default()
            })
        });
        let mut places = schema.structs().iter().map(|_| types.add(Atom::default()));
        let first = places.next().unwrap_or_default();
        places.for_each(drop);
        let mut new = Self {
            types,
            first,
            scalars,
            variants: Vec::new(),
        };
        for (at, of) in schema.structs().iter().enumerate() {
            let relations = table.types.get(&of.full);
            let relation =
                |field: &str| relations.and_then(|all| all.get(field)).map(|text| &**text);
            let fields = of
                .fields
                .iter()
                .map(|(name, field)| (name.clone(), new.place(&field.of, relation(name))));
            let members = Members {
                fields: fields.collect(),
                atomic: relation("") == Some("atomic"),
                rest: None,
            };
            new.types.set(first + at, of_map(members));
        }
        for (place, of, atomic) in std::mem::take(&mut new.variants) {
            let members = new.types.get(of).and_then(|atom| atom.map.clone());
            let members = Members {
                atomic,
                ..members.unwrap_or_default()
            };
            new.types.set(place, of_map(members));
        }
        new
    }

    fn place(&mut self, shape: &Shape, relation: Option<&str>) -> Place {
        let [number, text, bool, any] = self.scalars;
        match &shape.sort {
            Sort::Bool => bool,
            Sort::Int32 | Sort::Int64 | Sort::Float => number,
            Sort::Text | Sort::Bytes => text,
            Sort::Time | Sort::MicroTime | Sort::Quantity | Sort::IntOrString => any,
            Sort::Any if &*shape.go == "runtime.RawExtension" => ATOMIC,
            Sort::Any => DEDUCED,
            Sort::List(item) => {
                let of = self.place(item, None);
                let relation = relation.map_or(Relation::Atomic, list);
                self.types.add(Atom {
                    list: Some(List { relation, of }),
                    ..Atom::default()
                })
            }
            Sort::Map(item) => {
                let rest = Some(self.place(item, None));
                self.types.add(of_map(Members {
                    atomic: relation == Some("atomic"),
                    rest,
                    ..Members::default()
                }))
            }
            Sort::Struct(at) => {
                let of = self.first + at;
                match relation {
                    None => of,
                    Some(relation) => {
                        let place = self.types.add(Atom::default());
                        self.variants.push((place, of, relation == "atomic"));
                        place
                    }
                }
            }
        }
    }
}

fn of_map(members: Members) -> Atom {
    Atom {
        map: Some(members),
        ..Atom::default()
    }
}

fn list(text: &str) -> Relation {
    let mut words = text.split(' ');
    match words.next() {
        Some("set") => Relation::Set,
        Some("map") => {
            let keys = words.map(|key| match key.split_once('=') {
                Some((name, default)) => (name.into(), serde_json::from_str(default).ok()),
                None => (key.into(), None),
            });
            Relation::keyed(keys)
        }
        _ => Relation::Atomic,
    }
}
