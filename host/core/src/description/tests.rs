//! What a description may say, and how it is told what it may not.

use serde_json::{Value, json};

use super::*;

fn minimal() -> Value {
    json!({"schema": SCHEMA, "name": "gang", "version": "1.2.0", "stages": ["start"], "subjects": [{"kind": "example.com/v1/Trainer"}]})
}

/// The minimal description with the value put at the pointer, whose parents are made as needed. Null leaves it out.
fn with(pointer: &str, value: Value) -> Value {
    let mut description = minimal();
    let mut place = &mut description;
    for name in pointer.split('/').skip(1) {
        place = match name.parse::<usize>() {
            Ok(index) => {
                if place.is_null() {
                    *place = json!([]);
                }
                let items = place.as_array_mut().unwrap();
                if items.len() == index {
                    items.push(Value::Null);
                }
                &mut items[index]
            }
            Err(_) => &mut place[name],
        };
    }
    *place = value;
    description
}

fn parse(description: &Value) -> Result<Description, DescriptionError> {
    Description::parse(&description.to_string())
}

/// Refused at that place, with words that say what to do.
#[track_caller]
fn refused(pointer: &str, value: Value, place: &str, remedy: &str) {
    let error = parse(&with(pointer, value.clone())).expect_err(&format!("{pointer} {value}"));
    let DescriptionError::Field { path, problem } = &error else {
        panic!("{pointer} {value}: {error}")
    };
    assert_eq!(path, place, "{pointer} {value}: {error}");
    assert!(problem.contains(remedy), "{pointer} {value}: {error}");
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn all_of_it_is_read() {
    let text = r#"{"schema": "stagewright.dev/description/v1", "name": "gang", "version": "1.2.0",
     "stages": ["start", "fail"], "requires": ["teleport"],
     "applies": [{"kind": "v1/Pod", "adopt": false}, {"kind": "batch/v1/Job", "adopt": true}],
     "problems": [{"path": "/stages/3/selector", "message": "no such operator"}],
     "subjects": [{
       "kind": "example.com/v1/Trainer", "selector": "team=ml",
       "reads": ["/spec", "/status/phase"], "since": ["/status/startTime"], "playReads": null, "writes": ["/status"], "facts": ["addresses", "failure"],
       "relations": [
         {"name": "node",    "kind": "v1/Node",      "by": {"name": "/spec/nodeName"},                     "reads": ["/status/conditions"]},
         {"name": "claims",  "kind": "resource.k8s.io/v1/ResourceClaim", "by": {"name": "/spec/claims/*"}, "reads": ["/status"]},
         {"name": "owner",   "kind": "batch/v1/Job", "by": {"owner": true},                                "reads": ["/spec/suspend"]},
         {"name": "workers", "kind": "v1/Pod",       "by": {"owned": true},                                "reads": ["/status/phase"]},
         {"name": "gang",    "kind": "v1/Pod",       "by": {"label": "pod-group", "value": "/metadata/labels/pod-group"}, "reads": ["/status/phase"], "max": 12}],
       "order": {"path": "/status/phase", "latches": ["Provisioned"], "initial": "Pending", "epochs": ["/status/observedGeneration"],
                 "phases": {"Pending": ["Active"], "Active": ["Failed", "Done"], "Failed": [], "Done": []}}}]}"#;
    let description = Description::parse(text).unwrap();
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("gang", "1.2.0")
    );
    assert_eq!(
        description.stages,
        ["fail".to_owned(), "start".to_owned()].into()
    );
    assert_eq!(description.requires, ["teleport"]);
    let adopt: Vec<_> = description
        .applies
        .iter()
        .map(|applies| (applies.kind.to_string(), applies.adopt))
        .collect();
    assert_eq!(
        adopt,
        [
            ("v1/Pod".to_owned(), false),
            ("batch/v1/Job".to_owned(), true)
        ]
    );
    assert_eq!(
        description.problems,
        [Problem {
            path: "/stages/3/selector".into(),
            message: "no such operator".into()
        }]
    );
    let subject = &description.subjects[0];
    assert_eq!(subject.kind, Kind::new("example.com/v1", "Trainer"));
    assert_eq!(subject.selector, Selector::parse("team=ml").unwrap());
    assert_eq!(
        (subject.reads.clone(), subject.since.clone()),
        (
            vec![path("/spec"), path("/status/phase")],
            vec![path("/status/startTime")]
        )
    );
    assert_eq!(
        (&subject.play_reads, &subject.writes),
        (&None, &vec![path("/status")])
    );
    assert_eq!(subject.facts, [FactName::Addresses, FactName::Failure]);
    assert!(subject.order.is_some());
    let relations: Vec<_> = subject
        .relations
        .iter()
        .map(|relation| (relation.name.as_str(), relation.by.clone(), relation.max))
        .collect();
    let label = By::Label {
        label: "pod-group".to_owned(),
        value: path("/metadata/labels/pod-group"),
    };
    let expected = [
        ("node", By::Name(path("/spec/nodeName")), 256),
        ("claims", By::Name(path("/spec/claims/*")), 256),
        ("owner", By::Owner, 256),
        ("workers", By::Owned, 256),
        ("gang", label, 12),
    ];
    assert_eq!(relations, expected);
    assert_eq!(subject.relations[0].reads, [path("/status/conditions")]);
}

#[test]
fn little_of_it_is_enough() {
    let description = parse(&minimal()).unwrap();
    let subject = &description.subjects[0];
    assert!(
        subject.selector.is_everything()
            && subject.reads.is_empty()
            && subject.relations.is_empty()
            && subject.order.is_none()
    );
    assert_eq!(subject.play_reads, None);
    assert_eq!(
        parse(&with("/subjects/0/playReads", json!([])))
            .unwrap()
            .subjects[0]
            .play_reads,
        Some(vec![])
    );
    assert!(parse(&with("/subjects", json!([]))).is_ok());
}

#[test]
fn names_have_a_pattern() {
    let long = "a".repeat(40);
    for name in ["a", "pod-2", long.as_str()] {
        assert!(parse(&with("/name", json!(name))).is_ok(), "{name}");
    }
    for name in [
        json!(""),
        json!("Pod"),
        json!("a.b"),
        json!("-a"),
        json!("a-"),
        json!("ä"),
        json!("a/b"),
        json!(format!("a{long}")),
    ] {
        refused("/name", name, "/name", "at most 40 lower-case letters");
    }
    for version in ["", "v 1", "-1", "1/2"] {
        refused("/version", json!(version), "/version", "like \"1.2.0\"");
    }
    for stage in ["", ".a", "a b", "a/b", "ä", "a".repeat(64).as_str()] {
        refused("/stages/1", json!(stage), "/stages/1", "is no stage name");
        refused(
            "/subjects/0/relations/0",
            json!({"name": stage, "kind": "v1/Pod", "by": {"owner": true}}),
            "/subjects/0/relations/0/name",
            "is no relation name",
        );
    }
    assert!(parse(&with("/stages/1", json!("Pod.ready-2"))).is_ok());
}

#[test]
fn every_field_is_checked_where_it_stands() {
    let subject = |field: &str| format!("/subjects/0{field}");
    for (pointer, value, place, remedy) in [
        ("/name", json!(null), "/name", "is missing"),
        ("/name", json!(7), "/name", "is a number: write a string"),
        ("/version", json!(null), "/version", "is missing"),
        ("/stages", json!(null), "/stages", "is missing"),
        ("/stages", json!("start"), "/stages", "write a list"),
        ("/stages", json!([]), "/stages", "declare 1 to 64"),
        (
            "/stages",
            json!((0..65).map(|stage| format!("s{stage}")).collect::<Vec<_>>()),
            "/stages",
            "has 65 stages",
        ),
        ("/stages/1", json!("start"), "/stages", "twice"),
        ("/subjects", json!(null), "/subjects", "is missing"),
        ("/subject", json!([]), "/subject", "subjects"),
        ("/a~1b", json!(1), "/a~01b", "is unknown"),
        (
            "/requires",
            json!(["a", 1]),
            "/requires/1",
            "write a string",
        ),
        (
            "/applies/0",
            json!("v1/Pod"),
            "/applies/0",
            "write an object",
        ),
        (
            "/applies/0",
            json!({"adopt": true}),
            "/applies/0/kind",
            "is missing",
        ),
        (
            "/applies/0",
            json!({"kind": "Pod"}),
            "/applies/0/kind",
            "like v1/Pod",
        ),
        (
            "/applies/0",
            json!({"kind": "v1/Pod", "adopt": "yes"}),
            "/applies/0/adopt",
            "write true or false",
        ),
        (
            "/applies/0",
            json!({"kind": "v1/Pod", "adopted": true}),
            "/applies/0/adopted",
            "is unknown: kind, adopt are known",
        ),
        (
            "/problems/0",
            json!({"path": "/a"}),
            "/problems/0/message",
            "is missing",
        ),
        (
            &subject("/kind"),
            json!(null),
            "/subjects/0/kind",
            "is missing",
        ),
        (
            &subject("/selector"),
            json!("a in b"),
            "/subjects/0/selector",
            "at character 6",
        ),
        (
            &subject("/selector"),
            json!({"matchLabels": {}}),
            "/subjects/0/selector",
            "write a string",
        ),
        (
            &subject("/reads"),
            json!("/spec"),
            "/subjects/0/reads",
            "write a list",
        ),
        (
            &subject("/reads/0"),
            json!("spec"),
            "/subjects/0/reads/0",
            "begin with \"/\"",
        ),
        (
            &subject("/playReads/0"),
            json!("/~"),
            "/subjects/0/playReads/0",
            "~0",
        ),
        (
            &subject("/since/0"),
            json!(1),
            "/subjects/0/since/0",
            "write a string",
        ),
        (
            &subject("/writes/0"),
            json!("/status/*/a"),
            "/subjects/0/writes/0",
            "what is above the \"*\"",
        ),
        (
            &subject("/facts/0"),
            json!("weather"),
            "/subjects/0/facts/0",
            "\"addresses\" and \"failure\"",
        ),
        (
            &subject("/facts"),
            json!(["failure", "failure"]),
            "/subjects/0/facts",
            "twice",
        ),
        (
            &subject("/order"),
            json!({"phase": "/status/phase"}),
            "/subjects/0/order",
            "unknown field `phase`",
        ),
        (
            &subject("/order"),
            json!({"path": "/status/phase", "phases": {"A": ["B"]}}),
            "/subjects/0/order",
            "",
        ),
    ] {
        refused(pointer, value, place, remedy);
    }
}

#[test]
fn relations_are_found_in_exactly_one_way() {
    let relation = |by: Value| json!({"name": "r", "kind": "v1/Pod", "by": by});
    for by in [
        json!({}),
        json!({"owner": false}),
        json!({"name": "/spec/a", "owner": true}),
        json!({"owner": true, "owned": true}),
        json!({"label": "a"}),
        json!({"value": "/spec/a"}),
        json!({"label": "a", "value": "/spec/a", "name": "/spec/b"}),
    ] {
        refused(
            "/subjects/0/relations/0",
            relation(by),
            "/subjects/0/relations/0/by",
            "exactly one of",
        );
    }
    refused(
        "/subjects/0/relations/0",
        relation(json!({"names": "/a"})),
        "/subjects/0/relations/0/by/names",
        "is unknown",
    );
    refused(
        "/subjects/0/relations/0",
        relation(json!({"owner": "yes"})),
        "/subjects/0/relations/0/by/owner",
        "true or false",
    );
    refused(
        "/subjects/0/relations/0",
        relation(json!({"label": "a b", "value": "/a"})),
        "/subjects/0/relations/0/by/label",
        "is no label key",
    );
    let plain = parse(&with(
        "/subjects/0/relations/0",
        relation(json!({"name": null, "owner": false, "owned": true})),
    ))
    .unwrap();
    assert_eq!(plain.subjects[0].relations[0].by, By::Owned);
}

#[test]
fn relations_are_bounded() {
    let relation = |name: usize, max: Value| json!({"name": name.to_string(), "kind": "v1/Pod", "by": {"owner": true}, "max": max});
    for max in [json!(0), json!(257), json!(-1), json!(1.5), json!("9")] {
        refused(
            "/subjects/0/relations/0",
            relation(0, max),
            "/subjects/0/relations/0/max",
            "from 1 to 256",
        );
    }
    let relations = |count: usize| {
        (0..count)
            .map(|name| relation(name, json!(256)))
            .collect::<Vec<_>>()
    };
    assert!(parse(&with("/subjects/0/relations", json!(relations(8)))).is_ok());
    refused(
        "/subjects/0/relations",
        json!(relations(9)),
        "/subjects/0/relations",
        "at most 8",
    );
    refused(
        "/subjects/0/relations",
        json!([relation(0, json!(1)), relation(0, json!(2))]),
        "/subjects/0/relations",
        "one name",
    );
}

#[test]
fn an_order_is_only_for_kinds_without_one() {
    let mut description = with("/subjects/0/order", json!({"latches": ["Ready"]}));
    assert!(parse(&description).is_ok());
    description["subjects"][0]["kind"] = json!("v1/Pod");
    assert!(
        parse(&description)
            .unwrap_err()
            .to_string()
            .contains("/subjects/0/order: must be left out")
    );
}

#[test]
fn the_version_is_told_before_what_is_unknown_in_it() {
    refused(
        "/schema",
        json!("stagewright.dev/description/v2"),
        "/schema",
        "v1",
    );
    refused("/schema", json!(null), "/schema", "v1");
    let mut newer = with("/later", json!(1));
    newer["schema"] = json!("stagewright.dev/description/v2");
    assert!(parse(&newer).unwrap_err().to_string().contains("/schema"));
}

#[test]
fn what_is_no_object_or_too_long_is_refused() {
    for (text, category) in [
        ("", "NoJson"),
        ("{", "NoJson"),
        ("[]", "InvalidField"),
        ("null", "InvalidField"),
    ] {
        assert_eq!(
            Description::parse(text).unwrap_err().category(),
            category,
            "{text:?}"
        );
    }
    let mut text = minimal().to_string();
    text.extend(std::iter::repeat_n(' ', MAX_BYTES - text.len()));
    assert!(Description::parse(&text).is_ok());
    text.push(' ');
    assert_eq!(
        Description::parse(&text),
        Err(DescriptionError::TooLarge(MAX_BYTES + 1))
    );
}

#[test]
fn the_first_subject_that_matches_has_the_object() {
    let mut description = with("/subjects/0/selector", json!("team=ml"));
    description["subjects"]
        .as_array_mut()
        .unwrap()
        .push(json!({"kind": "example.com/v1/Trainer", "reads": ["/spec"]}));
    let description = parse(&description).unwrap();
    let kind = Kind::new("example.com/v1", "Trainer");
    for (labels, reads) in [
        (Some(json!({"team": "ml"})), 0),
        (Some(json!({"team": "hr"})), 1),
        (None, 1),
    ] {
        assert_eq!(
            description
                .subject_for(&kind, labels.as_ref())
                .unwrap()
                .reads
                .len(),
            reads
        );
    }
    assert_eq!(
        description.subject_for(&Kind::new("example.com/v2", "Trainer"), None),
        None
    );
}
