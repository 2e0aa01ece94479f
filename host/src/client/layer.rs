//! What every exchange with the API server goes through: the clock learns from it, and it is counted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use stagewright_core::time::Time;
use tower::{Layer, Service};

use crate::clock::Clock;

/// Requests by verb, resource and answer.
#[derive(Debug, Clone)]
pub struct Requests {
    total: Family<Labels, Counter>,
    duration: Family<VerbLabel, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    verb: &'static str,
    resource: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabel {
    verb: &'static str,
}

impl Default for Requests {
    fn default() -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        Self {
            total: Family::default(),
            duration: Family::new_with_constructor(histogram),
        }
    }
}

impl Requests {
    /// Puts the counters into the registry.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Requests to the API server; code 0 means that no answer came";
        registry.register("requests", help, self.total.clone());
        let help = "Time until the API server's answer began";
        registry.register_with_unit(
            "request_duration",
            help,
            Unit::Seconds,
            self.duration.clone(),
        );
    }

    /// Requests of a verb that were answered with that code; 0: not answered.
    #[must_use]
    pub fn count(&self, verb: &'static str, resource: &str, code: u16) -> u64 {
        self.total
            .get_or_create(&Labels {
                verb,
                resource: resource.to_owned(),
                code,
            })
            .get()
    }

    fn observe(&self, verb: &'static str, resource: String, code: u16, seconds: f64) {
        self.total
            .get_or_create(&Labels {
                verb,
                resource,
                code,
            })
            .inc();
        self.duration
            .get_or_create(&VerbLabel { verb })
            .observe(seconds);
    }
}

/// Wraps the client's service.
#[derive(Debug, Clone)]
pub(super) struct ObserveLayer {
    clock: Clock,
    requests: Requests,
}

impl ObserveLayer {
    pub(super) fn new(clock: Clock, requests: Requests) -> Self {
        Self { clock, requests }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`ObserveLayer`].
#[derive(Debug, Clone)]
pub(super) struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S, Q, A> Service<Request<Q>> for Observe<S>
where
    S: Service<Request<Q>, Response = Response<A>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    A: 'static,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (verb, resource) = describe(request.method(), request.uri());
        let ObserveLayer { clock, requests } = self.layer.clone();
        let (sent, begun) = (clock.local(), Instant::now());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer
                .as_ref()
                .map_or(0, |response| response.status().as_u16());
            requests.observe(verb, resource, code, begun.elapsed().as_secs_f64());
            if let Some(date) = answer
                .as_ref()
                .ok()
                .and_then(|response| date(response.headers()))
            {
                clock.observe_exchange(sent, date);
            }
            answer
        })
    }
}

fn date(headers: &http::HeaderMap) -> Option<Time> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(Time(timestamp.as_millisecond()))
}

/// Verb and resource in Kubernetes' words, without names: `patch`, `pods/status`.
fn describe(method: &Method, uri: &http::Uri) -> (&'static str, String) {
    let segments: Vec<&str> = uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let rest = match segments.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => &[],
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            rest
        }
        _ => rest,
    };
    let (resource, named) = match rest {
        [] => ("other".to_owned(), true),
        [resource] => ((*resource).to_owned(), false),
        [resource, _] => ((*resource).to_owned(), true),
        [resource, _, subresource, ..] => (format!("{resource}/{subresource}"), true),
    };
    let watching = uri
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    let verb = match *method {
        Method::GET if watching => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    (verb, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_in_words_without_names() {
        for (method, uri, expected) in [
            (Method::GET, "/api/v1/pods?limit=500", ("list", "pods")),
            (Method::GET, "/api/v1/pods?watch=true", ("watch", "pods")),
            (
                Method::PATCH,
                "/api/v1/namespaces/default/pods/web/status",
                ("patch", "pods/status"),
            ),
            (
                Method::PATCH,
                "/api/v1/nodes/n1/status",
                ("patch", "nodes/status"),
            ),
            (
                Method::PATCH,
                "/api/v1/namespaces/default/status",
                ("patch", "namespaces/status"),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/default",
                ("get", "namespaces"),
            ),
            (
                Method::POST,
                "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                ("create", "leases"),
            ),
            (
                Method::DELETE,
                "/apis/example.com/v1/trainers/a",
                ("delete", "trainers"),
            ),
            (Method::GET, "/version", ("get", "other")),
            (Method::GET, "/apis/example.com/v1", ("get", "other")),
        ] {
            let (verb, resource) = describe(&method, &uri.parse().unwrap());
            assert_eq!((verb, resource.as_str()), expected, "{method} {uri}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        let mut headers = http::HeaderMap::new();
        assert_eq!(date(&headers), None);
        headers.insert(
            http::header::DATE,
            "Tue, 24 Nov 2026 01:55:20 GMT".parse().unwrap(),
        );
        assert_eq!(date(&headers), Time::parse("2026-11-24T01:55:20Z"));
        headers.insert(http::header::DATE, "yesterday".parse().unwrap());
        assert_eq!(date(&headers), None);
    }

    #[tokio::test]
    async fn an_exchange_sets_the_clock_and_is_counted() {
        let (clock, requests) = (Clock::new(), Requests::default());
        let inner = tower::service_fn(|_: Request<()>| async {
            let date = "Tue, 24 Nov 2099 01:55:20 GMT";
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(404)
                    .header("date", date)
                    .body(())
                    .unwrap(),
            )
        });
        let mut service = ObserveLayer::new(clock.clone(), requests.clone()).layer(inner);
        service
            .call(Request::get("/api/v1/nodes/n1").body(()).unwrap())
            .await
            .unwrap();
        assert_eq!(requests.count("get", "nodes", 404), 1);
        assert!(
            clock.now().to_seconds().starts_with("2099-11-24T01:55:2"),
            "{}",
            clock.now()
        );
    }
}
