//! What a user of stages relies on, without KWOK at hand: lives of objects, bad stages beside good ones, and stages that mean harm.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

use serde_json::{Value, json};
use stagewright_plugin::harness::Harness;
use stagewright_plugin::{Answer, Plugin as _};
use stagewright_plugin_kwok_stages::KwokStages;

fn stage(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["resourceRef"] = json!({"apiGroup": "example.com/v1", "kind": "Widget"});
    json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec})
}

fn phase(operator: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"jq": {"key": ".status.phase", "operator": operator, "values": values}}]})
}

fn becomes(phase: &str) -> Value {
    json!([{"patch": {"subresource": "status", "root": "status", "template": format!("phase: {phase}\nat: {{{{ Now | Quote }}}}")}}])
}

fn widget() -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "uid": "u-1", "namespace": "d", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"n": 3}})
}

fn harness(stages: &[Value]) -> Harness<KwokStages> {
    Harness::new(&json!({"stages": stages})).unwrap()
}

fn description(stages: &[Value]) -> Value {
    let settings = json!({"stages": stages}).into();
    let (_, description) = KwokStages::configure(&settings).unwrap();
    serde_json::from_str(&description.into_text().unwrap()).unwrap()
}

#[test]
fn a_chain_is_walked_to_its_end() {
    let stages = [
        stage(
            "start",
            json!({"selector": phase("DoesNotExist", &[]), "steps": becomes("Active")}),
        ),
        stage(
            "end",
            json!({"selector": phase("In", &["Active"]), "delay": {"durationMilliseconds": 5000}, "steps": becomes("Done")}),
        ),
    ];
    let life = harness(&stages)
        .live(widget(), "2026-01-01T01:00:00Z")
        .unwrap();
    assert_eq!(life.stages(), ["start", "end"]);
    assert_eq!(life.object().unwrap()["status"]["phase"], "Done");
    assert_eq!(life.last, Answer::idle("no stage matches"));
}

#[test]
fn two_stages_of_one_name_are_both_asked() {
    let stages = [
        stage(
            "move",
            json!({"selector": phase("DoesNotExist", &[]), "steps": becomes("Active")}),
        ),
        stage(
            "move",
            json!({"selector": phase("In", &["Active"]), "steps": becomes("Done")}),
        ),
    ];
    let life = harness(&stages)
        .live(widget(), "2026-01-01T01:00:00Z")
        .unwrap();
    assert_eq!(life.stages(), ["other", "other"]);
    assert_eq!(life.object().unwrap()["status"]["phase"], "Done");
}

#[test]
fn what_is_declared_follows_from_the_stages() {
    let stages = [stage(
        "s",
        json!({"selector": {"matchLabels": {"a/b": "c"}, "matchExpressions": [{"cel": {"expression": "has(self.spec.x)"}}]},
            "weightFrom": {"expressionFrom": ".spec.weight"},
            "steps": [{"apply": {"template": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .metadata.name }}\n"}},
                {"finalizers": {"empty": true}}, {"patch": {"root": "status", "subresource": "status", "template": "a: 1"}}]}),
    )];
    let description = description(&stages);
    assert_eq!(description["stages"], json!(["s", "other"]));
    assert_eq!(
        description["applies"],
        json!([{"kind": "v1/ConfigMap", "adopt": true}])
    );
    let subject = &description["subjects"][0];
    assert_eq!(subject["kind"], "example.com/v1/Widget");
    assert_eq!(
        subject["reads"],
        json!(["/metadata/labels/a~1b", "/spec/weight", "/spec/x"])
    );
    assert_eq!(
        subject["writes"],
        json!(["/metadata/finalizers", "/status"])
    );
}

#[test]
fn a_bad_stage_is_left_out_alone() {
    let good = stage(
        "good",
        json!({"selector": phase("DoesNotExist", &[]), "steps": becomes("Active")}),
    );
    for (spec, path, message) in [
        (
            json!({"selector": {"matchExpressions": [{"key": ".a[", "operator": "Exists"}]}}),
            "selector/matchExpressions/0/key",
            "not closed",
        ),
        (
            json!({"selector": {"matchExpressions": [{"key": ".a", "operator": "Is"}]}}),
            "selector/matchExpressions/0/operator",
            "none of In",
        ),
        (
            json!({"selector": {"matchExpressions": [{"cel": {"expression": "self."}}]}}),
            "selector/matchExpressions/0",
            "line 1",
        ),
        (
            json!({"selector": {}, "weight": -1}),
            "weight",
            "not negative",
        ),
        (
            json!({"selector": {}, "weight": "x"}),
            "weight",
            "invalid type",
        ),
        (
            json!({"selector": {}, "delay": {"durationFrom": {"expressionFrom": "env"}}}),
            "delay/durationFrom",
            "not available",
        ),
        (
            json!({"selector": {}, "steps": [{"patch": {"template": "a: {{ env \"HOME\" }}"}}]}),
            "steps/0/patch/template",
            "environment",
        ),
        (
            json!({"selector": {}, "next": {"statusTemplate": "a\nb: {{ if }}"}}),
            "steps/0/patch/template",
            "line 2",
        ),
        (
            json!({"selector": {}, "steps": [{"apply": {"template": "kind: {{ .kind }}"}}]}),
            "steps/0/apply/template",
            "declared",
        ),
        (
            json!({"selector": {}, "steps": "x"}),
            "steps",
            "invalid type",
        ),
    ] {
        let stages = [stage("bad", spec), good.clone()];
        let description = description(&stages);
        let problem = &description["problems"][0];
        assert_eq!(
            problem["path"],
            format!("/stages/0/spec/{path}"),
            "{problem}"
        );
        assert!(
            problem["message"].as_str().unwrap().contains(message),
            "{problem}"
        );
        let life = harness(&stages)
            .live(widget(), "2026-01-01T00:00:01Z")
            .unwrap();
        assert_eq!(
            life.step("good").unwrap().object.as_ref().unwrap()["status"]["phase"],
            "Active"
        );
    }
}

#[test]
fn stages_that_mean_harm_harm_nobody_else() {
    let good = stage(
        "good",
        json!({"selector": phase("DoesNotExist", &[]), "steps": becomes("Active")}),
    );
    for key in [
        "[range(1e9)] | length",
        "[repeat(1)]",
        "last(range(1e9))",
        "until(false; .)",
    ] {
        let bad = json!({"selector": {"matchExpressions": [{"key": key, "operator": "Exists"}]}, "steps": becomes("Bad")});
        let life = harness(&[stage("bad", bad), good.clone()])
            .live(widget(), "2026-01-01T00:00:01Z")
            .unwrap();
        assert_eq!(life.stages(), ["good"], "{key}");
        let Answer::Idle(text) = life.last else {
            panic!("{:?}", life.last)
        };
        assert!(text.contains("stage bad could not be asked"), "{text}");
    }
    let tens = "[1,2,3,4,5,6,7,8,9,10]";
    let loops = ["a", "b", "c", "d", "e", "f"].iter().rev();
    let endless = loops.fold("true".to_owned(), |inner, name| {
        format!("{tens}.all({name}, {inner})")
    });
    let bad = json!({"selector": {"matchExpressions": [{"cel": {"expression": endless}}]}, "steps": becomes("Bad")});
    let life = harness(&[stage("bad", bad), good.clone()])
        .live(widget(), "2026-01-01T00:00:01Z")
        .unwrap();
    assert_eq!(life.stages(), ["good"]);
    let Answer::Idle(text) = life.last else {
        panic!("{:?}", life.last)
    };
    assert!(text.contains("more than 20000 parts"), "{text}");
    for (template, part) in [
        ("{{ repeat 100000000 \"x\" }}", "would be larger"),
        ("{{ range 1000000000 }}{{ end }}", "more than 200000 steps"),
        (
            "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
            "template depth",
        ),
    ] {
        let bad = json!({"selector": {}, "steps": [{"patch": {"template": template}}]});
        let life = harness(&[stage("bad", bad)]).live(widget(), "2026-01-01T00:00:01Z");
        let error = format!("{:?}", life.err());
        assert!(error.contains(part), "{template}: {error}");
    }
}

#[test]
fn numbers_negative_weights_and_times_of_cel_do_what_they_say() {
    let selected = |extra: Value| {
        let mut spec = json!({"selector": {"matchExpressions": [{"key": ".spec.n", "operator": "In", "values": ["3"]},
            {"key": ".status.phase", "operator": "DoesNotExist"}]}, "steps": becomes("Active")});
        spec.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        spec
    };
    let negative = stage(
        "negative",
        selected(json!({"weightFrom": {"cel": {"expression": "-5"}}})),
    );
    let positive = stage("positive", selected(json!({"weight": 1})));
    for seed in 0..20 {
        let mut harness = harness(&[negative.clone(), positive.clone()]).seed(seed);
        assert_eq!(
            harness
                .live(widget(), "2026-01-01T00:00:01Z")
                .unwrap()
                .stages(),
            ["positive"]
        );
    }
    let later = stage(
        "later",
        selected(
            json!({"delay": {"durationFrom": {"cel": {"expression": "timestamp('2026-01-01T00:30:00Z')"}}}}),
        ),
    );
    let life = harness(&[later])
        .live(widget(), "2026-01-01T01:00:00Z")
        .unwrap();
    assert_eq!(life.steps[0].at.to_string(), "2026-01-01T00:30:00Z");
    let failing = stage(
        "failing",
        selected(json!({"delay": {"durationFrom": {"cel": {"expression": "self.spec.none"}}}})),
    );
    let life = harness(&[failing])
        .live(widget(), "2026-01-01T01:00:00Z")
        .unwrap();
    assert!(matches!(life.last, Answer::Invalid(text) if text.contains("stage failing: delay")));
    let jitter = stage(
        "jitter",
        selected(
            json!({"delay": {"durationMilliseconds": 1000, "jitterDurationFrom": {"cel": {"expression": "duration('10s')"}}}}),
        ),
    );
    let times: std::collections::BTreeSet<String> = (0..20)
        .map(|seed| {
            harness(std::slice::from_ref(&jitter))
                .seed(seed)
                .live(widget(), "2026-01-01T01:00:00Z")
                .unwrap()
                .steps[0]
                .at
                .to_micros()
        })
        .collect();
    assert!(times.len() > 10, "{times:?}");
    assert!(
        times
            .iter()
            .all(|time| ("2026-01-01T00:00:01".."2026-01-01T00:00:11").contains(&time.as_str())),
        "{times:?}"
    );
}
