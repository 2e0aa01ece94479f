//! The way between a host and the server, and all that may go wrong on it.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use stagewright_apiserver::Body;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::fatal::Countdown;
use super::ledger::{Sent, Tap};
use super::stream::{Cut, Stream};
use crate::proxy::strip;

/// How long a connection may be silent before somebody on the way resets it.
const SILENCE: std::ops::RangeInclusive<u64> = 20_000..=60_000;

/// What is wrong with the way, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    /// Until then something may go wrong.
    pub until: Instant,
    /// How often: out of a thousand requests, in each of several ways.
    pub permille: u64,
    /// The preconditions that are taken out of all writes.
    pub strip: &'static [&'static str],
}

/// One host's way to the server.
#[derive(Clone)]
pub struct Wire {
    tap: Tap,
    name: Arc<str>,
    host: super::ledger::Sender,
    trouble: Trouble,
    dice: Arc<Mutex<Dice>>,
    fatal: Option<Countdown>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is answered.
    Answered,
    /// It is answered with this code, and never seen by the server.
    Refused(u16),
    /// It is lost on its way.
    Lost(Loss),
    /// It is carried out, and the answer is lost.
    AnswerLost(Loss),
    /// It comes to the server twice; the second answer counts.
    Twice,
}

/// What the sender sees of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The connection is reset at once.
    Reset,
    /// Nothing, until somebody on the way resets the connection.
    Silence(Duration),
}

/// A fate, and the times that the ways take.
#[derive(Debug, Clone, Copy)]
struct Way {
    fate: Fate,
    there: Duration,
    back: Duration,
}

// === impl Trouble ===

impl Trouble {
    fn now(&self) -> u64 {
        if Instant::now() < self.until {
            self.permille
        } else {
            0
        }
    }
}

// === impl Wire ===

impl Wire {
    /// A way for that host.
    #[must_use]
    pub fn new(
        tap: Tap,
        host: (usize, &str),
        trouble: Trouble,
        dice: Dice,
        fatal: Option<Countdown>,
    ) -> Self {
        let (number, name) = host;
        Self {
            tap,
            name: name.into(),
            host: super::ledger::Sender::Host(number),
            trouble,
            dice: Arc::new(Mutex::new(dice)),
            fatal,
        }
    }

    fn with_dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn way(&self) -> Way {
        let permille = self.trouble.now();
        self.with_dice(|dice| Way {
            fate: fate(dice, permille),
            there: travel(dice, permille),
            back: travel(dice, permille),
        })
    }

    /// What is wrong with the stream of a watch.
    fn stream(&self, body: Body) -> Stream {
        let permille = self.trouble.now();
        self.with_dice(|dice| {
            let lag = match dice.number(0..=9) {
                _ if permille == 0 => Duration::ZERO,
                0..=4 => Duration::ZERO,
                5..=6 => dice.millis(1..=500),
                7..=8 => dice.millis(500..=3_000),
                _ => dice.millis(3_000..=15_000),
            };
            let cut = dice.permille(permille * 20).then(|| {
                let at = Instant::now() + dice.millis(0..=20_000);
                (
                    at,
                    dice.pick(&[Cut::Ended, Cut::Reset, Cut::Torn, Cut::Silent]),
                )
            });
            Stream::new(body, lag, cut)
        })
    }

    async fn exchange(
        self,
        request: Request<kube::client::Body>,
    ) -> Result<Response<Stream>, Error> {
        let (head, body) = request.into_parts();
        let body = body
            .collect_bytes()
            .await
            .map_err(|error| Error::other(error.to_string()))?;
        let Way { fate, there, back } = self.way();
        sleep(there).await;
        match fate {
            Fate::Refused(code) => {
                sleep(back).await;
                return Ok(refusal(code));
            }
            Fate::Lost(loss) => return Err(lose(loss).await),
            Fate::Answered | Fate::AnswerLost(_) | Fate::Twice => {}
        }
        let is_watch = head
            .uri
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let sent = Sent {
            sender: self.host,
            name: Arc::clone(&self.name),
            uid: meant(&body),
        };
        let is_stripped = !self.trouble.strip.is_empty();
        let body = if is_stripped && matches!(head.method, Method::PATCH | Method::DELETE) {
            Bytes::from(strip::preconditions(&body, self.trouble.strip))
        } else {
            body
        };
        let fatal = self.fatal.as_ref().filter(|_| head.method != Method::GET);
        let struck = fatal.and_then(|fatal| Some((fatal, fatal.count()?)));
        if let Some((fatal, false)) = struck {
            fatal.strike();
            return std::future::pending().await;
        }
        let mut response = self
            .tap
            .call(&sent, Request::from_parts(head.clone(), body.clone()));
        if let Some((fatal, true)) = struck {
            fatal.strike();
            return std::future::pending().await;
        }
        match fate {
            Fate::Twice if !is_watch => {
                response = self.tap.call(&sent, Request::from_parts(head, body));
            }
            Fate::AnswerLost(loss) => return Err(lose(loss).await),
            _ => {}
        }
        sleep(back).await;
        let is_watch = is_watch && response.status().is_success();
        Ok(response.map(|body| {
            if is_watch {
                self.stream(body)
            } else {
                Stream::new(body, Duration::ZERO, None)
            }
        }))
    }
}

impl tower::Service<Request<kube::client::Body>> for Wire {
    type Response = Response<Stream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}

fn fate(dice: &mut Dice, permille: u64) -> Fate {
    let mut happens = |weight: u64| dice.permille(permille * weight);
    if happens(4) {
        return Fate::Refused(dice.pick(&[409, 429, 500, 503]));
    }
    if happens(1) {
        return Fate::Lost(loss(dice));
    }
    let mut happens = |weight: u64| dice.permille(permille * weight);
    if happens(2) {
        return Fate::AnswerLost(loss(dice));
    }
    if dice.permille(permille) {
        return Fate::Twice;
    }
    Fate::Answered
}

fn loss(dice: &mut Dice) -> Loss {
    if dice.permille(700) {
        Loss::Reset
    } else {
        Loss::Silence(dice.millis(SILENCE))
    }
}

/// A few milliseconds; in trouble, now and then seconds.
fn travel(dice: &mut Dice, permille: u64) -> Duration {
    match dice.number(0..=99) {
        0..=2 if permille > 0 => dice.millis(500..=5_000),
        3..=20 if permille > 0 => dice.millis(5..=200),
        _ => dice.millis(1..=4),
    }
}

async fn lose(loss: Loss) -> Error {
    match loss {
        Loss::Reset => Error::new(ErrorKind::ConnectionReset, "connection reset"),
        Loss::Silence(time) => {
            sleep(time).await;
            Error::new(ErrorKind::TimedOut, "connection timed out")
        }
    }
}

/// The uid that a write's body names.
fn meant(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let tested = || {
        let mut operations = body.as_array()?.iter();
        operations
            .find(|operation| {
                operation.get("op").and_then(Value::as_str) == Some("test")
                    && operation.get("path").and_then(Value::as_str) == Some("/metadata/uid")
            })?
            .get("value")
    };
    let uid = body
        .pointer("/metadata/uid")
        .or_else(|| body.pointer("/preconditions/uid"))
        .or_else(tested)?;
    uid.as_str().map(str::to_owned)
}

/// As the server, or something before it, refuses for a while.
fn refusal(code: u16) -> Response<Stream> {
    let (reason, message) = match code {
        409 => (
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        429 => (
            "TooManyRequests",
            "too many requests, please try again later",
        ),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        _ => (
            "InternalError",
            "an error on the server has prevented the request from succeeding",
        ),
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": message});
    let body = Body::from(status.to_string().into_bytes());
    let mut response = Response::new(Stream::new(body, Duration::ZERO, None));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    if let (429, Ok(seconds)) = (code, "1".parse()) {
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, seconds);
    }
    response
}
