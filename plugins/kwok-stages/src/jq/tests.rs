//! What expressions give, what they may not do, and what ends them.

use serde_json::json;

use super::*;

fn run(source: &str, input: &Json) -> Result<Vec<String>, String> {
    let mut sources = Sources::default();
    sources.add(".unused")?;
    let number = sources.add(source)?;
    let (programs, problems) = sources.compile()?;
    if let Some((_, problem)) = problems.into_iter().next() {
        return Err(problem);
    }
    let Some(Expression::Program(number)) = programs.expressions.get(number) else {
        let Some(Expression::Path(path)) = programs.expressions.get(number) else {
            unreachable!("it is one or the other");
        };
        let found = path.find(input).map_err(|failure| format!("{failure:?}"))?;
        let found = found.iter().filter(|found| !found.is_null());
        return Ok(found.map(|found| value(found).to_string()).collect());
    };
    let found = programs
        .calculate(*number, &value(input))
        .map_err(|failure| format!("{failure:?}"))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

fn is_path(programs: &Programs, number: usize) -> bool {
    matches!(programs.expressions.get(number), Some(Expression::Path(_)))
}

#[test]
fn paths_give_what_jq_gives() {
    let objects = [
        json!({"status": {"phase": "Running", "n": 2.50, "on": true, "list": [1], "a/b": {"c": 1e3}}}),
        json!({"status": null}),
        json!({"status": {"phase": null, "list": null}}),
        json!({"status": "text"}),
        json!({"status": [1]}),
        json!({"status": {"phase": 7, "n": 9_007_199_254_740_993_u64, "on": -0.0, "list": {}, "a/b": 1}}),
        json!({"status": {"list": [{"type": "Ready", "is": "True"}, {"type": null}, {"type": "Ready"}, {"type": "No", "is": 1}]}}),
        json!({"status": {"list": [{"type": "Ready", "is": {"x": [1, null, "z"]}}, 7]}}),
        json!({"status": {"list": {"b": {"type": "Ready", "is": 1}, "a": {"type": "", "is": {"x": {"y": "x"}}}}}}),
        json!(3),
    ];
    let asked = [
        ".",
        ".status",
        ".status.phase",
        ".status.n",
        ".status.on",
        ".status.list",
        ".status[\"a/b\"].c",
        ".[\"status\"].phase",
        ".status | .phase",
        ".status.list.[]",
        ".status.list[].type",
        ".[] | .list | .[].is.x[]",
        ".status.list.[] | select( .type == \"Ready\" ) | .is",
        ".status.list[] | select(\"\" == .type).is.x.y",
        ".status.list[] | select(.is.x[] == \"z\") | .type",
        ".status | select(.list[].type == \"Ready\") | .list[].is",
    ];
    for source in asked {
        let mut sources = Sources::default();
        let path = sources.add(source).unwrap();
        // The same, which is no path to the reader.
        let program = sources.add(&format!("first(.) | ({source})")).unwrap();
        let programs = sources.compile().unwrap().0;
        assert!(
            is_path(&programs, path) && !is_path(&programs, program),
            "{source}"
        );
        for object in &objects {
            let input = programs.input(object);
            assert_eq!(
                programs.run(path, &input),
                programs.run(program, &input),
                "{source} of {object}"
            );
        }
    }
    for source in [
        ".a?",
        ".a[]?",
        ".a[0]",
        ".[.a]",
        ".a | length",
        ".a[] | select(.b != \"c\")",
        ".a[] | select(.b == 1)",
        ".a[] | select(.b == \"\\(.c)\")",
        ".a as $x | .b",
        "..",
    ] {
        let mut sources = Sources::default();
        let number = sources.add(source).unwrap();
        assert!(!is_path(&sources.compile().unwrap().0, number), "{source}");
    }
}

#[test]
fn expressions() {
    let pod = json!({"metadata": {"annotations": {"a/b": "10s"}}, "status": {"phase": "Running", "n": 2.0, "conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
    for (source, expected) in [
        (".status.phase", vec!["\"Running\""]),
        (".status.none", vec![]),
        (".metadata.annotations[\"a/b\"]", vec!["\"10s\""]),
        (
            ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
            vec!["\"True\""],
        ),
        (".status.n", vec!["2"]),
        (".status.conditions | length", vec!["2"]),
        (
            "[.status.conditions[].type] | sort | join(\",\")",
            vec!["\"Other,Ready\""],
        ),
        (".status.phase | test(\"^Run\")", vec!["true"]),
        (
            ".status.phase | sub(\"R(?<x>u)\"; \"\\(.x)!\")",
            vec!["\"u!nning\""],
        ),
        ("\"2006-01-02T15:04:05Z\" | fromdate", vec!["1136214245"]),
        ("@base64 \"\\(.status.phase)\"", vec!["\"UnVubmluZw==\""]),
        ("reduce .status.conditions[] as $c (0; . + 1)", vec!["2"]),
        (
            ".status.phase |= ascii_downcase | .status.phase",
            vec!["\"running\""],
        ),
        (
            "del(.status.conditions | .[0]) | .status.conditions | length",
            vec!["1"],
        ),
        ("def f(x): x + 1; f(1)", vec!["2"]),
        ("[(1, 2) * (10, 20)]", vec!["[10,20,20,40]"]),
        ("\"ab\" * 2", vec!["\"abab\""]),
        ("{a: 2} | .a *= (3, 4)", vec!["{\"a\":6}", "{\"a\":8}"]),
        ("16 | sqrt, pow(2; 3)", vec!["4.0", "8.0"]),
    ] {
        assert_eq!(run(source, &pod).unwrap(), expected, "{source}");
    }
}

#[test]
fn what_is_refused_and_where() {
    for (source, message) in [
        (".a |", "expected term"),
        (".a[", "not closed"),
        ("nosuch", "nosuch/0 is not defined"),
        ("env", "not available"),
        ("now", "not available"),
        ("$x", "undefined variable"),
        ("def f: f; f", "calls itself"),
        ("input", "not available"),
    ] {
        let error = run(source, &json!(null)).unwrap_err();
        assert!(error.contains(message), "{source}: {error}");
    }
    let deep = "(".repeat(100_000) + "1" + &")".repeat(100_000);
    assert!(run(&deep, &json!(null)).is_err());
    assert!(run(&format!("{}1", "-".repeat(4000)), &json!(null)).is_err());
}

#[test]
fn what_has_no_end_is_ended() {
    for source in [
        "[range(1e9)] | length",
        "[repeat(1)] | length",
        "last(range(1e9))",
        "def f: range(1e6); [f, f] | length",
        "until(false; .)",
        "[recurse(.)] | length",
        "[range(300) as $a | range(300) as $b | 1] | length",
        "reduce range(100) as $i (\"x\"; . + .)",
        "reduce range(100) as $i ([1]; . + .)",
        "\"x\" * 1e9",
        "1e15 * \"x\" | length",
        "\"x\" | . *= 1e9",
        "{a: \"x\"} | .a *= 1e9 | .a",
        "reduce range(40) as $i (1; [., .]) | tojson",
        "reduce range(40) as $i (1; {a: ., b: .}) | . == 1",
    ] {
        assert_eq!(run(source, &json!(1)).unwrap_err(), "Endless", "{source}");
    }
    assert_eq!(run(".a.b", &json!({"a": 1})).unwrap_err(), "Error");
    let list = json!({"l": vec!["x"; 900]});
    for source in [".l[] | select(. == \"x\")", "select(.l[] == \"x\")"] {
        assert_eq!(run(source, &list).unwrap().len(), 900);
    }
    let doubled = "select(.l[] == \"x\") | select(.l[] == \"x\")";
    assert_eq!(run(doubled, &list).unwrap_err(), "Endless");
}
