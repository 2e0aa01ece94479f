//! Lists and watches, now and in the past.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn a_watch_tells_what_enters_and_leaves_its_selection() {
    let server = Server::new();
    server.pod("a");
    let mut all = server.watch(&format!("{PODS}?watch=1"));
    let mut labelled = server.watch(&format!("{PODS}?watch=1&labelSelector=x%3D1"));
    let mut elsewhere = server.watch("/api/v1/namespaces/other/pods?watch=1");
    let mut field = server.watch("/api/v1/pods?watch=1&fieldSelector=status.phase%3DRunning");
    assert_eq!(all.names(), ["ADDED a"]);
    let label = |value: Value| {
        server
            .call(
                "PATCH",
                &format!("{PODS}/a"),
                &json!({"metadata": {"labels": {"x": value}}}),
            )
            .1
    };
    label(json!("1"));
    server.call(
        "PATCH",
        &format!("{PODS}/a/status"),
        &json!({"status": {"phase": "Running"}}),
    );
    let left = label(json!("2"));
    assert_eq!(all.names(), ["MODIFIED a", "MODIFIED a", "MODIFIED a"]);
    assert_eq!(field.names(), ["ADDED a", "MODIFIED a"]);
    assert!(elsewhere.names().is_empty());
    let events = labelled.events();
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);
    // It leaves as it was last seen, at the revision of the change that took it away.
    assert_eq!(
        (
            revision(&events[2].1),
            &events[2].1["metadata"]["labels"]["x"]
        ),
        (revision(&left), &json!("1"))
    );
}

#[test]
fn a_streaming_list_ends_with_its_bookmark() {
    let server = Server::new();
    server.pod("a");
    server.pod("b");
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server.watch(&format!("{PODS}?{query}"));
    let events = watch.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2].0, "BOOKMARK");
    assert_eq!(
        events[2].1["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(revision(&events[2].1), server.api.revision().to_string());
    let refused = server.get(&format!("{PODS}?watch=1&sendInitialEvents=true"));
    assert_eq!(reason(&refused), (422, "Invalid"));
}

#[test]
fn a_watch_has_bookmarks_and_an_end() {
    let server = Server::new();
    let mut watch = server.watch(&format!(
        "{PODS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90"
    ));
    let mut plain = server.watch(&format!("{PODS}?watch=1&timeoutSeconds=90"));
    // That nothing is there is told at once.
    assert_eq!(watch.events().len(), 1);
    server.call(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        &json!({"metadata": {"name": "elsewhere"}}),
    );
    server.clock.advance(Duration::from_secs(61));
    let events = watch.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].0.as_str(), revision(&events[0].1)),
        ("BOOKMARK", &*server.api.revision().to_string())
    );
    server.clock.advance(Duration::from_secs(30));
    assert!(watch.events().is_empty(), "nothing new to mark");
    assert!(watch.over);
    assert!(plain.events().is_empty());
    assert!(plain.over);
    drop((watch, plain));
    assert_eq!(
        server.clock.next(),
        None,
        "a watch that is over waits for nothing"
    );
}

#[test]
fn the_past_can_be_watched_and_listed_until_it_is_forgotten() {
    let server = Server::with_history(4);
    let first = server.pod("a");
    let second = server.pod("b");
    let mut watch = server.watch(&format!(
        "{PODS}?watch=1&resourceVersion={}",
        revision(&first)
    ));
    assert_eq!(watch.names(), ["ADDED b"]);
    let exact = format!(
        "{PODS}?resourceVersion={}&resourceVersionMatch=Exact",
        revision(&first)
    );
    let (code, list) = server.get(&exact);
    assert_eq!(
        (
            code,
            list["items"].as_array().unwrap().len(),
            revision(&list)
        ),
        (200, 1, revision(&first))
    );
    assert!(
        list["items"][0].get("kind").is_none(),
        "items of a built-in kind do not repeat it"
    );
    let mut slow = server.watch(&format!(
        "{PODS}?watch=1&resourceVersion={}",
        revision(&second)
    ));
    for number in 0..6 {
        server.pod(&format!("more-{number}"));
    }
    assert_eq!(reason(&server.get(&exact)), (410, "Expired"));
    let events = slow.events();
    assert_eq!(
        (events[0].0.as_str(), &events[0].1["reason"]),
        ("ERROR", &json!("Expired"))
    );
    assert!(slow.over);
    let refused = server.get(&format!("{PODS}?resourceVersion=999"));
    assert_eq!(reason(&refused), (504, "Timeout"));
}

#[test]
fn lists_come_in_pages() {
    let server = Server::with_history(20);
    for name in ["a", "b", "c", "d", "e"] {
        server.pod(name);
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, first) = server.get(&format!("{PODS}?limit=2"));
    assert_eq!(
        (names(&first), &first["metadata"]["remainingItemCount"]),
        (vec!["a".to_owned(), "b".to_owned()], &json!(3))
    );
    let token = first["metadata"]["continue"].as_str().unwrap();
    server.call(
        "DELETE",
        &format!("{PODS}/c"),
        &json!({"gracePeriodSeconds": 0}),
    );
    let (_, second) = server.get(&format!("{PODS}?limit=2&continue={token}"));
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(revision(&second), revision(&first));
    server.api.compact(server.api.revision());
    let expired = server.get(&format!("{PODS}?limit=2&continue={token}"));
    assert_eq!(reason(&expired), (410, "Expired"));
    let token = expired.1["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = server.get(&format!("{PODS}?limit=5&continue={token}"));
    assert_eq!(names(&rest), ["d", "e"]);
    assert_eq!(
        reason(&server.get(&format!("{PODS}?continue=nonsense"))),
        (400, "BadRequest")
    );
}
