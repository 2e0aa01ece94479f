//! Every version of every object, read straight from the server, with who wrote it; and what was wrong with it.
//!
//! All requests go through a [`Tap`]. After each, the server's own watches are read to their end, so what they bring is what that
//! request wrote: a writer is known for certain, and no version is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;
use stagewright_apiserver::{ApiServer, Body};
use tokio::time::Instant;

use super::version::{Version, event, key};
use crate::scenario::text;
use crate::watcher::{Judge, Rules};

/// The kinds that are followed, and where they are.
const KINDS: [(&str, &str); 4] = [
    ("Pod", "/api/v1/pods"),
    ("Node", "/api/v1/nodes"),
    ("Lease", "/apis/coordination.k8s.io/v1/leases"),
    ("ConfigMap", "/api/v1/configmaps"),
];
/// The server's watches outlast any world.
const LASTS: u64 = 1_000_000;

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Users, kubelets, and whoever else is part of the world and not judged.
    World,
    /// The host of that number.
    Host(usize),
}

/// What is said of a request in the history.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Who.
    pub sender: Sender,
    /// Who, by name.
    pub name: Arc<str>,
    /// The object that a write was meant for, as its body named it.
    pub uid: Option<String>,
}

/// The way to the server. Clones are the same.
#[derive(Clone)]
pub struct Tap {
    server: ApiServer,
    ledger: Arc<Mutex<Ledger>>,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule, as a word.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
    /// The object, as `KIND NAMESPACE/NAME`; empty if it is none in particular.
    pub key: String,
}

/// See the module.
struct Ledger {
    began: Instant,
    feeds: Vec<Body>,
    judge: Judge,
    judged: [usize; 3],
    versions: Vec<Version>,
    present: BTreeMap<String, Arc<Value>>,
    digest: DefaultHasher,
    violations: Vec<Violation>,
    /// The nodes that each host may write, and whose pods.
    rights: Vec<BTreeSet<String>>,
    transitions: u64,
    rules: BTreeMap<&'static str, Rules>,
}

// === impl Tap ===

impl Tap {
    /// A tap on a server that nobody has written to, but for its namespaces. `rights`: the nodes of each host; `own`: the rules of
    /// ConfigMaps, if they have any.
    #[must_use]
    pub fn new(server: ApiServer, rights: Vec<BTreeSet<String>>, own: Option<Rules>) -> Self {
        let feed = |path: &str| {
            let uri = format!("{path}?watch=true&timeoutSeconds={LASTS}");
            let request = request(Method::GET, &uri, "", Bytes::new());
            server.call(request).into_body()
        };
        let mut rules = BTreeMap::from([
            ("Pod", Rules::Pod),
            ("Node", Rules::Node),
            ("Lease", Rules::Lease),
        ]);
        rules.extend(own.map(|own| ("ConfigMap", own)));
        let ledger = Ledger {
            began: Instant::now(),
            feeds: KINDS.iter().map(|(_, path)| feed(path)).collect(),
            judge: Judge::default(),
            judged: [0; 3],
            versions: Vec::new(),
            present: BTreeMap::new(),
            digest: DefaultHasher::new(),
            violations: Vec::new(),
            rights,
            transitions: 0,
            rules,
        };
        Self {
            server,
            ledger: Arc::new(Mutex::new(ledger)),
        }
    }

    /// Has a request answered, and writes down what it did.
    pub fn call(&self, sent: &Sent, request: Request<Bytes>) -> Response<Body> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let is_read = request.method() == Method::GET;
        let response = self.server.call(request);
        if !is_read {
            self.lock().take_in(sent, &what.into());
        }
        response
    }

    /// Forgets the past, but for the last so many writes.
    pub fn compact(&self, keep: u64) {
        let revision = self.server.revision();
        self.server.compact(revision.saturating_sub(keep));
    }

    /// An object as it is now.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Arc<Value>> {
        self.lock().present.get(key).cloned()
    }

    /// All objects of a kind as they are now, by key.
    #[must_use]
    pub fn objects(&self, kind: &str) -> BTreeMap<String, Arc<Value>> {
        let ledger = self.lock();
        let of_kind = ledger
            .present
            .iter()
            .filter(|(key, _)| key.split(' ').next() == Some(kind));
        of_kind
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    /// The keys of a kind's objects.
    #[must_use]
    pub fn keys(&self, kind: &str) -> Vec<String> {
        let ledger = self.lock();
        let keys = ledger.present.keys();
        keys.filter(|key| key.split(' ').next() == Some(kind))
            .cloned()
            .collect()
    }

    /// Something that must not be, found elsewhere.
    pub fn blame(&self, rule: &'static str, key: &str, text: String) {
        self.lock().violations.push(Violation {
            rule,
            text,
            key: key.to_owned(),
        });
    }

    /// What was wrong so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let ledger = self.lock();
        let mut violations = ledger.violations.clone();
        if let Err(error) = ledger.judge.report() {
            violations.push(Violation {
                rule: "WatchOutOfOrder",
                text: format!("{error:#}"),
                key: String::new(),
            });
        }
        violations
    }

    /// How many versions there were, how many of them by hosts, and what all of them come to.
    #[must_use]
    pub fn sums(&self) -> (u64, u64, u64) {
        let ledger = self.lock();
        let versions = u64::try_from(ledger.versions.len()).unwrap_or(u64::MAX);
        (versions, ledger.transitions, ledger.digest.finish())
    }

    /// The pods and nodes that hosts wrote since that many versions, but for heartbeats.
    #[must_use]
    pub fn writes_since(&self, versions: u64) -> Vec<(String, String)> {
        let ledger = self.lock();
        let from = usize::try_from(versions).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for (index, version) in ledger.versions.iter().enumerate().skip(from) {
            let is_host = version.by.starts_with("host-");
            if is_host && version.kind != "Lease" && !ledger.is_heartbeat(index) {
                let text = format!("{} {} by {}", version.rv, version.what, version.by);
                found.push((version.key.clone(), text));
            }
        }
        found
    }

    /// All versions under a key, for people.
    #[must_use]
    pub fn history(&self, key: &str) -> String {
        let ledger = self.lock();
        let mut text = String::new();
        for version in ledger.versions.iter().filter(|version| version.key == key) {
            let _ = writeln!(text, "{version}");
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ledger ===

impl Ledger {
    fn take_in(&mut self, sent: &Sent, what: &Arc<str>) {
        for (number, (kind, _)) in KINDS.into_iter().enumerate() {
            while let Some(chunk) = self.feeds.get_mut(number).and_then(next) {
                let mut rest = chunk;
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = rest.split_to(end + 1);
                    self.version(kind, sent, what, line);
                }
            }
        }
    }

    fn version(&mut self, kind: &'static str, sent: &Sent, what: &Arc<str>, line: Bytes) {
        let Some((object, gone)) = event(&line) else {
            self.violations.push(Violation {
                rule: "WatchBroken",
                text: String::from_utf8_lossy(&line).into_owned(),
                key: String::new(),
            });
            return;
        };
        let object = Arc::new(object);
        let version = Version {
            at: self.began.elapsed(),
            rv: text(&object, "/metadata/resourceVersion")
                .parse()
                .unwrap_or(0),
            kind,
            key: key(kind, &object),
            uid: text(&object, "/metadata/uid").to_owned(),
            by: Arc::clone(&sent.name),
            what: Arc::clone(what),
            line,
            gone,
        };
        self.digest.write_u128(version.at.as_nanos());
        self.digest.write(sent.name.as_bytes());
        self.digest.write(&version.line);
        if gone {
            self.present.remove(&version.key);
        } else {
            self.present
                .insert(version.key.clone(), Arc::clone(&object));
        }
        if let Sender::Host(host) = sent.sender {
            self.transitions += u64::from(kind != "Lease");
            self.check_target(host, sent, &version, &object);
        }
        if let Some(rules) = self.rules.get(kind) {
            self.judge.observe(kind, rules, object, gone);
            self.check_order(sent.sender, &version.key);
        }
        self.versions.push(version);
    }

    /// A host writes what it means, and what is its own.
    fn check_target(&mut self, host: usize, sent: &Sent, version: &Version, object: &Value) {
        if version.kind == "Lease" {
            return;
        }
        let mut blame = |rule, text: String| {
            self.violations.push(Violation {
                rule,
                text: format!(
                    "{} {} as version {}: {text}",
                    version.by, version.what, version.rv
                ),
                key: version.key.clone(),
            });
        };
        match &sent.uid {
            Some(uid) if *uid != version.uid => blame(
                "WrongUid",
                format!("meant for {uid}, landed on {}", version.uid),
            ),
            Some(_) => {}
            None => blame("NoPrecondition", "a write that names no uid".to_owned()),
        }
        let node = match version.kind {
            "Pod" => text(object, "/spec/nodeName"),
            "Node" => text(object, "/metadata/name"),
            _ => return,
        };
        if !self
            .rights
            .get(host)
            .is_some_and(|rights| rights.contains(node))
        {
            blame("NotOurs", format!("node {node:?} is not this host's"));
        }
        if object
            .pointer("/metadata/annotations/kubernetes.io~1config.mirror")
            .is_some()
        {
            blame("NotOurs", "the pod is a mirror".to_owned());
        }
    }

    /// What the judge found since the last time, if a host wrote it.
    fn check_order(&mut self, sender: Sender, key: &str) {
        let Ok(report) = self.judge.report() else {
            return;
        };
        let lists = [&report.backward, &report.misplaced, &report.untidy];
        for (list, judged) in lists.into_iter().zip(&mut self.judged) {
            let new = list.get(*judged..).unwrap_or_default();
            *judged = list.len();
            for moved in new {
                if sender != Sender::World {
                    self.violations.push(Violation {
                        rule: moved.rule,
                        text: moved.to_string(),
                        key: key.to_owned(),
                    });
                }
            }
        }
    }

    /// Whether a version of a node differs from the one before in heartbeats alone.
    fn is_heartbeat(&self, index: usize) -> bool {
        let Some(version) = self
            .versions
            .get(index)
            .filter(|version| version.kind == "Node")
        else {
            return false;
        };
        let mut earlier = self.versions.iter().take(index).rev();
        let before = earlier.find(|before| before.uid == version.uid);
        let quiet = version.without_heartbeats();
        quiet.is_some() && before.is_some_and(|before| before.without_heartbeats() == quiet)
    }
}

/// A request as it comes over the wire.
#[must_use]
pub fn request(method: Method, uri: &str, content_type: &str, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    if let Ok(value) = content_type.parse() {
        request
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, value);
    }
    request
}

/// What a watch has to tell now.
fn next(feed: &mut Body) -> Option<Bytes> {
    let mut context = Context::from_waker(Waker::noop());
    match http_body::Body::poll_frame(Pin::new(feed), &mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}
