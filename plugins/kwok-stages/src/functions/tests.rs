use serde_json::{Value as Json, json};
use stagewright_go_template::time::Instant;
use stagewright_go_template::{Surroundings, Template, Value};

use super::find;

struct Nowhere;

impl Surroundings for Nowhere {
    fn now(&self) -> Instant {
        Instant(1_136_214_245_000_000_000)
    }

    fn call(&self, function: &str, _: &[Value]) -> Result<Value, String> {
        match function {
            "now" => Ok(Value::Time(self.now())),
            other => Ok(Value::text(format!("<{other}>"))),
        }
    }
}

fn render(text: &str, data: &Json) -> Result<String, String> {
    let template = Template::parse(text, &find).map_err(|error| error.to_string())?;
    template
        .render(data, &Nowhere)
        .map_err(|error| error.to_string())
}

fn data() -> Json {
    json!({"a": {"b": "x", "n": 5, "zero": 0, "f": 1.5, "nil": null, "t": true}, "l": [1, "two", null], "e": [], "m": {"k": "v"}})
}

#[test]
fn what_is_rendered() {
    for (text, expected) in [
        (
            "{{.a.b}} {{.a.n}} {{.a.none.deep}} {{.a.nil}}",
            "x 5 <no value> <no value>",
        ),
        ("{{if .a.zero}}yes{{else}}no{{end}}", "yes"),
        (
            "{{if .e}}1{{else if .a.none}}2{{else if .l}}3{{else}}4{{end}}",
            "3",
        ),
        ("{{range .l}}[{{.}}]{{end}}", "[1][two][<no value>]"),
        (
            "{{range $i, $x := .l}}{{$i}}={{$x}};{{end}}",
            "0=1;1=two;2=<no value>;",
        ),
        ("{{range $k, $v := .m}}{{$k}}{{$v}}{{end}}", "kv"),
        ("{{range .e}}x{{else}}none{{end}}", "none"),
        ("{{range .none}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        (
            "{{range .l}}{{if eq (printf \"%v\" .) \"two\"}}{{break}}{{end}}{{.}}{{end}}",
            "1",
        ),
        (
            "{{range untilStep 0 6 2}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}",
            "04",
        ),
        (
            "{{with .a.b}}{{.}}{{end}}{{with .a.none}}1{{else with .m}}{{.k}}{{else}}2{{end}}",
            "xv",
        ),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("a {{- /* c */ -}} b {{- 1 -}} c", "ab1c"),
        (
            "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .a.b}}{{block \"u\" 1}}{{.}}{{end}}",
            "<x>1",
        ),
        ("{{or .a.none 0 \"d\"}}{{and 1 \"\"}}|{{not .e}}", "d|true"),
        (
            "{{eq .a.n \"5\"}} {{ne 1 2}} {{lt 1 2}} {{ge \"b\" \"a\"}} {{eq 1 2 1}}",
            "true true true true true",
        ),
        (
            "{{index .l 1}} {{index .m \"k\"}} {{index .m \"x\"}} {{len .l}} {{len .a.n}}",
            "two v <no value> 3 1",
        ),
        (
            "{{printf \"%s-%v-%q\" .a.b .a.n \"q\"}} {{print 1 2 \"a\" \"b\" 3}}|{{println 1 \"a\"}}",
            "x-5-\"q\" 1 2ab3|1 a\n",
        ),
        (
            "{{.m}} {{.l}} {{dict \"a\" 1 \"b\" (list 1 2)}}",
            "map[k:v] [1 two <nil>] map[a:1 b:[1 2]]",
        ),
        (
            "{{.a.b | upper | printf \"%s!\"}} {{\"a\" | default \"b\"}} {{default \"b\" .a.none}}",
            "X! a b",
        ),
        (
            "{{Quote .a.b}} {{Quote .a.n}} {{Quote .a.none}} {{Quote \"<\"}}",
            "\"x\" \"5\" \"null\" \"\\u003c\"",
        ),
        (
            "{{YAML .l 1}}|{{YAML .m}}",
            "\n  - 1\n  - two\n  - null\n  |k: v\n",
        ),
        (
            "{{1.0}} {{1e3}} {{'a'}} {{0x10}} {{1.5}} {{1e6}}",
            "1 1000 97 16 1.5 1e+06",
        ),
        ("{{$d := dict}}{{$_ := set $d \"k\" 1}}{{$d.k}}", "1"),
        (
            "{{now.UTC.Format \"2006\"}} {{Now}} {{(index .l 0).Int64}}",
            "2006 <Now> 1",
        ),
        (
            "{{add 1 .a.n}} {{add 1 .a.n | int | until | join \",\"}}",
            "6 0,1,2,3,4,5",
        ),
    ] {
        assert_eq!(render(text, &data()).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_fails_and_where() {
    for (text, message) in [
        ("{{", "unclosed action"),
        ("a\n{{nosuch}}", "line 2: function \"nosuch\" not defined"),
        (
            "\n\n{{ .a\n| env }}",
            "line 4: function \"env\" is not available",
        ),
        ("{{if}}{{end}}", "missing value for if"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .a}}", "{{end}} is missing"),
        ("{{$x}}", "undefined variable"),
        ("{{break}}", "outside"),
        ("{{1 | 2}}", "non executable"),
        ("{{.a.nil.x}}", "nil pointer"),
        ("{{.a.b.x}}", "can't evaluate field x in type string"),
        ("{{eq .a.n 5}}", "incompatible types"),
        ("{{upper .a.n}}", "expected string; got json.Number"),
        ("{{upper .a.none}}", "invalid value; expected string"),
        ("{{repeat (add 1 1) \"x\"}}", "expected int; got int64"),
        ("{{range .a.b}}{{end}}", "range can't iterate"),
        ("{{index .l 3}}", "out of range"),
        ("{{template \"none\"}}", "not defined"),
        ("{{fail \"why\"}}", "why"),
        (
            "{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}",
            "maximum template depth",
        ),
        ("{{range 1000000000}}x{{end}}", "more than 200000 steps"),
        ("{{repeat 100000000 \"x\"}}", "larger than"),
        (
            "{{range until 1000}}{{repeat 100000 \"x\"}}{{end}}",
            "longer than",
        ),
        ("{{until 100000000}}", "larger than"),
        (
            "{{regexMatch \"(a{1000}){1000}\" \"a\" }}{{mustRegexMatch \"(a{1000}){1000}\" \"a\"}}",
            "regular expression",
        ),
    ] {
        let error = render(text, &data()).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
}
