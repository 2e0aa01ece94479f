//! The kinds that the API server has yet to answer for. "There is none" and "none is listed yet" look the same to a plugin, so who sees
//! related objects is not decided on before all of their kinds were listed, and no play is refused for a kind that is still looked for.
//!
//! A kind that is not served or may not be listed holds nobody up, and one of which nothing is heard does so for a while only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stagewright_core::object::{Key, Kind};
use stagewright_core::time::Time;

/// So long a kind is waited for of which nothing is heard. A server that ignores the wish for a streamed list is asked for pages after
/// half of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    kinds: BTreeMap<Kind, Wait>,
    /// Looked for, and not served: not waited for until they are found.
    unserved: BTreeSet<Kind>,
}

#[derive(Debug, Default)]
struct Wait {
    /// The lineup that wants it listed: what came before was cut for other plugins.
    generation: u64,
    /// When it is given up, once it is looked for.
    until: Option<Time>,
    /// Who is asked again when the wait is over.
    held: BTreeSet<Key>,
}

/// A kind that somebody has to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotYet {
    pub kind: Kind,
    /// When it is given up.
    pub until: Option<Time>,
}

// === impl Awaited ===

impl Awaited {
    /// Nobody is to go on without this kind, listed or found for that lineup or a later one.
    pub(super) fn expect(&mut self, kind: &Kind, generation: u64, until: Option<Time>) {
        if !self.unserved.contains(kind) {
            let wait = self.kinds.entry(kind.clone()).or_default();
            (wait.generation, wait.until) = (generation, until);
        }
    }

    /// These are looked for no longer, but for those that are kept. Answers who is to be asked again, as all that follow.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&Kind) -> bool) -> BTreeSet<Key> {
        self.unserved.retain(&is_kept);
        self.end(|kind, _| !is_kept(kind))
    }

    /// Something is done about the kind, or heard of it.
    pub(super) fn heard(&mut self, kind: &Kind, until: Time) {
        if let Some(wait) = self.kinds.get_mut(kind) {
            wait.until = Some(until);
        }
    }

    /// Whether somebody has to wait for one of the kinds. If so, the key is told when that is over.
    pub(super) fn hold<'a>(
        &mut self,
        kinds: impl IntoIterator<Item = &'a Kind>,
        key: &Key,
    ) -> Option<NotYet> {
        let mut kinds = kinds.into_iter();
        let kind = kinds.find(|kind| self.kinds.contains_key(kind))?;
        let wait = self.kinds.get_mut(kind)?;
        wait.held.insert(key.clone());
        Some(NotYet {
            kind: kind.clone(),
            until: wait.until,
        })
    }

    /// A list of the kind that began with that lineup is complete.
    pub(super) fn listed(&mut self, kind: &Kind, generation: u64) -> BTreeSet<Key> {
        self.end(|of, wait| of == kind && wait.generation <= generation)
    }

    /// It is known where the kind is served; unless it is to be listed too, that is all.
    pub(super) fn found(&mut self, kind: &Kind, is_to_be_listed: bool) -> BTreeSet<Key> {
        self.unserved.remove(kind);
        self.end(|of, _| of == kind && !is_to_be_listed)
    }

    /// The kind is not served.
    pub(super) fn unserved(&mut self, kind: &Kind) -> BTreeSet<Key> {
        self.unserved.insert(kind.clone());
        self.refused(kind)
    }

    /// The kind may not be listed.
    pub(super) fn refused(&mut self, kind: &Kind) -> BTreeSet<Key> {
        self.end(|of, _| of == kind)
    }

    /// Kinds of which nothing was heard for too long.
    pub(super) fn give_up(&mut self, now: Time) -> BTreeSet<Key> {
        self.end(|kind, wait| {
            let is_over = wait.until.is_some_and(|until| until <= now);
            if is_over {
                tracing::warn!(%kind, patience = ?PATIENCE, "nothing was heard of this kind for too long; objects are decided without it");
            }
            is_over
        })
    }

    fn end(&mut self, is_over: impl Fn(&Kind, &Wait) -> bool) -> BTreeSet<Key> {
        let over = self.kinds.extract_if(.., |kind, wait| is_over(kind, wait));
        over.flat_map(|(_, wait)| wait.held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> [Kind; 2] {
        ["ResourceSlice", "CSINode"].map(|name| Kind::new("example.com/v1", name))
    }

    fn key(name: &str) -> Key {
        Key::new(&Kind::new("v1", "Node"), None, name)
    }

    fn held(awaited: &mut Awaited, name: &str) -> bool {
        awaited.hold(&kinds(), &key(name)).is_some()
    }

    #[test]
    fn who_waits_is_told_when_a_list_for_the_lineup_is_complete() {
        let [slices, csi] = kinds();
        let mut awaited = Awaited::default();
        awaited.expect(&slices, 2, None);
        assert_eq!(awaited.hold([&csi], &key("b")), None);
        assert!(held(&mut awaited, "a"));
        assert_eq!(awaited.listed(&slices, 1), [].into());
        assert_eq!(awaited.found(&slices, true), [].into());
        assert!(held(&mut awaited, "a"));
        assert_eq!(awaited.listed(&slices, 2), [key("a")].into());
        assert!(!held(&mut awaited, "a"));
    }

    #[test]
    fn what_will_not_be_listed_holds_nobody_up() {
        type End = fn(&mut Awaited, &Kind) -> BTreeSet<Key>;
        let ends: [End; 4] = [
            Awaited::unserved,
            Awaited::refused,
            |awaited, kind| awaited.found(kind, false),
            |awaited, kind| awaited.keep(|kept| kept != kind),
        ];
        for end in ends {
            let [slices, _] = kinds();
            let mut awaited = Awaited::default();
            awaited.expect(&slices, 0, None);
            assert!(held(&mut awaited, "a"));
            assert_eq!(end(&mut awaited, &slices), [key("a")].into());
            assert!(!held(&mut awaited, "a"));
        }
    }

    #[test]
    fn a_kind_that_is_not_served_is_waited_for_again_once_it_is_found() {
        let [slices, _] = kinds();
        let mut awaited = Awaited::default();
        awaited.unserved(&slices);
        awaited.expect(&slices, 1, None);
        assert!(!held(&mut awaited, "a"));
        awaited.found(&slices, true);
        awaited.expect(&slices, 2, None);
        assert!(held(&mut awaited, "a"));
    }

    #[test]
    fn patience_counts_from_what_was_heard_last() {
        let [slices, _] = kinds();
        let mut awaited = Awaited::default();
        awaited.expect(&slices, 0, None);
        assert!(held(&mut awaited, "a"));
        assert_eq!(awaited.give_up(Time(1_000_000)), [].into());
        for until in [Time(10), Time(20)] {
            awaited.heard(&slices, until);
        }
        assert_eq!(awaited.give_up(Time(19)), [].into());
        assert_eq!(awaited.give_up(Time(20)), [key("a")].into());
        assert!(!held(&mut awaited, "a"));
    }
}
