use std::sync::Mutex;

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use stagewright_core::claims::IDENTITY_PREFIX;
use stagewright_core::time::Time;

use super::*;

/// A server with one lease at most, that checks versions as the real one does.
#[derive(Default)]
struct Server {
    lease: Option<Value>,
    version: u64,
    log: Vec<String>,
}

impl Server {
    fn answer(&mut self, method: &str, body: &Value) -> (u16, Value) {
        self.log.push(method.to_owned());
        let status = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "reason": reason, "message": reason}),
            )
        };
        self.version += 1;
        match (method, &mut self.lease) {
            ("GET", Some(lease)) => (200, lease.clone()),
            ("POST", None) => {
                let mut lease = body.clone();
                lease["metadata"]["uid"] = json!("u-lease");
                lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
                self.lease = Some(lease.clone());
                (201, lease)
            }
            ("POST", Some(_)) => status(409, "AlreadyExists"),
            ("PATCH", Some(lease)) => {
                if lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] {
                    return status(409, "Conflict");
                }
                for (name, value) in body["spec"].as_object().unwrap() {
                    lease["spec"][name] = value.clone();
                }
                lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
                (200, lease.clone())
            }
            _ => status(404, "NotFound"),
        }
    }

    fn foreign(holder: &str, renewed: Time) -> Self {
        let lease = json!({"metadata": {"name": "n1", "namespace": LEASE_NAMESPACE, "uid": "u-lease", "resourceVersion": "5"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 40, "renewTime": renewed.to_micros(), "leaseTransitions": 1}});
        Self {
            lease: Some(lease),
            version: 5,
            log: Vec::new(),
        }
    }
}

fn client(server: &Arc<Mutex<Server>>) -> kube::Client {
    let server = Arc::clone(server);
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let method = request.method().to_string();
            let body = request.into_body().collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (code, answer) = server.lock().unwrap().answer(&method, &body);
            let response = Response::builder()
                .status(code)
                .body(Body::from(answer.to_string().into_bytes()));
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    });
    kube::Client::new(service, "default")
}

/// Runs a keeper until it has told of `count` leases, then stops it, and shows what the server has then.
async fn kept(
    server: Server,
    count: usize,
    take_over: bool,
) -> (Vec<Snapshot>, Value, Vec<String>) {
    let has_lease = server.lease.is_some();
    let server = Arc::new(Mutex::new(server));
    let options = LeaseOptions {
        identity: "stagewright-me-1".into(),
        duration: Duration::from_secs(2),
        grace: Duration::from_secs(5),
    };
    let (answers, mut told) = mpsc::channel(16);
    let keeper =
        LeaseKeeper::new(client(&server), Clock::new(), options, answers).take_over(take_over);
    let selected = Arc::new(SelectedNodes::default());
    let node = Selected {
        uid: Uid::new("u-n1"),
        has_lease,
    };
    selected.set(&Arc::from("n1"), Some(node));
    let stop = CancellationToken::new();
    let running = tokio::spawn(keeper.run(selected, stop.clone()));
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(told.recv().await.unwrap());
    }
    if count == 0 {
        tokio::task::yield_now().await;
        while server.lock().unwrap().log.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stop.cancel();
    running.await.unwrap();
    let server = server.lock().unwrap();
    (
        seen,
        server.lease.clone().unwrap_or_default(),
        server.log.clone(),
    )
}

fn spec(lease: &Snapshot, field: &str) -> Value {
    lease.body()["spec"][field].clone()
}

#[tokio::test]
async fn a_missing_lease_is_made_renewed_and_given_back() {
    let (seen, left, log) = kept(Server::default(), 2, false).await;
    assert_eq!(log, ["POST", "PATCH", "PATCH"]);
    assert_eq!(spec(&seen[0], "holderIdentity"), "stagewright-me-1");
    assert_eq!(
        seen[0].body()["metadata"]["ownerReferences"][0]["uid"],
        "u-n1"
    );
    assert!(spec(&seen[1], "renewTime").as_str() > spec(&seen[0], "renewTime").as_str());
    assert_eq!(spec(&seen[1], "acquireTime"), spec(&seen[0], "acquireTime"));
    assert_eq!(
        (&left["spec"]["holderIdentity"], &left["spec"]["renewTime"]),
        (&Value::Null, &spec(&seen[1], "renewTime"))
    );
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over() {
    let server = Server::foreign(
        "stagewright-other-2",
        Clock::new().now() - Duration::from_secs(60),
    );
    let (seen, _, log) = kept(server, 1, false).await;
    assert_eq!(
        (spec(&seen[0], "leaseTransitions"), &log[..2]),
        (json!(2), &["GET".to_owned(), "PATCH".to_owned()][..])
    );
}

#[tokio::test]
async fn a_live_kubelets_lease_is_taken_only_if_the_node_is_named() {
    let (_, left, log) = kept(Server::foreign("n1", Clock::new().now()), 0, false).await;
    assert_eq!(
        (&left["spec"]["holderIdentity"], log.as_slice()),
        (&json!("n1"), &["GET".to_owned()][..])
    );
    let (seen, ..) = kept(Server::foreign("n1", Clock::new().now()), 1, true).await;
    assert_eq!(spec(&seen[0], "holderIdentity"), "stagewright-me-1");
}

#[test]
fn identities_differ_and_are_known_as_ours() {
    assert!(identity().starts_with(IDENTITY_PREFIX));
    assert_ne!(identity(), identity());
}

#[test]
fn short_leases_have_more_requests_under_way() {
    for (nodes, seconds, expected) in [
        (0, 10, 8),
        (1_000, 10, 10),
        (1_000, 5, 20),
        (1_000, 2, 32),
        (100, 1, 10),
        (1_000_000, 0, 32),
    ] {
        let period = Duration::from_secs(seconds);
        assert_eq!(parallel(nodes, period), expected, "{nodes} {seconds}");
    }
}
