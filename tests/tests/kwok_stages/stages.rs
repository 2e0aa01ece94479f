//! Generated stages, and which of their differences are meant.

use serde_json::{Value as Json, json};

use super::coverage::{Case, Coverage};
use super::oracle::Answer;
use super::random::Random;

const JQ: [&str; 16] = [
    ".status.phase",
    ".metadata.deletionTimestamp",
    ".metadata.labels.app",
    ".metadata.annotations[\"a/weight\"]",
    ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
    ".spec.replicas",
    ".status.conditions | length",
    ".spec.paused",
    ".spec.list[]",
    ".spec.none",
    ".status.phase.x",
    "[.spec.list[]] | join(\"-\")",
    ".metadata.finalizers",
    ".spec.nested.deep // \"x\"",
    "if .spec.paused then \"p\" else empty end",
    ".status.phase | ascii_downcase",
];
const CEL: [&str; 12] = [
    "self.status.phase == 'Running'",
    "has(self.metadata.deletionTimestamp)",
    "!has(self.spec.none)",
    "self.spec.replicas > 2",
    "self.spec.none == 1",
    "self.spec.list.exists(x, x == 'a')",
    "size(self.status.conditions) > 0",
    "'app' in self.metadata.labels",
    "self.spec.paused",
    "self.status.phase.startsWith('P')",
    "self.spec.replicas + 1 == 4 || self.status.phase in ['Running', 'Pending']",
    "self.spec.cpu != '' && Quantity(self.spec.cpu) > Quantity('1')",
];
const WEIGHT_CEL: [&str; 6] = [
    "self.spec.replicas",
    "2",
    "2.7",
    "self.spec.paused",
    "'x'",
    "self.spec.none",
];
const TIME_CEL: [&str; 8] = [
    "'5s'",
    "duration('10s')",
    "5000000000",
    "2.5",
    "self.spec.wait",
    "self.spec.none",
    "timestamp('2006-01-02T15:05:05Z')",
    "'x'",
];
const WEIGHT_JQ: [&str; 8] = [
    ".metadata.annotations[\"a/weight\"]",
    ".spec.replicas",
    ".spec.none",
    ".spec.paused",
    ".status.conditions | length",
    ".spec.wait",
    ".spec.hex",
    ".spec.empty",
];
const TIME_JQ: [&str; 8] = [
    ".spec.wait",
    ".metadata.deletionTimestamp",
    ".spec.none",
    ".spec.empty",
    ".spec.replicas",
    ".status.phase",
    ".spec.short",
    ".spec.negative",
];
const VALUES: [&str; 9] = [
    "Running", "Pending", "True", "true", "3", "a", "p", "2", "x",
];
const TEMPLATES: [&str; 9] = [
    "phase: Running\nat: {{ Now | Quote }}",
    "{{ range .spec.list }}\n- {{ . }}\n{{ end }}",
    "n: {{ .spec.replicas }}\nm: {{ YAML .metadata.labels 1 }}",
    "x: {{ .spec.none }}",
    "name: {{ .metadata.name | Quote }}\nlist: [{{ range .spec.list }}{{ . | Quote }},{{ end }}]",
    "{{ fail \"no\" }}",
    "a: [",
    "",
    "phase: {{ if .spec.paused }}yes{{ else }}0010{{ end }}",
];

fn maybe(random: &mut Random, value: Json) -> Json {
    if random.one_in(3) { Json::Null } else { value }
}

fn widget(random: &mut Random) -> Json {
    let phase = random.of(&["Running", "Pending", "Failed"]);
    let conditions = json!([{"type": "Ready", "status": random.of(&["True", "False"])}, {"type": "Other", "status": "True"}]);
    let mut widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default", "labels": {"app": random.of(&["a", "x"])},
            "annotations": {"a/weight": random.of(&["1", "5", "0x10", "x", "-5", ""])}},
        "spec": {"replicas": random.below(3) * 2 + 1, "paused": random.one_in(2), "list": ["a", "b"], "wait": random.of(&["5s", "1m30s", "x", "250ms"]),
            "short": ".5s", "negative": "-5s", "hex": "0x1F", "empty": "", "cpu": random.of(&["2", "500m"])},
        "status": {"phase": phase, "conditions": conditions},
    });
    if random.one_in(2) {
        widget["metadata"]["deletionTimestamp"] = random
            .of(&["2006-01-02T15:04:35Z", "2006-01-02T15:04:00Z"])
            .into();
    }
    if random.one_in(2) {
        widget["metadata"]["finalizers"] = json!(["f/a", "f/b"]);
    }
    if random.one_in(6) {
        widget["spec"]
            .as_object_mut()
            .expect("an object")
            .remove("list");
    }
    widget
}

fn from(
    random: &mut Random,
    coverage: &mut Coverage,
    name: &str,
    jq: &[&str],
    cel: &[&str],
) -> Json {
    let (form, value) = match random.below(3) {
        0 => ("jq", json!({"jq": {"expression": random.of(jq)}})),
        1 => ("cel", json!({"cel": {"expression": random.of(cel)}})),
        _ => ("expressionFrom", json!({"expressionFrom": random.of(jq)})),
    };
    coverage.count(format!("{name} {form}"));
    value
}

fn expression(random: &mut Random, coverage: &mut Coverage) -> Json {
    if random.one_in(3) {
        coverage.count("matchExpressions cel");
        return json!({"cel": {"expression": random.of(&CEL)}});
    }
    let operator = random.of(&["In", "NotIn", "Exists", "DoesNotExist"]);
    let values = match operator {
        "In" | "NotIn" => json!([random.of(&VALUES), random.of(&VALUES)]),
        _ => json!([]),
    };
    let requirement = json!({"key": random.of(&JQ), "operator": operator, "values": values});
    let form = if random.one_in(2) { "jq" } else { "key" };
    coverage.count(format!("matchExpressions {form} {operator}"));
    if form == "jq" {
        json!({"jq": requirement})
    } else {
        requirement
    }
}

fn patch(random: &mut Random, coverage: &mut Coverage) -> Json {
    let mut patch = json!({"template": random.of(&TEMPLATES)});
    let kind = random.of(&["json", "merge", "strategic", ""]);
    coverage.count(format!("patch type {kind:?}"));
    if !kind.is_empty() {
        patch["type"] = kind.into();
    }
    if kind == "json" {
        patch["template"] = random
            .of(&[
                "- op: add\n  path: /a\n  value: {{ .spec.replicas }}",
                "- op: remove\n  path: /b",
                "a: 1",
                "- op: test\n  path: /c\n  value: null",
            ])
            .into();
    }
    if random.one_in(2) {
        coverage.count("patch root");
        patch["root"] = random.of(&["status", "metadata"]).into();
    }
    if random.one_in(2) {
        coverage.count("patch subresource");
        patch["subresource"] = "status".into();
    }
    if random.one_in(4) {
        coverage.count("patch impersonation");
        patch["impersonation"] = json!({"username": "u"});
    }
    patch
}

fn finalizers(random: &mut Random, coverage: &mut Coverage) -> Json {
    coverage.count("finalizers");
    let item = |name: &str| json!({"value": name});
    json!({"add": if random.one_in(2) { vec![item(random.of(&["f/a", "f/c"]))] } else { vec![] },
        "remove": if random.one_in(2) { vec![item("f/a"), item(random.of(&["f/b", "f/x"]))] } else { vec![] }, "empty": random.one_in(4)})
}

fn steps(random: &mut Random, coverage: &mut Coverage) -> Vec<Json> {
    let event = json!({"type": random.of(&["Normal", "Warning"]), "reason": "R", "message": "m"});
    let count = 1 + random.below(3);
    (0..count)
        .map(|_| match random.below(5) {
            0 => {
                coverage.count("steps event");
                json!({"event": event})
            }
            1 => json!({"finalizers": finalizers(random, coverage)}),
            2 => {
                coverage.count("steps delete");
                json!({"delete": true})
            }
            3 => {
                coverage.count("steps apply");
                let mut apply = json!({"template": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-{{ .metadata.name }}\n"});
                if random.one_in(2) {
                    apply["type"] = random.of(&["apply", "merge", "strategic"]).into();
                }
                if random.one_in(2) {
                    apply["subresource"] = "status".into();
                }
                json!({"apply": apply})
            }
            _ => {
                coverage.count("steps patch");
                json!({"patch": patch(random, coverage)})
            }
        })
        .collect()
}

fn next(random: &mut Random, coverage: &mut Coverage) -> Json {
    coverage.count("next");
    let mut next = json!({"delete": random.one_in(3)});
    if random.one_in(2) {
        coverage.count("next event");
        next["event"] = json!({"type": "Normal", "reason": "R", "message": "m"});
    }
    if random.one_in(2) {
        next["finalizers"] = finalizers(random, coverage);
    }
    if random.one_in(3) {
        coverage.count("next patches");
        next["patches"] = json!([patch(random, coverage)]);
    } else {
        coverage.count("next statusTemplate");
        next["statusTemplate"] = random.of(&TEMPLATES).into();
        next["statusPatchAs"] = maybe(random, json!({"username": "u"}));
        next["statusSubresource"] = maybe(random, json!("scale"));
    }
    next
}

pub fn stages(random: &mut Random, coverage: &mut Coverage) -> Case {
    let mut selector = json!({});
    for (key, map) in [
        ("matchLabels", json!({"app": random.of(&["a", "x"])})),
        ("matchAnnotations", json!({"a/weight": "1"})),
    ] {
        if random.one_in(5) {
            coverage.count(key);
            selector[key] = map;
        }
    }
    if random.one_in(2) {
        selector["matchExpressions"] = (0..1 + random.below(2))
            .map(|_| expression(random, coverage))
            .collect();
    }
    let mut spec = json!({"resourceRef": {"apiGroup": "example.com/v1", "kind": "Widget"}});
    if random.one_in(20) {
        coverage.count("selector null");
    } else {
        spec["selector"] = selector;
    }
    if random.one_in(2) {
        coverage.count("weight");
        spec["weight"] = [0, 1, 10][random.below(3)].into();
    }
    if random.one_in(2) {
        spec["weightFrom"] = from(random, coverage, "weightFrom", &WEIGHT_JQ, &WEIGHT_CEL);
    }
    if !random.one_in(3) {
        let mut delay = json!({});
        for (name, key) in [
            ("durationFrom", "durationMilliseconds"),
            ("jitterDurationFrom", "jitterDurationMilliseconds"),
        ] {
            if random.one_in(2) {
                coverage.count(key);
                delay[key] = [0, 200, 1000, 5000][random.below(4)].into();
            }
            if random.one_in(2) {
                delay[name] = from(random, coverage, name, &TIME_JQ, &TIME_CEL);
            }
        }
        spec["delay"] = delay;
    }
    if random.one_in(4) {
        coverage.count("immediateNextStage");
        spec["immediateNextStage"] = true.into();
    }
    if random.one_in(2) {
        spec["steps"] = steps(random, coverage).into();
    } else {
        spec["next"] = next(random, coverage);
    }
    let stage = json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "s"}, "spec": spec});
    Case {
        text: String::new(),
        stages: vec![stage],
        object: widget(random),
        about: "",
    }
}

/// The reason for a difference of a stage, if it is meant.
pub fn known_stage(
    stage: &Json,
    part: &str,
    ours: &Answer,
    theirs: &Answer,
) -> Option<&'static str> {
    let text = stage.to_string();
    match (part, ours, theirs) {
        ("match", _, Answer::Error(error))
            if error.contains("expected type 'bool' but found 'int'") =>
        {
            Some("quantities are compared")
        }
        ("match", _, _) if text.contains("\".spec.replicas\"") && !ours.kind() => {
            Some("numbers of the object match")
        }
        ("weight", Answer::Json(Json::Null), Answer::Error(_)) => {
            Some("a weight that fails is unreadable, not the end of all stages")
        }
        ("weight", Answer::Json(_), Answer::Json(_)) if text.contains("length") => {
            Some("numbers that jq reckons are weights")
        }
        ("delay", Answer::Json(_), Answer::Error(error)) if error.contains("Timestamp") => {
            Some("a time in CEL is when the stage is due")
        }
        ("delay", _, _)
            if stage["spec"]["delay"]["jitterDurationFrom"]
                .get("cel")
                .is_some() =>
        {
            Some("jitter in CEL counts")
        }
        _ => None,
    }
}
