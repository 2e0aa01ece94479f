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
        let names = programs.names(number).unwrap();
        let found = names
            .find(input)
            .map_err(|failure| format!("{failure:?}"))?;
        return Ok(found.iter().map(|found| value(found).to_string()).collect());
    };
    let found = programs
        .calculate(*number, &value(input))
        .map_err(|failure| format!("{failure:?}"))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[test]
fn names_give_what_jq_gives() {
    let objects = [
        json!({"status": {"phase": "Running", "n": 2.50, "on": true, "list": [1], "a/b": {"c": 1e3}}}),
        json!({"status": null}),
        json!({"status": {"phase": null}}),
        json!({"status": "text"}),
        json!({"status": [1]}),
        json!({"status": {"phase": 7, "n": 9_007_199_254_740_993_u64, "on": -0.0, "list": {}, "a/b": 1}}),
        json!(3),
    ];
    let asked = [
        ".status",
        ".status.phase",
        ".status.n",
        ".status.on",
        ".status.list",
        ".status[\"a/b\"].c",
        ".[\"status\"].phase",
    ];
    for source in asked {
        let mut sources = Sources::default();
        let names = sources.add(source).unwrap();
        // The same, which is no path to the reader.
        let program = sources.add(&format!("({source}) | .")).unwrap();
        let programs = sources.compile().unwrap().0;
        assert!(programs.names(names).is_some() && programs.names(program).is_none());
        for object in &objects {
            let input = programs.input(object);
            assert_eq!(
                programs.run(names, &input),
                programs.run(program, &input),
                "{source} of {object}"
            );
        }
    }
    for source in [".", ".a?", ".a[]", ".a[0]", ".a | .b", ".[.a]"] {
        let mut sources = Sources::default();
        let number = sources.add(source).unwrap();
        assert!(
            sources.compile().unwrap().0.names(number).is_none(),
            "{source}"
        );
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
    ] {
        assert_eq!(run(source, &json!(1)).unwrap_err(), "Endless", "{source}");
    }
    assert_eq!(run(".a.b", &json!({"a": 1})).unwrap_err(), "Error");
}
