//! What a plugin is told beside the object: what is related to it, and the facts that it asked for.

use stagewright_core::addresses::AddressError;
use stagewright_core::description::{FactName, Subject};
use stagewright_core::due;
use stagewright_core::interface::Context;
use stagewright_core::json::At as _;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::relation::RelationError;
use stagewright_core::schedule::{Candidate, Failure, Outcome, Run};
use stagewright_core::time::Time;

use super::awaited::NotYet;
use super::lineup::Lineup;
use super::{Brain, Options, Shared, node_of};

/// Why a plugin cannot be given what it asked to know.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// Objects of this kind may be related, and nobody knows them yet.
    #[error("it is asked when {} is listed", .0.kind)]
    NotYet(NotYet),
    /// The plugins changed, and related objects are known to the new ones alone.
    #[error("there are other plugins since, which are asked instead")]
    Superseded,
    #[error("the declared reads are no object")]
    Unreadable,
    #[error(transparent)]
    Related(#[from] RelationError),
    /// The node has no address for the pod.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// What the answer may depend on beside the object.
pub(super) fn context(
    shared: &Shared,
    run: &Run,
    candidate: &Candidate,
    lineup: &Lineup,
    now: Time,
) -> Result<Context, Unknown> {
    let (plugin, subject) = lineup.subject(candidate).ok_or(Unknown::Superseded)?;
    let mut brain = shared.brain.lock();
    let related = if subject.relations.is_empty() {
        "{}".to_owned()
    } else {
        brain.related((run, candidate), lineup, subject, shared.clock.now())?
    };
    let facts = facts(
        &mut brain,
        run,
        (plugin.name(), subject),
        None,
        &shared.options,
    )?;
    Ok(Context {
        now: now.max(candidate.since),
        since: candidate.since,
        changed: candidate.changed,
        entropy: due::entropy(
            shared.options.seed,
            &run.uid,
            plugin.name(),
            candidate.since,
        ),
        related,
        facts,
    })
}

// === impl Brain ===

impl Brain {
    /// What is related to the object, once all of it is known.
    fn related(
        &mut self,
        (run, candidate): (&Run, &Candidate),
        lineup: &Lineup,
        subject: &Subject,
        now: Time,
    ) -> Result<String, Unknown> {
        if lineup.generation < self.related_since {
            return Err(Unknown::Superseded);
        }
        let kinds = subject.relations.iter().map(|relation| &relation.kind);
        if let Some(not_yet) = self.hold(kinds, &run.key, now) {
            return Err(Unknown::NotYet(not_yet));
        }
        let cut = cut(run, candidate).ok_or(Unknown::Unreadable)?;
        Ok(self.relations.related(subject, &cut)?)
    }
}

/// The object as far as the candidate reads it.
fn cut(run: &Run, candidate: &Candidate) -> Option<Snapshot> {
    match &run.snapshot {
        Some(snapshot) => Some(snapshot.clone()),
        None => Snapshot::cut(&run.key, &run.uid, run.version, &candidate.reads),
    }
}

/// The facts that the subject asked for. Addresses are allocated, so they are given to plays alone.
pub(super) fn facts(
    brain: &mut Brain,
    run: &Run,
    (plugin, subject): (&str, &Subject),
    playing: Option<&Snapshot>,
    options: &Options,
) -> Result<String, Unknown> {
    let mut facts = serde_json::Map::new();
    for fact in &subject.facts {
        match (fact, playing) {
            (FactName::Failure, _) => {
                let failure = run.failures.of(plugin);
                if let Some(failure) = failure.and_then(|it| serde_json::to_value(it).ok()) {
                    facts.insert("failure".into(), failure);
                }
            }
            (FactName::Addresses, Some(object)) => {
                facts.insert(
                    "addresses".into(),
                    addresses(brain, &run.key.kind, object, options)?,
                );
            }
            (FactName::Addresses, None) => {}
        }
    }
    Ok(serde_json::Value::Object(facts).to_string())
}

fn addresses(
    brain: &mut Brain,
    kind: &Kind,
    object: &Snapshot,
    options: &Options,
) -> Result<serde_json::Value, AddressError> {
    let port = options.kubelet_port;
    if kind.is_core("Node") {
        let name = &*object.key().name;
        let host = brain.addresses.host_ips(name);
        let hostname = options.kubelet_name.as_deref().unwrap_or(name);
        return Ok(serde_json::json!({"hostIPs": host, "hostname": hostname, "kubeletPort": port}));
    }
    let Some(node) = node_of(object) else {
        return Ok(serde_json::json!({}));
    };
    let host = brain.addresses.host_ips(node).to_vec();
    let host_network = object
        .body()
        .at("/spec/hostNetwork")
        .and_then(serde_json::Value::as_bool);
    let pods = if host_network == Some(true) {
        host.clone()
    } else {
        brain.addresses.allocate(object.uid(), node)?
    };
    Ok(serde_json::json!({"hostIPs": host, "podIPs": pods, "kubeletPort": port}))
}

// === impl Shared ===

impl Shared {
    /// A plugin was not given what it asked to know: for the time being, or until something changes.
    pub(super) fn unknown(
        &self,
        run: &Run,
        plugin: &str,
        stage: &str,
        unknown: Unknown,
    ) -> Outcome {
        let message = unknown.to_string();
        let (category, code) = match unknown {
            Unknown::NotYet(not_yet) => return self.put_off(&not_yet),
            Unknown::Superseded => return Outcome::Transient(None),
            Unknown::Unreadable => ("Unreadable", "refused"),
            Unknown::Related(error) => (error.category(), "refused"),
            Unknown::Address(error) => (error.category(), "quota"),
        };
        let failure = Failure {
            stage: stage.to_owned(),
            code,
            message,
            count: 0,
        };
        self.refused(run, plugin, category, failure)
    }

    /// Until the kind is answered for, which wakes the object, or is given up.
    pub(super) fn put_off(&self, not_yet: &NotYet) -> Outcome {
        tracing::debug!(kind = %not_yet.kind, "waited for");
        let now = self.clock.now();
        Outcome::Transient(not_yet.until.map(|until| until.since(now)))
    }
}
