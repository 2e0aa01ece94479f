//! Lists, of the present and of the past.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Compacted, Entry, Store};

/// Which part of a collection is listed.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// What the keys begin with: `NAMESPACE/`, or nothing.
    pub prefix: &'a str,
    /// The first key that may come, if that is not the first of all.
    pub from: Option<&'a str>,
    /// At most so many objects; 0 for all.
    pub limit: usize,
    /// As they were at this revision.
    pub revision: u64,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the order of their keys.
    pub entries: Vec<Arc<Entry>>,
    /// How many objects there are after the last entry of a full page, whether they match or not.
    pub remaining: usize,
}

impl Store {
    /// The objects of the range that match.
    ///
    /// # Errors
    /// If the revision is not kept any more.
    pub fn list(
        &self,
        collection: &str,
        range: &Range<'_>,
        matches: impl Fn(&Entry) -> bool,
    ) -> Result<Page, Compacted> {
        let undone = self.undone(collection, range.revision)?;
        let mut page = Page::default();
        let Some(collection) = self.collections.get(collection) else {
            return Ok(page);
        };
        let from = range.from.unwrap_or(range.prefix);
        let bounds = (Bound::Included(from), Bound::Unbounded);
        let within = |key: &str| key.starts_with(range.prefix);
        let present = collection
            .objects
            .range::<str, _>(bounds)
            .take_while(|(key, _)| within(key))
            .filter(|(key, _)| !undone.contains_key(&***key))
            .map(|(key, entry)| (&**key, entry));
        let past = undone
            .range::<str, _>(bounds)
            .take_while(|(key, _)| within(key))
            .filter_map(|(key, entry)| Some((*key, (*entry)?)));
        for entry in merged(present, past) {
            if range.limit > 0 && page.entries.len() == range.limit {
                page.remaining += 1;
            } else if matches(entry) {
                page.entries.push(Arc::clone(entry));
            }
        }
        Ok(page)
    }

    /// What differed at that revision from the present: each object that changed since, as it was then.
    fn undone(
        &self,
        collection: &str,
        revision: u64,
    ) -> Result<BTreeMap<&str, Option<&Arc<Entry>>>, Compacted> {
        let mut undone = BTreeMap::new();
        if revision >= self.revision {
            return Ok(undone);
        }
        for event in self.events(collection, revision)? {
            if let Some(entry) = event.new.as_ref().or(event.old.as_ref()) {
                // Only the first change after that revision knows how it was.
                undone.entry(&*entry.key).or_insert(event.old.as_ref());
            }
        }
        Ok(undone)
    }
}

/// Two sorted sequences without a common key as one.
fn merged<'a>(
    left: impl Iterator<Item = (&'a str, &'a Arc<Entry>)>,
    right: impl Iterator<Item = (&'a str, &'a Arc<Entry>)>,
) -> impl Iterator<Item = &'a Arc<Entry>> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || {
        let first = match (left.peek(), right.peek()) {
            (Some((one, _)), Some((other, _))) => one < other,
            (one, _) => one.is_some(),
        };
        let next = if first { left.next() } else { right.next() };
        next.map(|(_, entry)| entry)
    })
}
