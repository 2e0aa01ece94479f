//! What is related, and who is asked again.

mod take_over;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::description::Description;

const NOW: Time = Time(1_767_261_600_000);
/// When every object of these tests was created.
const CREATED: &str = "2026-01-01T09:00:00Z";
const CREATED_MS: i64 = 1_767_258_000_000;

fn after(seconds: i64) -> Time {
    Time(NOW.0 + seconds * 1000)
}

/// A subject of the kind `example.com/v1/Trainer` with these relations.
fn subject(relations: Value) -> Subject {
    let text = json!({"schema": "stagewright.dev/description/v1", "name": "p", "version": "1", "stages": ["s"],
        "subjects": [{"kind": "example.com/v1/Trainer", "relations": relations}]});
    Description::parse(&text.to_string())
        .unwrap()
        .subjects
        .remove(0)
}

/// The one relation `r` with this `by`, of pods' phases.
fn pods(by: Value) -> Subject {
    subject(json!([{"name": "r", "kind": "v1/Pod", "by": by, "reads": ["/status/phase"]}]))
}

fn relations(subjects: &[&Subject]) -> Relations {
    Relations::new(subjects.iter().copied())
}

/// An object `NAMESPACE/NAME` or `NAME`; its uid is `u-NAME`. `more` is merged into it.
fn object(kind: &str, place: &str, version: u64, more: Value) -> Snapshot {
    let (namespace, name) = place
        .split_once('/')
        .map_or((None, place), |(namespace, name)| (Some(namespace), name));
    let mut body = json!({"metadata": {"name": name, "uid": format!("u-{name}"), "resourceVersion": version.to_string(), "creationTimestamp": CREATED}});
    if let Some(namespace) = namespace {
        body["metadata"]["namespace"] = json!(namespace);
    }
    json_patch::merge(&mut body, &more);
    Snapshot::parse(&Kind::parse(kind).unwrap(), body).unwrap()
}

fn pod(place: &str, version: u64, more: Value) -> Snapshot {
    object("v1/Pod", place, version, more)
}

fn trainer(place: &str, more: Value) -> Snapshot {
    object("example.com/v1/Trainer", place, 1, more)
}

fn phase(phase: &str) -> Value {
    json!({"status": {"phase": phase}})
}

/// The names that the relation has, as `related` gives them.
#[track_caller]
fn names(relations: &mut Relations, subject: &Subject, object: &Snapshot) -> Vec<String> {
    let related: Value =
        serde_json::from_str(&relations.related(subject, object).unwrap()).unwrap();
    let metadata = |item: &Value| item["object"]["metadata"].clone();
    let place = |metadata: Value| {
        [metadata["namespace"].as_str(), metadata["name"].as_str()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("/")
    };
    related["r"]
        .as_array()
        .unwrap()
        .iter()
        .map(metadata)
        .map(place)
        .collect()
}

fn text(keys: Vec<Key>) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// Of these pods, the ones that the relation has for this object.
#[track_caller]
fn check(by: Value, subject_object: &Snapshot, objects: &[Snapshot], expected: &[&str]) {
    let subject = pods(by.clone());
    let mut relations = relations(&[&subject]);
    for object in objects {
        relations.observe(object, NOW);
    }
    assert_eq!(
        names(&mut relations, &subject, subject_object),
        expected,
        "{by}"
    );
}

#[test]
fn by_name_in_the_subject_s_namespace_or_in_none() {
    let objects = ["a/x", "a/y", "b/x", "z"].map(|place| pod(place, 1, json!({})));
    let named = |names: Value| json!({"spec": {"pods": names}});
    let each = json!({"name": "/spec/pods/*"});
    check(
        each.clone(),
        &trainer("a/t", named(json!(["y", "x", "z", "none", "", 7]))),
        &objects,
        &["z", "a/x", "a/y"],
    );
    check(
        each.clone(),
        &trainer("t", named(json!(["x", "z"]))),
        &objects,
        &["z"],
    );
    check(each, &trainer("a/t", named(json!(null))), &objects, &[]);
    check(
        json!({"name": "/spec/pods"}),
        &trainer("b/t", named(json!("x"))),
        &objects,
        &["b/x"],
    );
}

#[test]
fn by_owner_of_the_kind_whatever_its_version() {
    let owner = |api: &str, kind: &str, uid: &str| json!({"apiVersion": api, "kind": kind, "name": "any", "uid": uid});
    let owned = json!({"metadata": {"ownerReferences": [owner("v1", "Pod", "u-x"), owner("v1", "Pod", "u-none"),
        owner("v1beta1", "Pod", "u-y"), owner("batch/v1", "Pod", "u-z"), owner("v1", "Node", "u-z")]}});
    let objects = ["a/x", "a/y", "a/z"].map(|place| pod(place, 1, json!({})));
    check(
        json!({"owner": true}),
        &trainer("a/t", owned),
        &objects,
        &["a/x", "a/y"],
    );
    check(
        json!({"owner": true}),
        &trainer("a/t", json!({})),
        &objects,
        &[],
    );
}

#[test]
fn by_being_owned() {
    let owned = |uids: &[&str]| json!({"metadata": {"ownerReferences": uids.iter().map(|uid| json!({"uid": uid})).collect::<Vec<_>>()}});
    let objects = [
        pod("a/x", 1, owned(&["u-t"])),
        pod("a/y", 1, owned(&["u-o", "u-t"])),
        pod("a/z", 1, owned(&["u-o"])),
        pod("a/w", 1, json!({})),
    ];
    check(
        json!({"owned": true}),
        &trainer("a/t", json!({})),
        &objects,
        &["a/x", "a/y"],
    );
    check(
        json!({"owned": true}),
        &trainer("t", json!({})),
        &objects,
        &["a/x", "a/y"],
    );
}

#[test]
fn by_label_in_the_subject_s_namespace() {
    let group = |group: &str| json!({"metadata": {"labels": {"x.io/group": group}}});
    let objects = [
        pod("a/x", 1, group("g")),
        pod("a/y", 1, group("h")),
        pod("b/x", 1, group("g")),
        pod("a/z", 1, json!({})),
        pod("c", 1, group("g")),
    ];
    let by = json!({"label": "x.io/group", "value": "/metadata/labels/x.io~1group"});
    check(
        by.clone(),
        &trainer("a/t", group("g")),
        &objects,
        &["c", "a/x"],
    );
    check(
        by.clone(),
        &trainer("b/t", group("g")),
        &objects,
        &["c", "b/x"],
    );
    check(by, &trainer("a/t", json!({})), &objects, &[]);
}

#[test]
fn the_context_has_each_relation_with_its_own_reads() {
    let subject = subject(json!([
        {"name": "phases", "kind": "v1/Pod", "by": {"owned": true}, "reads": ["/status/phase"]},
        {"name": "bare", "kind": "v1/Pod", "by": {"owned": true}},
        {"name": "none", "kind": "v1/Node", "by": {"name": "/spec/node"}}]));
    let mut relations = relations(&[&subject]);
    let owned = json!({"metadata": {"ownerReferences": [{"uid": "u-t"}], "labels": {"a": "b"}}, "status": {"phase": "Running", "podIP": "10.0.0.1"}});
    relations.observe(&pod("a/x", 1, owned), NOW);
    let related: Value = serde_json::from_str(
        &relations
            .related(&subject, &trainer("a/t", json!({})))
            .unwrap(),
    )
    .unwrap();
    let identity = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "a", "uid": "u-x"}});
    let mut with_phase = identity.clone();
    with_phase["status"] = json!({"phase": "Running"});
    assert_eq!(
        related,
        json!({"phases": [{"object": with_phase, "sinceMs": CREATED_MS, "changedMs": CREATED_MS}],
            "bare": [{"object": identity, "sinceMs": CREATED_MS, "changedMs": CREATED_MS}], "none": []})
    );
    assert_eq!(
        relations.kinds(),
        [Kind::new("v1", "Node"), Kind::new("v1", "Pod")]
    );
}

#[test]
fn changes_are_counted_where_they_are_read() {
    let subject = subject(json!([
        {"name": "phases", "kind": "v1/Pod", "by": {"name": "/spec/pod"}, "reads": ["/status/phase"]},
        {"name": "ips", "kind": "v1/Pod", "by": {"name": "/spec/pod"}, "reads": ["/status/podIP"]}]));
    let mut relations = relations(&[&subject]);
    let asker = trainer("a/t", json!({"spec": {"pod": "x"}}));
    let times = |relations: &mut Relations| {
        let related: Value =
            serde_json::from_str(&relations.related(&subject, &asker).unwrap()).unwrap();
        ["phases", "ips"].map(|name| {
            (
                related[name][0]["sinceMs"].as_i64().unwrap(),
                related[name][0]["changedMs"].as_i64().unwrap(),
            )
        })
    };
    relations.observe(&pod("a/x", 1, phase("Pending")), NOW);
    assert_eq!(
        times(&mut relations),
        [(CREATED_MS, CREATED_MS); 2],
        "what is seen first has not changed"
    );
    relations.observe(&pod("a/x", 2, phase("Running")), after(1));
    assert_eq!(
        times(&mut relations),
        [(CREATED_MS, after(1).0), (CREATED_MS, CREATED_MS)]
    );
    relations.observe(&pod("a/x", 3, phase("Running")), after(2));
    assert_eq!(
        times(&mut relations),
        [(CREATED_MS, after(1).0), (CREATED_MS, CREATED_MS)]
    );
    let deleting = json!({"metadata": {"deletionTimestamp": "2026-01-01T10:00:30Z", "deletionGracePeriodSeconds": 20}});
    relations.observe(&pod("a/x", 4, deleting), after(3));
    assert_eq!(
        times(&mut relations),
        [(after(10).0, after(10).0), (after(10).0, after(10).0)],
        "no change is before the stay it belongs to"
    );
}

#[test]
fn who_reads_it_is_asked_again_and_nobody_else() {
    let subject = pods(json!({"name": "/spec/pod"}));
    let mut relations = relations(&[&subject]);
    for (place, pod) in [("a/t", "x"), ("a/s", "y"), ("b/t", "x")] {
        relations
            .related(&subject, &trainer(place, json!({"spec": {"pod": pod}})))
            .unwrap();
    }
    let mut see =
        |version: u64, more: Value| text(relations.observe(&pod("a/x", version, more), NOW));
    assert_eq!(see(2, phase("Pending")), ["Trainer a/t"], "it appeared");
    assert_eq!(
        see(
            3,
            json!({"status": {"phase": "Pending", "podIP": "10.0.0.1"}, "metadata": {"labels": {"a": "b"}}})
        ),
        [""; 0],
        "nobody reads that"
    );
    assert_eq!(see(4, phase("Running")), ["Trainer a/t"]);
    assert_eq!(see(4, phase("Failed")), [""; 0], "known");
    assert_eq!(see(3, phase("Pending")), [""; 0], "older");
    assert_eq!(
        see(
            5,
            json!({"status": {"phase": "Running"}, "metadata": {"uid": "u-other"}})
        ),
        ["Trainer a/t"],
        "another object in its place"
    );
    assert_eq!(
        text(relations.forget(pod("a/x", 1, json!({})).key())),
        ["Trainer a/t"]
    );
    assert_eq!(
        text(relations.forget(pod("a/x", 1, json!({})).key())),
        [""; 0]
    );
    assert_eq!(
        text(relations.observe(&object("v1/Node", "x", 1, json!({})), NOW)),
        [""; 0],
        "not a related kind"
    );
}

#[test]
fn who_changes_its_mind_is_asked_about_the_new() {
    let subject = pods(json!({"name": "/spec/pod"}));
    let mut relations = relations(&[&subject]);
    for pod in ["x", "y"] {
        relations
            .related(&subject, &trainer("a/t", json!({"spec": {"pod": pod}})))
            .unwrap();
    }
    assert_eq!(
        text(relations.observe(&pod("a/x", 1, json!({})), NOW)),
        [""; 0]
    );
    assert_eq!(
        text(relations.observe(&pod("a/y", 1, json!({})), NOW)),
        ["Trainer a/t"]
    );
    relations.forget_subject(trainer("a/t", json!({})).key());
    assert_eq!(
        text(relations.observe(&pod("a/y", 2, phase("Running")), NOW)),
        [""; 0]
    );
}

#[test]
fn two_plugins_on_a_kind_do_not_disturb_each_other() {
    let (one, other) = (
        pods(json!({"name": "/spec/one"})),
        pods(json!({"name": "/spec/other"})),
    );
    let mut relations = relations(&[&one, &other]);
    let asker = trainer("a/t", json!({"spec": {"one": "x", "other": "y"}}));
    relations.related(&one, &asker).unwrap();
    relations.related(&other, &asker).unwrap();
    for place in ["a/x", "a/y"] {
        assert_eq!(
            text(relations.observe(&pod(place, 1, json!({})), NOW)),
            ["Trainer a/t"],
            "{place}"
        );
    }
    assert_eq!(names(&mut relations, &one, &asker), ["a/x"]);
    assert_eq!(
        relations.related(&pods(json!({"owner": true})), &asker),
        Err(RelationError::Undeclared)
    );
}

#[test]
fn too_much_is_an_error_and_still_answers() {
    let subject = subject(
        json!([{"name": "r", "kind": "v1/Pod", "by": {"owned": true}, "reads": ["/status/phase"], "max": 2}]),
    );
    let mut relations = relations(&[&subject]);
    let asker = trainer("a/t", json!({}));
    let owned = |phase: &str| json!({"metadata": {"ownerReferences": [{"uid": "u-t"}]}, "status": {"phase": phase}});
    for name in ["x", "y", "z"] {
        relations.observe(&pod(&format!("a/{name}"), 1, owned("Running")), NOW);
    }
    let error = relations.related(&subject, &asker).unwrap_err();
    assert_eq!(
        error,
        RelationError::TooMany {
            relation: "r".to_owned(),
            found: 3,
            max: 2
        }
    );
    assert_eq!(
        text(relations.forget(pod("a/z", 1, json!({})).key())),
        ["Trainer a/t"]
    );
    assert_eq!(names(&mut relations, &subject, &asker), ["a/x", "a/y"]);
    relations.observe(&pod("a/y", 2, owned(&"y".repeat(MAX_BYTES - 400))), NOW);
    assert!(relations.related(&subject, &asker).is_ok());
    relations.observe(&pod("a/y", 3, owned(&"y".repeat(MAX_BYTES))), NOW);
    assert_eq!(
        relations.related(&subject, &asker).unwrap_err().category(),
        "RelatedTooLarge"
    );
}

#[test]
fn what_went_leaves_nothing_behind() {
    let subject = subject(json!([
        {"name": "named", "kind": "v1/Pod", "by": {"name": "/spec/pod"}}, {"name": "owner", "kind": "v1/Pod", "by": {"owner": true}},
        {"name": "owned", "kind": "v1/Pod", "by": {"owned": true}}, {"name": "group", "kind": "v1/Pod", "by": {"label": "g", "value": "/spec/pod"}}]));
    let mut relations = relations(&[&subject]);
    let more = json!({"spec": {"pod": "x"}, "metadata": {"ownerReferences": [{"uid": "u-x", "kind": "Pod", "apiVersion": "v1"}], "labels": {"g": "x"}}});
    let asker = trainer("a/t", more.clone());
    relations.related(&subject, &asker).unwrap();
    relations.observe(&pod("a/x", 1, more.clone()), NOW);
    relations.observe(&pod("a/x", 2, more), NOW);
    assert_eq!(
        (
            relations.offers.len(),
            relations.asks.len().0,
            relations.keys(&Kind::new("v1", "Pod")).len()
        ),
        (4, 6, 1)
    );
    assert_eq!(relations.keys(&Kind::new("v1", "Node")), []);
    relations.forget(pod("a/x", 1, json!({})).key());
    relations.forget_subject(asker.key());
    let left = [
        relations.objects.len(),
        relations.offers.len(),
        relations.asks.len().0,
        relations.asks.len().1,
    ];
    assert_eq!(left, [0; 4]);
}

#[derive(Debug, Clone)]
enum Step {
    See {
        name: usize,
        namespace: usize,
        group: Option<usize>,
        owner: Option<usize>,
        phase: usize,
    },
    Forget {
        name: usize,
        namespace: usize,
    },
    Ask {
        subject: usize,
    },
}

const NAMESPACES: [&str; 2] = ["a", "b"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = || 0..3_usize;
    let step = prop_oneof![
        5 => (few(), 0..2_usize, prop::option::of(few()), prop::option::of(few()), 0..2_usize)
            .prop_map(|(name, namespace, group, owner, phase)| Step::See { name, namespace, group, owner, phase }),
        2 => (few(), 0..2_usize).prop_map(|(name, namespace)| Step::Forget { name, namespace }),
        2 => (0..4_usize).prop_map(|subject| Step::Ask { subject }),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    /// The law that everything rests on: whoever would be told something else now than when it asked has been woken since.
    #[test]
    fn no_difference_goes_untold(steps in steps()) {
        let declared = subject(json!([
            {"name": "named", "kind": "v1/Pod", "by": {"name": "/spec/pods/*"}, "reads": ["/status/phase"]},
            {"name": "owned", "kind": "v1/Pod", "by": {"owned": true}},
            {"name": "group", "kind": "v1/Pod", "by": {"label": "g", "value": "/spec/group"}, "reads": ["/status/phase"]}]));
        let askers: Vec<Snapshot> = (0..4)
            .map(|index| trainer(&format!("{}/{index}", NAMESPACES[index % 2]), json!({"spec": {"pods": [index.to_string(), "1"], "group": index.to_string()}})))
            .collect();
        let mut kept = relations(&[&declared]);
        let mut seen: BTreeMap<Key, Snapshot> = BTreeMap::new();
        let mut told: BTreeMap<usize, String> = BTreeMap::new();
        for (version, step) in steps.into_iter().enumerate() {
            let version = u64::try_from(version).unwrap() + 1;
            let woken = match step {
                Step::See { name, namespace, group, owner, phase } => {
                    let place = format!("{}/{name}", NAMESPACES[namespace]);
                    let owners: Vec<Value> = owner.iter().map(|owner| json!({"uid": format!("u-{owner}")})).collect();
                    let more = json!({"metadata": {"ownerReferences": owners, "labels": {"g": group.map(|group| group.to_string())}},
                        "status": {"phase": phase}});
                    let pod = pod(&place, version, more);
                    seen.insert(pod.key().clone(), pod.clone());
                    kept.observe(&pod, NOW)
                }
                Step::Forget { name, namespace } => {
                    let key = Key::new(&Kind::new("v1", "Pod"), Some(NAMESPACES[namespace]), &name.to_string());
                    seen.remove(&key);
                    kept.forget(&key)
                }
                Step::Ask { subject } => {
                    told.insert(subject, kept.related(&declared, &askers[subject]).unwrap());
                    Vec::new()
                }
            };
            // The plain way: everything anew from what is there. Nothing has changed for it, so times are left out.
            let mut anew = relations(&[&declared]);
            for object in seen.values() {
                anew.observe(object, NOW);
            }
            for (subject, told) in &mut told {
                let now = anew.related(&declared, &askers[*subject]).unwrap();
                if woken.contains(askers[*subject].key()) {
                    *told = kept.related(&declared, &askers[*subject]).unwrap();
                }
                prop_assert_eq!(without_changes(told), without_changes(&now));
            }
        }
    }
}

fn without_changes(related: &str) -> Value {
    let mut related: Value = serde_json::from_str(related).unwrap();
    for item in related
        .as_object_mut()
        .unwrap()
        .values_mut()
        .flat_map(|items| items.as_array_mut().unwrap())
    {
        item.as_object_mut().unwrap().remove("changedMs");
    }
    related
}
