//! `stagewright explain`: asks the admin port of a running controller.

#![expect(
    clippy::disallowed_methods,
    reason = "the client here speaks to our own admin port, which only answers"
)]

use anyhow::{Context as _, bail};
use kube::client::{Body, ClientBuilder};
use serde::Deserialize;

use super::shown;
use crate::args::{ExplainArgs, Output};
use crate::client::wire;
use crate::explain::Explanation;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
}

/// The text to print.
pub(super) async fn explain(args: ExplainArgs) -> anyhow::Result<String> {
    let ExplainArgs {
        kind,
        name,
        namespace,
        output,
        admin,
    } = args;
    let (namespace, name) = match name.split_once('/') {
        Some((space, name)) if namespace.is_none() => (Some(space.to_owned()), name.to_owned()),
        _ => (namespace, name),
    };
    let mut query = format!("kind={}&name={}", encode(&kind), encode(&name));
    if let Some(namespace) = &namespace {
        query.push_str(&format!("&namespace={}", encode(namespace)));
    }
    let body = fetch(&admin, &format!("/explain?{query}")).await?;
    let read = |error: serde_json::Error| {
        anyhow::Error::new(error).context("the controller's answer cannot be read")
    };
    // A controller of another version may say more than is known here, which is shown too.
    let value: serde_json::Value = serde_json::from_slice(&body).map_err(read)?;
    let text = match output {
        Output::Text => Explanation::deserialize(&value).map_err(read)?.to_string(),
        Output::Json | Output::Yaml => String::new(),
    };
    shown(&value, output, &text)
}

async fn fetch(admin: &str, path_and_query: &str) -> anyhow::Result<Vec<u8>> {
    let url: http::Uri = admin
        .trim_end_matches('/')
        .parse()
        .with_context(|| format!("--admin: {admin:?} is no URL"))?;
    if url.scheme_str() != Some("http") || url.host().is_none() {
        bail!(
            "--admin: {admin:?} is no URL of an admin port; write it like http://127.0.0.1:10247"
        );
    }
    let mut config = kube::Config::new(url);
    config.default_retry = false;
    // Plain HTTP needs no roots, and a container may have none to load.
    config.root_cert = Some(Vec::new());
    let client = ClientBuilder::try_from(config)?.build();
    let request = http::Request::get(path_and_query).body(Body::empty())?;
    let response = client.send(request).await.map_err(|error| {
        anyhow::anyhow!(
            "--admin: nobody answers at {admin} ({}); `stagewright run` must be running, and its --server-address be given here",
            wire::chain(&error)
        )
    })?;
    let status = response.status();
    let body = response
        .into_body()
        .collect_bytes()
        .await
        .context("the controller's answer broke off")?
        .to_vec();
    if status.is_success() {
        return Ok(body);
    }
    let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
    match refusal.message.as_str() {
        "" => {
            bail!("--admin: {admin} answers {status}: is it the admin port of `stagewright run`?")
        }
        message => bail!("{message}"),
    }
}

/// Percent-encoding for a query's value.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use prometheus_client::registry::Registry;
    use serde_json::{Value, json};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::admin::{Admin, Port, Readiness, StateView, bind};
    use crate::explain::ExplainQuery;

    struct View;

    impl StateView for View {
        fn explain(&self, query: ExplainQuery) -> Result<Explanation, String> {
            if query.name != "web" {
                return Err(format!("no {} {:?} is followed", query.kind, query.name));
            }
            Ok(Explanation {
                kind: query.kind,
                namespace: query.namespace,
                name: query.name,
                ..Explanation::default()
            })
        }

        fn state(&self) -> Value {
            json!({})
        }
    }

    fn args(name: &str, namespace: Option<&str>, output: Output, admin: &str) -> ExplainArgs {
        let (namespace, admin) = (namespace.map(str::to_owned), admin.to_owned());
        ExplainArgs {
            kind: "batch/v1/Job".into(),
            name: name.into(),
            namespace,
            output,
            admin,
        }
    }

    #[tokio::test]
    async fn a_running_controller_is_asked() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let server = Admin::new(Readiness::default(), Arc::new(Registry::default()));
        server.set_view(Arc::new(View));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(Port::plain(listener), stop.clone()));
        for (name, namespace) in [("a b/web", None), ("web", Some("a b"))] {
            let text = explain(args(name, namespace, Output::Text, &admin))
                .await
                .unwrap();
            assert!(
                text.starts_with("Object:    batch/v1/Job a b/web\n"),
                "{text}"
            );
        }
        let json: Value = serde_json::from_str(
            &explain(args("web", None, Output::Json, &admin))
                .await
                .unwrap(),
        )
        .unwrap();
        assert_eq!(json["kind"], "batch/v1/Job");
        assert!(
            explain(args("web", None, Output::Yaml, &admin))
                .await
                .unwrap()
                .contains("kind: batch/v1/Job")
        );
        let error = explain(args("db", None, Output::Text, &admin))
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "no batch/v1/Job \"db\" is followed");
        stop.cancel();
        serving.await.unwrap();
        let error = explain(args("web", None, Output::Text, &admin))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--admin") && error.contains("stagewright run"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_no_admin_port_is_said_so() {
        for admin in ["not a url", "https://127.0.0.1:1", "127.0.0.1:10247"] {
            let error = explain(args("web", None, Output::Text, admin))
                .await
                .unwrap_err();
            assert!(
                format!("{error:#}").contains("--admin"),
                "{admin}: {error:#}"
            );
        }
    }
}
