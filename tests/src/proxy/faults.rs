//! Faults that a way to the API server puts in, drawn from a seed: what a server under load, a broken balancer or a cut cable does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use serde_json::json;

use crate::simulator::dice::Dice;

/// How long a request is left without an answer; a caller with a limit of its own has gone by then.
const SILENCE: Duration = Duration::from_secs(45);

/// What becomes of a request, or of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 409, as if somebody else had written.
    Conflict,
    /// 429 with `Retry-After: 1`.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// No answer, and the request was not carried out.
    Silence,
    /// The connection ends, and the request was not carried out.
    ResetBefore,
    /// The request is carried out, then the connection ends.
    ResetAfter,
    /// The request is carried out, and no answer comes.
    SilenceAfter,
    /// 410 on a watch.
    Expired,
    /// A 410 inside of a watch that has begun.
    ExpiredEvent,
    /// A watch that ends, in the middle of an event if need be.
    Cut,
}

/// Which faults a request can meet.
const OF_READS: [Fault; 5] = [
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::ResetBefore,
    Fault::Silence,
];
const OF_WRITES: [Fault; 8] = [
    Fault::Conflict,
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::Silence,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::SilenceAfter,
];
const OF_WATCHES: [Fault; 6] = [
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::ResetBefore,
    Fault::Expired,
    Fault::ExpiredEvent,
];

/// What sort of request meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Read,
    Write,
    Watch,
}

/// The faults of one way: how many, and which there were.
#[derive(Debug)]
pub(super) struct Faults(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Of a thousand requests, so many meet a fault.
    permille: u64,
    dice: Dice,
    /// What each sort has yet to meet before it meets one of its faults again: few requests meet all of them.
    round: BTreeMap<Sort, Vec<Fault>>,
    met: BTreeMap<Fault, u64>,
}

// === impl Faults ===

impl Faults {
    /// No faults, until they are asked for.
    pub(super) fn none() -> Self {
        Self(Mutex::new(State {
            permille: 0,
            dice: Dice::new(0),
            round: BTreeMap::new(),
            met: BTreeMap::new(),
        }))
    }

    pub(super) fn set(&self, permille: u64, seed: u64) {
        let mut state = self.lock();
        state.permille = permille;
        state.dice = Dice::new(seed);
        state.round.clear();
    }

    pub(super) fn met(&self) -> BTreeMap<Fault, u64> {
        self.lock().met.clone()
    }

    pub(super) fn unmet(&self) -> BTreeSet<Fault> {
        let state = self.lock();
        let requests = [Sort::Read, Sort::Write, Sort::Watch];
        let all = requests.iter().flat_map(|sort| sort.faults());
        all.chain(&[Fault::Cut])
            .filter(|fault| !state.met.contains_key(fault))
            .copied()
            .collect()
    }

    /// The fault that the next request of the sort meets.
    pub(super) fn draw(&self, sort: Sort) -> Option<Fault> {
        let mut state = self.lock();
        let State {
            permille,
            dice,
            round,
            met,
        } = &mut *state;
        if !dice.permille(*permille) {
            return None;
        }
        let left = round.entry(sort).or_default();
        if left.is_empty() {
            left.extend(sort.faults());
        }
        let place = dice.throw() % left.len() as u64;
        let fault = left.swap_remove(usize::try_from(place).ok()?);
        *met.entry(fault).or_default() += 1;
        Some(fault)
    }

    /// Whether a watch ends at its next piece: a tenth as often as a request meets a fault, since there are many pieces.
    pub(super) fn cuts(&self) -> bool {
        let mut state = self.lock();
        let permille = state.permille / 10;
        let cuts = state.dice.permille(permille);
        if cuts {
            *state.met.entry(Fault::Cut).or_default() += 1;
        }
        cuts
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sort ===

impl Sort {
    fn faults(self) -> &'static [Fault] {
        match self {
            Self::Read => &OF_READS,
            Self::Write => &OF_WRITES,
            Self::Watch => &OF_WATCHES,
        }
    }
}

// === impl Fault ===

impl Fault {
    /// Whether the request is carried out all the same.
    pub(super) fn is_after(self) -> bool {
        matches!(self, Self::ResetAfter | Self::SilenceAfter)
    }

    /// What the caller gets instead of an answer.
    pub(super) async fn answer(self) -> Response<Body> {
        match self {
            Self::Conflict => status(409, "Conflict", "the object has been modified"),
            Self::TooManyRequests => status(429, "TooManyRequests", "too many requests"),
            Self::InternalError => status(500, "InternalError", "an error on the server"),
            Self::Unavailable => status(503, "ServiceUnavailable", "not now"),
            Self::Expired => status(410, "Expired", "too old resource version"),
            Self::ExpiredEvent => {
                let error = json!({"type": "ERROR", "object": error(410, "Expired", "too old resource version")});
                Response::new(Body::from(format!("{error}\n")))
            }
            Self::Silence | Self::SilenceAfter => {
                tokio::time::sleep(SILENCE).await;
                reset()
            }
            Self::ResetBefore | Self::ResetAfter | Self::Cut => reset(),
        }
    }
}

/// A connection that ends before its answer does.
fn reset() -> Response<Body> {
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    let pieces = futures::stream::iter([Err::<Bytes, _>(broken)]);
    Response::new(Body::from_stream(pieces))
}

fn error(code: u16, reason: &str, message: &str) -> serde_json::Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code})
}

fn status(code: u16, reason: &str, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(error(code, reason, message).to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    if code == 429 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Faults, Sort};

    #[test]
    fn a_seed_draws_the_same_faults_again_and_all_of_them() {
        let drawn = |sort| {
            let faults = Faults::none();
            assert_eq!(faults.draw(sort), None);
            faults.set(200, 7);
            let drawn: Vec<_> = (0..2_000).map(|_| faults.draw(sort)).collect();
            (drawn, faults.met().len())
        };
        for (sort, kinds) in [(Sort::Read, 5), (Sort::Write, 8), (Sort::Watch, 6)] {
            let (faults, met) = drawn(sort);
            assert_eq!(met, kinds);
            let share = faults.iter().flatten().count();
            assert!((300..500).contains(&share), "{share} of 2000");
            assert_eq!(drawn(sort).0, faults);
        }
    }
}
