//! Stage after stage, until nothing happens any more.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use stagewright_core::description::{FactName, Subject};
use stagewright_core::guard::{Planned, Rules, Surface, rehearse};
use stagewright_core::interface::{Answer, Context, Effect};
use stagewright_core::object::Snapshot;
use stagewright_core::order::Order;
use stagewright_core::time::Time;
use stagewright_core::{due, json as trees};

use super::object;
use crate::args::SimulateArgs;
use crate::plugin::{Plugin, Session};

/// What happened, and what it came to.
#[derive(Debug, Serialize)]
pub struct Life {
    object: String,
    begins: Time,
    state: String,
    steps: Vec<Step>,
    /// How it ended.
    pub end: End,
}

/// One stage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    at: Time,
    after_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    stage: String,
    state: String,
    writes: Vec<Planned>,
    events: Vec<String>,
}

/// Why nothing happens any more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "end", content = "message")]
pub enum End {
    /// The plugin has nothing to do.
    Idle(String),
    /// No plugin takes the object.
    Nobody,
    /// The object is gone.
    Gone,
    /// A stage changes nothing.
    WithoutEffect(String),
    /// There would be more.
    Enough,
    /// The plugin cannot, or the object lacks something.
    Failed(String),
    /// The guard does not let it through.
    Refused(String),
}

/// Where a life stands.
struct Walk<'a> {
    plugins: &'a [Arc<Plugin>],
    seed: u64,
    subject: Snapshot,
    now: Time,
    changed: Time,
    life: Life,
}

/// Walks.
///
/// # Errors
/// If a plugin cannot be asked.
pub fn live(
    plugins: &[Arc<Plugin>],
    subject: Snapshot,
    args: &SimulateArgs,
) -> anyhow::Result<Life> {
    let now = due::since(subject.body(), &[]);
    let life = Life {
        object: subject.key().to_string(),
        begins: now,
        state: object::state(subject.body()),
        steps: Vec::new(),
        end: End::Enough,
    };
    let mut walk = Walk {
        plugins,
        seed: args.seed,
        subject,
        now,
        changed: now,
        life,
    };
    let mut deletes = args.delete;
    while walk.life.steps.len() < args.stages {
        let Some(end) = walk.step()? else { continue };
        let rests = matches!(end, End::Idle(_) | End::Nobody | End::WithoutEffect(_));
        if !(rests && std::mem::take(&mut deletes)) {
            walk.life.end = end;
            break;
        }
        if walk.request_deletion() {
            walk.life.end = End::Gone;
            break;
        }
    }
    Ok(walk.life)
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn step(&mut self) -> anyhow::Result<Option<End>> {
        let plugins = self.plugins;
        for plugin in plugins {
            let labels = self.subject.body().pointer("/metadata/labels");
            let kind = &self.subject.key().kind;
            let Some(declared) = plugin.description().subject_for(kind, labels) else {
                continue;
            };
            let mut session = plugin.session()?;
            let context = self.context(plugin, declared, false);
            let cut = trees::prune(self.subject.body(), &declared.reads).text();
            match session.decide(&cut, &context) {
                Ok(Answer::Pass | Answer::PassUntil { .. }) => {}
                Ok(Answer::Idle { note }) => return Ok(Some(End::Idle(note))),
                Ok(Answer::Invalid { message }) => return Ok(Some(End::Failed(message))),
                Err(error) => return Ok(Some(End::Failed(error.to_string()))),
                Ok(Answer::Stage { stage, due }) => {
                    self.now = self.now.max(due);
                    return Ok(self.play(plugin, declared, session, stage));
                }
            }
        }
        Ok(Some(End::Nobody))
    }

    fn play(
        &mut self,
        plugin: &Plugin,
        declared: &Subject,
        mut session: Session<'_>,
        stage: String,
    ) -> Option<End> {
        let context = self.context(plugin, declared, true);
        let whole = match &declared.play_reads {
            Some(reads) => trees::prune(self.subject.body(), reads).text(),
            None => self.subject.body().to_string(),
        };
        let effects = match session.play(&stage, &whole, &context) {
            Ok(effects) => effects,
            Err(error) => return Some(End::Failed(error.to_string())),
        };
        let kind = &self.subject.key().kind;
        let order = Order::built_in(kind).or_else(|| declared.order.clone().map(Order::Declared));
        let rules = Rules {
            plugin: plugin.name(),
            order: &order.unwrap_or(Order::Any),
            surface: &Surface::built_in(kind).unwrap_or_else(|| Surface::custom(true, true)),
            writes: &declared.writes,
            applies: &plugin.description().applies,
            impersonation: true,
            now: self.now,
        };
        let rehearsal = match rehearse(&self.subject, &effects, &rules) {
            Ok(rehearsal) => rehearsal,
            Err(violation) => return Some(End::Refused(format!("stage {stage}: {violation}"))),
        };
        // What it does to other objects is done after the first time.
        let is_done = |last: &Step| last.stage == stage && last.writes == rehearsal.writes;
        let is_still = trees::equal(&rehearsal.after, self.subject.body());
        if !rehearsal.changes || is_still && self.life.steps.last().is_some_and(is_done) {
            return Some(End::WithoutEffect(format!("stage {stage} changes nothing")));
        }
        let deletes = effects.iter().find_map(|effect| match effect {
            Effect::Delete { grace } => Some(*grace),
            _ => None,
        });
        let after = match deletes {
            Some(grace) => object::deleted(&rehearsal.after, grace, self.now),
            None => Some((*rehearsal.after).clone()),
        };
        let after = after.filter(|body| !object::is_gone(body));
        let events = effects.iter().filter_map(|effect| match effect {
            Effect::Event(event) => Some(format!(
                "{:?} {}: {}",
                event.severity, event.reason, event.message
            )),
            _ => None,
        });
        let events = events.collect();
        let plugin = Some(plugin.name().to_owned());
        self.note(plugin, stage, after.as_ref(), rehearsal.writes, events);
        self.go_on(after, declared)
    }

    /// The next version of the object, if there is one.
    fn go_on(&mut self, after: Option<Value>, declared: &Subject) -> Option<End> {
        let Some(after) = after else {
            return Some(End::Gone);
        };
        let cut = |body: &Value| trees::prune(body, &declared.reads).tree();
        if !trees::equal(&cut(self.subject.body()), &cut(&after)) {
            self.changed = self.now;
        }
        match Snapshot::parse(&self.subject.key().kind, after) {
            Ok(subject) => self.subject = subject,
            Err(error) => return Some(End::Failed(error.to_string())),
        }
        None
    }

    /// What somebody else does. Whether nothing is left.
    fn request_deletion(&mut self) -> bool {
        let after = object::deleted(self.subject.body(), None, self.now);
        self.note(
            None,
            "(deletion requested)".to_owned(),
            after.as_ref(),
            Vec::new(),
            Vec::new(),
        );
        let Some(after) = after else { return true };
        self.changed = self.now;
        match Snapshot::parse(&self.subject.key().kind, after) {
            Ok(subject) => self.subject = subject,
            Err(_) => return true,
        }
        false
    }

    fn note(
        &mut self,
        plugin: Option<String>,
        stage: String,
        after: Option<&Value>,
        writes: Vec<Planned>,
        events: Vec<String>,
    ) {
        let after_ms = self.now.since(self.life.begins).as_millis();
        self.life.steps.push(Step {
            at: self.now,
            after_ms: u64::try_from(after_ms).unwrap_or(u64::MAX),
            plugin,
            stage,
            state: after.map_or_else(|| "gone".to_owned(), object::state),
            writes,
            events,
        });
    }

    /// As the host would make it; nothing else is in this cluster.
    fn context(&self, plugin: &Plugin, declared: &Subject, plays: bool) -> Context {
        let since = due::since(self.subject.body(), &declared.since);
        let relations = declared.relations.iter();
        let related: Map<String, Value> = relations
            .map(|relation| (relation.name.clone(), json!([])))
            .collect();
        let key = self.subject.key();
        let host = json!(["10.0.0.1"]);
        let addresses = if key.kind.is_core("Node") {
            json!({"hostIPs": host, "kubeletPort": 10250, "hostname": key.name})
        } else {
            json!({"hostIPs": host, "kubeletPort": 10250, "podIPs": ["10.0.0.2"]})
        };
        let facts = if plays && declared.facts.contains(&FactName::Addresses) {
            json!({ "addresses": addresses })
        } else {
            json!({})
        };
        Context {
            now: self.now.max(since),
            since,
            changed: self.changed.max(since),
            entropy: due::entropy(self.seed, self.subject.uid(), plugin.name(), since),
            related: Value::Object(related).to_string(),
            facts: facts.to_string(),
        }
    }
}

// === impl Life ===

impl Life {
    /// One line for each stage.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![["AFTER", "STAGE", "STATE", "WRITES"].map(str::to_owned)];
        rows.push(["0ns", "", &self.state, &self.object].map(str::to_owned));
        for step in &self.steps {
            let writes = step.writes.iter().map(written);
            let events = step.events.iter().map(|event| format!("Event {event}"));
            let done: Vec<String> = writes.chain(events).collect();
            let after = format!("{:?}", Duration::from_millis(step.after_ms));
            rows.push([
                after,
                step.stage.clone(),
                step.state.clone(),
                done.join("; "),
            ]);
        }
        let widths = [0, 1, 2].map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        });
        let mut text = String::new();
        for [after, stage, state, done] in rows {
            let [a, b, c] = widths;
            let line = format!("{after:<a$}  {stage:<b$}  {state:<c$}  {done}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "{}", self.end.sentence());
        text
    }

    /// A state diagram; https://mermaid.js.org/syntax/stateDiagram.html
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = "stateDiagram-v2\n".to_owned();
        let states = std::iter::once(&self.state).chain(self.steps.iter().map(|step| &step.state));
        for (number, state) in states.enumerate() {
            let _ = writeln!(
                text,
                "    state \"{}\" as s{number}",
                state.replace('"', "'")
            );
        }
        text.push_str("    [*] --> s0\n");
        let mut last = 0;
        for (number, step) in self.steps.iter().enumerate() {
            let wait = Duration::from_millis(step.after_ms.saturating_sub(last));
            last = step.after_ms;
            let _ = writeln!(
                text,
                "    s{number} --> s{}: {} +{wait:?}",
                number + 1,
                step.stage
            );
        }
        if matches!(self.end, End::Gone) {
            let _ = writeln!(text, "    s{} --> [*]", self.steps.len());
        }
        text
    }
}

/// A write in a few words: what, and which of its parts.
fn written(write: &Planned) -> String {
    let mut text = write.verb.to_owned();
    if let Some(subresource) = &write.subresource {
        text = format!("{text} {subresource}");
    }
    if matches!(write.verb, "apply" | "remove") {
        text = format!("{text} {}", write.object);
    }
    if write.verb == "patch"
        && let Some(body) = write.body.as_object()
    {
        let status = body.get("status").and_then(Value::as_object);
        let keys = match (status, body.len()) {
            (Some(status), 1) => status.keys(),
            _ => body.keys(),
        };
        let keys: Vec<&str> = keys.map(String::as_str).collect();
        text = format!("{text} ({})", keys.join(", "));
    }
    text
}

// === impl End ===

impl End {
    /// Whether a user should look at it.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Refused(_))
    }

    fn sentence(&self) -> String {
        match self {
            Self::Idle(note) => format!("Nothing more happens: {note}."),
            Self::Nobody => {
                "Nothing more happens: no plugin and no stage is for this kind.".to_owned()
            }
            Self::Gone => "The object is gone.".to_owned(),
            Self::WithoutEffect(message) => format!("Nothing more happens: {message}."),
            Self::Enough => "There is more; --stages shows more of it.".to_owned(),
            Self::Failed(message) => format!("Failed: {message}"),
            Self::Refused(message) => format!("Refused by the guard: {message}"),
        }
    }
}
