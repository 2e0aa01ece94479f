//! Waiting for an API server that is not up yet.

use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use stagewright_core::backoff::Backoff;
use tokio_util::sync::CancellationToken;

use super::wire;
use crate::clock::chance;

const RETRY: Backoff = Backoff {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(10),
};
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

/// Waits until the API server answers, and tells its version; none if stopped before. Each cause of the delay is logged once.
pub async fn wait_for_server(client: &Client, stop: &CancellationToken) -> Option<String> {
    wait(client, stop, RETRY).await
}

async fn wait(client: &Client, stop: &CancellationToken, retry: Backoff) -> Option<String> {
    let mut attempt = 0_u32;
    let mut told = String::new();
    loop {
        let cause = tokio::select! {
            () = stop.cancelled() => return None,
            answer = ask(client) => match answer {
                Ok(version) => return Some(version),
                Err(cause) => cause,
            },
        };
        if cause != told {
            tracing::warn!(
                cause,
                "the API server cannot be used yet; trying again until it can"
            );
            told = cause;
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(retry.delay(attempt, chance())) => {}
        }
        attempt = attempt.saturating_add(1);
    }
}

async fn ask(client: &Client) -> Result<String, String> {
    let answer = wire::get(client, "/version", TIMEOUT)
        .await
        .map_err(|error| error.to_string())?;
    match answer.status.as_u16() {
        200 => {
            let version: Result<Version, _> = serde_json::from_slice(&answer.body);
            version.map(|version| version.git_version).map_err(|_| "what answers is no Kubernetes API server".to_owned())
        }
        // The version may be hidden from us; whether the rest is shows with the first list.
        403 => Ok("unknown".to_owned()),
        401 => Err("the credentials are not accepted (401 Unauthorized); check the kubeconfig's user with `kubectl auth whoami`"
            .to_owned()),
        code => Err(format!("answered {code}: {}", answer.status_body().message)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    const FAST: Backoff = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn a_server_that_comes_up_late_is_waited_for() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let service = tower::service_fn(|_: Request<Body>| async {
            let (code, body) = match ASKED.fetch_add(1, Ordering::Relaxed) {
                0 => return Err("connection refused"),
                1 => (503, "{}"),
                2 => (401, "{}"),
                _ => (200, "{\"gitVersion\": \"v1.36.2\"}"),
            };
            Ok(Response::builder()
                .status(code)
                .body(Body::from(body.as_bytes().to_vec()))
                .unwrap())
        });
        let client = Client::new(service, "default");
        assert_eq!(
            wait(&client, &CancellationToken::new(), FAST)
                .await
                .as_deref(),
            Some("v1.36.2")
        );
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait() {
        let service = tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, _>("connection refused")
        });
        let stop = CancellationToken::new();
        let waiting = tokio::spawn({
            let (client, stop) = (Client::new(service, "default"), stop.clone());
            async move { wait_for_server(&client, &stop).await }
        });
        tokio::task::yield_now().await;
        stop.cancel();
        assert_eq!(waiting.await.unwrap(), None);
    }
}
