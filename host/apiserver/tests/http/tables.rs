//! Tables: what `kubectl get` prints.

use serde_json::Value;

use crate::replay;
use crate::support::*;

#[test]
fn tables_are_those_of_the_real_server() {
    let recorded = replay::read(include_str!("tables.json"));
    let wrong = replay::differences(&recorded, &replay::TABLES_OTHERWISE);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_first_row_of_a_watch_comes_with_columns() {
    let server = Server::new();
    server.pod("one");
    server.pod("two");
    let request = http::Request::builder()
        .uri(format!("{PODS}?watch=true"))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let response = server.api.call(request.body(bytes::Bytes::new()).unwrap());
    let mut watcher = Watcher::of(response);
    let events = watcher.events();
    let columns: Vec<&Value> = events
        .iter()
        .map(|(_, table)| &table["columnDefinitions"])
        .collect();
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[0][1]["name"], "Ready");
    assert!(columns[1].is_null(), "{}", columns[1]);
    assert_eq!(events[1].1["rows"][0]["cells"][1], "0/1");
}
