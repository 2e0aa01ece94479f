use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use stagewright_core::object::Kind;

use super::*;

fn pod(name: &str) -> Snapshot {
    let body = json!({"metadata": {"name": name, "namespace": "default", "uid": format!("u-{name}"), "resourceVersion": "5"}});
    Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap()
}

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A client whose server accepts everything, and what it was sent.
fn accepting() -> (kube::Client, Seen) {
    let seen: Seen = Arc::default();
    let log = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Body>| {
        let log = Arc::clone(&log);
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect_bytes().await.unwrap();
            log.lock()
                .unwrap()
                .push((line, serde_json::from_slice(&body).unwrap()));
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(201)
                    .body(Body::from(b"{}".to_vec()))
                    .unwrap(),
            )
        }
    });
    (kube::Client::new(service, "default"), seen)
}

#[tokio::test]
async fn a_repeated_event_becomes_a_series() {
    let (client, seen) = accepting();
    let (sent, dropped) = (Counter::default(), Counter::default());
    let (events, sink) = events(client, Clock::new(), "me".into(), sent.clone(), dropped);
    for note in ["first", "first", "second"] {
        events.send(&pod("web"), Severity::Warning, "Backward", note);
    }
    drop(events);
    sink.run(CancellationToken::new()).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        seen[0].0,
        "POST /apis/events.k8s.io/v1/namespaces/default/events"
    );
    assert_eq!(
        (
            &seen[0].1["reason"],
            &seen[0].1["type"],
            &seen[0].1["regarding"]["uid"]
        ),
        (&json!("Backward"), &json!("Warning"), &json!("u-web"))
    );
    assert!(
        seen[1].0.starts_with("PATCH ") && seen[1].1["series"]["count"] == 2,
        "{:?}",
        seen[1]
    );
    assert!(seen[2].0.starts_with("POST "), "{:?}", seen[2]);
    assert_eq!(sent.get(), 3);
}

#[tokio::test]
async fn what_is_too_much_is_dropped_and_counted() {
    let (client, seen) = accepting();
    let dropped = Counter::default();
    let (events, sink) = events(
        client,
        Clock::new(),
        "me".into(),
        Counter::default(),
        dropped.clone(),
    );
    for number in 0..BURST + 5 {
        events.send(&pod("loud"), Severity::Normal, "Noise", &number.to_string());
    }
    events.send(&pod("calm"), Severity::Normal, "Noise", "once");
    drop(events);
    sink.run(CancellationToken::new()).await;
    assert_eq!(
        (seen.lock().unwrap().len() as u32, dropped.get()),
        (BURST + 1, 5)
    );
    let (events, _sink) = super::events(
        accepting().0,
        Clock::new(),
        "me".into(),
        Counter::default(),
        dropped.clone(),
    );
    for _ in 0..WAITING + 3 {
        events.send(
            &pod("web"),
            Severity::Normal,
            "Noise",
            "more than the queue holds",
        );
    }
    assert_eq!(dropped.get(), 8);
    Events::none().send(&pod("web"), Severity::Normal, "Noise", "to nobody");
}

#[test]
fn an_allowance_comes_back_with_time() {
    let mut memory = Memory::default();
    let uid = Uid::new("u");
    assert_eq!(
        (0..40).filter(|_| memory.allowed(&uid, Time(0))).count() as u32,
        BURST
    );
    let later = Time(0) + REFILL * 60;
    assert!(memory.allowed(&uid, later));
}

#[test]
fn names_and_notes_are_within_bounds() {
    assert_eq!(cut("grüße", 3), "gr");
    assert_eq!(cut("ok", 9), "ok");
    let name = event_name(&"a".repeat(253), Time(1_700_000_000_000), 7);
    assert!(name.len() <= 253, "{name}");
}
