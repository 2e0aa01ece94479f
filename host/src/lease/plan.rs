//! Whose lease is looked at next. Pure: times come in, jobs go out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stagewright_core::backoff::Backoff;
use stagewright_core::object::Uid;
use stagewright_core::time::Time;

use super::selected::Changes;

/// A lease that is ours, as far as the server said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub version: String,
    pub renewed: Time,
}

/// One lease's turn. It ends with [`Plan::finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub node: Arc<str>,
    pub uid: Uid,
    pub known: Known,
}

/// What is known of a lease whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// It is ours.
    Held(Held),
    /// As far as was seen there is none.
    Missing,
    /// It is read first.
    Nothing,
}

/// What became of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Ours, as of this version.
    Held(Held),
    /// Somebody else's, until then unless it is renewed.
    Taken(Time),
    /// Not as we knew it: read it again.
    Changed,
    /// No answer, or a refusal.
    Failed {
        message: String,
        retry_after: Option<Duration>,
    },
}

/// The nodes, and when each lease's turn is.
#[derive(Debug)]
pub(super) struct Plan {
    duration: Duration,
    nodes: BTreeMap<Arc<str>, Node>,
    /// Leases that are ours, by the time of their renewal.
    renewals: BTreeSet<(Time, Arc<str>)>,
    /// The others, by the time at which they may be had.
    tries: BTreeSet<(Time, Arc<str>)>,
}

#[derive(Debug)]
struct Node {
    uid: Uid,
    known: Known,
    attempts: u32,
    /// None while its turn is under way.
    due: Option<Time>,
}

impl Plan {
    pub(super) fn new(duration: Duration) -> Self {
        Self {
            duration,
            nodes: BTreeMap::new(),
            renewals: BTreeSet::new(),
            tries: BTreeSet::new(),
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes came and went. Answers the leases to give back. A node that was made anew under its name is another node, whose lease
    /// goes with its predecessor.
    pub(super) fn select(&mut self, changes: Changes, now: Time) -> Vec<(Arc<str>, Uid, Held)> {
        let mut released = Vec::new();
        for (name, selected) in changes {
            let before = self.nodes.get(&name).map(|node| &node.uid);
            if before == selected.as_ref().map(|selected| &selected.uid) {
                continue;
            }
            let before = self.remove(&name);
            let Some(selected) = selected else {
                released.extend(before.and_then(|node| node.held(name)));
                continue;
            };
            let node = Node {
                uid: selected.uid,
                known: if selected.has_lease {
                    Known::Nothing
                } else {
                    Known::Missing
                },
                attempts: 0,
                due: Some(now),
            };
            self.tries.insert((now, Arc::clone(&name)));
            self.nodes.insert(name, node);
        }
        released
    }

    /// The next turn that is due: the renewal that waits longest, or else the longest wait for a lease that is not ours yet.
    pub(super) fn next(&mut self, now: Time) -> Option<Job> {
        let due = |queue: &mut BTreeSet<(Time, Arc<str>)>| {
            queue
                .first()
                .is_some_and(|(due, _)| *due <= now)
                .then(|| queue.pop_first())
                .flatten()
        };
        let (_, name) = due(&mut self.renewals).or_else(|| due(&mut self.tries))?;
        let node = self.nodes.get_mut(&name)?;
        node.due = None;
        let known = node.known.clone();
        if known == Known::Missing {
            // What comes of this turn tells more. If it fails, the next one looks.
            node.known = Known::Nothing;
        }
        Some(Job {
            uid: node.uid.clone(),
            known,
            node: name,
        })
    }

    /// When the next turn is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        let first = |queue: &BTreeSet<(Time, Arc<str>)>| queue.first().map(|(due, _)| *due);
        match (first(&self.renewals), first(&self.tries)) {
            (Some(renewal), Some(acquisition)) => Some(renewal.min(acquisition)),
            (renewal, acquisition) => renewal.or(acquisition),
        }
    }

    /// Takes a turn back.
    pub(super) fn finish(
        &mut self,
        name: &Arc<str>,
        uid: &Uid,
        outcome: Outcome,
        now: Time,
        chance: u32,
    ) {
        let duration = self.duration;
        let retry = Backoff {
            base: duration / 40,
            cap: duration / 8,
        };
        let Some(node) = self
            .nodes
            .get_mut(name)
            .filter(|node| node.uid == *uid && node.due.is_none())
        else {
            return;
        };
        let attempts = std::mem::take(&mut node.attempts);
        let due = match outcome {
            Outcome::Held(held) => {
                // A tenth early at most, so that leases taken together are not renewed together for ever.
                let period = duration / 4;
                let due = held.renewed + period
                    - (period / 10).mul_f64(f64::from(chance) / f64::from(u32::MAX));
                node.known = Known::Held(held);
                due.max(now)
            }
            Outcome::Taken(until) => {
                node.known = Known::Nothing;
                until.max(now + Duration::from_secs(1)) + retry.delay(0, chance)
            }
            Outcome::Changed => {
                node.known = Known::Nothing;
                node.attempts = attempts.saturating_add(1);
                // The first look again is at once; somebody who keeps changing it is met with patience.
                if attempts == 0 {
                    now
                } else {
                    now + retry.delay(attempts - 1, chance)
                }
            }
            Outcome::Failed { retry_after, .. } => {
                node.attempts = attempts.saturating_add(1);
                let pause = retry.delay(attempts, chance);
                now + retry_after.map_or(pause, |wanted| wanted.min(duration / 4).max(pause))
            }
        };
        node.due = Some(due);
        let queue = match node.known {
            Known::Held(_) => &mut self.renewals,
            Known::Missing | Known::Nothing => &mut self.tries,
        };
        queue.insert((due, Arc::clone(name)));
    }

    /// Nothing is to be held any more. Answers the leases to give back, but for those whose turn is under way.
    pub(super) fn wind_up(&mut self) -> Vec<(Arc<str>, Uid, Held)> {
        let idle = |node: &Node| node.due.is_some();
        let names = self.nodes.iter().filter(|(_, node)| idle(node));
        let names: Vec<Arc<str>> = names.map(|(name, _)| Arc::clone(name)).collect();
        let mut released = Vec::new();
        for name in names {
            if let Some(node) = self.remove(&name) {
                released.extend(node.held(name));
            }
        }
        released
    }

    fn remove(&mut self, name: &Arc<str>) -> Option<Node> {
        let node = self.nodes.remove(name)?;
        if let Some(due) = node.due {
            let place = (due, Arc::clone(name));
            self.renewals.remove(&place);
            self.tries.remove(&place);
        }
        Some(node)
    }
}

impl Node {
    /// The lease, if it is ours, under the node's name.
    fn held(self, name: Arc<str>) -> Option<(Arc<str>, Uid, Held)> {
        match self.known {
            Known::Held(held) => Some((name, self.uid, held)),
            Known::Missing | Known::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::selected::Selected;
    use super::*;

    const D: Duration = Duration::from_secs(40);

    fn nodes(names: &[&str]) -> Changes {
        let named = |name: &&str| (Arc::from(*name), selected(name));
        names.iter().map(named).collect()
    }

    fn selected(uid: &str) -> Option<Selected> {
        Some(Selected {
            uid: Uid::new(uid),
            has_lease: true,
        })
    }

    fn held(renewed: Time) -> Outcome {
        Outcome::Held(Held {
            version: "1".into(),
            renewed,
        })
    }

    fn seconds(seconds: i64) -> Time {
        Time(seconds * 1_000)
    }

    #[test]
    fn a_lease_is_renewed_after_a_quarter_of_its_duration() {
        let mut plan = Plan::new(D);
        assert!(plan.select(nodes(&["a"]), seconds(0)).is_empty());
        let job = plan.next(seconds(0)).unwrap();
        assert_eq!(job.known, Known::Nothing);
        assert_eq!(plan.next(seconds(0)), None, "one turn at a time");
        plan.finish(&job.node, &job.uid, held(seconds(0)), seconds(1), 0);
        assert_eq!(plan.next_due(), Some(seconds(10)));
        let job = plan.next(seconds(10)).unwrap();
        plan.finish(
            &job.node,
            &job.uid,
            held(seconds(10)),
            seconds(10),
            u32::MAX,
        );
        assert_eq!(plan.next_due(), Some(seconds(19)));
    }

    #[test]
    fn a_lease_that_nobody_saw_is_made_at_once_and_read_if_that_fails() {
        let mut plan = Plan::new(D);
        let new = Selected {
            uid: Uid::new("u"),
            has_lease: false,
        };
        plan.select(Changes::from([(Arc::from("a"), Some(new))]), seconds(0));
        let job = plan.next(seconds(0)).unwrap();
        assert_eq!(job.known, Known::Missing);
        plan.finish(&job.node, &job.uid, Outcome::Changed, seconds(0), 0);
        assert_eq!(plan.next(seconds(0)).unwrap().known, Known::Nothing);
    }

    #[test]
    fn renewals_go_before_new_leases_and_the_nearest_end_first() {
        let mut plan = Plan::new(D);
        plan.select(nodes(&["a", "b"]), seconds(0));
        for at in [5, 3] {
            let job = plan.next(seconds(0)).unwrap();
            plan.finish(&job.node, &job.uid, held(seconds(at)), seconds(at), 0);
        }
        plan.select(nodes(&["0", "a", "b"]), seconds(6));
        let order: Vec<Arc<str>> = std::iter::from_fn(|| plan.next(seconds(60)))
            .map(|job| job.node)
            .collect();
        assert_eq!(order, [Arc::from("b"), Arc::from("a"), Arc::from("0")]);
    }

    #[test]
    fn a_slow_server_keeps_the_leases_that_can_be_kept() {
        // 8 answers a second for 1,000 nodes: 320 leases can be renewed within their duration, and those are.
        let mut plan = Plan::new(D);
        let names: Vec<String> = (0..1_000).map(|number| format!("n{number:04}")).collect();
        plan.select(
            nodes(&names.iter().map(String::as_str).collect::<Vec<_>>()),
            seconds(0),
        );
        let mut ends: BTreeMap<Arc<str>, Time> = BTreeMap::new();
        let mut lapses = 0;
        for second in 0..600 {
            for _ in 0..8 {
                let Some(job) = plan.next(seconds(second)) else {
                    break;
                };
                let now = seconds(second + 1);
                lapses += u32::from(ends.get(&job.node).is_some_and(|end| *end < now));
                ends.insert(Arc::clone(&job.node), now + D);
                plan.finish(&job.node, &job.uid, held(now), now, 7);
            }
        }
        let alive = ends.values().filter(|end| **end > seconds(600)).count();
        assert_eq!((lapses, alive >= 80), (0, true), "{alive} alive");
    }

    #[test]
    fn what_fails_is_tried_again_well_before_the_lease_ends() {
        let mut plan = Plan::new(D);
        plan.select(nodes(&["a"]), seconds(0));
        let mut now = seconds(0);
        for _ in 0..20 {
            let job = plan.next(now).unwrap();
            let failed = Outcome::Failed {
                message: "no".into(),
                retry_after: Some(Duration::from_secs(3_600)),
            };
            plan.finish(&job.node, &job.uid, failed, now, u32::MAX);
            let next = plan.next_due().unwrap();
            assert!(next > now && next <= now + D / 4, "{now} {next}");
            now = next;
        }
    }

    #[test]
    fn a_lease_of_another_is_looked_at_when_it_ends_and_a_changed_one_at_once() {
        let mut plan = Plan::new(D);
        plan.select(nodes(&["a"]), seconds(0));
        let job = plan.next(seconds(0)).unwrap();
        plan.finish(
            &job.node,
            &job.uid,
            Outcome::Taken(seconds(30)),
            seconds(0),
            0,
        );
        assert!(plan.next(seconds(29)).is_none());
        let job = plan.next(seconds(32)).unwrap();
        plan.finish(&job.node, &job.uid, Outcome::Changed, seconds(32), 0);
        let job = plan.next(seconds(32)).unwrap();
        plan.finish(&job.node, &job.uid, Outcome::Changed, seconds(32), 0);
        assert!(plan.next(seconds(32)).is_none());
    }

    #[test]
    fn nodes_that_go_give_their_leases_back_and_new_ones_of_the_name_do_not() {
        let mut plan = Plan::new(D);
        plan.select(nodes(&["a", "b", "c"]), seconds(0));
        while let Some(job) = plan.next(seconds(0)) {
            plan.finish(&job.node, &job.uid, held(seconds(0)), seconds(0), 0);
        }
        let changes = [("b", selected("another")), ("c", None)];
        let changes = changes.map(|(name, node)| (Arc::from(name), node));
        let released = plan.select(changes.into(), seconds(1));
        assert_eq!(
            released
                .iter()
                .map(|(name, ..)| &**name)
                .collect::<Vec<_>>(),
            ["c"]
        );
        let job = plan.next(seconds(1)).unwrap();
        assert_eq!(
            (&*job.node, job.uid.as_str(), job.known),
            ("b", "another", Known::Nothing)
        );
        // The answer for the node that went comes late, and says nothing about the new one.
        plan.finish(
            &Arc::from("b"),
            &Uid::new("b"),
            held(seconds(1)),
            seconds(1),
            0,
        );
        assert_eq!(plan.next_due(), Some(seconds(10)));
    }

    #[test]
    fn at_the_end_a_turn_under_way_is_waited_for() {
        let mut plan = Plan::new(D);
        plan.select(nodes(&["a", "b"]), seconds(0));
        let [a, b] = [(); 2].map(|()| plan.next(seconds(0)).unwrap());
        plan.finish(&a.node, &a.uid, held(seconds(0)), seconds(0), 0);
        let released = |plan: &mut Plan| -> Vec<String> {
            let released = plan.wind_up().into_iter();
            released.map(|(name, ..)| name.to_string()).collect()
        };
        assert_eq!(released(&mut plan), ["a"]);
        plan.finish(&b.node, &b.uid, held(seconds(1)), seconds(1), 0);
        assert_eq!(released(&mut plan), ["b"]);
        assert_eq!((released(&mut plan).len(), plan.next_due()), (0, None));
    }
}
