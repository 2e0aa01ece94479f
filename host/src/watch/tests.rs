use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use kube::core::ApiResource;
use serde_json::{Value, json};
use stagewright_core::guard::Surface;

use super::*;

fn target() -> Target {
    let kind = Kind::new("v1", "Pod");
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "Pod".into(),
        plural: "pods".into(),
    };
    Target {
        has_status: true,
        surface: Surface::custom(true, false),
        kind,
        resource,
        namespaced: true,
    }
}

fn pod(name: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": version}})
}

fn event(kind: &str, object: &Value) -> String {
    format!("{{\"type\": \"{kind}\", \"object\": {object}}}\n")
}

fn end_of_list(version: &str) -> String {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    event(
        "BOOKMARK",
        &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version, "annotations": annotations}}),
    )
}

fn failure(code: u16, reason: &str) -> (u16, String) {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}).to_string())
}

/// A server that gives its answers one after the other, and then no more. Tells the queries it got.
fn server(answers: Vec<(u16, String)>) -> (kube::Client, Arc<Mutex<Vec<String>>>) {
    let queries = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let seen = Arc::clone(&queries);
    let service = tower::service_fn(move |request: Request<Body>| {
        seen.lock()
            .unwrap()
            .push(request.uri().query().unwrap_or_default().to_owned());
        let answer = answers.lock().unwrap().pop_front();
        async move {
            let Some((code, body)) = answer else {
                return std::future::pending().await;
            };
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(code)
                    .body(Body::from(body.into_bytes()))
                    .unwrap(),
            )
        }
    });
    (kube::Client::new(service, "default"), queries)
}

/// A watch in a hurry.
async fn watch_fast(
    client: kube::Client,
    out: mpsc::Sender<(Kind, Event)>,
    stop: CancellationToken,
) {
    let retry = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
    };
    let pace = Pace {
        retry,
        silence: Duration::from_millis(50),
    };
    let follower = Follower {
        target: &target(),
        clock: Clock::new(),
        out,
        stop,
        pace,
        streaming: true,
        listing: false,
        attempt: 0,
    };
    follower.run(client, &Filter::default()).await;
}

/// What a watch tells of a server, in short, until it has told `count` things.
async fn told(answers: Vec<(u16, String)>, count: usize) -> (Vec<String>, Vec<String>) {
    let (client, queries) = server(answers);
    let (out, mut events) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch_fast(client, out, stop.clone()));
    let mut told = Vec::new();
    while told.len() < count {
        let (_, event) = events.recv().await.unwrap();
        told.push(match event {
            Event::ListStarted => "start".to_owned(),
            Event::ListEnded => "end".to_owned(),
            Event::Seen(snapshot) => format!("{}@{}", snapshot.key().name, snapshot.version()),
            Event::Gone(key, uid) => format!("-{}/{}", key.name, uid.unwrap()),
            Event::Unfollowable(error) => format!("!{}", error.field),
            Event::Trouble { category, .. } => category.to_owned(),
        });
    }
    stop.cancel();
    watching.await.unwrap();
    (told, queries.lock().unwrap().clone())
}

#[tokio::test]
async fn a_streamed_list_then_changes() {
    let nameless = json!({"metadata": {"name": "c", "resourceVersion": "6"}});
    let stream = [
        event("ADDED", &pod("a", "3")),
        end_of_list("5"),
        event("ADDED", &nameless),
        event("MODIFIED", &pod("a", "7")),
        event("DELETED", &pod("a", "8")),
    ]
    .concat();
    let (told, queries) = told(vec![(200, stream)], 6).await;
    assert_eq!(
        told,
        ["start", "a@3", "end", "!metadata.uid", "a@7", "-a/a"]
    );
    assert!(queries[0].contains("sendInitialEvents=true"), "{queries:?}");
}

#[tokio::test]
async fn a_server_without_streaming_lists_is_asked_for_pages_at_once_and_ever_after() {
    let page = |name: &str, more: &str| {
        let metadata = json!({"resourceVersion": "5", "continue": more});
        (200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": [pod(name, "3")]}).to_string())
    };
    let answers = vec![
        failure(422, "Invalid"),
        page("a", "next"),
        page("b", ""),
        (
            200,
            event(
                "ERROR",
                &json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}),
            ),
        ),
        page("b", ""),
    ];
    let (told, queries) = told(answers, 8).await;
    assert_eq!(
        told,
        [
            "start", "a@3", "b@3", "end", "Expired", "start", "b@3", "end"
        ]
    );
    assert!(
        queries[0].contains("sendInitialEvents") && queries[1].contains("limit=500"),
        "{queries:?}"
    );
    assert!(
        queries[1..]
            .iter()
            .all(|query| !query.contains("sendInitialEvents")),
        "{queries:?}"
    );
}

#[tokio::test]
async fn a_server_that_never_ends_its_list_is_asked_for_pages() {
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": []}).to_string();
    let service = tower::service_fn(move |request: Request<Body>| {
        let streaming = request
            .uri()
            .query()
            .unwrap_or_default()
            .contains("sendInitialEvents");
        let list = list.clone();
        async move {
            if streaming {
                return std::future::pending().await;
            }
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(list.into_bytes())))
        }
    });
    let (out, mut events) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let client = kube::Client::new(service, "default");
    let watching = tokio::spawn(watch_fast(client, out, stop.clone()));
    assert!(matches!(events.recv().await.unwrap().1, Event::ListStarted));
    assert!(matches!(events.recv().await.unwrap().1, Event::ListEnded));
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn troubles_are_named_and_do_not_end_the_watch() {
    let answers = vec![
        failure(403, "Forbidden"),
        failure(404, "NotFound"),
        failure(503, "ServiceUnavailable"),
        (200, end_of_list("5")),
        failure(410, "Expired"),
        (200, end_of_list("9")),
    ];
    let (told, _) = told(answers, 8).await;
    assert_eq!(
        told,
        [
            "Forbidden",
            "NotServed",
            "ServerError",
            "start",
            "end",
            "Expired",
            "start",
            "end"
        ]
    );
}

#[test]
fn a_refusal_tells_the_verb_and_how_to_check_it() {
    let status: kube::core::Status = serde_json::from_str(&failure(403, "Forbidden").1).unwrap();
    let (category, message) = describe(
        &watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))),
        &target(),
    );
    assert_eq!(category, "Forbidden");
    assert!(
        message.contains("kubectl auth can-i watch pods"),
        "{message}"
    );
}
