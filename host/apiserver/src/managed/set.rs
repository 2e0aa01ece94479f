//! Sets of paths through an object, in the form in which they are stored (structured-merge-diff, `fieldpath/set.go`).
//!
//! FieldsV1 is a tree of steps, and so the JSON itself is the set: taking a few paths from a set touches only what lies on them.
//! A step whose value is empty, or has a `.` in it, is a member; a step that is no member has members below it.

use serde_json::{Map, Value};

use super::element::{self, SELF};
use super::types::Typed;

/// The steps below one path.
pub(super) type Steps = Map<String, Value>;

/// Some paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Set(pub(super) Steps);

/// A path and what is below it, while a set is made.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) member: bool,
    pub(super) below: Steps,
}

// === impl Node ===

impl Node {
    /// Puts a node below this one.
    pub(super) fn put(&mut self, element: String, node: Self) {
        if let Some(value) = node.into_value() {
            self.below.insert(element, value);
        }
    }

    fn into_value(mut self) -> Option<Value> {
        match (self.member, self.below.is_empty()) {
            (false, true) => None,
            (true, false) => {
                self.below
                    .insert(SELF.to_owned(), Value::Object(Map::new()));
                Some(Value::Object(self.below))
            }
            _ => Some(Value::Object(self.below)),
        }
    }
}

// === impl Set ===

impl Set {
    /// The set of these paths through members.
    pub(crate) fn of_fields<'a>(paths: impl IntoIterator<Item = &'a [&'a str]>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut node = Node {
                member: true,
                below: Map::new(),
            };
            for name in path.iter().rev() {
                let mut outer = Node::default();
                outer.put(element::field(name), node);
                node = outer;
            }
            union(&mut set.0, &node.below);
        }
        set
    }

    pub(super) fn of(node: Node) -> Self {
        // Nobody owns the whole object.
        Self(node.below)
    }

    /// Reads FieldsV1 that somebody else wrote. Steps of a sort that is not known are left out.
    ///
    /// # Errors
    /// What is wrong with a step.
    pub(super) fn read(fields: &Value) -> Result<Self, String> {
        let Value::Object(fields) = fields else {
            return Err("fields are no object".to_owned());
        };
        let node = read_steps(fields)?;
        Ok(Self(node.below))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the other's paths.
    pub(super) fn add(&mut self, other: &Self) {
        union(&mut self.0, &other.0);
    }

    /// Takes the other's paths away; what is below them stays.
    pub(super) fn subtract(&mut self, other: &Self) {
        subtract(&mut self.0, &other.0, false);
    }

    /// Takes the other's paths away, with all that is below them.
    pub(super) fn cut(&mut self, other: &Self) {
        subtract(&mut self.0, &other.0, true);
    }

    /// What is in both.
    pub(super) fn shared(&self, other: &Self) -> Self {
        Self(shared(&self.0, &other.0))
    }

    /// Without what is in the other.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.subtract(other);
        self
    }

    /// With what is in the other.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    pub(super) fn has(&self, path: &[String]) -> bool {
        let Some((last, way)) = path.split_last() else {
            return false;
        };
        let mut at = &self.0;
        for element in way {
            match at.get(element) {
                Some(Value::Object(below)) => at = below,
                _ => return false,
            }
        }
        at.get(last).is_some_and(is_member)
    }

    /// Keeps what lies on or below one of these ways; `*` is any step.
    pub(super) fn keep(&mut self, ways: &[&[&str]]) {
        keep(&mut self.0, ways);
    }

    /// With the members on the way to its paths that are fields of a struct, which sets do not name.
    pub(super) fn with_named_fields(&self, typed: Typed<'_>) -> Self {
        Self(named(&self.0, Some(typed)))
    }

    /// All paths, those that are shorter first.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        paths(&self.0, &mut Vec::new(), &mut all);
        all
    }
}

/// A path as people read it: `.spec.containers[name="a"].image`.
pub(super) fn shown(path: &[String]) -> String {
    path.iter().map(|element| element::shown(element)).collect()
}

pub(super) fn is_member(node: &Value) -> bool {
    node.as_object()
        .is_some_and(|below| below.is_empty() || below.contains_key(SELF))
}

/// What is below a step; nothing if the step is not there.
pub(super) fn below<'a>(steps: &'a Steps, element: &str) -> Option<&'a Steps> {
    let below = steps.get(element)?.as_object()?;
    let deep = below.keys().any(|step| step != SELF);
    deep.then_some(below)
}

fn read_steps(fields: &Steps) -> Result<Node, String> {
    let mut node = Node {
        member: fields.is_empty() || fields.contains_key(SELF),
        below: Map::new(),
    };
    for (step, below) in fields.iter().filter(|(step, _)| *step != SELF) {
        let Some(element) = element::read(step)? else {
            continue;
        };
        let Value::Object(below) = below else {
            return Err(format!("{step}: no object"));
        };
        node.put(element, read_steps(below)?);
    }
    if node.below.is_empty() {
        node.member = true;
    }
    Ok(node)
}

/// Whether a step is a member, with the mark taken out.
fn take_member(below: &mut Steps) -> bool {
    below.is_empty() || below.remove(SELF).is_some()
}

fn mark(below: &mut Steps, member: bool) {
    if member && !below.is_empty() {
        below.insert(SELF.to_owned(), Value::Object(Map::new()));
    }
}

fn union(steps: &mut Steps, more: &Steps) {
    for (element, other) in more.iter().filter(|(element, _)| *element != SELF) {
        match (steps.get_mut(element), other) {
            (Some(Value::Object(below)), Value::Object(others)) => {
                let member = is_member(other) | take_member(below);
                union(below, others);
                mark(below, member);
            }
            _ => {
                steps.insert(element.clone(), other.clone());
            }
        }
    }
}

fn subtract(steps: &mut Steps, less: &Steps, deep: bool) {
    if steps.is_empty() {
        return;
    }
    for (element, other) in less.iter().filter(|(element, _)| *element != SELF) {
        let (Some(Value::Object(below)), Value::Object(others)) = (steps.get_mut(element), other)
        else {
            continue;
        };
        let taken = is_member(other);
        if taken && deep {
            steps.remove(element);
            continue;
        }
        let member = take_member(below) && !taken;
        subtract(below, others, deep);
        if below.is_empty() && !member {
            steps.remove(element);
        } else {
            mark(below, member);
        }
    }
}

fn shared(one: &Steps, other: &Steps) -> Steps {
    let mut node = Node::default();
    for (element, right) in other.iter().filter(|(element, _)| *element != SELF) {
        let Some(left) = one.get(element) else {
            continue;
        };
        let (Value::Object(below), Value::Object(others)) = (left, right) else {
            continue;
        };
        let inner = Node {
            member: is_member(left) && is_member(right),
            below: shared(below, others),
        };
        node.put(element.clone(), inner);
    }
    node.below
}

fn keep(steps: &mut Steps, ways: &[&[&str]]) {
    steps.retain(|element, node| {
        let mut further = Vec::new();
        for way in ways {
            let Some((first, rest)) = way.split_first() else {
                continue;
            };
            if *first == "*" || element::name(element) == Some(first) {
                if rest.is_empty() {
                    return true;
                }
                further.push(rest);
            }
        }
        let Some(below) = node.as_object_mut().filter(|_| !further.is_empty()) else {
            return false;
        };
        let member = take_member(below);
        keep(below, &further);
        let kept = member || !below.is_empty();
        mark(below, member);
        kept
    });
}

fn named(steps: &Steps, typed: Option<Typed<'_>>) -> Steps {
    let mut node = Node::default();
    let atom = typed.map(Typed::atom);
    for (element, below) in steps.iter().filter(|(element, _)| *element != SELF) {
        let mut member = is_member(below);
        let mut inner = None;
        let map = atom.and_then(|atom| atom.map.as_ref());
        let list = atom.and_then(|atom| atom.list.as_ref());
        if let (Some(name), Some(map)) = (element::name(element), map) {
            member |= map.fields.contains_key(name);
            inner = map.member(name);
        } else if let (true, Some(list)) = (element::is_key(element), list) {
            inner = Some(list.of);
        }
        let inner = typed.zip(inner).map(|(typed, place)| typed.to(place));
        let below = below.as_object().map(|below| named(below, inner));
        node.put(
            element.clone(),
            Node {
                member,
                below: below.unwrap_or_default(),
            },
        );
    }
    node.below
}

fn paths(steps: &Steps, way: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let mut sorted: Vec<(&String, &Value)> = steps
        .iter()
        .filter(|(element, _)| *element != SELF)
        .collect();
    sorted.sort_by(|(one, _), (other, _)| element::compare(one, other));
    for (element, _) in sorted.iter().filter(|(_, node)| is_member(node)) {
        let mut path = way.clone();
        path.push((*element).clone());
        all.push(path);
    }
    for (element, node) in sorted {
        if let Value::Object(below) = node {
            way.push(element.clone());
            paths(below, way, all);
            way.pop();
        }
    }
}
