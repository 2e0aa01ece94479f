//! A server, and clients of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use stagewright_apiserver::clock::ManualClock;
use stagewright_apiserver::{ApiServer, Body, History, Options};
use stagewright_core::time::Time;

pub const PODS: &str = "/api/v1/namespaces/default/pods";

pub struct Server {
    pub api: ApiServer,
    pub clock: ManualClock,
}

/// An answer: code and document.
pub type Answer = (u16, Value);

impl Server {
    pub fn new() -> Self {
        Self::with_history(1_000)
    }

    pub fn with_history(events: usize) -> Self {
        let clock = ManualClock::new(Time::parse("2026-01-02T03:04:05Z").unwrap());
        let mut options = Options::new(Arc::new(clock.clone()), 7);
        options.history = History {
            events,
            bytes: 1 << 20,
        };
        Self {
            api: ApiServer::new(options),
            clock,
        }
    }

    pub fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> http::Response<Body> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        let request = request.body(Full::new(Bytes::from(bytes))).unwrap();
        tower::Service::call(&mut self.api.clone(), request)
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let response = self.send(method, path, kind, body);
        let code = response.status().as_u16();
        (
            code,
            serde_json::from_slice(&response.into_body().into_bytes().unwrap()).unwrap(),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    pub fn pod(&self, name: &str) -> Value {
        let (code, pod) = self.call("POST", PODS, &pod(name));
        assert_eq!(code, 201, "{pod}");
        pod
    }

    pub fn watch(&self, path: &str) -> Watcher {
        let response = self.send("GET", path, "", &Value::Null);
        Watcher::of(response)
    }
}

pub struct Watcher {
    body: Body,
    pub over: bool,
}

impl Watcher {
    pub fn of(response: http::Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            over: false,
        }
    }

    /// What has come so far: type, name or revision, and the object.
    pub fn events(&mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(frame) = self.body.frame().now_or_never() {
            let Some(frame) = frame else {
                self.over = true;
                break;
            };
            for line in frame
                .unwrap()
                .into_data()
                .unwrap()
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let mut event: Value = serde_json::from_slice(line).unwrap();
                events.push((
                    event["type"].as_str().unwrap().to_owned(),
                    event["object"].take(),
                ));
            }
        }
        events
    }

    /// The same, shortened to type and name.
    pub fn names(&mut self) -> Vec<String> {
        let short = |(kind, object): (String, Value)| {
            format!(
                "{kind} {}",
                object
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or("-")
            )
        };
        self.events().into_iter().map(short).collect()
    }
}

pub fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30, "containers": [{"name": "c", "image": "i"}]},
    })
}

pub fn revision(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

pub fn reason(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.1["kind"], "Status", "{}", answer.1);
    (answer.0, answer.1["reason"].as_str().unwrap_or_default())
}
