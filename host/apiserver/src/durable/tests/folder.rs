//! Folders: what comes back, and which are refused.

use std::fs;

use redb::{Database, TableDefinition};

use super::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/widgets";

fn widget(name: &str, size: u64) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}})
}

fn define(server: &ApiServer) {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"}, "old": {"type": "string"}}}}}});
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema,
                "selectableFields": [{"jsonPath": ".spec.size"}]}]},
    });
    let (code, answer) = call(server, "POST", DEFINITIONS, &definition);
    assert_eq!(code, 201, "{answer}");
}

fn open(folder: &Path) -> Result<(ApiServer, Opened), DataDirError> {
    ApiServer::open(options(), folder)
}

#[test]
fn a_folder_gives_back_objects_kinds_revisions_and_uids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/data");
    let (server, opened) = open(&path).unwrap();
    assert_eq!((opened.objects, opened.interrupted), (0, false));
    define(&server);
    assert_eq!(call(&server, "POST", WIDGETS, &widget("w", 3)).0, 201);
    assert_eq!(call(&server, "POST", MAPS, &map("m", "x")).0, 201);
    let before = [
        get(&server, WIDGETS),
        get(&server, DEFINITIONS),
        get(&server, MAPS),
    ];
    server.close();
    let (code, answer) = call(&server, "POST", MAPS, &map("late", "x"));
    assert_eq!(code, 500, "{answer}");
    drop(server);
    let (server, opened) = open(&path).unwrap();
    assert!(!opened.interrupted);
    assert_eq!(
        [
            get(&server, WIDGETS),
            get(&server, DEFINITIONS),
            get(&server, MAPS)
        ],
        before
    );
    let selected = get(&server, &format!("{WIDGETS}?fieldSelector=spec.size%3D3"));
    assert_eq!(selected["items"][0]["metadata"]["name"], "w");
    // What was before is not known any more, and is said so.
    let old = format!("{MAPS}?watch=true&resourceVersion={}", opened.revision - 1);
    let request = Request::get(old).body(Bytes::new()).unwrap();
    let mut watch = server.call(request).into_body();
    let frame = futures::FutureExt::now_or_never(http_body_util::BodyExt::frame(&mut watch));
    let frame = frame.unwrap().unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&frame).contains("410"));
    // The same seed goes on where it was.
    assert_eq!(call(&server, "POST", MAPS, &map("n", "x")).0, 201);
    let uids: Vec<Value> = maps(&server)
        .into_values()
        .map(|map| map["metadata"]["uid"].clone())
        .collect();
    assert_ne!(uids[0], uids[1]);
    assert!(server.revision() > opened.revision);
}

#[test]
fn objects_that_are_older_than_their_schema_are_shown_in_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = open(folder.path()).unwrap();
    define(&server);
    let mut old = widget("w", 3);
    old["spec"]["old"] = json!("x");
    assert_eq!(call(&server, "POST", WIDGETS, &old).0, 201);
    let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/old";
    let mut definition = get(&server, &format!("{DEFINITIONS}/widgets.example.com"));
    let (parent, name) = properties.rsplit_once('/').unwrap();
    definition
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(name);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    assert_eq!(call(&server, "PUT", &path, &definition).0, 200);
    let shown = get(&server, WIDGETS);
    assert_eq!(shown["items"][0]["spec"], json!({"size": 3}));
    drop(server);
    let (server, _) = open(folder.path()).unwrap();
    assert_eq!(get(&server, WIDGETS), shown);
}

#[test]
fn a_folder_is_one_servers_alone_and_tells_of_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error.category(), "locked");
    let path = folder.path().join("objects.redb");
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
    assert!(error.to_string().contains("another folder"), "{error}");
    let copy = tempfile::tempdir().unwrap();
    fs::copy(&path, copy.path().join("objects.redb")).unwrap();
    assert!(open(copy.path()).unwrap().1.interrupted);
    drop(server);
    assert!(!open(folder.path()).unwrap().1.interrupted);
}

#[test]
fn what_is_something_else_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let under = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let etcd = under("etcd");
    fs::create_dir(etcd.join("member")).unwrap();
    let text = under("text");
    fs::write(text.join("objects.redb"), "something else entirely").unwrap();
    let empty = under("empty");
    fs::write(empty.join("objects.redb"), "").unwrap();
    let other = under("other");
    let table = TableDefinition::<&str, u64>::new("theirs");
    let numbers = TableDefinition::<&str, u64>::new("stagewright/numbers");
    let newer = under("newer");
    for (path, table, name) in [(&other, table, "x"), (&newer, numbers, "format")] {
        let database = Database::create(path.join("objects.redb")).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(table).unwrap().insert(name, 9).unwrap();
        write.commit().unwrap();
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for (path, category, words) in [
        (etcd, "foreign", "member"),
        (text, "foreign", "new or an empty folder"),
        (empty, "damaged", "it is empty"),
        (other, "foreign", "theirs"),
        (newer, "format", "format 9"),
        (file, "io", "file"),
    ] {
        let content = fs::read(path.join("objects.redb")).ok();
        let error = open(&path).unwrap_err();
        let told = error.to_string();
        assert_eq!(error.category(), category, "{told}");
        assert!(
            told.contains(words) && told.contains(&*path.to_string_lossy()),
            "{told}"
        );
        if category == "foreign" && words != "theirs" {
            assert_eq!(fs::read(path.join("objects.redb")).ok(), content);
        }
    }
    // What a crash left of a beginning is no data.
    let begun = under("begun");
    fs::write(begun.join("objects.redb.new"), [0; 700]).unwrap();
    assert!(open(&begun).is_ok());
}

#[test]
fn a_file_that_was_cut_is_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = open(folder.path()).unwrap();
    for number in 0..40 {
        let object = map(&format!("m-{number}"), &"x".repeat(3_000));
        assert_eq!(call(&server, "POST", MAPS, &object).0, 201);
    }
    let all = maps(&server);
    drop(server);
    let bytes = fs::read(folder.path().join("objects.redb")).unwrap();
    let mut refused = 0;
    for cut in 0..60 {
        let copy = tempfile::tempdir().unwrap();
        let length = bytes.len() * cut / 60 + cut % 7;
        fs::write(copy.path().join("objects.redb"), &bytes[..length]).unwrap();
        match open(copy.path()) {
            Ok((server, _)) => assert_eq!(maps(&server), all, "cut at {length}"),
            Err(error) => {
                assert!(
                    ["damaged", "foreign"].contains(&error.category()),
                    "cut at {length}: {error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}
