//! What a template looks at in its object, so that no more of it is made into values.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::node::{Branch, Node, Operand, Pipe};
use crate::go::{Value, json};

/// A part of an object.
#[derive(Debug)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// Of a map these entries; whole what is no map.
    Entries(BTreeMap<Rc<str>, Wanted>),
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
        let mut wanted = Self::Entries(BTreeMap::new());
        let scope = Scope {
            dot: true,
            root: true,
        };
        wanted.list(nodes, scope);
        wanted
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
                .or_insert_with(|| Self::Entries(BTreeMap::new()))
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
