//! Generated templates, and which of their differences are meant.

use serde_json::{Value as Json, json};
use stagewright_go_template::{Found, Ty};
use stagewright_plugin_kwok_stages::functions::{find, names};

use super::coverage::{Case, Coverage};
use super::oracle::Answer;
use super::random::Random;

/// Functions whose result in Go has no order, or is of the moment or of the machine.
const UNCOMPARED: [&str; 12] = [
    "keys",
    "values",
    "ago",
    "now",
    "StartTime",
    "semver",
    "hello",
    "deepCopy",
    "mustDeepCopy",
    "date",
    "htmlDate",
    "and",
];

fn data() -> Json {
    json!({"s": "Hello World", "u": "ünï→", "e": "", "n": 5, "z": 0, "f": 1.5, "neg": -3, "t": true, "nil": null,
        "big": 1_000_000, "path": "/a/b/../c.txt", "v": "1.2.3", "words": "fooBar baz-qux_9x", "d": "1h30m",
        "l": [3, "a", "b", "a", null, 1.5], "el": [], "m": {"a": 1, "b": "x", "c": {"d": [1, 2]}}, "em": {}, "html": "<a href='x'>&</a>"})
}

fn argument(random: &mut Random, ty: Ty) -> String {
    let choices: &[&str] = match ty {
        Ty::Text => &[
            ".s",
            ".u",
            ".e",
            ".path",
            ".v",
            ".words",
            ".d",
            "\"a\"",
            "\"o\"",
            "\"a,b,,c\"",
            "\",\"",
            "\"%v\"",
            "\"[a-z]+\"",
            "\"o\"",
            "\" x \"",
            "\"12\"",
            "\"1.5\"",
            "\"2006-01-02\"",
            "`{\"a\": [1, \"<\"]}`",
            "\"https://u@h:1/p?q=1#f\"",
            ".html",
            "\"YWJj\"",
            "\">=1.0 <2\"",
            ".n",
            ".none",
        ],
        Ty::Int => &[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "7",
            "20",
            "(int .n)",
            ".n",
            "(add 1 2)",
        ],
        Ty::Bool => &["true", "false", ".t", ".none"],
        Ty::Float => &["0.5", "1.0", "2", ".f"],
        Ty::Map => &[
            "(dict \"a\" 1 \"b\" \"y\" \"n\" (dict \"c\" 1))",
            ".m",
            ".em",
            "(dict)",
            ".s",
        ],
        Ty::Time => &[
            "(toDate \"2006-01-02\" \"2024-02-29\")",
            "(toDate \"2006-01-02T15:04:05Z07:00\" \"2021-05-06T07:08:09Z\")",
            ".s",
        ],
        Ty::Any => &[
            ".s",
            ".e",
            ".n",
            ".z",
            ".f",
            ".neg",
            ".t",
            ".nil",
            ".none",
            ".l",
            ".el",
            ".m",
            ".em",
            "1",
            "2.5",
            "\"b\"",
            "(list 1 2 3)",
            "(list)",
            "(dict \"k\" \"v\")",
            "nil",
            "1e3",
            "(int64 7)",
            "(list \"x\" \"y\" \"\")",
            "true",
            "'c'",
            ".m.c.d",
            "0",
            "(until 3)",
            "(splitList \",\" \"a,b\")",
        ],
    };
    random.of(choices).to_owned()
}

/// Templates about the language, where there is no function to be about.
const LANGUAGE: [&str; 24] = [
    "{{range $i, $x := A}}{{$i}}:{{$x}};{{else}}none{{end}}",
    "{{range A}}[{{.}}]{{end}}",
    "{{if A}}1{{else if A}}2{{else}}3{{end}}",
    "{{with A}}{{.}}{{else with A}}b{{.}}{{else}}c{{end}}",
    "{{with $x := A}}{{$x}}{{end}}{{A}}",
    "{{$x := A}}{{if A}}{{$x = A}}{{end}}{{$x}}",
    "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" A}}{{template \"t\"}}",
    "{{block \"b\" A}}{{.}}{{end}}{{$}}",
    "a {{- A -}} b {{/* c */}} c {{- /* d */ -}} e",
    "{{range A}}{{if eq (print .) \"a\"}}{{continue}}{{end}}{{if eq (print .) \"1\"}}{{break}}{{end}}{{.}}{{end}}",
    "{{.m.c.d}}{{.m.none.x}}{{(index .m \"c\").d}}{{$.s}}",
    "{{A | printf \"%v-%T\" | len}}",
    "{{printf \"%d %s %q %v %5v|%-5v|\" A A A A A A}}",
    "{{print A A}}{{println A}}",
    "{{A | default \"d\" | quote}}",
    "{{not A}}{{and A A}}{{or A A}}",
    "{{eq A A}}",
    "{{ne A A}}{{lt A A}}",
    "{{range $k, $v := .m}}{{$k}}{{toJson $v}}{{end}}",
    "{{.nil.x}}{{A}}",
    "{{Quote A}}{{YAML A 1}}",
    "{{YAML A}}",
    "{{range 3}}{{.}}{{end}}{{range $i := A}}{{$i}}{{end}}",
    "{{$d := dict \"a\" A}}{{$_ := set $d \"b\" A}}{{$d}}{{unset $d \"a\"}}",
];

pub fn template(random: &mut Random, coverage: &mut Coverage) -> Case {
    let object = data();
    if random.one_in(3) {
        let shape = random.of(&LANGUAGE);
        coverage.count(format!(
            "language {:?}",
            shape.chars().take(30).collect::<String>()
        ));
        let mut text = String::new();
        for (index, part) in shape.split('A').enumerate() {
            if index > 0 {
                text.push_str(&argument(random, Ty::Any));
            }
            text.push_str(part);
        }
        return Case {
            text,
            stages: Vec::new(),
            object,
            about: "",
        };
    }
    let names: Vec<&'static str> = names()
        .into_iter()
        .filter(|name| !UNCOMPARED.contains(name))
        .collect();
    let at = coverage.0.values().sum::<usize>() % names.len();
    let name = names[at];
    coverage.count(format!("function {name}"));
    let Found::Function(function) = find(name) else {
        unreachable!("{name} is in the table");
    };
    let mut args: Vec<String> = function
        .params
        .iter()
        .map(|ty| argument(random, *ty))
        .collect();
    if let Some(rest) = function.rest {
        for _ in 0..random.below(3) {
            args.push(argument(random, rest));
        }
    }
    // A map that holds itself ends KWOK's process, and with it the oracle.
    if name == "set" && args.first() == args.last() {
        args[2] = "1".to_owned();
    }
    let call = format!("{name} {}", args.join(" "));
    let text = match random.below(3) {
        0 => format!("{{{{ {call} }}}}"),
        1 => format!("{{{{ {call} | toJson }}}}"),
        _ => format!("{{{{ printf \"%T %v\" ({call}) ({call}) }}}}"),
    };
    Case {
        text,
        stages: Vec::new(),
        object,
        about: name,
    }
}

/// The reason for a difference of a template, if it is meant.
pub fn known_template(
    case: &Case,
    ours: &Result<String, String>,
    theirs: &Answer,
) -> Option<&'static str> {
    let theirs = match theirs {
        Answer::Error(error) => format!("error {error}"),
        other => other.value().unwrap_or_default().to_owned(),
    };
    let ours = ours
        .clone()
        .unwrap_or_else(|error| format!("error {error}"));
    match case.about {
        _ if ours.contains("larger than") || theirs.contains("too large") => {
            Some("what is too large is refused")
        }
        _ if ours.contains("no table of time zones") => Some("UTC is the only time zone"),
        "rest" | "mustRest" | "initial" | "mustInitial" | "concat" | "slice" | "mustSlice"
        | "regexFindAll" | "mustRegexFindAll" | "splitn" | "regexSplit" | "mustRegexSplit"
            if theirs.contains("null") || ours.contains("[]") =>
        {
            Some("an empty list is written as one, not as null")
        }
        "b64dec" | "b32dec" if theirs.contains("illegal base") => {
            Some("where a broken encoding breaks")
        }
        "snakecase" | "kebabcase" => Some("words with punctuation or digits"),
        "wrapWith" | "wrap" if case.text.contains(".u") => {
            Some("a character beyond ASCII is not cut")
        }
        "initials" => Some("initials beyond ASCII are whole characters"),
        name if name.contains("egex") && ours.contains("counted repetition") => {
            Some("a brace that repeats nothing is refused")
        }
        "chunk" | "mustChunk" if ours.contains("not positive") => Some("a chunk has a size"),
        "dateInZone" | "date_in_zone" | "htmlDateInZone" | "durationRound" => {
            Some("dates of the moment")
        }
        _ => None,
    }
}
