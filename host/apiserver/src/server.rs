//! The server: a store, the kinds, a clock.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
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
use crate::kinds::{Catalog, Resource};
use crate::rest;
use crate::status::Status;
use crate::store::{History, Store};

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

/// What all requests share.
pub(crate) struct Shared {
    store: Mutex<Store>,
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    seed: u64,
    drawn: AtomicU64,
    watchers: AtomicU64,
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
        let server = Self {
            shared: Arc::new(Shared {
                store: Mutex::new(Store::new(options.history)),
                catalog: RwLock::new(Catalog::new()),
                clock: options.clock,
                seed: options.seed,
                drawn: AtomicU64::new(0),
                watchers: AtomicU64::new(0),
            }),
        };
        if options.namespaces {
            rest::create_namespaces(&server.shared);
        }
        server
    }

    /// Answers a request. Everything is done when this returns, but for a watch, whose body goes on.
    #[must_use]
    pub fn call(&self, request: http::Request<Bytes>) -> http::Response<Body> {
        rest::handle(&self.shared, request)
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
            let response = Self::call(self, http::Request::from_parts(head, Bytes::new()));
            return Either::Left(ready(Ok(response)));
        }
        let server = self.clone();
        let answer = rest::collect(body).map(move |body| {
            Ok(match body {
                Ok(bytes) => Self::call(&server, http::Request::from_parts(head, bytes)),
                Err(status) => rest::refuse(&server.shared, &status),
            })
        });
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
            (result, store.take_woken())
        };
        for waker in woken {
            waker.wake();
        }
        result
    }

    /// What follows from a write: a CustomResourceDefinition is a kind from now on, or none any more.
    pub(crate) fn stored(&self, resource: &Resource, key: &str) {
        if *resource.kind != *"CustomResourceDefinition" {
            return;
        }
        // Read under the catalog's lock: of two writers, the later one leaves what is stored.
        let mut catalog = self.catalog.write();
        match self.read(|store| store.get(&resource.collection, key).cloned()) {
            Some(entry) => catalog.crd_changed(&entry.object()),
            None => catalog.crd_gone(key),
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
