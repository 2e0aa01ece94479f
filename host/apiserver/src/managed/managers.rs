//! Who owns what of an object: `metadata.managedFields` (apimachinery, `pkg/util/managedfields/internal`).

use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::set::Set;

/// How many entries of updates are kept.
const MOST_UPDATERS: usize = 10;
/// Who owns what older updaters owned.
const ANCIENT: &str = "ancient-changes";

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manager {
    pub(super) name: Box<str>,
    /// Whether by apply, and not by update.
    pub(super) applied: bool,
    /// The version in which it wrote.
    pub(super) api_version: Box<str>,
    pub(super) subresource: Box<str>,
    pub(super) time: Option<Box<str>>,
    pub(super) fields: Set,
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

// === impl Writer ===

impl Writer<'_> {
    pub(super) fn manager(&self, applied: bool, fields: Set) -> Manager {
        Manager {
            name: if self.name.is_empty() {
                "unknown"
            } else {
                self.name
            }
            .into(),
            applied,
            api_version: self.api_version.into(),
            subresource: self.subresource.into(),
            time: None,
            fields,
        }
    }

    pub(super) fn time(&self) -> Option<Box<str>> {
        Some(self.now.to_seconds().into())
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

    /// Reads an entry; what this server wrote itself is taken as it is.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(entry: Value, ours: bool) -> Result<Self, String> {
        let Value::Object(mut entry) = entry else {
            return Err("an entry is no object".to_owned());
        };
        let mut text = |name: &str| match entry.remove(name) {
            Some(Value::String(text)) => text.into_boxed_str(),
            _ => Box::default(),
        };
        let applied = match &*text("operation") {
            "Apply" => true,
            "Update" => false,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        let (name, api_version, time) = (text("manager"), text("apiVersion"), text("time"));
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        if &*text("fieldsType") != "FieldsV1" {
            return Err("fieldsType must be FieldsV1".to_owned());
        }
        let subresource = text("subresource");
        let fields = match entry.remove("fieldsV1") {
            Some(Value::Object(fields)) if ours => Set(fields),
            Some(fields) => Set::read(&fields)?,
            None => Set::default(),
        };
        let time = match Time::parse(&time) {
            _ if ours => Some(time),
            Some(time) => Some(time.to_seconds().into()),
            None if time.is_empty() => None,
            None => return Err(format!("no time: {time}")),
        };
        Ok(Self {
            name,
            applied,
            api_version,
            subresource,
            time: time.filter(|time| !time.is_empty()),
            fields,
        })
    }

    fn write(self) -> Value {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
        if !self.name.is_empty() {
            put("manager", Value::String(self.name.into()));
        }
        let operation = if self.applied { "Apply" } else { "Update" };
        put("operation", json!(operation));
        put("apiVersion", Value::String(self.api_version.into()));
        if let Some(time) = self.time {
            put("time", Value::String(time.into()));
        }
        put("fieldsType", json!("FieldsV1"));
        put("fieldsV1", Value::Object(self.fields.0));
        if !self.subresource.is_empty() {
            put("subresource", Value::String(self.subresource.into()));
        }
        Value::Object(entry)
    }
}

/// Reads a list that this server wrote.
pub(crate) fn stored(list: Option<&Value>) -> Vec<Manager> {
    ours(list.cloned())
}

fn ours(list: Option<Value>) -> Vec<Manager> {
    let Some(Value::Array(list)) = list else {
        return Vec::new();
    };
    let read: Result<Vec<Manager>, String> = list
        .into_iter()
        .map(|entry| Manager::read(entry, true))
        .collect();
    read.unwrap_or_default()
}

/// The entries that an update starts from: those that it brings, if it brings some that can be read, else those that are stored.
/// An empty list, or one with an empty entry, is the wish to forget them all.
pub(crate) fn given(list: Option<Value>, there: Option<&Value>) -> Vec<Manager> {
    let list = match list {
        Some(list) if Some(&list) == there => return ours(Some(list)),
        Some(Value::Array(list)) => list,
        _ => return stored(there),
    };
    let empty = |entry: &Value| entry.as_object().is_some_and(Map::is_empty);
    if list.is_empty() || (list.len() == 1 && list.first().is_some_and(empty)) {
        return Vec::new();
    }
    let mut managers: Vec<Manager> = Vec::with_capacity(list.len());
    for entry in list {
        match Manager::read(entry, false) {
            // The last of several with one name is what counts.
            Ok(manager) => match managers.iter_mut().find(|known| known.is(&manager)) {
                Some(known) => *known = manager,
                None => managers.push(manager),
            },
            Err(_) => return stored(there),
        }
    }
    managers
}

/// The list as it is stored; `None` if nobody owns anything.
pub(crate) fn written(mut managers: Vec<Manager>) -> Option<Value> {
    managers.sort_by(|one, other| {
        // Those who apply come first.
        other
            .applied
            .cmp(&one.applied)
            .then_with(|| by_age(one, other))
    });
    let list: Vec<Value> = managers.into_iter().map(Manager::write).collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

/// Whether two lists say the same, whenever it was written.
pub(crate) fn same_but_times(one: Option<&Value>, other: Option<&Value>) -> bool {
    let list = |value: Option<&'_ Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
    if list(one) != list(other) {
        return false;
    }
    let entries = |value: Option<&'_ Value>| -> Vec<Map<String, Value>> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_object)
            .map(|entry| {
                let mut entry = entry.clone();
                entry.remove("time");
                entry
            })
            .collect()
    };
    one == other || entries(one) == entries(other)
}

/// Puts the oldest updaters together until there are no more than may be.
pub(super) fn cap(managers: &mut Vec<Manager>) {
    let mut updaters: Vec<Manager> = Vec::new();
    let count = managers.iter().filter(|manager| !manager.applied).count();
    let Some(mut over) = count.checked_sub(MOST_UPDATERS).filter(|over| *over > 0) else {
        return;
    };
    let mut kept = Vec::new();
    for manager in managers.drain(..) {
        if manager.applied {
            &mut kept
        } else {
            &mut updaters
        }
        .push(manager);
    }
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
                first.fields.add(&manager.fields);
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
