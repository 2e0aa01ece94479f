//! What users rely on: no restarted timers, no hot loops, one run per object, nothing kept that is not needed.

mod supersede;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::guard::Unheeded;
use crate::object::Kind;

const NOW: Time = Time(1_000_000);

fn pod(uid: &str, version: u64, labels: Value) -> Snapshot {
    let body = json!({"metadata": {"name": "a", "namespace": "default", "uid": uid,
        "resourceVersion": version.to_string(), "labels": labels}, "status": {"phase": "Pending"}});
    Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap()
}

fn key() -> Key {
    pod("u", 1, json!({})).key().clone()
}

fn uid() -> Uid {
    Uid::new("u")
}

fn version(version: u64) -> ResourceVersion {
    ResourceVersion::parse(&version.to_string()).unwrap()
}

/// A sight whose one candidate reads `reads`.
fn observe(schedule: &mut Schedule, snapshot: &Snapshot, reads: &str, now: Time) -> Observed {
    let candidate = Candidate {
        plugin: 0,
        subject: 0,
        reads: reads.into(),
        since: Time(500_000),
        changed: now,
        anew: None,
    };
    let sight = Sight {
        snapshot,
        order: &Order::Any,
        candidates: vec![candidate],
        keep_body: false,
        begun: None,
    };
    schedule.observe(sight, now)
}

fn stage(name: &str) -> Played {
    Played {
        plugin: 0,
        stage: name.to_owned(),
        since: Time(500_000),
    }
}

/// A schedule that has decided to play `start` at `due`.
fn waiting(due: Time) -> Schedule {
    let mut schedule = Schedule::default();
    observe(&mut schedule, &pod("u", 1, json!({})), "r", NOW);
    let run = schedule.start(NOW).unwrap();
    schedule.finish(
        &key(),
        &uid(),
        run.snapshot.as_ref(),
        Outcome::Wait(stage("start"), due),
        NOW,
    );
    schedule
}

fn after(millis: u64) -> Time {
    NOW + Duration::from_millis(millis)
}

#[test]
fn a_touch_restarts_nothing() {
    let mut schedule = waiting(after(15_000));
    for touch in 2..100 {
        let seen = observe(
            &mut schedule,
            &pod("u", touch, json!({"touch": touch})),
            "r",
            after(touch * 100),
        );
        assert_eq!(
            seen,
            Observed::Newer {
                reads_changed: false,
                backward: None
            }
        );
        assert_eq!(schedule.next_due(), Some(after(15_000)));
    }
    let run = schedule.start(after(15_000)).unwrap();
    assert_eq!(
        run.snapshot.unwrap().version(),
        version(99),
        "the play gets the newest version"
    );
}

/// Alike objects are put away against each other; each comes back with its own text.
#[test]
fn what_rested_comes_back_whole() {
    let mut schedule = Schedule::default();
    let named = |number: u64| {
        let name = format!("pod-{number}");
        let body = json!({"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": (number + 1).to_string(),
            "labels": {"app": "a".repeat(200)}}, "status": {"phase": "Pending"}});
        Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap()
    };
    let pods: Vec<Snapshot> = (0..100).map(named).collect();
    for pod in &pods {
        observe(&mut schedule, pod, &pod.body().to_string(), NOW);
    }
    while let Some(run) = schedule.start(NOW) {
        let rest = if run.version.to_string().ends_with('1') {
            Outcome::Wait(stage("start"), after(10))
        } else {
            Outcome::Idle
        };
        schedule.finish(&run.key, &run.uid, run.snapshot.as_ref(), rest, NOW);
    }
    for pod in &pods {
        schedule.wake(pod.key(), after(10));
    }
    let mut seen = 0;
    while let Some(run) = schedule.start(after(10)) {
        let pod = pods.iter().find(|pod| pod.key() == &run.key).unwrap();
        assert_eq!(*run.candidates[0].reads, *pod.body().to_string());
        let kept = run.snapshot.as_ref().map(Snapshot::body);
        assert_eq!(kept.is_some(), run.version.to_string().ends_with('1'));
        assert!(kept.is_none_or(|kept| kept == pod.body()));
        seen += 1;
    }
    assert_eq!(seen, 100);
}

#[test]
fn a_changed_read_asks_again_at_once() {
    let mut schedule = waiting(after(15_000));
    let seen = observe(&mut schedule, &pod("u", 2, json!({})), "other", after(10));
    assert_eq!(
        seen,
        Observed::Newer {
            reads_changed: true,
            backward: None
        }
    );
    let run = schedule.start(after(10)).unwrap();
    assert_eq!(run.candidates[0].changed, after(10));
}

#[test]
fn an_older_version_is_ignored() {
    let mut schedule = waiting(after(15_000));
    observe(&mut schedule, &pod("u", 9, json!({})), "r", after(1));
    assert_eq!(
        observe(&mut schedule, &pod("u", 8, json!({})), "other", after(2)),
        Observed::Stale
    );
    assert_eq!(schedule.standing(&key()).unwrap().version, version(9));
}

#[test]
fn a_successor_under_the_name_is_another_object() {
    let mut schedule = waiting(after(15_000));
    assert_eq!(
        observe(&mut schedule, &pod("v", 2, json!({})), "r", after(1)),
        Observed::New
    );
    let run = schedule.start(after(1)).unwrap();
    assert_eq!(run.uid, Uid::new("v"));
    schedule.finish(&key(), &uid(), None, Outcome::Idle, after(2));
    let standing = schedule.standing(&key()).unwrap();
    assert_eq!(
        (standing.uid, standing.state),
        (Uid::new("v"), "Undecided"),
        "its predecessor's end is not its own"
    );
}

#[test]
fn one_run_at_a_time() {
    let mut schedule = Schedule::default();
    observe(&mut schedule, &pod("u", 1, json!({})), "r", NOW);
    let run = schedule.start(NOW).unwrap();
    observe(&mut schedule, &pod("u", 2, json!({})), "other", after(1));
    assert!(
        schedule.start(after(1)).is_none(),
        "its first run has not ended"
    );
    schedule.finish(&run.key, &run.uid, None, Outcome::Idle, after(2));
    assert!(
        schedule.start(after(2)).is_some(),
        "what changed meanwhile is asked about"
    );
}

#[test]
fn a_stage_that_repeats_in_one_stay_backs_off() {
    let mut schedule = waiting(NOW);
    let mut now = NOW;
    let mut waits = Vec::new();
    for round in 2..9 {
        let run = schedule.start(now).unwrap();
        observe(
            &mut schedule,
            &pod("u", round, json!({})),
            &round.to_string(),
            now,
        );
        schedule.finish(
            &run.key,
            &run.uid,
            None,
            Outcome::Stored(stage("start")),
            now,
        );
        let run = schedule.start(now).unwrap();
        let (played, until) = run.pause.clone().unwrap();
        assert_eq!(played, stage("start"));
        schedule.finish(
            &run.key,
            &run.uid,
            run.snapshot.as_ref(),
            Outcome::Wait(stage("start"), until),
            now,
        );
        waits.push(until.since(now));
        now = schedule.next_due().unwrap();
        assert_eq!(now, until);
    }
    assert!(waits[0] >= Duration::from_millis(500), "{waits:?}");
    assert!(waits.last() > waits.first(), "{waits:?}");
}

#[test]
fn a_play_without_effect_is_quiet_until_somebody_else_changes_the_object() {
    let mut schedule = waiting(NOW);
    let run = schedule.start(NOW).unwrap();
    // The watch is quicker than the response: both are our own doing.
    observe(&mut schedule, &pod("u", 2, json!({})), "rewritten", NOW);
    schedule.finish(
        &run.key,
        &run.uid,
        None,
        Outcome::WithoutEffect(stage("start"), version(2)),
        NOW,
    );
    assert_eq!(schedule.next_due(), None, "{:?}", schedule.standing(&key()));
    observe(
        &mut schedule,
        &pod("u", 3, json!({"by": "a user"})),
        "rewritten",
        after(5),
    );
    assert!(schedule.start(after(5)).is_some());
}

#[test]
fn a_conflict_waits_for_the_watch_and_reads_only_if_it_is_silent() {
    let conflict = |schedule: &mut Schedule| {
        let run = schedule.start(NOW).unwrap();
        schedule.finish(
            &run.key,
            &run.uid,
            run.snapshot.as_ref(),
            Outcome::Conflict(run.version),
            NOW,
        );
    };
    let mut schedule = waiting(NOW);
    conflict(&mut schedule);
    assert!(schedule.start(after(900)).is_none());
    assert_eq!(schedule.start(after(1000)).unwrap().task, Task::Read);

    let mut schedule = waiting(NOW);
    conflict(&mut schedule);
    observe(&mut schedule, &pod("u", 2, json!({})), "r", after(20));
    let run = schedule.start(after(20)).unwrap();
    assert_eq!((run.task, run.version), (Task::Decide, version(2)));
}

#[test]
fn a_read_that_brings_nothing_newer_ends_in_a_decision() {
    let mut schedule = waiting(NOW);
    let run = schedule.start(NOW).unwrap();
    schedule.finish(
        &run.key,
        &run.uid,
        None,
        Outcome::Conflict(run.version),
        NOW,
    );
    let run = schedule.start(after(1000)).unwrap();
    observe(&mut schedule, &pod("u", 1, json!({})), "r", after(1001));
    schedule.finish(&run.key, &run.uid, None, Outcome::Read, after(1001));
    assert_eq!(schedule.start(after(1001)).unwrap().task, Task::Decide);
}

#[test]
fn refusals_back_off_and_a_touch_does_not_shorten_it() {
    let mut schedule = waiting(NOW);
    let failure = Failure {
        stage: "start".into(),
        code: "refused",
        message: "backward".into(),
        count: 0,
    };
    let mut now = NOW;
    for round in 1..=5 {
        let run = schedule.start(now).unwrap();
        schedule.finish(
            &run.key,
            &run.uid,
            run.snapshot.as_ref(),
            Outcome::Refused("plugin".to_owned(), failure.clone()),
            now,
        );
        assert_eq!(
            schedule
                .standing(&key())
                .unwrap()
                .failures
                .of("plugin")
                .unwrap()
                .count,
            round
        );
        let next = schedule.next_due().unwrap();
        assert!(next >= now + Duration::from_millis(500));
        observe(
            &mut schedule,
            &pod("u", 1 + u64::from(round), json!({"touch": round})),
            "r",
            now,
        );
        assert_eq!(schedule.next_due(), Some(next));
        now = next;
    }
    assert!(
        schedule.start(now).unwrap().snapshot.is_some(),
        "the object is at hand when it is tried again"
    );
}

#[test]
fn a_pause_the_server_asks_for_is_kept() {
    let mut schedule = waiting(NOW);
    let run = schedule.start(NOW).unwrap();
    let outcome = Outcome::Transient(Some(Duration::from_secs(7)));
    schedule.finish(&run.key, &run.uid, run.snapshot.as_ref(), outcome, NOW);
    assert_eq!(schedule.next_due(), Some(after(7_000)));
}

#[test]
fn a_plugin_that_asks_for_a_time_gone_by_is_not_asked_for_ever() {
    let mut schedule = Schedule::default();
    observe(&mut schedule, &pod("u", 1, json!({})), "r", NOW);
    let run = schedule.start(NOW).unwrap();
    schedule.finish(&run.key, &run.uid, None, Outcome::Passed(Some(NOW)), NOW);
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn an_idle_object_keeps_no_body_and_a_later_play_asks_for_one() {
    let mut schedule = Schedule::default();
    observe(&mut schedule, &pod("u", 1, json!({})), "r", NOW);
    let run = schedule.start(NOW).unwrap();
    schedule.finish(
        &run.key,
        &run.uid,
        run.snapshot.as_ref(),
        Outcome::Idle,
        NOW,
    );
    schedule.wake(&key(), after(10));
    let run = schedule.start(after(10)).unwrap();
    assert!(run.snapshot.is_none());
    schedule.finish(&run.key, &run.uid, None, Outcome::NeedsBody, after(10));
    let run = schedule.start(after(10)).unwrap();
    assert_eq!(run.task, Task::Read);
    assert_eq!(
        observe(&mut schedule, &pod("u", 1, json!({})), "r", after(11)),
        Observed::Stale
    );
    schedule.finish(&run.key, &run.uid, None, Outcome::Read, after(11));
    assert!(schedule.start(after(11)).unwrap().snapshot.is_some());
}

#[test]
fn a_burst_is_served_oldest_first() {
    let mut schedule = Schedule::default();
    for (name, since) in [("young", 900_000), ("old", 100_000), ("middle", 500_000)] {
        let body = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}});
        let snapshot = Snapshot::parse(&Kind::new("v1", "Node"), body).unwrap();
        let candidate = Candidate {
            plugin: 0,
            subject: 0,
            reads: "r".into(),
            since: Time(since),
            changed: NOW,
            anew: None,
        };
        schedule.observe(
            Sight {
                snapshot: &snapshot,
                order: &Order::Any,
                candidates: vec![candidate],
                keep_body: false,
                begun: None,
            },
            NOW,
        );
    }
    let order: Vec<_> = std::iter::from_fn(|| schedule.start(NOW))
        .map(|run| run.key.name.to_string())
        .collect();
    assert_eq!(order, ["old", "middle", "young"]);
}

#[test]
fn trees_are_bounded_and_counted() {
    let mut schedule = Schedule::default();
    for index in 0..2 * MAX_TREES {
        let body = json!({"metadata": {"name": format!("n{index}"), "uid": index.to_string(), "resourceVersion": "1"}});
        let snapshot = Snapshot::parse(&Kind::new("v1", "Node"), body).unwrap();
        observe(&mut schedule, &snapshot, "r", NOW);
    }
    assert_eq!(schedule.trees, MAX_TREES);
    while let Some(run) = schedule.start(NOW) {
        assert!(run.snapshot.is_some());
        schedule.finish(
            &run.key,
            &run.uid,
            run.snapshot.as_ref(),
            Outcome::Idle,
            NOW,
        );
    }
    assert_eq!((schedule.trees, schedule.depth()), (0, (0, 0)));
}

#[test]
fn what_went_is_forgotten_with_its_turn() {
    let mut schedule = waiting(after(10));
    assert!(!schedule.forget(&key(), Some(&Uid::new("other"))));
    assert!(schedule.forget(&key(), Some(&uid())));
    assert_eq!((schedule.len(), schedule.next_due()), (0, None));
}

#[test]
fn what_the_server_makes_something_else_of_is_told_to_the_next_run() {
    let mut schedule = waiting(NOW);
    let run = schedule.start(NOW).unwrap();
    observe(&mut schedule, &pod("u", 2, json!({})), "rewritten", NOW);
    schedule.finish(
        &run.key,
        &run.uid,
        None,
        Outcome::Remade(stage("start"), version(2), Unheeded::default()),
        NOW,
    );
    let run = schedule.start(NOW).unwrap();
    assert_eq!(run.remade, Some(Unheeded::default()));
    schedule.finish(
        &run.key,
        &run.uid,
        None,
        Outcome::WithoutEffect(stage("start"), run.version),
        NOW,
    );
    assert_eq!(schedule.next_due(), None);
    observe(
        &mut schedule,
        &pod("u", 3, json!({"by": "a user"})),
        "rewritten",
        after(5),
    );
    assert_eq!(
        schedule.start(after(5)).unwrap().remade,
        None,
        "a change by somebody else is a new chance"
    );
}
