//! Watches: the changes of a selection, as they come.
//!
//! A watch has a place in the store's log and no queue of its own. A client that reads slowly is behind, costs nothing, and is
//! told 410 when the log has lost its place; so memory is bounded by the history, however many watch.

mod frame;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use stagewright_core::time::Time;

use self::frame::{Change, Frames};
use crate::clock::Sleep;
use crate::rest::{Call, Filter};
use crate::server::Shared;
use crate::status::Status;
use crate::store::{Compacted, Entry, Range, Store};

/// A chunk is closed when it has so many bytes.
const CHUNK: usize = 64 << 10;
/// How often a watch that asked for bookmarks has one.
const BOOKMARK: Duration = Duration::from_secs(60);
/// How long a watch lasts if the client does not say: from so many seconds to twice as many, so that not all end at once.
const LASTS: u64 = 1_800;

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what is there, as additions, then the changes; with a bookmark between the two for who asked for bookmarks.
    Listed,
    /// With the changes after a revision.
    After(u64),
    /// With the changes from now on.
    Now,
    /// With an error, which is all.
    Refused(Status),
}

/// One watch: the body of its answer.
pub struct Watch {
    shared: Arc<Shared>,
    /// Its number among the watchers.
    id: u64,
    collection: Arc<str>,
    filter: Filter,
    frames: Frames,
    /// What is there at the beginning and not yet told.
    initial: VecDeque<Arc<Entry>>,
    /// The revision that the end of the initial events is told with, until it is.
    initial_end: Option<u64>,
    /// The error that is all there is to tell.
    refused: Option<Status>,
    /// All changes up to here are told.
    told: u64,
    /// What the client knows of that: the last event's or bookmark's revision.
    known: u64,
    next_bookmark: Option<Time>,
    ends: Time,
    sleep: Option<(Time, Sleep)>,
    over: bool,
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(call: &Call<'_>, filter: Filter, start: Start) -> Self {
        let collection = Arc::clone(&call.target.resource.collection);
        let (told, initial) = call.shared.read(|store| match &start {
            Start::After(revision) => (*revision, VecDeque::new()),
            Start::Now | Start::Refused(_) => (store.revision(), VecDeque::new()),
            Start::Listed => (store.revision(), present(store, &collection, &filter)),
        });
        let initial_end = (start == Start::Listed && call.query.bookmarks).then_some(told);
        let draw = call.shared.draw();
        let seconds = call.query.timeout_seconds.filter(|&seconds| seconds > 0);
        let seconds =
            seconds.unwrap_or_else(|| LASTS + u64::try_from(draw % u128::from(LASTS)).unwrap_or(0));
        // Halfway through the longest time there is: far enough, and no sum overflows.
        let lasts = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
        Self {
            shared: Arc::clone(call.shared),
            id: call.shared.new_watcher(),
            collection,
            filter,
            frames: Frames::new(call.presentation()),
            initial,
            initial_end,
            refused: match start {
                Start::Refused(status) => Some(status),
                _ => None,
            },
            told,
            known: 0,
            next_bookmark: call.query.bookmarks.then(|| call.now + BOOKMARK),
            ends: call.now + lasts,
            sleep: None,
            over: false,
        }
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The next events, several in a chunk if there are several.
    pub(crate) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut chunk = Vec::new();
        while !self.over {
            self.tell_initial(&mut chunk);
            if chunk.len() < CHUNK && !self.over {
                self.tell_changes(&mut chunk, context);
            }
            if chunk.is_empty() {
                self.look_at_the_clock(&mut chunk);
            }
            if !chunk.is_empty() {
                return Poll::Ready(Some(chunk.into()));
            }
            if !self.over && self.sleeps(context) {
                return Poll::Pending;
            }
        }
        Poll::Ready(None)
    }

    fn tell_initial(&mut self, chunk: &mut Vec<u8>) {
        if let Some(status) = self.refused.take() {
            self.frames.error(chunk, &status);
            self.over = true;
        }
        while chunk.len() < CHUNK
            && let Some(entry) = self.initial.pop_front()
        {
            self.frames
                .event(chunk, Change::Added, &entry, entry.revision);
        }
        if let Some(revision) = self.initial_end
            && self.initial.is_empty()
        {
            self.initial_end = None;
            self.known = revision;
            self.frames.bookmark(chunk, revision, true);
        }
    }

    /// Tells what is in the log, or asks to be woken if that is nothing.
    fn tell_changes(&mut self, chunk: &mut Vec<u8>, context: &Context<'_>) {
        if !self.initial.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let told = shared.write(|store| {
            let told = self.tell_log(store, chunk, shared.durable());
            if told.is_ok() && chunk.is_empty() {
                store.wait(&self.collection, self.id, context.waker());
            }
            told
        });
        // What is not on the disk yet is told when it is, and nothing more if it never will be.
        if let (Ok(Some(held)), true) = (&told, chunk.is_empty())
            && let Poll::Ready(result) = shared.poll_durable(*held, context)
        {
            self.over = result.is_err();
            context.waker().wake_by_ref();
        }
        if let Err(Compacted { oldest }) = told {
            let message = format!("too old resource version: {} ({oldest})", self.told);
            self.frames.error(chunk, &Status::expired(message));
            self.over = true;
        }
    }

    /// Tells what is in the log up to a revision; the next event's, if there is one beyond it.
    fn tell_log(
        &mut self,
        store: &Store,
        chunk: &mut Vec<u8>,
        durable: u64,
    ) -> Result<Option<u64>, Compacted> {
        for event in store.events(&self.collection, self.told)? {
            if event.revision > durable {
                return Ok(Some(event.revision));
            }
            if chunk.len() >= CHUNK {
                return Ok(None);
            }
            self.told = event.revision;
            let old = event
                .old
                .as_deref()
                .filter(|entry| self.filter.matches(entry));
            let new = event
                .new
                .as_deref()
                .filter(|entry| self.filter.matches(entry));
            match (old, new) {
                (None, Some(new)) => self.frames.event(chunk, Change::Added, new, event.revision),
                (Some(_), Some(new)) => {
                    self.frames
                        .event(chunk, Change::Modified, new, event.revision)
                }
                (Some(old), None) => self
                    .frames
                    .event(chunk, Change::Deleted, old, event.revision),
                (None, None) => continue,
            }
            self.known = event.revision;
        }
        // A watch that begins in the future stays there.
        self.told = self.told.max(store.revision().min(durable));
        Ok(None)
    }

    /// Bookmarks, and the end.
    fn look_at_the_clock(&mut self, chunk: &mut Vec<u8>) {
        let now = self.shared.clock.now();
        let ends = now >= self.ends;
        let due = self.next_bookmark.is_some_and(|due| now >= due);
        if (due || ends) && self.next_bookmark.is_some() {
            self.next_bookmark = Some(now + BOOKMARK);
            if due || self.known < self.told {
                self.known = self.told;
                self.frames.bookmark(chunk, self.told, false);
            }
        }
        self.over |= ends;
    }

    /// Whether there is nothing to do before the next change, bookmark or the end.
    fn sleeps(&mut self, context: &mut Context<'_>) -> bool {
        let until = self
            .next_bookmark
            .map_or(self.ends, |due| due.min(self.ends));
        let sleep = match &mut self.sleep {
            Some((known, sleep)) if *known == until => sleep,
            slot => &mut slot.insert((until, self.shared.clock.sleep_until(until))).1,
        };
        let pending = sleep.as_mut().poll(context).is_pending();
        if !pending {
            self.sleep = None;
        }
        pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared
            .write(|store| store.leave(&self.collection, self.id));
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("id", &self.id)
            .field("collection", &self.collection)
            .field("told", &self.told)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

fn present(store: &Store, collection: &str, filter: &Filter) -> VecDeque<Arc<Entry>> {
    let all = Range {
        prefix: &filter.prefix,
        from: None,
        limit: 0,
        revision: store.revision(),
    };
    // The present revision is always kept.
    let page = store
        .list(collection, &all, |entry| filter.matches(entry))
        .unwrap_or_default();
    page.entries.into()
}
