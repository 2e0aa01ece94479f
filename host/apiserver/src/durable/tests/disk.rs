//! A disk that remembers what was written to it, and when it was synchronised.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use redb::{BackendError, StorageBackend};

/// What was done to the disk.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(usize, Vec<u8>),
    Length(usize),
    Sync,
}

/// See the module. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    syncs: usize,
    /// Whether a sync waits until somebody lets it go.
    held: bool,
    broken: bool,
}

// === impl Disk ===

impl Disk {
    /// How many steps there were.
    pub(super) fn steps(&self) -> usize {
        self.0.state.lock().steps.len()
    }

    pub(super) fn syncs(&self) -> usize {
        self.0.state.lock().syncs
    }

    /// Lets no sync end until what comes back is dropped.
    pub(super) fn hold(&self) -> Held {
        self.0.state.lock().held = true;
        Held(self.clone())
    }

    /// From now on nothing is written any more.
    pub(super) fn break_down(&self) {
        self.0.state.lock().broken = true;
    }

    /// The disk after a crash in the middle of a step: all up to the last sync is there; of what was written since, something is,
    /// and something only in part.
    pub(super) fn crashed(&self, at: usize, seed: u64) -> Self {
        let steps = self.0.state.lock().steps.clone();
        let synced = steps
            .iter()
            .take(at)
            .rposition(|step| matches!(step, Step::Sync))
            .map_or(0, |place| place + 1);
        let kept: BTreeSet<usize> = (synced..=at)
            .filter(|step| !draw(seed, *step).is_multiple_of(3))
            .collect();
        let mut state = State::default();
        for (place, step) in steps.into_iter().take(at + 1).enumerate() {
            match step {
                Step::Write(from, data) if place < synced => state.put(from, &data),
                Step::Write(from, data) if kept.contains(&place) => {
                    let cut =
                        usize::try_from(draw(seed, place + 1)).unwrap_or(0) % (2 * data.len());
                    state.put(from, data.get(..cut).unwrap_or(&data));
                }
                Step::Length(length) => state.bytes.resize(length, 0),
                Step::Write(..) | Step::Sync => {}
            }
        }
        let disk = Self::default();
        *disk.0.state.lock() = state;
        disk
    }
}

/// A disk on which no sync ends.
pub(super) struct Held(Disk);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.state.lock().held = false;
        self.0.0.changed.notify_all();
    }
}

fn draw(seed: u64, place: usize) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&place.to_le_bytes(), seed)
}

// === impl State ===

impl State {
    fn put(&mut self, from: usize, data: &[u8]) {
        if self.bytes.len() < from + data.len() {
            self.bytes.resize(from + data.len(), 0);
        }
        self.bytes[from..from + data.len()].copy_from_slice(data);
    }

    fn works(&self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the disk is full"));
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state.lock().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.state.lock();
        let from = usize::try_from(offset).unwrap();
        let bytes = state.bytes.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.works()?;
        let length = usize::try_from(len).unwrap();
        state.bytes.resize(length, 0);
        state.steps.push(Step::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.state.lock();
        while state.held {
            self.0.changed.wait(&mut state);
        }
        state.works()?;
        state.steps.push(Step::Sync);
        state.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.works()?;
        let from = usize::try_from(offset).unwrap();
        state.put(from, data);
        state.steps.push(Step::Write(from, data.to_vec()));
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }
}
