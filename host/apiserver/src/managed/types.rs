//! What values are made of, as far as it matters who owns which part (structured-merge-diff, `schema/elements.go`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// Types that name each other by their places.
#[derive(Debug, Default)]
pub(crate) struct Types(Vec<Atom>);

/// A type's place.
pub(crate) type Place = usize;

/// What a value of a type may be. Several at once where the value itself says which.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Atom {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<List>,
    pub(crate) map: Option<Members>,
}

/// What scalars there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Number,
    Text,
    Bool,
    Any,
}

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List {
    pub(crate) relation: Relation,
    pub(crate) of: Place,
}

/// What a list's items are to each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Relation {
    /// The list is one value.
    Atomic,
    /// Each value stands there once.
    Set,
    /// Items are told apart by these members, each with what it is if it is missing. In the order of their names.
    Keyed(Box<[(Box<str>, Option<Value>)]>),
}

/// A struct or a map, or both.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Members {
    /// Whether it is one value.
    pub(crate) atomic: bool,
    /// The members that the type names.
    pub(crate) fields: BTreeMap<Box<str>, Place>,
    /// All others, if there may be others.
    pub(crate) rest: Option<Place>,
}

/// A type among its types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Typed<'a> {
    types: &'a Types,
    place: Place,
}

/// Where each [`Types`] has what is one value, whatever it is.
pub(crate) const ATOMIC: Place = 0;
/// Where each has what is deduced from the value: members of maps one by one, lists as one.
pub(crate) const DEDUCED: Place = 1;

/// What objects without a schema are.
static NO_SCHEMA: LazyLock<Types> = LazyLock::new(Types::new);

/// `ObjectMeta`, for kinds that a definition makes.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let number = json!({"type": "integer"});
    let anything = json!({"type": "object", "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true});
    let owners = json!({"type": "array", "items": anything, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]});
    let finalizers = json!({"type": "array", "items": text, "x-kubernetes-list-type": "set"});
    let time = json!({"type": "string", "format": "date-time"});
    json!({"type": "object", "properties": {
        "annotations": texts, "labels": texts, "finalizers": finalizers, "ownerReferences": owners,
        "creationTimestamp": time, "deletionTimestamp": time, "deletionGracePeriodSeconds": number, "generation": number,
        "generateName": text, "name": text, "namespace": text, "resourceVersion": text, "selfLink": text, "uid": text,
        "managedFields": {"type": "array", "items": anything},
    }})
});

// === impl Relation ===

impl Relation {
    /// That of items with these keys, in any order.
    pub(crate) fn keyed(keys: impl Iterator<Item = (Box<str>, Option<Value>)>) -> Self {
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self::Keyed(keys.into())
    }
}

// === impl Types ===

impl Types {
    /// No types but the two that all have.
    pub(crate) fn new() -> Self {
        let any = |member: Place, atomic: bool| Atom {
            scalar: Some(Scalar::Any),
            list: Some(List {
                relation: Relation::Atomic,
                of: ATOMIC,
            }),
            map: Some(Members {
                atomic,
                fields: BTreeMap::new(),
                rest: Some(member),
            }),
        };
        Self(vec![any(ATOMIC, true), any(DEDUCED, false)])
    }

    /// Adds a type.
    pub(crate) fn add(&mut self, atom: Atom) -> Place {
        self.0.push(atom);
        self.0.len() - 1
    }

    /// Says what the type at a place is, which was added before it was known.
    pub(crate) fn set(&mut self, place: Place, atom: Atom) {
        if let Some(known) = self.0.get_mut(place) {
            *known = atom;
        }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Atom> {
        self.0.get(place)
    }

    pub(crate) fn typed(&self, place: Place) -> Typed<'_> {
        Typed { types: self, place }
    }

    /// Those of a structural schema, and where its root is; `preserve` is the definition's own `preserveUnknownFields`.
    pub(crate) fn of_schema(schema: &Value, preserve: bool) -> (Self, Place) {
        let mut types = Self::new();
        if !schema.is_object() {
            return (types, DEDUCED);
        }
        let root = types.schema(schema, preserve);
        types.complete(root);
        (types, root)
    }

    /// Adds what all objects have.
    fn complete(&mut self, root: Place) {
        let metadata = self.schema(&METADATA, false);
        let text = self.schema(&json!({"type": "string"}), false);
        if let Some(map) = self.0.get_mut(root).and_then(|atom| atom.map.as_mut()) {
            map.fields.insert("metadata".into(), metadata);
            map.fields.insert("kind".into(), text);
            map.fields.insert("apiVersion".into(), text);
        }
    }

    /// The type of a schema (kube-openapi, `pkg/schemaconv/openapi.go`).
    fn schema(&mut self, schema: &Value, preserve: bool) -> Place {
        let says = |name: &str| schema.get(name).and_then(Value::as_str);
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool) == Some(true);
        let preserve = preserve || flag("x-kubernetes-preserve-unknown-fields");
        let mut atom = Atom::default();
        match says("type").filter(|_| !flag("x-kubernetes-int-or-string")) {
            Some("object") => atom.map = Some(self.members(schema, preserve)),
            Some("array") => atom.list = Some(self.list(schema, preserve)),
            Some("integer" | "number") => atom.scalar = Some(Scalar::Number),
            Some("boolean") => atom.scalar = Some(Scalar::Bool),
            Some("string") if ["", "byte"].contains(&says("format").unwrap_or_default()) => {
                atom.scalar = Some(Scalar::Text);
            }
            Some(_) => atom.scalar = Some(Scalar::Any),
            None => {
                atom.scalar = Some(Scalar::Any);
                atom.list = Some(self.list(schema, preserve));
                atom.map = Some(self.members(schema, preserve));
            }
        }
        let place = self.add(atom);
        if flag("x-kubernetes-embedded-resource") {
            self.complete(place);
        }
        place
    }

    fn members(&mut self, schema: &Value, preserve: bool) -> Members {
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut members = Members {
            atomic: schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            ..Members::default()
        };
        for (name, property) in properties.into_iter().flatten() {
            let place = self.schema(property, preserve);
            members.fields.insert(name.as_str().into(), place);
        }
        members.rest = match schema.get("additionalProperties") {
            Some(other @ Value::Object(_)) => Some(self.schema(other, preserve)),
            Some(Value::Bool(true)) => Some(DEDUCED),
            Some(_) => None,
            None if preserve || members.fields.is_empty() => Some(DEDUCED),
            None => None,
        };
        members
    }

    fn list(&mut self, schema: &Value, preserve: bool) -> List {
        let items = schema.get("items").filter(|items| items.is_object());
        let of = items.map_or(ATOMIC, |items| self.schema(items, preserve));
        let keys = || {
            let names = schema.get("x-kubernetes-list-map-keys");
            let names = names.and_then(Value::as_array).into_iter().flatten();
            let properties = items.and_then(|items| items.get("properties"));
            names.filter_map(Value::as_str).map(move |name| {
                let property = properties.and_then(|all| all.get(name));
                let default = property.and_then(|property| property.get("default"));
                (name.into(), default.cloned())
            })
        };
        let relation = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => Relation::Set,
            Some("map") => Relation::keyed(keys()),
            _ => Relation::Atomic,
        };
        List { relation, of }
    }
}

// === impl Typed ===

impl<'a> Typed<'a> {
    /// Of objects without a schema.
    pub(crate) fn deduced() -> Typed<'static> {
        NO_SCHEMA.typed(DEDUCED)
    }

    /// What it may be.
    pub(crate) fn atom(self) -> &'a Atom {
        static NOTHING: Atom = Atom {
            scalar: None,
            list: None,
            map: None,
        };
        self.types.get(self.place).unwrap_or(&NOTHING)
    }

    /// Another type of the same.
    pub(super) fn to(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// A member's type.
    pub(super) fn member(self, members: &Members, name: &str) -> Self {
        self.to(members.member(name).unwrap_or(DEDUCED))
    }
}

// === impl Members ===

impl Members {
    /// The place of a member's type, if there may be one of that name.
    pub(crate) fn member(&self, name: &str) -> Option<Place> {
        self.fields.get(name).copied().or(self.rest)
    }
}

/// What a value is taken for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form<'a> {
    Map(&'a Members),
    Scalar(Scalar),
    List(&'a List),
    /// The type allows nothing.
    Nothing,
}

// === impl Atom ===

impl Atom {
    /// What the value is taken for: what it is if that is allowed, else the first that is.
    pub(super) fn form(&self, value: Option<&Value>) -> Form<'_> {
        let fitting = match value {
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                self.scalar.map(Form::Scalar)
            }
            Some(Value::Array(_)) => self.list.as_ref().map(Form::List),
            Some(Value::Object(_)) => self.map.as_ref().map(Form::Map),
            Some(Value::Null) | None => None,
        };
        let first = || self.map.as_ref().map(Form::Map);
        let second = || self.scalar.map(Form::Scalar);
        let third = || self.list.as_ref().map(Form::List);
        let found = fitting.or_else(first).or_else(second).or_else(third);
        found.unwrap_or(Form::Nothing)
    }
}

// === impl List ===

impl List {
    /// The step to an item.
    ///
    /// # Errors
    /// Why there is none, in the words of the real server.
    pub(super) fn element(&self, item: &Value) -> Result<String, String> {
        match &self.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Relation::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => Err(
                    "associative list without keys has an element that's an explicit null"
                        .to_owned(),
                ),
                _ => Ok(super::element::value(item)),
            },
            Relation::Keyed(keys) => keyed(keys, item),
        }
    }
}

fn keyed(keys: &[(Box<str>, Option<Value>)], item: &Value) -> Result<String, String> {
    let item = match item {
        Value::Object(item) => item,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let found = || {
        keys.iter().filter_map(|(name, default)| {
            let value = item.get(&**name).or(default.as_ref());
            value.map(|value| (&**name, value))
        })
    };
    if found().next().is_none() && !keys.is_empty() {
        let names: Vec<String> = keys.iter().map(|(name, _)| format!("{name:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    Ok(super::element::key(found()))
}
