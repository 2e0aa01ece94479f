//! Every interleaving of two hosts, a user and the API server on one name: what the guard admits of one version may arrive at any later
//! one, or never, and a host may have seen any version that ever was. A model checker goes through all of it.
//!
//! What the hosts may send and what becomes of it is the real guard's and the real patch's; the model adds who comes when.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stateright::{Checker, Model, Property};

use super::{Bench, claim, pod, status};
use crate::guard::{Action, Verdict, admit};
use crate::interface::{Effect, Form};
use crate::json::{At as _, apply};

/// Versions of the name, all its objects together.
const VERSIONS: usize = 4;
/// The phases, each later than those before it, but for the last two.
const PHASES: [&str; 4] = ["Pending", "Running", "Succeeded", "Failed"];

/// What of an object matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Content {
    /// In [`PHASES`].
    phase: usize,
    deleting: bool,
}

/// A version of the object, as the server stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    uid: usize,
    content: Content,
}

/// What a plugin asks for: a phase, or the deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Wish {
    Phase(usize),
    Delete,
}

/// A request under way: what the guard admitted on that version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flight {
    version: usize,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// All versions of the name, the newest last.
    history: Vec<Stored>,
    /// Whether the last of them is there.
    exists: bool,
    flights: [Option<Flight>; 2],
    /// A write of ours moved an object backward, or fell on another object than it was admitted on.
    wrong: bool,
    landed: bool,
    refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// A host that sees that version asks its plugin and sends.
    Send(usize, Flight),
    /// A host's request arrives.
    Arrive(usize),
    /// A host's request is lost, or the host dies.
    Lose(usize),
    /// The user writes whatever he likes.
    Write(Content),
    /// The object goes, and another comes under its name.
    Replace,
}

/// Which preconditions the server looks at, and what the guard makes of each wish.
struct Cluster {
    uid: bool,
    version: bool,
    /// What is stored when a wish that was admitted on the first content falls on the second; none: the object goes.
    becomes: BTreeMap<(Content, Wish, Content), Option<Content>>,
}

// === impl Content ===

impl Content {
    fn all() -> impl Iterator<Item = Self> {
        (0..PHASES.len()).flat_map(|phase| [false, true].map(|deleting| Self { phase, deleting }))
    }

    fn object(self) -> Value {
        let mut object = pod(json!({"phase": PHASES[self.phase]}));
        if self.deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-03-01T11:59:00Z");
            object["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        }
        object
    }

    fn of(object: &Value) -> Self {
        let phase = object.at("/status/phase").and_then(Value::as_str).unwrap();
        Self {
            phase: PHASES.iter().position(|known| *known == phase).unwrap(),
            deleting: object.at("/metadata/deletionTimestamp").is_some(),
        }
    }

    /// Said here once more, without the order that is tested.
    fn may_become(self, after: Self) -> bool {
        let forward = match (self.phase, after.phase) {
            (from, to) if from == to => true,
            (2 | 3, _) => false,
            (from, to) => from < to,
        };
        forward && (after.deleting || !self.deleting)
    }
}

// === impl Cluster ===

impl Cluster {
    fn new(uid: bool, version: bool) -> Self {
        let bench = Bench::built_in("v1/Pod");
        let mut becomes = BTreeMap::new();
        for seen in Content::all() {
            let subject = bench.snapshot(&seen.object());
            for wish in (0..PHASES.len()).map(Wish::Phase).chain([Wish::Delete]) {
                let effect = match wish {
                    Wish::Phase(phase) => status(json!({"phase": PHASES[phase]})),
                    Wish::Delete => Effect::Delete { grace: Some(0) },
                };
                let Ok(Verdict::Write(admitted)) =
                    admit(&claim(&subject), &subject, &effect, &bench.rules())
                else {
                    continue;
                };
                for there in Content::all() {
                    let after = arrive(admitted.action(), &there.object());
                    becomes.insert((seen, wish, there), after.as_ref().map(Content::of));
                }
            }
        }
        Self {
            uid,
            version,
            becomes,
        }
    }

    fn arrive(&self, world: &mut World, flight: Flight) {
        let (newest, there) = (world.history.len() - 1, *world.history.last().unwrap());
        let seen = world.history[flight.version];
        let stale =
            (self.version && flight.version != newest) || (self.uid && seen.uid != there.uid);
        if !world.exists || stale {
            world.refused = true;
            return;
        }
        world.landed = true;
        let after = self.becomes[&(seen.content, flight.wish, there.content)];
        let forward = after.is_none_or(|after| there.content.may_become(after));
        world.wrong |= seen.uid != there.uid || !forward;
        match after {
            Some(content) => world.history.push(Stored { content, ..there }),
            None => world.exists = false,
        }
    }
}

/// What the server makes of a request whose preconditions it does not look at; they are in it, or this panics.
fn arrive(action: &Action, there: &Value) -> Option<Value> {
    let bytes = match action {
        Action::Patch { body, .. } | Action::Delete { body } => body,
        Action::Create { .. } => panic!("{action:?}"),
    };
    let mut body: Value = serde_json::from_slice(bytes).unwrap();
    let preconditions = match action {
        Action::Delete { .. } => body["preconditions"].take(),
        _ => body["metadata"].take(),
    };
    assert_eq!(
        (&preconditions["uid"], &preconditions["resourceVersion"]),
        (
            &there["metadata"]["uid"],
            &there["metadata"]["resourceVersion"]
        ),
    );
    let Action::Patch { .. } = action else {
        return None;
    };
    body.as_object_mut().unwrap().remove("metadata");
    let kind = Bench::built_in("v1/Pod").kind;
    Some(apply(Form::Merge, &kind, there, &body, None).unwrap())
}

impl Model for Cluster {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let content = Content {
            phase: 0,
            deleting: false,
        };
        vec![World {
            history: vec![Stored { uid: 0, content }],
            exists: true,
            flights: [None; 2],
            wrong: false,
            landed: false,
            refused: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for host in 0..world.flights.len() {
            if world.flights[host].is_some() {
                steps.extend([Step::Arrive(host), Step::Lose(host)]);
                continue;
            }
            for (version, seen) in world.history.iter().enumerate() {
                let wishes = (0..PHASES.len()).map(Wish::Phase).chain([Wish::Delete]);
                let admitted = wishes.filter(|wish| {
                    self.becomes
                        .contains_key(&(seen.content, *wish, seen.content))
                });
                steps.extend(admitted.map(|wish| Step::Send(host, Flight { version, wish })));
            }
        }
        if world.history.len() < VERSIONS {
            steps.extend(Content::all().map(Step::Write));
            steps.push(Step::Replace);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        let there = *world.history.last()?;
        match step {
            Step::Send(host, flight) => world.flights[host] = Some(flight),
            Step::Lose(host) => world.flights[host] = None,
            Step::Arrive(host) => {
                let flight = world.flights[host].take()?;
                self.arrive(&mut world, flight);
            }
            Step::Write(content) if world.exists => world.history.push(Stored { content, ..there }),
            Step::Write(_) => return None,
            Step::Replace => {
                let content = Content {
                    phase: 0,
                    deleting: false,
                };
                let uid = there.uid + 1;
                world.history.push(Stored { uid, content });
                world.exists = true;
            }
        }
        Some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.history.len() <= VERSIONS
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "no write of ours is backward, or on another object",
                |_, world: &World| !world.wrong,
            ),
            Property::sometimes("a write lands", |_, world: &World| world.landed),
            Property::sometimes("a stale write is refused", |_, world: &World| world.refused),
        ]
    }
}

/// Whether the checker finds a wrong write; a world in which nothing happens would be no proof.
fn goes_wrong(uid: bool, version: bool) -> bool {
    let checker = Cluster::new(uid, version)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    let found = checker.discoveries();
    assert!(found.contains_key("a write lands"));
    let wrong = found.get("no write of ours is backward, or on another object");
    eprintln!("{} states; wrong: {wrong:?}", checker.unique_state_count());
    wrong.is_some()
}

#[test]
fn with_its_preconditions_no_write_is_wrong_in_any_order_of_events() {
    assert!(!goes_wrong(true, true));
}

#[test]
fn the_version_alone_is_enough() {
    assert!(!goes_wrong(false, true));
}

#[test]
fn without_the_version_a_write_moves_an_object_backward() {
    assert!(goes_wrong(true, false));
}
