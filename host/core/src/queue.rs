//! Turns, ordered by the time they are due over all keys: one run per key, bounded by the number of keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// Turns by due time, and among equals in the order they came: what was retried never steps behind what is fresh.
///
/// A key waits at most once, and runs at most once. What is pushed while its key runs waits for the end of that run.
#[derive(Debug)]
pub struct Queue<K> {
    /// Turns that may start, soonest first. Those whose key runs are not in here.
    ready: BTreeSet<(Time, u64, K)>,
    /// Every key that waits, runs, or both.
    slots: BTreeMap<K, Slot>,
    /// The next place among equals.
    place: u64,
    running: usize,
    waiting: usize,
}

/// What is known of one key. A slot that neither waits nor runs does not exist.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    waits: Option<(Time, u64)>,
    runs: bool,
}

// === impl Queue ===

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            ready: BTreeSet::new(),
            slots: BTreeMap::new(),
            place: 0,
            running: 0,
            waiting: 0,
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// Sets when the key's next turn is due, in place of what was set before. While the key runs, the turn is kept for after.
    pub fn push(&mut self, key: K, due: Time) {
        let slot = self.slots.entry(key.clone()).or_default();
        match slot.waits {
            // Set again for the same time, it keeps its place: who is pushed often must not starve.
            Some((known, _)) if known == due => return,
            Some((known, place)) => {
                if !slot.runs {
                    self.ready.remove(&(known, place, key.clone()));
                }
            }
            None => self.waiting += 1,
        }
        let place = self.place;
        self.place += 1;
        slot.waits = Some((due, place));
        if !slot.runs {
            self.ready.insert((due, place, key));
        }
    }

    /// The turn that has been due the longest, if one is due by now. Its key runs until [`Queue::done`].
    pub fn pop_due(&mut self, now: Time) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        let (_, _, key) = self.ready.pop_first()?;
        self.slots.insert(
            key.clone(),
            Slot {
                waits: None,
                runs: true,
            },
        );
        self.waiting -= 1;
        self.running += 1;
        Some(key)
    }

    /// The key's run ended; what was pushed meanwhile may start. Nothing happens if it does not run.
    pub fn done(&mut self, key: &K) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.runs) else {
            return;
        };
        self.running -= 1;
        slot.runs = false;
        match slot.waits {
            Some((due, place)) => {
                self.ready.insert((due, place, key.clone()));
            }
            None => {
                self.slots.remove(key);
            }
        }
    }

    /// Takes the key's turn back. A run under way still ends with [`Queue::done`]: until then its key has no other.
    pub fn remove(&mut self, key: &K) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let runs = slot.runs;
        if let Some((due, place)) = slot.waits.take() {
            self.waiting -= 1;
            if !runs {
                self.ready.remove(&(due, place, key.clone()));
            }
        }
        if !runs {
            self.slots.remove(key);
        }
    }

    /// When the next turn that may start is due. Turns kept for the end of a run do not count.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.ready.first().map(|(due, _, _)| *due)
    }

    /// When the key's next turn is due, be it kept for the end of a run.
    #[must_use]
    pub fn due_at(&self, key: &K) -> Option<Time> {
        self.slots.get(key)?.waits.map(|(due, _)| due)
    }

    /// Turns that wait, for their time or for the end of a run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether no turn waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Runs under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8, i64),
        Pop(i64),
        Done(u8),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let (key, due) = (0..5_u8, 0..6_i64);
        let step = prop_oneof![
            4 => (key.clone(), due.clone()).prop_map(|(key, due)| Step::Push(key, due)),
            3 => due.prop_map(Step::Pop),
            2 => key.clone().prop_map(Step::Done),
            1 => key.prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// The same in the plainest way: a list of turns in the order they came, and a list of what runs.
    #[derive(Default)]
    struct Model {
        waits: Vec<(u8, i64)>,
        runs: Vec<u8>,
    }

    impl Model {
        fn push(&mut self, key: u8, due: i64) {
            if !self.waits.contains(&(key, due)) {
                self.waits.retain(|(known, _)| *known != key);
                self.waits.push((key, due));
            }
        }

        fn next(&self) -> Option<(u8, i64)> {
            // `min_by_key` answers the first of equals.
            self.waits
                .iter()
                .filter(|(key, _)| !self.runs.contains(key))
                .min_by_key(|(_, due)| *due)
                .copied()
        }

        fn pop(&mut self, now: i64) -> Option<u8> {
            let (key, _) = self.next().filter(|(_, due)| *due <= now)?;
            self.waits.retain(|(known, _)| *known != key);
            self.runs.push(key);
            Some(key)
        }
    }

    proptest! {
        #[test]
        fn it_does_what_the_plain_list_does(steps in steps()) {
            let (mut queue, mut model) = (Queue::default(), Model::default());
            for step in steps {
                match step {
                    Step::Push(key, due) => {
                        queue.push(key, Time(due));
                        model.push(key, due);
                    }
                    Step::Pop(now) => {
                        let popped = queue.pop_due(Time(now));
                        prop_assert!(popped.is_none_or(|key| !model.runs.contains(&key)), "a second run of {popped:?}");
                        prop_assert_eq!(popped, model.pop(now));
                    }
                    Step::Done(key) => {
                        queue.done(&key);
                        model.runs.retain(|known| *known != key);
                    }
                    Step::Remove(key) => {
                        queue.remove(&key);
                        model.waits.retain(|(known, _)| *known != key);
                    }
                }
                prop_assert_eq!(queue.next_due(), model.next().map(|(_, due)| Time(due)));
                prop_assert_eq!((queue.len(), queue.running()), (model.waits.len(), model.runs.len()));
                prop_assert_eq!(queue.is_empty(), model.waits.is_empty());
                for key in 0..5 {
                    let due = model.waits.iter().find(|(known, _)| *known == key).map(|(_, due)| Time(*due));
                    prop_assert_eq!(queue.due_at(&key), due);
                }
                let known = (0..5).filter(|key| model.runs.contains(key) || model.waits.iter().any(|(known, _)| known == key));
                prop_assert_eq!(queue.slots.len(), known.count(), "nothing is remembered of a key without a turn");
            }
        }
    }

    #[test]
    fn equals_come_in_the_order_they_were_pushed() {
        let mut queue = Queue::default();
        for key in ["c", "a", "b", "a"] {
            queue.push(key, Time(5));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop_due(Time(5))).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn what_is_pushed_while_it_runs_is_kept_for_after() {
        let mut queue = Queue::default();
        queue.push("a", Time(1));
        assert_eq!(queue.pop_due(Time(1)), Some("a"));
        queue.push("a", Time(0));
        assert_eq!(
            (queue.pop_due(Time(9)), queue.next_due(), queue.due_at(&"a")),
            (None, None, Some(Time(0)))
        );
        queue.done(&"a");
        assert_eq!(queue.pop_due(Time(0)), Some("a"));
    }

    #[test]
    fn a_key_removed_while_it_runs_does_not_run_twice() {
        let mut queue = Queue::default();
        queue.push("a", Time(0));
        queue.pop_due(Time(0));
        queue.remove(&"a");
        queue.push("a", Time(0));
        assert_eq!(queue.pop_due(Time(0)), None);
        queue.done(&"a");
        assert_eq!(queue.pop_due(Time(0)), Some("a"));
    }
}
