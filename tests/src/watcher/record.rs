//! What is known of each object, and the report that grows with each version.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::Value;

use super::fields::{Finding, text, time};
use super::{Move, Report, Rules, declared, node, pod};

/// The newest version of an object.
#[derive(Debug)]
struct Known {
    kind: String,
    version: u64,
    /// None when the object is gone.
    object: Option<Arc<Value>>,
}

/// All objects ever seen, by uid.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) report: Report,
    known: BTreeMap<String, Known>,
    owners: BTreeMap<String, String>,
    trouble: Option<String>,
}

impl Record {
    /// Why the watch cannot be trusted, if so.
    pub(super) fn check(&self) -> Result<()> {
        match &self.trouble {
            Some(trouble) => bail!("{trouble}"),
            None => Ok(()),
        }
    }

    pub(super) fn fail(&mut self, trouble: String) {
        self.trouble.get_or_insert(trouble);
    }

    /// Whether the versions of a list, made at `version`, have all been seen.
    pub(super) fn has_seen(&self, kind: &str, list: &BTreeMap<String, u64>, version: u64) -> bool {
        let all = list.iter().all(|(uid, version)| {
            self.known
                .get(uid)
                .is_some_and(|known| known.version >= *version)
        });
        let is_current = |(uid, known): (&String, &Known)| {
            known.object.is_none() || known.version > version || list.contains_key(uid)
        };
        all && self
            .known
            .iter()
            .filter(|(_, known)| known.kind == kind)
            .all(is_current)
    }

    /// An object of the first list.
    pub(super) fn base(&mut self, kind: &str, object: Value) {
        let (uid, version) = (text(&object, "/metadata/uid").to_owned(), version(&object));
        self.report.versions += 1;
        self.report.objects += 1;
        self.known.insert(
            uid,
            Known {
                kind: kind.to_owned(),
                version,
                object: Some(Arc::new(object)),
            },
        );
    }

    /// The next version of an object, or its last one.
    pub(super) fn observe(&mut self, kind: &str, rules: &Rules, after: Arc<Value>, is_gone: bool) {
        let (uid, version) = (text(&after, "/metadata/uid").to_owned(), version(&after));
        let before = self.known.get(&uid);
        if let Some(before) = before.filter(|before| before.version >= version) {
            let trouble = format!(
                "{kind} {uid}: version {version} came after {}",
                before.version
            );
            self.fail(trouble);
            return;
        }
        self.report.versions += 1;
        if before.is_none() {
            self.report.objects += 1;
        }
        if is_gone || time(&after, "/metadata/deletionTimestamp").is_some() {
            self.report.deleted.insert(uid.clone());
        }
        // A deletion's event has the last version under the deletion's number; nothing is written by it.
        let before = before.and_then(|before| before.object.clone());
        let manager = writer(before.as_deref(), &after);
        if !is_gone {
            *self.report.writes.entry(manager.clone()).or_default() += 1;
        }
        self.judge(kind, rules, before, &after, &manager);
        let object = (!is_gone).then_some(after);
        self.known.insert(
            uid,
            Known {
                kind: kind.to_owned(),
                version,
                object,
            },
        );
    }

    fn judge(
        &mut self,
        kind: &str,
        rules: &Rules,
        before: Option<Arc<Value>>,
        after: &Arc<Value>,
        manager: &str,
    ) {
        let (mut found, mut untidy, mut misplaced) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(before) = &before {
            match rules {
                Rules::Pod => pod::compare(before, after, &mut found, &mut untidy),
                Rules::Node => node::compare(before, after, &mut found, &mut untidy),
                Rules::Lease => node::compare_lease(before, after, &mut found),
                Rules::Declared(order) => {
                    declared::compare(order, before, after, &mut found, &mut untidy)
                }
            }
        }
        let before = before.unwrap_or_default();
        if matches!(rules, Rules::Pod) && before.get("status") != after.get("status") {
            misplaced = pod::misplaced(after, &mut self.owners);
            // Each is told once, at the write that brought it.
            let earlier = pod::misplaced(&before, &mut self.owners);
            misplaced.retain(|finding| !earlier.contains(finding));
        }
        let report = &mut self.report;
        for (findings, list) in [
            (found, &mut report.backward),
            (misplaced, &mut report.misplaced),
            (untidy, &mut report.untidy),
        ] {
            list.extend(
                findings
                    .into_iter()
                    .map(|finding| moved(kind, finding, [&before, after], manager)),
            );
        }
    }
}

fn moved(kind: &str, finding: Finding, versions: [&Arc<Value>; 2], manager: &str) -> Move {
    let [before, after] = versions.map(Arc::clone);
    let namespace = text(&after, "/metadata/namespace");
    let name = text(&after, "/metadata/name");
    let Finding {
        rule,
        path,
        from,
        to,
    } = finding;
    Move {
        kind: kind.to_owned(),
        uid: text(&after, "/metadata/uid").to_owned(),
        name: if namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{namespace}/{name}")
        },
        rule,
        path,
        from,
        to,
        rv: version(&after),
        manager: manager.to_owned(),
        versions: [before, after],
    }
}

pub(super) fn version(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion")
        .parse()
        .unwrap_or(0)
}

/// Who wrote the version: whose entry of managedFields has gained a field, or else whose entry is another: a manager whose field somebody
/// else has taken has another entry too. An entry's time has seconds only, so of two alike writes of one manager within a second the
/// later leaves no trace; then the newest entry of the part that changed counts.
fn writer(before: Option<&Value>, after: &Value) -> String {
    let entries =
        |object| Value::pointer(object, "/metadata/managedFields").and_then(Value::as_array);
    let old = || before.and_then(entries).into_iter().flatten();
    let all = || entries(after).into_iter().flatten();
    let is_other = |entry: &&Value| !old().any(|old| old == *entry);
    let has_gained = |entry: &&Value| {
        let mut same =
            old().filter(|old| IDENTITY.iter().all(|key| old.get(key) == entry.get(key)));
        is_other(entry) && !same.any(|old| covers(old.get("fieldsV1"), entry.get("fieldsV1")))
    };
    let is_status = before.is_some_and(|before| before.get("status") != after.get("status"));
    let part = if is_status { "status" } else { "" };
    let newest = || {
        let of_part = all().filter(|entry| text(entry, "/subresource") == part);
        of_part.max_by_key(|entry| time(entry, "/time"))
    };
    let writer = all().find(has_gained).or_else(|| all().find(is_other));
    match writer.or_else(newest).map(|entry| text(entry, "/manager")) {
        None | Some("") => "unknown".to_owned(),
        Some(manager) => manager.to_owned(),
    }
}

/// What tells one entry of managedFields from another.
const IDENTITY: [&str; 4] = ["manager", "operation", "subresource", "apiVersion"];

/// Whether all the fields of one set are in another.
fn covers(large: Option<&Value>, small: Option<&Value>) -> bool {
    let Some(small) = small.and_then(Value::as_object) else {
        return true;
    };
    let large = large.and_then(Value::as_object);
    large.is_some_and(|large| {
        small.iter().all(|(field, below)| {
            large.contains_key(field) && covers(large.get(field), Some(below))
        })
    })
}
