//! The grammar and its meaning, as `kubectl get -l` has them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check(text: &str, labels: Value, matches: bool) {
    let selector = Selector::parse(text).unwrap();
    assert_eq!(
        selector.matches(Some(&labels)),
        matches,
        "{text:?} on {labels}"
    );
}

#[test]
fn it_matches_as_kubernetes_does() {
    let web = json!({"app": "web", "tier": "1", "example.com/x": "", "n": "10"});
    for (text, matches) in [
        ("", true),
        ("  ", true),
        ("app=web", true),
        ("app==web", true),
        (" app = web ", true),
        ("app=db", false),
        ("none=web", false),
        ("app!=web", false),
        ("app!=db", true),
        ("none!=web", true),
        ("app in (web,db)", true),
        ("app in(db)", false),
        ("none in (web)", false),
        ("app notin (db,x)", true),
        ("app notin (web)", false),
        ("none notin (web)", true),
        ("app", true),
        ("none", false),
        ("!app", false),
        ("! none", true),
        ("example.com/x", true),
        ("example.com/x=", true),
        ("example.com/x=y", false),
        ("app=", false),
        ("example.com/x in ()", true),
        ("example.com/x in (a,)", true),
        ("example.com/x in (a,,b)", true),
        ("app in (,)", false),
        ("app=web,tier in (1,2),!none", true),
        ("app=web,tier in (1,2),none", false),
        ("n>9", true),
        ("n>10", false),
        ("n<11", true),
        ("app<11", false),
        ("none>1", false),
    ] {
        check(text, web.clone(), matches);
    }
}

#[test]
fn words_of_the_grammar_are_keys_too() {
    check("in in (in)", json!({"in": "in"}), true);
    check("notin,in", json!({"in": "", "notin": ""}), true);
    check("notin notin (notin)", json!({"notin": "notin"}), false);
}

#[test]
fn an_object_without_labels_has_none_of_them() {
    for (text, matches) in [
        ("", true),
        ("a", false),
        ("!a", true),
        ("a!=b", true),
        ("a notin (b)", true),
        ("a=", false),
    ] {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.matches(None), matches, "{text:?}");
        assert_eq!(selector.matches(Some(&json!(null))), matches, "{text:?}");
        assert_eq!(
            selector.matches(Some(&json!({"a": 7}))),
            matches,
            "{text:?}"
        );
    }
    assert!(
        Selector::everything().is_everything() && !Selector::parse("a").unwrap().is_everything()
    );
}

#[test]
fn errors_name_the_place() {
    for (text, position, contains) in [
        ("app=web,", 9, "a label key is expected, not the end"),
        (",app", 1, "a label key is expected, not \",\""),
        (
            "app=web tier=1",
            9,
            "\",\" or the end is expected, not \"tier\"",
        ),
        ("app is web", 5, "\"in\", \"notin\""),
        ("app in web", 8, "\"(\" is expected, not \"web\""),
        ("app in (web", 12, "\",\" or \")\" is expected, not the end"),
        (
            "app in (web db)",
            13,
            "\",\" or \")\" is expected, not \"db\"",
        ),
        ("!app=web", 5, "\",\" or the end is expected, not \"=\""),
        ("app!web", 4, "\"=\""),
        ("app=web=db", 8, "not \"=\""),
        ("(app)", 1, "not \"(\""),
        ("ä=b", 1, "\"ä\" is no label key"),
        ("a,ä", 3, "\"ä\" is no label key"),
        ("Ex.com/app", 1, "no label key"),
        ("a/b/c", 1, "no label key"),
        ("/a", 1, "no label key"),
        ("app=-web", 5, "\"-web\" is no label value"),
        ("app in (ok,a_)", 12, "\"a_\" is no label value"),
        ("n> x", 4, "\"x\" is no integer"),
        ("n<", 3, "\"\" is no integer"),
    ] {
        let error = Selector::parse(text).unwrap_err().to_string();
        let place = format!("at character {position}: ");
        assert!(
            error.contains(&place) && error.contains(contains),
            "{text:?}: {error}"
        );
    }
    assert!(Selector::parse(&format!("a={}", "x".repeat(64))).is_err());
    assert!(Selector::parse(&format!("a={}", "x".repeat(63))).is_ok());
}

#[test]
fn a_label_selector_is_the_same_as_its_text() {
    for (selector, text) in [
        (json!({}), ""),
        (json!({"matchLabels": null, "matchExpressions": null}), ""),
        (
            json!({"matchLabels": {"a": "b", "x.io/c": ""}}),
            "a=b,x.io/c=",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}),
            "a in (x,y)",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}),
            "a!=x",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": []}]}),
            "a",
        ),
        (
            json!({"matchLabels": {"b": "c"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
            "!a,b=c",
        ),
    ] {
        assert_eq!(
            Selector::from_label_selector(&selector),
            Selector::parse(text),
            "{selector}"
        );
    }
}

#[test]
fn a_label_selector_of_another_shape_is_refused_with_its_place() {
    for (selector, place) in [
        (json!(null), "selector: "),
        (json!({"matchLabel": {}}), "/matchLabel: "),
        (json!({"matchLabels": ["a"]}), "/matchLabels: "),
        (json!({"matchLabels": {"a": 1}}), "/matchLabels/a: "),
        (
            json!({"matchLabels": {"x.io/-": ""}}),
            "/matchLabels/x.io~1-: ",
        ),
        (json!({"matchExpressions": {}}), "/matchExpressions: "),
        (
            json!({"matchExpressions": [{"operator": "In"}]}),
            "/matchExpressions/0/key: ",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}),
            "/matchExpressions/0/operator: ",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            "/matchExpressions/0/values: ",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            "/matchExpressions/0/values: ",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": "b"}]}),
            "/matchExpressions/0/values: ",
        ),
    ] {
        let error = Selector::from_label_selector(&selector)
            .unwrap_err()
            .to_string();
        assert!(error.contains(place), "{selector}: {error}");
    }
}

fn selectors() -> impl Strategy<Value = Selector> {
    let word = "[a-c]{0,2}".prop_map(Box::from);
    let values = || prop::collection::btree_set(word.clone(), 1..3);
    let test = prop_oneof![
        Just(Test::Exists),
        Just(Test::Missing),
        values().prop_map(Test::In),
        values().prop_map(Test::NotIn),
        any::<i64>().prop_map(Test::Above),
        (-9..9_i64).prop_map(Test::Below),
    ];
    let key = "([a-b]\\.)?x/[a-c]|[a-c]|in|notin".prop_map(Box::from);
    let requirement = (key, test).prop_map(|(key, test)| Requirement { key, test });
    prop::collection::btree_set(requirement, 0..4)
        .prop_map(|requirements| Selector { requirements })
}

proptest! {
    #[test]
    fn its_text_reads_back_as_itself(selector in selectors()) {
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn no_text_breaks_it(text in "[a-z!=(),<> ä/.]{0,20}|\\PC*") {
        let _ = Selector::parse(&text).map_err(|error| error.to_string());
    }
}
