//! What the controller knows, for the admin port: recomputed on demand, from the object as the server has it now.

use serde_json::{Value, json};
use stagewright_core::claims::NotOurs;
use stagewright_core::interface::{Answer, Context};
use stagewright_core::object::{Key, Kind, Snapshot};
use stagewright_core::schedule::{Candidate, Run, Standing, Task};
use stagewright_core::time::Time;

use super::intake;
use super::kinds::Followed;
use super::lineup::Lineup;
use super::start::Controller;
use super::{Shared, context, decide};
use crate::admin::StateView;
use crate::commit::CommitError;
use crate::explain::{
    ClaimAnswer, ExplainQuery, Explanation, LastFailure, LastPlay, NextStep, NoteLine, PluginAnswer,
};

impl StateView for Controller {
    fn explain(&self, query: ExplainQuery) -> Result<Explanation, String> {
        let lineup = self.shared.lineup();
        let followed = named(&lineup, &query.kind)?;
        let target = followed
            .target
            .get()
            .ok_or_else(|| format!("the API server does not serve {} (yet)", followed.kind))?;
        let namespace = target
            .namespaced
            .then(|| query.namespace.as_deref().unwrap_or("default"));
        let key = Key::new(&followed.kind, namespace, &query.name);
        let snapshot = match self
            .runtime
            .block_on(self.shared.committer.read(target, &key))
        {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) | Err(CommitError::Gone) => return Err(format!("{key} is not there")),
            Err(error) => return Err(format!("{key} cannot be read: {error}")),
        };
        Ok(self.shared.explanation(&lineup, followed, &snapshot))
    }

    fn state(&self) -> Value {
        let shared = &self.shared;
        let lineup = shared.lineup();
        let plugins: Vec<Value> = lineup
            .plugins()
            .map(|plugin| {
                json!({"name": plugin.name(), "version": plugin.version(), "digest": plugin.digest(),
                    "isolation": plugin.isolation().to_string(), "load": plugin.load_report()})
            })
            .collect();
        let kinds: Vec<Value> = lineup
            .kinds
            .iter()
            .map(|followed| {
                json!({"kind": followed.kind, "order": followed.order.name(), "served": followed.target.get().is_some(),
                    "subjects": followed.followers.len(), "related": followed.related})
            })
            .collect();
        let brain = shared.brain.lock();
        let (waiting, running) = brain.schedule.depth();
        json!({"generation": lineup.generation, "stages": lineup.stages, "phaseOrders": lineup.orders, "plugins": plugins, "kinds": kinds, "objects": brain.schedule.len(), "waiting": waiting, "running": running,
            "nodes": brain.claims.nodes().len(), "selectedNodes": shared.selected.count(),
            "nextDue": brain.schedule.next_due(), "now": shared.clock.now(), "clockOffsetMs": shared.clock.offset(),
            "writesFree": shared.writes.available_permits(), "dryRun": shared.options.dry_run})
    }

    fn stuck(&self) -> Option<String> {
        let shared = &self.shared;
        // A plugin's call is bounded by fuel; if the lock cannot be had in this time, something holds it for good.
        let Some(brain) = shared.brain.try_lock_for(std::time::Duration::from_secs(5)) else {
            return Some("the controller's state has been locked for 5 s".to_owned());
        };
        drop(brain);
        None
    }

    fn before_scrape(&self) {
        self.shared.gauge();
    }
}

impl Shared {
    fn explanation(
        &self,
        lineup: &Lineup,
        followed: &Followed,
        snapshot: &Snapshot,
    ) -> Explanation {
        let now = self.clock.now();
        let key = snapshot.key();
        let (claim, standing) = {
            let mut brain = self.brain.lock();
            let claim = brain.claims.claim_at(snapshot, now).map(drop);
            (
                claim,
                brain
                    .schedule
                    .standing(key)
                    .filter(|standing| standing.uid == *snapshot.uid()),
            )
        };
        let candidates = intake::candidates(lineup, followed, snapshot, now);
        let notes = self.notes.of(key, snapshot.uid());
        Explanation {
            kind: key.kind.to_string(),
            namespace: key.namespace.as_deref().map(str::to_owned),
            name: key.name.to_string(),
            uid: snapshot.uid().to_string(),
            resource_version: snapshot.version().to_string(),
            now,
            order: followed.order.name().to_owned(),
            generation: lineup.generation,
            stages: lineup.stages,
            rank: followed.order.rank(snapshot.body()).to_string(),
            state: standing
                .as_ref()
                .map_or("NotFollowed", |standing| standing.state)
                .to_owned(),
            claim: claim_answer(claim),
            plugins: self.answers((lineup, &candidates), snapshot, standing.as_ref(), now),
            next: standing.as_ref().and_then(|standing| {
                Some(NextStep {
                    stage: standing.stage.clone(),
                    at: standing.next?,
                })
            }),
            last: standing
                .as_ref()
                .and_then(|standing| standing.last.clone())
                .map(|last| LastPlay {
                    plugin: lineup.plugin_name(last.plugin).to_owned(),
                    stage: last.stage,
                    since: last.since,
                }),
            failure: standing
                .and_then(|standing| standing.failures.last().cloned())
                .map(|failure| LastFailure {
                    stage: failure.stage,
                    code: failure.code.to_owned(),
                    message: failure.message,
                    count: failure.count,
                }),
            notes: notes
                .into_iter()
                .map(|note| NoteLine {
                    time: note.time,
                    kind: note.kind.as_str().to_owned(),
                    category: note.category.to_owned(),
                    plugin: note.plugin,
                    stage: note.stage,
                    message: note.message,
                })
                .collect(),
            warnings: self.committer.warnings(&key.kind),
        }
    }

    /// What each plugin says of the object as it is now. Those behind the one that has it are not asked.
    fn answers(
        &self,
        (lineup, candidates): (&Lineup, &[Candidate]),
        snapshot: &Snapshot,
        standing: Option<&Standing>,
        now: Time,
    ) -> Vec<PluginAnswer> {
        let run = Run {
            key: snapshot.key().clone(),
            uid: snapshot.uid().clone(),
            version: snapshot.version(),
            due: now,
            task: Task::Decide,
            candidates: candidates.to_vec().into(),
            snapshot: Some(snapshot.clone()),
            pause: None,
            remade: None,
            failures: standing
                .map(|standing| standing.failures.clone())
                .unwrap_or_default(),
        };
        let mut taken = false;
        let mut answers = Vec::new();
        for candidate in candidates {
            let Some((plugin, _)) = lineup.subject(candidate) else {
                continue;
            };
            let mut answer = PluginAnswer {
                plugin: plugin.name().to_owned(),
                version: plugin.version().to_owned(),
                answer: "NotAsked".to_owned(),
                since: Some(candidate.since),
                ..PluginAnswer::default()
            };
            if !taken {
                let context = context::context(self, &run, candidate, lineup, now);
                let said = context.map_err(|unknown| unknown.to_string()).and_then(
                    |mut context: Context| {
                        let mut session = plugin.session().map_err(|error| error.to_string())?;
                        decide::decision(&mut session, candidate, &mut context)
                            .map_err(|error| error.to_string())
                    },
                );
                taken = !matches!(said, Ok(Answer::Pass | Answer::PassUntil { .. }));
                tell(&mut answer, said);
            }
            answers.push(answer);
        }
        answers
    }

    /// Gauges follow the state when they are looked at, and once a second.
    pub(super) fn gauge(&self) {
        let brain = self.brain.lock();
        let (waiting, running) = brain.schedule.depth();
        self.metrics.depth(waiting, running);
        self.metrics.nodes(brain.claims.nodes().len());
        let counts = brain.schedule.counts();
        for followed in self
            .lineup()
            .kinds
            .iter()
            .filter(|followed| !followed.followers.is_empty())
        {
            self.metrics.objects(
                &followed.kind,
                counts.get(&followed.kind).copied().unwrap_or(0),
            );
        }
    }
}

/// The short names that kubectl users type.
const SHORT: &[(&str, &str)] = &[
    ("po", "pod"),
    ("no", "node"),
    ("ns", "namespace"),
    ("pv", "persistentvolume"),
    ("pvc", "persistentvolumeclaim"),
    ("svc", "service"),
    ("deploy", "deployment"),
    ("rs", "replicaset"),
    ("sts", "statefulset"),
    ("ds", "daemonset"),
];

/// The kind that a user means by `pod`, `pods`, `Pod` or `batch/v1/Job`.
fn named<'a>(lineup: &'a Lineup, text: &str) -> Result<&'a Followed, String> {
    let exact = Kind::parse(text)
        .ok()
        .and_then(|kind| lineup.kinds.get(&kind));
    let loose = || {
        lineup.kinds.iter().find(|followed| {
            let plural = followed
                .target
                .get()
                .map(|target| target.resource.plural.to_lowercase());
            let text = SHORT
                .iter()
                .find(|(short, _)| *short == text)
                .map_or(text, |(_, kind)| kind)
                .to_lowercase();
            followed.kind.kind().to_lowercase() == text
                || plural.is_some_and(|plural| plural == text)
        })
    };
    exact.or_else(loose).ok_or_else(|| {
        let followed: Vec<String> = lineup
            .kinds
            .iter()
            .map(|followed| followed.kind.to_string())
            .collect();
        format!(
            "no plugin follows {text:?}; followed are {}",
            followed.join(", ")
        )
    })
}

fn claim_answer(claim: Result<(), NotOurs>) -> ClaimAnswer {
    match claim {
        Ok(()) => ClaimAnswer {
            ours: true,
            reason: None,
            message: None,
        },
        Err(error) => ClaimAnswer {
            ours: false,
            reason: Some(error.category().to_owned()),
            message: Some(error.to_string()),
        },
    }
}

fn tell(answer: &mut PluginAnswer, said: Result<Answer, String>) {
    let (word, detail, due) = match said {
        Ok(Answer::Pass) => ("Pass", None, None),
        Ok(Answer::PassUntil { until }) => ("Pass", None, Some(until)),
        Ok(Answer::Idle { note }) => ("Idle", Some(note), None),
        Ok(Answer::Stage { stage, due }) => ("Stage", Some(stage), Some(due)),
        Ok(Answer::Invalid { message }) => ("Invalid", Some(message), None),
        Err(message) => ("Error", Some(message), None),
    };
    word.clone_into(&mut answer.answer);
    answer.detail = detail;
    answer.due = due;
}
