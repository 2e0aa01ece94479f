//! Following a kind: every object once, then every change, over broken connections and forgotten histories.

mod raw;

use std::borrow::Borrow;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::Api;
use kube::runtime::watcher::{self, watcher};
use stagewright_core::backoff::Backoff;
use stagewright_core::object::{Key, Kind, ObjectError, Snapshot, Uid};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::wire;
use crate::clock::Clock;
use crate::discovery::Target;
use raw::Raw;

/// One watch request lasts so long, and a connection that died in silence is noticed a little later. Taking a watch up again
/// costs the server a look into its cache.
const WATCH_SECONDS: u32 = 60;
const PACE: Pace = Pace {
    retry: Backoff {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(30),
    },
    silence: Duration::from_secs(30),
};

/// What a watch tells of its kind.
#[derive(Debug)]
pub enum Event {
    /// A list begins. What is known and not seen until [`Event::ListEnded`] is gone.
    ListStarted,
    /// A version of an object. It may be known already.
    Seen(Snapshot),
    /// The list is complete; changes follow.
    ListEnded,
    /// The object under this key went; with its uid where it is known.
    Gone(Key, Option<Uid>),
    /// An object that lacks what every object has. The others are followed on.
    Unfollowable(ObjectError),
    /// The watch is interrupted, and taken up again after a while.
    Trouble {
        /// In one word: `Forbidden`, `Expired`, `NotServed`, `Connection`, …
        category: &'static str,
        /// What happened, and the remedy if there is one.
        message: String,
    },
}

/// Which objects of the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A label selector.
    pub labels: Option<String>,
    /// A field selector, as far as the server knows the fields.
    pub fields: Option<String>,
}

/// How patient a watch is.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// After an interruption.
    retry: Backoff,
    /// A server that knows streaming lists sends the first one at once; one that ignores the wish never ends it.
    silence: Duration,
}

/// Why a stream is given up.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Stopped, or nobody listens any more.
    Stop,
    /// The server does not stream lists: page them from now on.
    PageLists,
    /// What came cannot be gone on from: list again.
    Relist,
}

/// Follows a kind until `stop`. Slow listeners slow the watch down; nothing is dropped. `clock` gives the jitter of retries.
pub async fn watch(
    client: kube::Client,
    clock: Clock,
    target: impl Borrow<Target> + Send,
    filter: Filter,
    out: mpsc::Sender<(Kind, Event)>,
    stop: CancellationToken,
) {
    let target = target.borrow();
    Follower {
        target,
        clock,
        out,
        stop,
        pace: PACE,
        streaming: true,
        listing: false,
        attempt: 0,
    }
    .run(client, &filter)
    .await;
}
fn config(filter: &Filter, streaming: bool) -> watcher::Config {
    let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
    if streaming {
        config = config.streaming_lists();
    }
    config.label_selector.clone_from(&filter.labels);
    config.field_selector.clone_from(&filter.fields);
    config
}

struct Follower<'a> {
    target: &'a Target,
    clock: Clock,
    out: mpsc::Sender<(Kind, Event)>,
    stop: CancellationToken,
    pace: Pace,
    streaming: bool,
    listing: bool,
    /// Errors since the last event.
    attempt: u32,
}

impl Follower<'_> {
    async fn run(mut self, client: kube::Client, filter: &Filter) {
        let api: Api<Raw> = Api::all_with(client, &self.target.resource);
        loop {
            // Until the first event, a server that does not answer is as silent as one that never ends its list.
            self.listing = true;
            let stream = watcher(api.clone(), config(filter, self.streaming));
            match self.follow(std::pin::pin!(stream)).await {
                End::Stop => return,
                End::PageLists => self.streaming = false,
                End::Relist => {}
            }
        }
    }

    async fn follow<S>(&mut self, mut stream: std::pin::Pin<&mut S>) -> End
    where
        S: Stream<Item = watcher::Result<watcher::Event<Raw>>>,
    {
        loop {
            let silence = if self.streaming && self.listing {
                self.pace.silence
            } else {
                Duration::MAX
            };
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return End::Stop,
                next = tokio::time::timeout(silence, stream.next()) => next,
            };
            let event = match next {
                Err(_) => return End::PageLists,
                Ok(None) => return End::Relist,
                Ok(Some(Err(error))) => match self.trouble(&error).await {
                    Some(end) => return end,
                    None => continue,
                },
                Ok(Some(Ok(event))) => event,
            };
            self.attempt = 0;
            if !self.tell(event).await {
                return End::Stop;
            }
        }
    }

    async fn tell(&mut self, event: watcher::Event<Raw>) -> bool {
        let kind = &self.target.kind;
        let event = match event {
            watcher::Event::Init => {
                self.listing = true;
                Event::ListStarted
            }
            watcher::Event::InitDone => {
                self.listing = false;
                Event::ListEnded
            }
            watcher::Event::Apply(raw) | watcher::Event::InitApply(raw) => {
                match Snapshot::parse(kind, raw.body) {
                    Ok(snapshot) => Event::Seen(snapshot),
                    Err(error) => Event::Unfollowable(error),
                }
            }
            watcher::Event::Delete(raw) => match Snapshot::parse(kind, raw.body) {
                Ok(snapshot) => Event::Gone(snapshot.key().clone(), Some(snapshot.uid().clone())),
                Err(error) => Event::Unfollowable(error),
            },
        };
        self.send(event).await
    }

    async fn send(&self, event: Event) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            sent = self.out.send((self.target.kind.clone(), event)) => sent.is_ok(),
        }
    }

    /// Tells an error and waits; none: the stream goes on by itself.
    async fn trouble(&mut self, error: &watcher::Error) -> Option<End> {
        if self.streaming && refuses_streaming(error) {
            tracing::info!(kind = %self.target.kind, error = %wire::chain(error), "no streaming lists; they are paged");
            return Some(End::PageLists);
        }
        let (category, message) = describe(error, self.target);
        if !self.send(Event::Trouble { category, message }).await {
            return Some(End::Stop);
        }
        let pause = self.pace.retry.delay(self.attempt, self.clock.chance());
        self.attempt = self.attempt.saturating_add(1);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Some(End::Stop),
            () = tokio::time::sleep(pause) => {}
        }
        must_relist(error).then_some(End::Relist)
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// A server without WatchList calls the request invalid (KEP-3157); proxies and old servers may say it in other ways.
fn refuses_streaming(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(_))
        && matches!(code(error), Some(400 | 405 | 406 | 415 | 422 | 501))
}

/// A version that the server has forgotten, or an event that was lost in reading: kube's stream would go on behind the gap.
/// A connection that broke is no such case: the stream goes on from the last version.
fn must_relist(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchFailed(kube::Error::SerdeError(_))
    ) || code(error) == Some(410)
}

fn describe(error: &watcher::Error, target: &Target) -> (&'static str, String) {
    let message = wire::chain(error);
    let plural = &target.resource.plural;
    let resource = match target.resource.group.as_str() {
        "" => plural.clone(),
        group => format!("{plural}.{group}"),
    };
    let remedy = |remedy: String| format!("{message}; {remedy}");
    match code(error) {
        Some(401) => (
            "Unauthorized",
            remedy("check the credentials with `kubectl auth whoami`".to_owned()),
        ),
        Some(403) => (
            "Forbidden",
            remedy(format!(
                "check with `kubectl auth can-i watch {resource} --all-namespaces`, and `list`"
            )),
        ),
        Some(404) => (
            "NotServed",
            remedy(format!("it is tried again until {resource} is served")),
        ),
        Some(410) => ("Expired", message),
        Some(429) => ("TooManyRequests", message),
        Some(500..) => ("ServerError", message),
        Some(_) => ("Refused", message),
        None => match error {
            watcher::Error::NoResourceVersion => ("NoResourceVersion", message),
            watcher::Error::InitialListFailed(kube::Error::SerdeError(_))
            | watcher::Error::WatchFailed(kube::Error::SerdeError(_)) => ("Malformed", message),
            _ => ("Connection", message),
        },
    }
}

#[cfg(test)]
mod tests;
