//! Plugins that change under the objects: asked about anew, each once, and no delay begins again that ran.

use super::*;

/// Subjects that moved to another place and read what they read before.
#[allow(clippy::unnecessary_wraps, reason = "what `supersede` asks for")]
fn moved(candidates: &[Candidate]) -> Option<Vec<Candidate>> {
    let moved = |candidate: &Candidate| Candidate {
        subject: 7,
        ..candidate.clone()
    };
    Some(candidates.iter().map(moved).collect())
}

fn unseen(_: &[Candidate]) -> Option<Vec<Candidate>> {
    None
}

fn pods() -> Kind {
    Kind::new("v1", "Pod")
}

fn finish(schedule: &mut Schedule, run: &Run, outcome: Outcome, now: Time) {
    schedule.finish(&key(), &uid(), run.snapshot.as_ref(), outcome, now);
}

#[test]
fn a_waiting_object_is_asked_at_once_and_its_delay_goes_on() {
    let mut schedule = waiting(after(15_000));
    schedule.supersede(&pods(), moved, after(4_000));
    let run = schedule.start(after(4_000)).unwrap();
    let [candidate] = &*run.candidates else {
        panic!("one candidate")
    };
    assert_eq!(candidate.subject, 7);
    assert_eq!(candidate.counted_from("start"), Time(500_000));
    assert_eq!(candidate.counted_from("other"), after(4_000));
    assert!(
        run.snapshot.is_some(),
        "what waits for its time keeps its body"
    );
    // The stage that began with that change has waited since, whatever changes after it.
    finish(
        &mut schedule,
        &run,
        Outcome::Wait(stage("other"), after(9_000)),
        after(4_001),
    );
    schedule.supersede(&pods(), moved, after(6_000));
    let run = schedule.start(after(6_000)).unwrap();
    assert_eq!(run.candidates[0].counted_from("other"), after(4_000));
    assert_eq!(run.candidates[0].counted_from("start"), after(6_000));
}

#[test]
fn an_idle_object_is_asked_and_new_stages_begin_now() {
    let mut schedule = waiting(NOW);
    let run = schedule.start(NOW).unwrap();
    finish(&mut schedule, &run, Outcome::Idle, NOW);
    assert_eq!(schedule.next_due(), None);
    schedule.supersede(&pods(), moved, after(5));
    let run = schedule.start(after(5)).unwrap();
    assert_eq!(run.candidates[0].counted_from("start"), after(5));
}

#[test]
fn what_reads_more_is_asked_when_it_is_seen_again() {
    let mut schedule = waiting(after(15_000));
    schedule.supersede(&pods(), unseen, after(10));
    assert_eq!(schedule.next_due(), None, "nobody can be asked");
    schedule.wake(&key(), after(11));
    assert_eq!(schedule.next_due(), None, "a wake brings no candidates");
    assert!(schedule.lacks(&pod("u", 1, json!({}))));
    let seen = observe(&mut schedule, &pod("u", 1, json!({})), "more", after(20));
    assert!(matches!(
        seen,
        Observed::Newer {
            reads_changed: true,
            backward: None
        }
    ));
    assert!(!schedule.lacks(&pod("u", 1, json!({}))));
    let run = schedule.start(after(20)).unwrap();
    assert_eq!(&*run.candidates[0].reads, "more");
    assert_eq!(run.candidates[0].counted_from("start"), Time(500_000));
    assert_eq!(run.candidates[0].counted_from("other"), after(10));
}

#[test]
fn an_older_version_does_not_show_what_is_missing() {
    let mut schedule = waiting(after(15_000));
    observe(&mut schedule, &pod("u", 5, json!({})), "r", after(1));
    schedule.supersede(&pods(), unseen, after(10));
    assert!(!schedule.lacks(&pod("u", 4, json!({}))));
    let seen = observe(&mut schedule, &pod("u", 4, json!({})), "more", after(20));
    assert_eq!((seen, schedule.next_due()), (Observed::Stale, None));
    observe(&mut schedule, &pod("u", 6, json!({})), "more", after(30));
    assert_eq!(schedule.next_due(), Some(after(30)));
}

#[test]
fn a_run_under_way_ends_and_its_object_is_asked_once_more() {
    let mut schedule = waiting(after(100));
    let run = schedule.start(after(100)).unwrap();
    schedule.supersede(&pods(), moved, after(101));
    assert!(schedule.start(after(101)).is_none(), "one run per object");
    finish(
        &mut schedule,
        &run,
        Outcome::WithoutEffect(stage("start"), version(1)),
        after(102),
    );
    let run = schedule.start(after(102)).unwrap();
    assert_eq!(run.candidates[0].subject, 7);
    assert_eq!(
        run.candidates[0].counted_from("start"),
        Time(500_000),
        "it was waiting when the plugins changed"
    );
    finish(&mut schedule, &run, Outcome::Idle, after(103));
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_blind_run_under_way_leaves_nothing_to_do() {
    let mut schedule = waiting(after(100));
    let run = schedule.start(after(100)).unwrap();
    schedule.supersede(&pods(), unseen, after(101));
    finish(
        &mut schedule,
        &run,
        Outcome::Wait(stage("start"), after(500)),
        after(102),
    );
    assert_eq!(schedule.next_due(), None);
    assert_eq!(schedule.depth(), (0, 0));
}

#[test]
fn a_pause_after_failures_ends_with_the_plugins_that_failed() {
    let mut schedule = waiting(after(100));
    let run = schedule.start(after(100)).unwrap();
    let failure = Failure {
        stage: "start".to_owned(),
        code: "refused",
        message: String::new(),
        count: 0,
    };
    let refused = Outcome::Refused("plugin".to_owned(), failure);
    finish(&mut schedule, &run, refused, after(100));
    schedule.supersede(&pods(), moved, after(101));
    let run = schedule.start(after(101)).unwrap();
    assert_eq!(run.failures.last(), None);
    assert_eq!(
        run.candidates[0].counted_from("start"),
        Time(500_000),
        "it waited, and its play is tried again"
    );
}

#[test]
fn other_kinds_are_left_alone() {
    let mut schedule = waiting(after(15_000));
    schedule.supersede(&Kind::new("v1", "Node"), unseen, after(10));
    assert_eq!(schedule.next_due(), Some(after(15_000)));
}

/// A kind that was not followed before has objects that nobody waited for.
#[test]
fn what_was_there_before_its_kind_was_followed_begins_then() {
    let mut schedule = Schedule::default();
    let candidate = Candidate {
        plugin: 0,
        subject: 0,
        reads: "r".into(),
        since: Time(500_000),
        changed: NOW,
        anew: None,
    };
    let snapshot = pod("u", 1, json!({}));
    let sight = Sight {
        snapshot: &snapshot,
        order: &Order::Any,
        candidates: vec![candidate],
        keep_body: false,
        begun: Some(NOW),
    };
    schedule.observe(sight, after(3));
    let run = schedule.start(after(3)).unwrap();
    assert_eq!(run.candidates[0].counted_from("start"), NOW);
}
