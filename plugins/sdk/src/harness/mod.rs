//! Runs a plugin natively, in ordinary tests, as the host would: with the fields it declared and no others, against a virtual clock.
//!
//! ```
//! # use stagewright_plugin::{Answer, Context, Description, Effect, Object, Patch, Plugin, Settings, Subject, json};
//! # struct Mine;
//! # impl Plugin for Mine {
//! #     fn configure(_: &Settings) -> Result<(Self, Description), String> {
//! #         let subject = Subject::new("v1/Pod").reads(["/status/phase"]).writes(["/status"]);
//! #         Ok((Self, Description::new("mine", "1.0.0").stages(["run"]).subject(subject)))
//! #     }
//! #     fn decide(&self, pod: &Object, ctx: &Context) -> Result<Answer, String> {
//! #         Ok(if pod.at("/status/phase").is_some() { Answer::idle("runs") } else { Answer::stage("run", ctx.since) })
//! #     }
//! #     fn play(&self, _: &str, _: &Object, _: &Context) -> Result<Vec<Effect>, String> {
//! #         Ok(vec![Patch::status(json!({"phase": "Running"})).into()])
//! #     }
//! # }
//! use stagewright_plugin::harness::Harness;
//!
//! let mut harness = Harness::<Mine>::new(&json!({})).unwrap();
//! let pod = json!({"apiVersion": "v1", "kind": "Pod",
//!     "metadata": {"name": "web", "uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z"}});
//! let life = harness.live(pod, "2026-01-01T01:00:00Z").unwrap();
//! assert_eq!(life.stages(), ["run"]);
//! assert_eq!(life.last, Answer::idle("runs"));
//! ```

mod declared;
mod event;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use serde_json::{Value, json};

use self::declared::{Declared, DeclaredSubject};
use crate::bindings::exports::stagewright::stage::plugin::Form;
use crate::{Answer, Apply, Context, Effect, Event, Json, Object, Patch, Plugin, Settings, Time};

/// A plugin and the world it is asked in.
pub struct Harness<P> {
    settings: Value,
    declared: Declared,
    facts: BTreeMap<String, Value>,
    related: BTreeMap<String, Vec<Value>>,
    seed: u32,
    plugin: PhantomData<P>,
}

/// What became of an object.
#[derive(Debug)]
pub struct Life {
    /// Every stage that was played.
    pub steps: Vec<Step>,
    /// What the plugin said last; the object was left alone from then on.
    pub last: Answer,
    first: Value,
}

/// A stage that was played.
#[derive(Debug)]
pub struct Step {
    /// When.
    pub at: Time,
    /// Which.
    pub stage: String,
    /// What it did.
    pub effects: Vec<Effect>,
    /// The object after it; none: it is gone.
    pub object: Option<Value>,
}

/// A plugin that plays more often than this before a time plays for ever.
const MOST_STEPS: usize = 1000;

/// Requests the deletion of an object, as the API server does (`BeforeDelete` in apiserver/pkg/registry/rest/delete.go): a second
/// request only shortens the grace period, and counts from the first.
pub fn delete(object: &mut Value, at: &str, grace: u32) {
    let field = |name: &str| object.pointer("/metadata")?.get(name);
    let deadline = field("deletionTimestamp").and_then(|time| Time::parse(time.as_str()?));
    let granted = field("deletionGracePeriodSeconds").and_then(Value::as_u64);
    let (requested, grace) = match (deadline, granted) {
        (Some(_), None) => return,
        (Some(deadline), Some(granted)) => (
            deadline - Duration::from_secs(granted),
            granted.min(grace.into()),
        ),
        _ => (Time::parse(at).unwrap_or_default(), grace.into()),
    };
    let deadline = requested + Duration::from_secs(grace);
    let body =
        json!({"metadata": {"deletionTimestamp": deadline, "deletionGracePeriodSeconds": grace}});
    tree::merge(object, &body);
}

// === impl Harness ===

impl<P: Plugin> Harness<P> {
    /// Configures the plugin.
    ///
    /// # Errors
    /// What `configure` said, or what is wrong with the description.
    pub fn new(settings: &Value) -> Result<Self, String> {
        let (_, description) = P::configure(&Settings::from(settings.clone()))?;
        let declared = Declared::parse(&description.into_text()?)?;
        Ok(Self {
            settings: settings.clone(),
            declared,
            facts: BTreeMap::new(),
            related: BTreeMap::new(),
            seed: 0,
            plugin: PhantomData,
        })
    }

    /// Another chance: other jitter.
    #[must_use]
    pub fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// Sets a fact. `addresses` has values for pods and nodes if it is not set.
    #[must_use]
    pub fn fact(mut self, name: &str, fact: Value) -> Self {
        self.facts.insert(name.to_owned(), fact);
        self
    }

    /// Sets the objects of a relation.
    #[must_use]
    pub fn related(mut self, relation: &str, objects: Vec<Value>) -> Self {
        self.related.insert(relation.to_owned(), objects);
        self
    }

    /// Asks what comes next. The plugin sees its `reads` alone; a fresh instance is asked, twice, the second time an hour later.
    ///
    /// # Errors
    /// What the plugin said; or that it names an undeclared stage, or its answer drifts with `now`.
    pub fn decide(&self, object: &Value, at: &str) -> Result<Answer, String> {
        self.decide_at(object, time(at)?)
    }

    /// Asks what a stage does. The plugin sees its `playReads` alone.
    ///
    /// # Errors
    /// What the plugin said.
    pub fn play(&self, stage: &str, object: &Value, at: &str) -> Result<Vec<Effect>, String> {
        self.play_at(stage, object, time(at)?)
    }

    /// Walks an object through its life, from the newest time in it to `until`: whatever is due is played and written.
    ///
    /// # Errors
    /// What the plugin said; or that it writes outside `writes`, plays without effect, or plays for ever.
    pub fn live(&mut self, object: Value, until: &str) -> Result<Life, String> {
        let until = time(until)?;
        let subject = self.declared.subject(&object)?;
        let mut clock = subject.now(&object, Time(i64::MIN));
        let mut steps: Vec<Step> = Vec::new();
        let mut current = object.clone();
        let end = |steps, last| {
            Ok(Life {
                steps,
                last,
                first: object.clone(),
            })
        };
        while steps.len() < MOST_STEPS {
            let answer = self.decide_at(&current, clock)?;
            match &answer {
                Answer::Stage { stage, due } if *due <= until => {
                    clock = clock.max(*due);
                    let effects = self.play_at(stage, &current, clock)?;
                    let after = self.apply(&current, &effects, clock)?;
                    if after.as_ref() == Some(&current) {
                        return Err(format!(
                            "stage {stage:?} at {clock} changed nothing, and would be played for ever"
                        ));
                    }
                    steps.push(Step {
                        at: clock,
                        stage: stage.clone(),
                        effects,
                        object: after.clone(),
                    });
                    let Some(after) = after else {
                        return end(steps, answer);
                    };
                    current = after;
                }
                Answer::PassUntil(at) if *at > clock && *at <= until => clock = *at,
                _ => return end(steps, answer),
            }
        }
        Err(format!("{MOST_STEPS} stages were played before {until}"))
    }

    fn decide_at(&self, object: &Value, at: Time) -> Result<Answer, String> {
        let subject = self.declared.subject(object)?;
        let cut = Object::from(tree::prune(object, &subject.reads));
        let plugin = self.plugin()?;
        let answer = plugin.decide(&cut, &self.context(subject, object, at, false))?;
        let later = self.context(subject, object, at + Duration::from_secs(3600), false);
        for (asked, again) in [
            (
                "a fresh instance, an hour later,",
                self.plugin()?.decide(&cut, &later)?,
            ),
            ("the same instance", plugin.decide(&cut, &later)?),
        ] {
            if again != answer {
                return Err(format!(
                    "decide answered {answer:?}, and {asked} answered {again:?}"
                ));
            }
        }
        match &answer {
            Answer::Stage { stage, .. } if !self.declared.stages.contains(stage) => Err(format!(
                "decide answered stage {stage:?}, which the description does not declare"
            )),
            _ => Ok(answer),
        }
    }

    fn play_at(&self, stage: &str, object: &Value, at: Time) -> Result<Vec<Effect>, String> {
        let subject = self.declared.subject(object)?;
        let cut = match &subject.play_reads {
            Some(paths) => tree::prune(object, paths),
            None => object.clone(),
        };
        let context = self.context(subject, object, at, true);
        self.plugin()?.play(stage, &Object::from(cut), &context)
    }

    fn plugin(&self) -> Result<P, String> {
        Ok(P::configure(&Settings::from(self.settings.clone()))?.0)
    }

    fn context(
        &self,
        subject: &DeclaredSubject,
        object: &Value,
        at: Time,
        playing: bool,
    ) -> Context {
        let since = subject.since(object);
        let mut facts = serde_json::Map::new();
        for name in &subject.facts {
            let known = self
                .facts
                .get(name)
                .cloned()
                .or_else(|| declared::fact(name, object));
            // Addresses are allocated, so they are given to plays alone.
            if let Some(fact) = known.filter(|_| playing || name != "addresses") {
                facts.insert(name.clone(), fact);
            }
        }
        let mut related = serde_json::Map::new();
        for relation in &subject.relations {
            let objects = self.related.get(&relation.name).into_iter().flatten();
            let objects = objects.map(|object| relation.render(object)).collect();
            related.insert(relation.name.clone(), Value::Array(objects));
        }
        Context {
            now: subject.now(object, at),
            since,
            changed: since,
            entropy: self.entropy(object, since),
            related: Json::from(Value::Object(related)),
            facts: Json::from(Value::Object(facts)),
        }
    }

    /// Not the host's hash: what counts is that it is a function of the same things.
    fn entropy(&self, object: &Value, since: Time) -> [u32; 4] {
        let uid = object
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = format!("{}/{uid}/{}/{}", self.seed, self.declared.name, since.0);
        [1_u32, 2, 3, 4].map(|word| {
            text.bytes().fold(0x811c_9dc5 ^ word, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
        })
    }

    /// The object after the effects; none: it is gone.
    fn apply(&self, object: &Value, effects: &[Effect], at: Time) -> Result<Option<Value>, String> {
        let subject = self.declared.subject(object)?;
        let mut current = object.clone();
        for effect in effects {
            match effect {
                Effect::Patch(patch) => {
                    let after = patched(&current, patch)?;
                    for pointer in tree::changes(&current, &after) {
                        subject.may_write(&pointer)?;
                    }
                    current = after;
                }
                Effect::Delete(grace) => {
                    let finalizers = current
                        .pointer("/metadata/finalizers")
                        .and_then(Value::as_array);
                    if finalizers.is_none_or(Vec::is_empty) {
                        return Ok(None);
                    }
                    delete(&mut current, &at.to_string(), grace.unwrap_or(30));
                }
                _ => {}
            }
        }
        Ok(Some(current))
    }
}

/// Metadata that the status of a built-in kind takes along; a custom kind's takes none.
const STATUS_METADATA: [&str; 3] = ["labels", "annotations", "finalizers"];

/// The object after one patch: on a subresource nothing else changes, but what the API server lets a status take along.
fn patched(object: &Value, patch: &Patch) -> Result<Value, String> {
    let body = patch.body.as_ref().map_err(Clone::clone)?;
    let body: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let mut whole = object.clone();
    match patch.form {
        Form::Merge => tree::merge(&mut whole, &body),
        Form::Replace => whole = body,
        form => {
            return Err(format!(
                "the harness applies merge patches and whole objects, not {form:?}"
            ));
        }
    }
    let Some(part) = &patch.subresource else {
        return Ok(whole);
    };
    let mut after = object.clone();
    if let (Some(after), Some(value)) = (after.as_object_mut(), whole.get(part)) {
        after.insert(part.clone(), value.clone());
    }
    let metadata = after
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut);
    if let (Some(metadata), true) = (metadata, part == "status" && is_built_in(object)) {
        for field in STATUS_METADATA {
            match whole
                .pointer("/metadata")
                .and_then(|whole| whole.get(field))
            {
                Some(value) => metadata.insert(field.to_owned(), value.clone()),
                None => metadata.remove(field),
            };
        }
    }
    Ok(after)
}

/// Whether the API server has a type for it: its group has no dot, or is one of Kubernetes' own.
fn is_built_in(object: &Value) -> bool {
    let version = object.get("apiVersion").and_then(Value::as_str);
    let (group, _) = version
        .and_then(|version| version.split_once('/'))
        .unwrap_or_default();
    !group.contains('.') || group.ends_with(".k8s.io")
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| format!("{text:?} is no RFC 3339 time"))
}

// === impl Life ===

impl Life {
    /// The names of the stages, in their order.
    #[must_use]
    pub fn stages(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.stage.as_str()).collect()
    }

    /// The object at the end; none: it is gone.
    #[must_use]
    pub fn object(&self) -> Option<&Value> {
        self.steps
            .last()
            .map_or(Some(&self.first), |step| step.object.as_ref())
    }

    /// The first play of a stage.
    #[must_use]
    pub fn step(&self, stage: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.stage == stage)
    }

    /// The Events, in their order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps
            .iter()
            .flat_map(|step| &step.effects)
            .filter_map(|effect| match effect {
                Effect::Event(event) => Some(event),
                _ => None,
            })
    }
}

// === impl Patch ===

impl Patch {
    /// The patch's body, for tests.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn body(&self) -> Result<Value, String> {
        read(&self.body)
    }
}

// === impl Apply ===

impl Apply {
    /// The object, for tests.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn body(&self) -> Result<Value, String> {
        read(&self.object)
    }
}

fn read(text: &Result<String, String>) -> Result<Value, String> {
    let text = text.as_ref().map_err(Clone::clone)?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
