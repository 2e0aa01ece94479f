//! The server: a store, the kinds, a clock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::Either;
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::body::Body;
use crate::clock::Clock;
use crate::durable::{DataDirError, Journal, Kept, Objects, Opened};
use crate::kinds::{self, Catalog, Resource};
use crate::rest;
use crate::status::Status;
use crate::store::{Draft, Entry, History, Store};

/// The characters of generated names: no vowels, so that no words come out (apimachinery, `pkg/util/rand`).
const NAME_CHARACTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them follow `generateName`.
const NAME_SUFFIX: usize = 5;

/// How a server is made.
#[derive(Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What uids and generated names are made from. Two servers with the same seed and the same requests give the same answers.
    pub seed: u64,
    /// How much of the past can be listed and watched.
    pub history: History,
    /// Whether the namespaces that every cluster has are there from the beginning: `default` and the three of the system.
    pub namespaces: bool,
}

/// A Kubernetes API server. Clones are the same server.
#[derive(Debug, Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

/// An object with its collection.
type Stored = (Arc<str>, Arc<Entry>);

/// What all requests share.
pub(crate) struct Shared {
    store: Mutex<Store>,
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    seed: u64,
    drawn: AtomicU64,
    watchers: AtomicU64,
    /// Keeps the objects beyond the process, if that is wanted.
    journal: Option<Journal>,
}

// === impl Options ===

impl Options {
    /// The usual server: 64 MiB or 32,768 writes of history, and the usual namespaces.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            seed,
            history: History {
                events: 32_768,
                bytes: 64 << 20,
            },
            namespaces: true,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("seed", &self.seed)
            .field("history", &self.history)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

// === impl ApiServer ===

impl ApiServer {
    /// An empty server.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let store = Store::new(options.history);
        Self::with_store(options, store, 0, None)
    }

    /// A server with the objects of a folder, which is made if it is not there. Each write is in the folder before it is answered:
    /// requests wait for the disk then, those that come at the same time together.
    ///
    /// History begins anew: lists and watches of older revisions than the present one are answered 410.
    ///
    /// # Errors
    /// If the folder cannot be used; the error names it, and what to do.
    pub fn open(options: Options, folder: &Path) -> Result<(Self, Opened), DataDirError> {
        let (objects, kept) = Objects::open(folder)?;
        Self::over(options, objects, kept, folder)
    }

    /// As [`ApiServer::open`], once the file is open.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn over(
        options: Options,
        objects: Objects,
        kept: Kept,
        folder: &Path,
    ) -> Result<(Self, Opened), DataDirError> {
        let (history, drawn) = (options.history, kept.drawn);
        let opened = Opened {
            objects: kept.objects.len(),
            revision: kept.revision,
            interrupted: kept.interrupted,
        };
        let entries = entries(kept).map_err(|problem| DataDirError::Damaged {
            path: folder.into(),
            problem,
        })?;
        let store = Store::restored(history, opened.revision, entries.into_iter());
        let journal = Journal::start(objects, store.revision());
        let journal = journal.map_err(|source| DataDirError::Io {
            path: folder.into(),
            source,
        })?;
        let server = Self::with_store(options, store, drawn, Some(journal));
        Ok((server, opened))
    }

    fn with_store(options: Options, store: Store, drawn: u64, journal: Option<Journal>) -> Self {
        let server = Self {
            shared: Arc::new(Shared {
                store: Mutex::new(store),
                catalog: RwLock::new(Catalog::new()),
                clock: options.clock,
                seed: options.seed,
                drawn: AtomicU64::new(drawn),
                watchers: AtomicU64::new(0),
                journal,
            }),
        };
        server.shared.restore_definitions();
        if options.namespaces {
            rest::create_namespaces(&server.shared);
        }
        server
    }

    /// Answers a request. Everything is done when this returns, but for a watch, whose body goes on. With a folder, it waits for the
    /// disk; the server as a service does so without holding the thread.
    #[must_use]
    pub fn call(&self, request: http::Request<Bytes>) -> http::Response<Body> {
        let response = rest::handle(&self.shared, request);
        let result = match &self.shared.journal {
            Some(journal) => journal.wait(self.revision()),
            None => Ok(()),
        };
        self.shared.settled(response, result)
    }

    /// Answers a request when all that the answer shows is on the disk.
    async fn answer(self, request: http::Request<Bytes>) -> http::Response<Body> {
        let response = rest::handle(&self.shared, request);
        // In memory alone there is nothing to wait for, and no lock to take.
        let durable = match &self.shared.journal {
            Some(journal) => {
                let revision = self.revision();
                std::future::poll_fn(|context| journal.poll(revision, context)).await
            }
            None => Ok(()),
        };
        self.shared.settled(response, durable)
    }

    /// Writes the rest into the folder, if there is one, and leaves that to others. What is written afterwards is refused.
    pub fn close(&self) {
        if let Some(journal) = &self.shared.journal {
            journal.close();
        }
    }

    /// All kinds that are served now, by group, version and plural.
    #[must_use]
    pub fn kinds(&self) -> Vec<Arc<Resource>> {
        self.shared.catalog.read().resources().cloned().collect()
    }

    /// The kind as it is served now, if it is.
    #[must_use]
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let catalog = self.shared.catalog.read();
        let mut kinds = catalog.resources();
        kinds
            .find(|known| (&*known.group, &*known.version, &*known.kind) == (group, version, kind))
            .map(Arc::clone)
    }

    /// Answers a request that is not even looked at.
    pub(crate) fn refuse(&self, status: &Status) -> http::Response<Body> {
        rest::refuse(&self.shared, status)
    }

    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.read(Store::revision)
    }

    /// Forgets all states before this revision: lists and watches of them are answered 410 from now on.
    pub fn compact(&self, revision: u64) {
        self.shared.write(|store| store.compact(revision));
    }
}

impl<B> tower::Service<http::Request<B>> for ApiServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: fmt::Display + Send + Sync + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<
        Ready<Result<Self::Response, Infallible>>,
        Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>,
    >;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        if http_body::Body::is_end_stream(&body) {
            let request = http::Request::from_parts(head, Bytes::new());
            return if self.shared.journal.is_none() {
                Either::Left(ready(Ok(Self::call(self, request))))
            } else {
                Either::Right(self.clone().answer(request).map(Ok).boxed())
            };
        }
        let server = self.clone();
        let answer = async move {
            Ok(match rest::collect(body).await {
                Ok(bytes) => {
                    let request = http::Request::from_parts(head, bytes);
                    server.answer(request).await
                }
                Err(status) => rest::refuse(&server.shared, &status),
            })
        };
        Either::Right(answer.boxed())
    }
}

// === impl Shared ===

impl Shared {
    /// Looks at the store, shortly.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.store.lock())
    }

    /// Changes the store, shortly, and wakes the watchers when the lock is free again.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let (result, woken) = {
            let mut store = self.store.lock();
            let result = change(&mut store);
            let (woken, changes) = (store.take_woken(), store.take_changes());
            match &self.journal {
                // Noted under the lock, so that it is in the order of the revisions.
                Some(journal) if !changes.is_empty() => {
                    let drawn = self.drawn.load(Ordering::Relaxed);
                    journal.note(changes, store.revision(), drawn, woken);
                    (result, Vec::new())
                }
                _ => (result, woken),
            }
        };
        for waker in woken {
            waker.wake();
        }
        result
    }

    /// The revision up to which nothing is lost with the process, as far as that is wanted.
    pub(crate) fn durable(&self) -> u64 {
        self.journal.as_ref().map_or(u64::MAX, Journal::durable)
    }

    /// Waits until that revision is [`Shared::durable`].
    pub(crate) fn poll_durable(
        &self,
        revision: u64,
        context: &Context<'_>,
    ) -> Poll<Result<(), Arc<str>>> {
        match &self.journal {
            Some(journal) => journal.poll(revision, context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// The answer, if what it shows is on the disk.
    fn settled(
        &self,
        response: http::Response<Body>,
        durable: Result<(), Arc<str>>,
    ) -> http::Response<Body> {
        match durable {
            Ok(()) => response,
            Err(why) => {
                let why = format!("the data folder cannot be written any more: {why}");
                rest::refuse(self, &Status::internal(&why))
            }
        }
    }

    /// The next of this server's random numbers, which its seed decides.
    pub(crate) fn draw(&self) -> u128 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        xxh3_128_with_seed(&number.to_le_bytes(), self.seed)
    }

    /// The number of a new watcher.
    pub(crate) fn new_watcher(&self) -> u64 {
        self.watchers.fetch_add(1, Ordering::Relaxed)
    }

    /// A new uid: a UUID of version 4.
    pub(crate) fn new_uid(&self) -> String {
        let bits = self.draw();
        let bits = (bits & !(0xf << 76)) | (4 << 76);
        let bits = (bits & !(0b11 << 62)) | (0b10 << 62);
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32),
        ]
        .join("-")
    }

    /// A name that begins so.
    pub(crate) fn new_name(&self, base: &str) -> String {
        // 63 is the longest name of most kinds.
        let mut end = base.len().min(63 - NAME_SUFFIX);
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        let mut name = base.get(..end).unwrap_or_default().to_owned();
        let mut bits = self.draw();
        for _ in 0..NAME_SUFFIX {
            let index = usize::try_from(bits % 27).unwrap_or(0);
            bits /= 27;
            name.push(NAME_CHARACTERS.get(index).copied().map_or('b', char::from));
        }
        name
    }
}

/// The objects of a folder as the store has them, with the collection of each.
///
/// # Errors
/// Which object is none.
fn entries(kept: Kept) -> Result<Vec<Stored>, String> {
    let catalog = Catalog::new();
    let stored = catalog
        .resources()
        .filter(|kind| *kind.stored_api_version == *kind.api_version());
    let kinds: BTreeMap<&str, &Arc<Resource>> =
        stored.map(|kind| (&*kind.collection, kind)).collect();
    let objects = kept.objects.into_iter();
    objects
        .map(|(collection, key, json)| {
            let problem = || format!("the object {key} of {collection} is not what was written");
            let object: serde_json::Value = serde_json::from_slice(&json).map_err(|_| problem())?;
            let revision = object
                .pointer("/metadata/resourceVersion")
                .and_then(serde_json::Value::as_str)
                .and_then(|text| text.parse().ok());
            let revision = revision
                .filter(|revision| *revision <= kept.revision)
                .ok_or_else(problem)?;
            // Those of other kinds follow when their definitions are known.
            let fields = kinds
                .get(&*collection)
                .map(|kind| kinds::selectable_fields(kind, &object));
            let serde_json::Value::Object(object) = object else {
                return Err(problem());
            };
            let fields = fields.unwrap_or_default();
            let entry = Entry::new(
                Arc::clone(&key),
                revision,
                Draft {
                    object,
                    fields,
                    managed: None,
                },
            );
            Ok((collection, Arc::new(entry)))
        })
        .collect()
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
