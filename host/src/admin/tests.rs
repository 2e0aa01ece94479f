use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::*;

struct View;

impl StateView for View {
    fn explain(&self, query: ExplainQuery) -> Result<Explanation, String> {
        match query.name.as_str() {
            "web" => Ok(Explanation {
                name: query.name,
                namespace: query.namespace,
                ..Explanation::default()
            }),
            name => Err(format!("nothing is known of {name}")),
        }
    }

    fn state(&self) -> Value {
        json!({"objects": 1})
    }

    fn stuck(&self) -> Option<String> {
        Some("no turn for 60s".to_owned())
    }
}

async fn get_text(admin: &Admin, path: &str) -> (u16, String) {
    let response = admin
        .router()
        .oneshot(Request::get(path).body(Body::empty()).unwrap())
        .await
        .unwrap();
    let code = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn health_before_and_after_the_start() {
    let readiness = Readiness::default();
    let latch = readiness.latch("watch v1/Pod");
    let admin = Admin::new(readiness, Arc::new(Registry::default()));
    assert_eq!(get_text(&admin, "/healthz").await, (200, "ok".to_owned()));
    assert_eq!(get_text(&admin, "/livez").await, (200, "ok".to_owned()));
    assert_eq!(
        get_text(&admin, "/readyz").await,
        (
            503,
            "[-]watch v1/Pod failed: not yet\ncheck failed\n".to_owned()
        )
    );
    assert_eq!(get_text(&admin, "/explain?kind=pod&name=web").await.0, 503);
    drop(latch);
    assert_eq!(get_text(&admin, "/readyz").await, (200, "ok".to_owned()));
    assert_eq!(
        get_text(&admin, "/readyz?verbose").await,
        (200, "[+]watch v1/Pod ok\ncheck passed\n".to_owned())
    );
    admin.set_view(Arc::new(View));
    let (code, text) = get_text(&admin, "/livez").await;
    assert!(
        code == 503 && text.contains("[-]controller failed: no turn for 60s"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_known_is_told() {
    let admin = Admin::new(Readiness::default(), Arc::new(Registry::default()));
    admin.set_view(Arc::new(View));
    let (code, text) = get_text(&admin, "/explain?kind=pod&namespace=default&name=web").await;
    assert_eq!(
        (
            code,
            serde_json::from_str::<Explanation>(&text)
                .unwrap()
                .name
                .as_str()
        ),
        (200, "web")
    );
    let (code, text) = get_text(&admin, "/explain?kind=pod&name=db").await;
    assert!(
        code == 404 && text.contains("nothing is known of db"),
        "{text}"
    );
    assert_eq!(get_text(&admin, "/explain?kind=pod").await.0, 400);
    assert_eq!(
        get_text(&admin, "/debug/state").await,
        (200, "{\"objects\":1}".to_owned())
    );
    assert_eq!(get_text(&admin, "/metrics").await.0, 200);
}

#[tokio::test]
async fn a_port_in_use_names_the_flag() {
    let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let error = bind(taken.local_addr().unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("--server-address: ") && error.contains("another process"),
        "{error}"
    );
}
