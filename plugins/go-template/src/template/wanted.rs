//! What a template looks at in its object, so that no more of it is read or made into values.

use std::fmt;
use std::rc::Rc;

use litemap::LiteMap;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::node::{Branch, Node, Operand, Pipe};
use crate::{Value, json};

/// A part of an object.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// Of a map these entries; whole what is no map.
    Entries(LiteMap<Rc<str>, Wanted>),
}

/// Where the object is known to be while a template is read.
#[derive(Clone, Copy)]
struct Scope {
    dot: bool,
    /// `$`
    root: bool,
}

impl Wanted {
    /// What the nodes of a template look at. What it defines sees what it is called with, which is looked at where it is called.
    pub(super) fn by(nodes: &[Node]) -> Self {
        let mut wanted = Self::nothing();
        let scope = Scope {
            dot: true,
            root: true,
        };
        wanted.list(nodes, scope);
        wanted
    }

    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Entries(LiteMap::new())
    }

    /// This, and what another wants.
    pub fn join(&mut self, other: &Self) {
        match (self, other) {
            (Self::Whole, _) => {}
            (whole, Self::Whole) => *whole = Self::Whole,
            (Self::Entries(entries), Self::Entries(others)) => {
                for (name, other) in others {
                    let entry = entries.entry(Rc::clone(name));
                    entry.or_insert_with(Self::nothing).join(other);
                }
            }
        }
    }

    /// This, and what is at a path.
    pub fn join_path(&mut self, path: &[&str]) {
        let path: Vec<Rc<str>> = path.iter().map(|name| Rc::from(*name)).collect();
        self.add(&path);
    }

    /// Reads the part of an object from its text. What is not wanted is not checked but for its form.
    ///
    /// # Errors
    /// If the text is no JSON.
    pub fn read(&self, text: &str) -> Result<Json, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let part = self.deserialize(&mut reader);
        let whole = part.and_then(|part| reader.end().map(|()| part));
        whole.map_err(|error| error.to_string())
    }

    /// The part as a template sees it.
    pub(super) fn of(&self, object: &Json) -> Value {
        match (self, object) {
            (Self::Entries(wanted), Json::Object(entries)) => {
                let known = wanted.iter().filter_map(|(name, wanted)| {
                    Some((Rc::clone(name), wanted.of(entries.get(&**name)?)))
                });
                Value::map(known)
            }
            _ => json::object(object),
        }
    }

    fn add(&mut self, path: &[Rc<str>]) {
        match (self, path.split_first()) {
            (Self::Whole, _) => {}
            (whole, None) => *whole = Self::Whole,
            (Self::Entries(entries), Some((name, rest))) => entries
                .entry(Rc::clone(name))
                .or_insert_with(Self::nothing)
                .add(rest),
        }
    }

    fn list(&mut self, nodes: &[Node], scope: Scope) {
        for node in nodes {
            match node {
                Node::Action(pipe) => self.pipe(pipe, scope),
                Node::If(branch) => self.branch(branch, scope, scope),
                Node::With(branch) | Node::Range(branch) => {
                    let inner = Scope {
                        dot: false,
                        ..scope
                    };
                    self.branch(branch, scope, inner);
                }
                Node::Template { pipe, .. } => {
                    pipe.iter().for_each(|pipe| self.pipe(pipe, scope));
                }
                Node::Text(_) | Node::Break | Node::Continue => {}
            }
        }
    }

    fn branch(&mut self, branch: &Branch, scope: Scope, inner: Scope) {
        self.pipe(&branch.pipe, scope);
        self.list(&branch.list, inner);
        if let Some(otherwise) = &branch.otherwise {
            self.list(otherwise, scope);
        }
    }

    fn pipe(&mut self, pipe: &Pipe, scope: Scope) {
        for word in pipe.commands.iter().flatten() {
            self.word(word, scope);
        }
    }

    fn word(&mut self, word: &Operand, scope: Scope) {
        match word {
            Operand::Dot if scope.dot => self.add(&[]),
            Operand::Field(path) if scope.dot => self.add(path),
            Operand::Variable(name, path) if scope.root && name == "$" => self.add(path),
            Operand::Chain(inner, _) => self.word(inner, scope),
            Operand::Pipe(pipe) => self.pipe(pipe, scope),
            _ => {}
        }
    }
}

// === impl DeserializeSeed ===

impl<'de> DeserializeSeed<'de> for &Wanted {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        match self {
            Wanted::Whole => Json::deserialize(reader),
            Wanted::Entries(entries) => reader.deserialize_any(Entries(entries)),
        }
    }
}

/// Reads the entries of a map that are wanted, and what is no map whole.
struct Entries<'w>(&'w LiteMap<Rc<str>, Wanted>);

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut found = serde_json::Map::new();
        while let Some(entry) = map.next_key_seed(Key(self.0))? {
            match entry {
                Some((name, wanted)) => {
                    found.insert(name.to_owned(), map.next_value_seed(wanted)?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Json::Object(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }
}

/// Finds what is wanted of an entry by its key.
struct Key<'w>(&'w LiteMap<Rc<str>, Wanted>);

impl<'de, 'w> DeserializeSeed<'de> for Key<'w> {
    type Value = Option<(&'w str, &'w Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Key<'w> {
    type Value = Option<(&'w str, &'w Wanted)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let place = self.0.find_index(key).ok();
        let entry = place.and_then(|place| self.0.get_indexed(place));
        Ok(entry.map(|(name, wanted)| (&**name, wanted)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wanted_is_read_as_it_is_and_nothing_else() {
        let object = json!({
            "kind": "Pod",
            "metadata": {"name": "a\"b", "labels": {"x": "y"}, "gone": null},
            "spec": {"list": [1, -2, 2.5, true, {"deep": []}], "n": 7, "big": 18446744073709551615_u64},
            "status": {"phase": "Running"},
        });
        let mut wanted = Wanted::nothing();
        for path in [
            &["metadata", "name"][..],
            &["metadata", "gone"],
            &["metadata", "none"],
            &["spec", "list", "0"],
            &["spec", "n", "deep"],
            &["spec", "big", "deep"],
        ] {
            wanted.join_path(path);
        }
        let read = wanted.read(&object.to_string());
        let expected = json!({
            "metadata": {"name": "a\"b", "gone": null},
            "spec": {"list": [1, -2, 2.5, true, {"deep": []}], "n": 7, "big": 18446744073709551615_u64},
        });
        assert_eq!(read, Ok(expected));

        let mut other = Wanted::nothing();
        other.join_path(&["metadata"]);
        wanted.join(&other);
        let read = wanted.read(&object.to_string()).unwrap();
        assert_eq!(read["metadata"], object["metadata"]);
        assert_eq!(read["kind"], json!(null));
        wanted.join_path(&[]);
        assert_eq!(wanted.read(&object.to_string()), Ok(object));
        assert!(Wanted::nothing().read("{\"a\": }").is_err());
        assert!(Wanted::nothing().read("{} {}").is_err());
        assert_eq!(Wanted::nothing().read("[1]"), Ok(json!([1])));
    }
}
