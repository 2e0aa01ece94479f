//! Who owns what of an object: `metadata.managedFields` (apimachinery, `pkg/util/managedfields/internal`).
//!
//! The list is kept as text. Of its entries those are made into sets that a write has to do with: a controller that writes a status
//! costs nothing for what others own of the spec.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use stagewright_core::time::Time;

use super::covers::covers;
use super::set::{Set, Steps};

/// How many entries of updates are kept.
const MOST_UPDATERS: usize = 10;
/// Who owns what older updaters owned.
const ANCIENT: &str = "ancient-changes";

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(super) name: Box<str>,
    /// Whether by apply, and not by update.
    pub(super) applied: bool,
    /// The version in which it wrote.
    pub(super) api_version: Box<str>,
    pub(super) subresource: Box<str>,
    pub(super) time: Option<Box<str>>,
    pub(super) fields: Fields,
}

/// A set of paths that is not read before it is needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    /// As this server wrote it; then `set` is empty.
    text: Option<Box<RawValue>>,
    set: Set,
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) name: &'a str,
    pub(crate) api_version: &'a str,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    pub(crate) now: Time,
}

/// An entry as it is written. The order is that of the alphabet, so that a list that a client sends back reads the same.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[serde(bound(deserialize = "F: Deserialize<'de> + Default"))]
struct Entry<'a, F> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    fields_type: Cow<'a, str>,
    fields_v1: F,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    manager: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    subresource: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    time: Cow<'a, str>,
}

// === impl Writer ===

impl Writer<'_> {
    pub(super) fn manager(&self, applied: bool, fields: Set) -> Manager {
        let name = if self.name.is_empty() {
            "unknown"
        } else {
            self.name
        };
        Manager {
            name: name.into(),
            applied,
            api_version: self.api_version.into(),
            subresource: self.subresource.into(),
            time: None,
            fields: fields.into(),
        }
    }

    pub(super) fn time(&self) -> Option<Box<str>> {
        Some(self.now.to_seconds().into())
    }
}

// === impl Fields ===

impl From<Set> for Fields {
    fn from(set: Set) -> Self {
        Self { text: None, set }
    }
}

impl Fields {
    /// The set, read if it was not.
    pub(super) fn get(&self) -> Cow<'_, Set> {
        match &self.text {
            None => Cow::Borrowed(&self.set),
            Some(text) => Cow::Owned(read(text)),
        }
    }

    /// The set, to be changed.
    pub(super) fn change(&mut self) -> &mut Set {
        if let Some(text) = self.text.take() {
            self.set = read(&text);
        }
        &mut self.set
    }

    /// Whether there may be something below one of these first steps. What is not read says so by its text.
    pub(super) fn may_have(&self, first: &[&String]) -> bool {
        let Some(text) = &self.text else {
            return true;
        };
        first
            .iter()
            .any(|step| text.get().contains(&Value::from(step.as_str()).to_string()))
    }

    /// Whether all of the set is in it.
    pub(super) fn covers(&self, set: &Set) -> bool {
        match &self.text {
            Some(text) => covers(text.get(), set),
            None => set.clone().without(&self.set).is_empty(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_none() && self.set.is_empty()
    }
}

fn read(text: &RawValue) -> Set {
    // It is what this server wrote.
    let steps: Result<Steps, _> = serde_json::from_str(text.get());
    Set(steps.unwrap_or_default())
}

impl Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => self.set.0.serialize(serializer),
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Whether both are one entry: who applies has one whatever the version, who updates one for each.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name
            && self.applied == other.applied
            && self.subresource == other.subresource
            && (self.applied || self.api_version == other.api_version)
    }

    /// What sorts before another: the real server sorts managers by their entries in JSON, where a comma comes before the end.
    pub(super) fn order(&self) -> String {
        let operation = if self.applied { "Apply" } else { "Update" };
        let mut text = format!("{{\"manager\":{:?},\"operation\":{operation:?}", self.name);
        if !self.applied {
            text.push_str(&format!(",\"apiVersion\":{:?}", self.api_version));
        }
        if !self.subresource.is_empty() {
            text.push_str(&format!(",\"subresource\":{:?}", self.subresource));
        }
        text.push('}');
        text
    }

    /// As messages name it.
    pub(super) fn shown(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.applied {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn new<F>(entry: &Entry<'_, F>, fields: Fields) -> Self {
        Self {
            name: entry.manager.as_ref().into(),
            applied: entry.operation == "Apply",
            api_version: entry.api_version.as_ref().into(),
            subresource: entry.subresource.as_ref().into(),
            time: (!entry.time.is_empty()).then(|| entry.time.as_ref().into()),
            fields,
        }
    }

    /// Reads an entry that somebody else wrote.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(entry: Value) -> Result<Self, String> {
        let mut entry: Entry<'_, Value> =
            Entry::deserialize(entry).map_err(|error| error.to_string())?;
        if !["Apply", "Update"].contains(&&*entry.operation) {
            return Err("operation must be `Apply` or `Update`".to_owned());
        }
        if entry.api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        if entry.fields_type != "FieldsV1" {
            return Err("fieldsType must be FieldsV1".to_owned());
        }
        let set = match std::mem::take(&mut entry.fields_v1) {
            Value::Null => Set::default(),
            fields => Set::read(&fields)?,
        };
        if !entry.time.is_empty() {
            let time =
                Time::parse(&entry.time).ok_or_else(|| format!("no time: {}", entry.time))?;
            entry.time = time.to_seconds().into();
        }
        Ok(Self::new(&entry, set.into()))
    }
}

/// Reads a list that this server wrote.
pub(crate) fn stored(list: Option<&str>) -> Vec<Manager> {
    let entries = entries(list);
    let mut managers = Vec::with_capacity(entries.len());
    for entry in &entries {
        let text = entry.fields_v1.map(ToOwned::to_owned);
        let set = Set::default();
        put(&mut managers, Manager::new(entry, Fields { text, set }));
    }
    managers
}

/// Adds an entry. The last of several with one name is what counts.
fn put(managers: &mut Vec<Manager>, manager: Manager) {
    match managers.iter_mut().find(|known| known.is(&manager)) {
        Some(known) => *known = manager,
        None => managers.push(manager),
    }
}

fn entries(list: Option<&str>) -> Vec<Entry<'_, Option<&RawValue>>> {
    let read = list.map(serde_json::from_str).transpose();
    read.ok().flatten().unwrap_or_default()
}

/// The entries that an update starts from: those that it brings, if it brings some that can be read, else those that are stored.
/// An empty list, or one with an empty entry, is the wish to forget them all.
pub(crate) fn given(list: Option<Value>, there: Option<&str>) -> Vec<Manager> {
    let list = match list {
        Some(Value::Array(list)) => list,
        _ => return stored(there),
    };
    let empty = |entry: &Value| entry.as_object().is_some_and(Steps::is_empty);
    if list.is_empty() || (list.len() == 1 && list.first().is_some_and(empty)) {
        return Vec::new();
    }
    if there.is_some_and(|there| *there == *Value::from(list.as_slice()).to_string()) {
        return stored(there);
    }
    let mut managers: Vec<Manager> = Vec::with_capacity(list.len());
    for entry in list {
        match Manager::read(entry) {
            Ok(manager) => put(&mut managers, manager),
            Err(_) => return stored(there),
        }
    }
    managers
}

/// The list as it is stored; `None` if nobody owns anything.
pub(crate) fn written(mut managers: Vec<Manager>) -> Option<String> {
    managers.sort_by(|one, other| {
        // Those who apply come first.
        other
            .applied
            .cmp(&one.applied)
            .then_with(|| by_age(one, other))
    });
    let list: Vec<Entry<'_, &Fields>> = managers
        .iter()
        .map(|manager| Entry {
            api_version: Cow::Borrowed(&manager.api_version),
            fields_type: Cow::Borrowed("FieldsV1"),
            fields_v1: &manager.fields,
            manager: Cow::Borrowed(&manager.name),
            operation: Cow::Borrowed(if manager.applied { "Apply" } else { "Update" }),
            subresource: Cow::Borrowed(&manager.subresource),
            time: Cow::Borrowed(manager.time.as_deref().unwrap_or_default()),
        })
        .collect();
    // Maps with names as keys always have a form in JSON.
    let text = serde_json::to_string(&list).ok()?;
    (!list.is_empty()).then_some(text)
}

/// Whether two lists say the same, whenever it was written.
pub(crate) fn same_but_times(one: Option<&str>, other: Option<&str>) -> bool {
    fn timeless<'a>(entry: &'a Entry<'_, Option<&RawValue>>) -> [&'a str; 5] {
        [
            &entry.manager,
            &entry.operation,
            &entry.api_version,
            &entry.subresource,
            entry.fields_v1.map_or("", RawValue::get),
        ]
    }
    if one == other {
        return true;
    }
    let (one, other) = (entries(one), entries(other));
    one.iter().map(timeless).eq(other.iter().map(timeless))
}

/// Puts the oldest updaters together until there are no more than may be.
pub(super) fn cap(managers: &mut Vec<Manager>) {
    let count = managers.iter().filter(|manager| !manager.applied).count();
    let Some(mut over) = count.checked_sub(MOST_UPDATERS).filter(|over| *over > 0) else {
        return;
    };
    let (mut kept, mut updaters): (Vec<Manager>, Vec<Manager>) =
        managers.drain(..).partition(|manager| manager.applied);
    updaters.sort_by(by_age);
    let mut waiting: Vec<Manager> = Vec::new();
    for manager in updaters {
        let first = waiting
            .iter_mut()
            .find(|first| first.api_version == manager.api_version);
        match first {
            Some(first) if over > 0 => {
                // What was the first of its version becomes the one that stands for all.
                first.name = ANCIENT.into();
                first.subresource = Box::default();
                first.fields.change().add(&manager.fields.get());
                first.time = manager.time;
                over -= 1;
            }
            Some(_) => kept.push(manager),
            None => waiting.push(manager),
        }
    }
    kept.extend(waiting);
    *managers = kept;
}

/// The oldest first; without a time is older than all.
fn by_age(one: &Manager, other: &Manager) -> Ordering {
    fn key(manager: &Manager) -> (&Option<Box<str>>, [&str; 3]) {
        let Manager {
            name,
            api_version,
            subresource,
            ..
        } = manager;
        (&manager.time, [name, api_version, subresource])
    }
    key(one).cmp(&key(other))
}
