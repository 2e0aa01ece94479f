use http::{Request, Response, StatusCode};
use kube::client::Body;
use kube::core::ApiResource;
use serde_json::{Value, json};
use stagewright_core::claims::{Claims, Selection};
use stagewright_core::guard::{self, Rules, Surface, Verdict};
use stagewright_core::interface::{Effect, Form, PatchEffect};
use stagewright_core::json::Path;
use stagewright_core::order::Order;

use super::*;

fn target() -> Target {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "Pod".into(),
        plural: "pods".into(),
    };
    Target {
        kind: Kind::new("v1", "Pod"),
        resource,
        namespaced: true,
        has_status: true,
        surface: Surface::custom(true, false),
    }
}

fn answer(code: u16, body: &Value) -> Answer {
    let status = StatusCode::from_u16(code).unwrap();
    Answer {
        status,
        retry_after: None,
        warnings: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn patch(json: bool) -> Sent {
    Sent {
        verb: "patch",
        resource: "pods --subresource=status".into(),
        form: Some(json),
    }
}

fn status(reason: &str, message: &str, details: &Value) -> Value {
    json!({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "details": details})
}

#[test]
fn each_answer_means_one_thing() {
    let named = json!({"name": "web", "kind": "pods"});
    let causes = |fields: &[&str]| json!({"causes": fields.iter().map(|field| json!({"field": field})).collect::<Vec<_>>()});
    let create = Sent {
        verb: "create",
        resource: "pods".into(),
        form: None,
    };
    let test_failed = "testing value /metadata/resourceVersion failed: test failed";
    for (code, body, sent, category) in [
        (
            409,
            status("Conflict", "modified", &named),
            patch(false),
            "Stale",
        ),
        (
            409,
            status("AlreadyExists", "there", &named),
            create.clone(),
            "AlreadyExists",
        ),
        (
            404,
            status("NotFound", "not found", &named),
            patch(false),
            "Gone",
        ),
        (
            404,
            status(
                "NotFound",
                "could not find the requested resource",
                &json!({}),
            ),
            patch(false),
            "NotServed",
        ),
        (
            404,
            status(
                "NotFound",
                "namespaces \"x\" not found",
                &json!({"name": "x"}),
            ),
            create,
            "NotServed",
        ),
        (404, json!("404 page not found"), patch(false), "NotServed"),
        (
            422,
            status("Invalid", "uid", &causes(&["metadata.uid"])),
            patch(false),
            "Stale",
        ),
        (
            422,
            status("Invalid", "uid", &causes(&["metadata.uid", "spec.x"])),
            patch(false),
            "Invalid",
        ),
        (
            422,
            status("Invalid", "spec", &causes(&["spec.x"])),
            patch(false),
            "Invalid",
        ),
        (
            422,
            status("", test_failed, &json!({})),
            patch(true),
            "Stale",
        ),
        (
            422,
            status("", test_failed, &json!({})),
            patch(false),
            "Invalid",
        ),
        (
            403,
            status("Forbidden", "cannot patch", &named),
            patch(false),
            "Forbidden",
        ),
        (
            403,
            status("Forbidden", "exceeded quota: q", &named),
            patch(false),
            "QuotaExceeded",
        ),
        (
            401,
            status("Unauthorized", "Unauthorized", &json!({})),
            patch(false),
            "Unauthorized",
        ),
        (413, json!("too large"), patch(false), "TooLarge"),
        (
            400,
            status("BadRequest", "bad", &json!({})),
            patch(false),
            "ServerRefused",
        ),
        (
            429,
            status("TooManyRequests", "later", &json!({"retryAfterSeconds": 3})),
            patch(false),
            "Transient",
        ),
        (
            500,
            status("InternalError", "etcd", &json!({})),
            patch(false),
            "Transient",
        ),
        (
            504,
            status("Timeout", "slow", &json!({})),
            patch(false),
            "Transient",
        ),
        (
            503,
            json!("upstream connect error"),
            patch(false),
            "Transient",
        ),
    ] {
        let error = classify::failure(&answer(code, &body), &sent);
        assert_eq!(error.category(), category, "{code} {body}: {error}");
        assert_eq!(
            error.is_retry(),
            matches!(category, "Stale" | "Gone" | "Transient"),
            "{code} {body}"
        );
    }
}

#[test]
fn a_refusal_tells_how_to_check_it_and_a_busy_server_is_given_its_time() {
    let error = classify::failure(
        &answer(403, &status("Forbidden", "no", &json!({}))),
        &patch(false),
    );
    assert!(
        error
            .to_string()
            .contains("kubectl auth can-i patch pods --subresource=status"),
        "{error}"
    );
    let busy = answer(429, &status("", "later", &json!({"retryAfterSeconds": 3})));
    let CommitError::Transient { retry_after, .. } = classify::failure(&busy, &patch(false)) else {
        panic!("no retry")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(3)));
}

/// A committer whose server answers everything so, and tells what it was asked.
fn committer(code: u16, body: Value) -> Committer {
    let service = tower::service_fn(move |request: Request<Body>| {
        let mut body = body.clone();
        if body.is_object() {
            body["metadata"]["annotations"] =
                json!({"asked": format!("{} {}", request.method(), request.uri())});
        }
        async move {
            let response = Response::builder()
                .status(code)
                .header("warning", "299 - \"unknown field\"");
            Ok::<_, std::convert::Infallible>(
                response
                    .body(Body::from(body.to_string().into_bytes()))
                    .unwrap(),
            )
        }
    });
    Committer::new(
        kube::Client::new(service, "default"),
        Clock::new(),
        CommitOptions::default(),
    )
}

fn key() -> Key {
    Key::new(&Kind::new("v1", "Pod"), Some("default"), "web")
}

#[tokio::test]
async fn reading_finds_the_object_or_that_it_is_gone() {
    let pod = json!({"metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "3"}});
    let read = committer(200, pod)
        .read(&target(), &key())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        read.body()["metadata"]["annotations"]["asked"],
        "GET /api/v1/namespaces/default/pods/web"
    );
    let gone = committer(404, status("NotFound", "gone", &json!({"name": "web"})));
    assert!(gone.read(&target(), &key()).await.unwrap().is_none());
    let error = committer(200, json!({"metadata": {"name": "web"}}))
        .read(&target(), &key())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("metadata.uid"), "{error}");
}

#[tokio::test]
async fn no_answer_is_worth_another_try() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, std::io::Error>>()
    });
    let options = CommitOptions {
        timeout: Duration::from_millis(5),
        ..CommitOptions::default()
    };
    let silent = Committer::new(kube::Client::new(service, "default"), Clock::new(), options);
    assert_eq!(
        silent.read(&target(), &key()).await.unwrap_err().category(),
        "Transient"
    );
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>("connection refused")
    });
    let refused = Committer::new(
        kube::Client::new(service, "default"),
        Clock::new(),
        CommitOptions::default(),
    );
    let error = refused.read(&target(), &key()).await.unwrap_err();
    assert!(
        error.is_retry() && error.to_string().contains("connection refused"),
        "{error}"
    );
}

/// The pod as the server has it.
fn stored() -> Snapshot {
    let body = json!({"metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "3"},
        "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}});
    Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap()
}

/// What the guard makes of an effect on it.
fn admitted(effect: &Effect, impersonation: bool) -> Admitted {
    let mut claims = Claims::new(Selection::All, "stagewright-me-1".into(), false);
    let node = json!({"metadata": {"name": "n1", "uid": "u-n1", "resourceVersion": "2"}});
    let _ = claims.observe_node(&Snapshot::parse(&Kind::new("v1", "Node"), node).unwrap());
    let subject = stored();
    let claim = claims.claim(&subject).unwrap();
    let kind = &subject.key().kind;
    let (order, surface) = (
        Order::built_in(kind).unwrap(),
        Surface::built_in(kind).unwrap(),
    );
    let writes = [Path::parse("/status").unwrap()];
    let rules = Rules {
        plugin: "pod",
        order: &order,
        surface: &surface,
        writes: &writes,
        applies: &[],
        impersonation,
        now: Time(0),
    };
    match guard::admit(&claim, &subject, effect, &rules).unwrap() {
        Verdict::Write(admitted) => admitted,
        Verdict::Unchanged { .. } => panic!("nothing to write"),
    }
}

fn run_it(as_user: Option<&str>) -> Effect {
    Effect::Patch(PatchEffect {
        form: Form::Merge,
        subresource: Some("status".into()),
        body: json!({"status": {"phase": "Running"}}),
        as_user: as_user.map(str::to_owned),
    })
}

#[tokio::test]
async fn a_write_goes_to_its_subresource_and_the_answer_is_compared() {
    let running = json!({"metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "4"},
        "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
    let committer = committer(200, running);
    let committed = committer
        .commit(&target(), admitted(&run_it(None), false))
        .await
        .unwrap();
    let Committed::Object(object, took) = committed else {
        panic!("deleted")
    };
    assert_eq!(
        object.body()["metadata"]["annotations"]["asked"],
        "PATCH /api/v1/namespaces/default/pods/web/status?fieldManager=stagewright&fieldValidation=Warn"
    );
    assert_eq!(took, Took::Stored);
    assert_eq!(
        committer.warnings(&Kind::new("v1", "Pod")),
        ["unknown field"]
    );
    assert!(committer.last_answer().is_some());
    let pending = json!({"metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "4"},
        "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}});
    let kept = self::committer(200, pending)
        .commit(&target(), admitted(&run_it(None), false))
        .await
        .unwrap();
    assert!(
        matches!(kept, Committed::Object(_, Took::WithoutEffect)),
        "{kept:?}"
    );
}

#[tokio::test]
async fn another_users_writes_need_leave_and_deletions_have_no_object() {
    let error = committer(200, json!({}))
        .commit(&target(), admitted(&run_it(Some("alice")), true))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("--allow-impersonation"),
        "{error}"
    );
    let gone = committer(200, json!({"kind": "Status", "metadata": {}}));
    let deletion = admitted(&Effect::Delete { grace: Some(0) }, false);
    assert!(matches!(
        gone.commit(&target(), deletion).await.unwrap(),
        Committed::Deleted
    ));
    let stale = committer(409, status("Conflict", "modified", &json!({"name": "web"})));
    assert_eq!(
        stale
            .commit(&target(), admitted(&run_it(None), false))
            .await
            .unwrap_err()
            .category(),
        "Stale"
    );
}
