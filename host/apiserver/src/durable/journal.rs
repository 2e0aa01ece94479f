//! One thread that commits what writers note, as much as there is at a time.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::file::{Changes, Objects};
use crate::store::Change;

/// See the module.
pub(crate) struct Journal {
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where writers and the thread meet.
struct Desk {
    state: Mutex<State>,
    /// There is something to commit, or nothing will come any more.
    work: Condvar,
    /// Something was committed, or nothing will be any more.
    done: Condvar,
    /// The revision up to which all is committed.
    durable: AtomicU64,
}

#[derive(Default)]
struct State {
    noted: Noted,
    /// Who waits for the next commit.
    waiting: Vec<Waker>,
    closing: bool,
    /// Why nothing is committed any more.
    failure: Option<Arc<str>>,
}

/// What is not committed yet. An object is in it once, however often it changed, so that it is bounded by what memory holds anyway.
#[derive(Default)]
struct Noted {
    changes: Changes,
    revision: u64,
    drawn: u64,
    /// Watchers of what changed.
    watchers: Vec<Waker>,
}

// === impl Journal ===

impl Journal {
    /// Begins to commit into the file, in which all is up to that revision.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn start(objects: Objects, revision: u64) -> std::io::Result<Self> {
        let desk = Arc::new(Desk {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            durable: AtomicU64::new(revision),
        });
        let own = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("stagewright-data".to_owned());
        let thread = thread.spawn(move || own.commit_all(objects))?;
        Ok(Self {
            desk,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Notes changes in the order of their revisions, of which this is the last. The watchers are woken when they are committed.
    pub(crate) fn note(
        &self,
        changes: Vec<Change>,
        revision: u64,
        drawn: u64,
        watchers: Vec<Waker>,
    ) {
        let mut state = self.desk.state.lock();
        let noted = &mut state.noted;
        for change in changes {
            noted
                .changes
                .insert((change.collection, change.key), change.new);
        }
        noted.revision = revision;
        noted.drawn = drawn;
        noted.watchers.extend(watchers);
        self.desk.work.notify_one();
    }

    /// The revision up to which all is committed.
    pub(crate) fn durable(&self) -> u64 {
        self.desk.durable.load(Ordering::Acquire)
    }

    /// Waits on this thread until that revision is committed.
    ///
    /// # Errors
    /// Why it will never be.
    pub(crate) fn wait(&self, revision: u64) -> Result<(), Arc<str>> {
        let mut state = self.desk.state.lock();
        loop {
            if let Some(result) = self.result(&state, revision) {
                return result;
            }
            self.desk.done.wait(&mut state);
        }
    }

    /// As [`Journal::wait`], in a task.
    pub(crate) fn poll(&self, revision: u64, context: &Context<'_>) -> Poll<Result<(), Arc<str>>> {
        let mut state = self.desk.state.lock();
        match self.result(&state, revision) {
            Some(result) => Poll::Ready(result),
            None => {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn result(&self, state: &State, revision: u64) -> Option<Result<(), Arc<str>>> {
        if self.durable() >= revision {
            return Some(Ok(()));
        }
        state.failure.clone().map(Err)
    }

    /// Commits what is noted, and closes the file. What is written afterwards fails.
    pub(crate) fn close(&self) {
        self.desk.state.lock().closing = true;
        self.desk.work.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // A panic in it was a failure, which the desk tells.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Desk ===

impl Desk {
    /// The thread.
    fn commit_all(&self, objects: Objects) {
        // However this ends, nobody waits for ever.
        let ending = Ending(self);
        while let Some(noted) = self.take() {
            let written = objects.write(&noted.changes, noted.revision, noted.drawn);
            let mut state = self.state.lock();
            match written {
                Ok(()) => self.durable.store(noted.revision, Ordering::Release),
                Err(error) => state.failure = Some(error.to_string().into()),
            }
            let failed = state.failure.is_some();
            let waiting = mem::take(&mut state.waiting);
            self.done.notify_all();
            drop(state);
            for waker in waiting.into_iter().chain(noted.watchers) {
                waker.wake();
            }
            if failed {
                return;
            }
        }
        // Whoever opens it next looks at a file that ended in order; if this fails, it is looked through.
        let _ = objects.mark(false);
        drop(objects);
        drop(ending);
    }

    /// Waits for something to commit; none when nothing will come.
    fn take(&self) -> Option<Noted> {
        let mut state = self.state.lock();
        while state.noted.changes.is_empty() {
            if state.closing {
                return None;
            }
            self.work.wait(&mut state);
        }
        Some(mem::take(&mut state.noted))
    }
}

/// Tells all who wait that nothing comes any more.
struct Ending<'a>(&'a Desk);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state
            .failure
            .get_or_insert_with(|| "the data folder is closed".into());
        let mut waiting = mem::take(&mut state.waiting);
        waiting.append(&mut state.noted.watchers);
        self.0.done.notify_all();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
