//! What the plugin declares, derived from its stages.

use std::collections::{BTreeMap, BTreeSet};

use stagewright_plugin::{Description, Subject};

use crate::compile::is_typed;
use crate::compiled::{Stage, Stages, Step};
use crate::reads::Reads;

/// Stages beyond the host's limit, or with names that it does not take, are told under this one.
pub const OTHER: &str = "other";
/// The host's limit, less the name for the others.
const MOST: usize = 63;

/// Derives it.
#[must_use]
pub fn describe(stages: &Stages) -> Description {
    let mut description = Description::new("kwok-stages", env!("CARGO_PKG_VERSION"));
    let names = names(stages);
    description = description.stages(names.iter().copied().chain([OTHER]));
    let mut kinds: BTreeMap<&str, Vec<&Stage>> = BTreeMap::new();
    for stage in &stages.stages {
        kinds.entry(&stage.kind).or_default().push(stage);
    }
    let mut applied = BTreeSet::new();
    for (kind, stages) in kinds {
        description = description.subject(subject(kind, &stages));
        for step in stages.iter().flat_map(|stage| &stage.steps) {
            if let Step::Apply { kind, .. } = step {
                applied.insert(kind.as_str());
            }
        }
    }
    // KWOK writes whatever object it is told to, whoever made it.
    for kind in applied {
        description = description.adopts(kind);
    }
    for problem in &stages.problems {
        description = description.problem(&problem.path, &problem.message);
    }
    description
}

/// The stages that have a name of their own. Two of one name are as good as none: a play names its stage.
#[must_use]
pub fn names(stages: &Stages) -> BTreeSet<&str> {
    let names = stages.stages.iter().map(|stage| stage.name.as_str());
    let words = names.filter(|name| is_word(name) && *name != OTHER && !is_shared(stages, name));
    let mut found = BTreeSet::new();
    found.extend(words.take(MOST));
    found
}

fn is_shared(stages: &Stages, name: &str) -> bool {
    let namesakes: Vec<&Stage> = stages.stages.iter().filter(|it| it.name == name).collect();
    let twins = |stage: &&Stage| {
        let same = namesakes.iter().filter(|it| it.kind == stage.kind);
        same.count() > 1
    };
    namesakes.iter().any(twins)
}

fn is_word(name: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
    name.len() <= 63
        && name.starts_with(|char: char| char.is_ascii_alphanumeric())
        && name.chars().all(inner)
}

fn subject(kind: &str, stages: &[&Stage]) -> Subject {
    let mut reads = Reads::default();
    let mut writes = BTreeSet::new();
    for stage in stages {
        reads.all(stage.reads.clone().pointers());
        for step in &stage.steps {
            match step {
                Step::Finalizers(_) => drop(writes.insert("/metadata/finalizers".to_owned())),
                Step::Patch { patch, .. } => writes.extend(written(&patch.root, &patch.template)),
                _ => {}
            }
        }
    }
    let mut subject = Subject::new(kind)
        .reads(reads.pointers())
        .since(since(kind).iter().copied())
        .writes(writes);
    if is_typed(kind) {
        subject = subject.facts(["addresses"]);
    }
    subject
}

/// What a patch may change: what is beneath its root, or the keys at the top of its template, or all.
fn written(root: &str, template: &str) -> Vec<String> {
    if !root.is_empty() {
        return vec![format!("/{}", root.replace('~', "~0").replace('/', "~1"))];
    }
    let mut keys = Vec::new();
    for line in template
        .lines()
        .filter(|line| !line.starts_with([' ', '#']) && !line.trim().is_empty())
    {
        let key = line.split(':').next().unwrap_or_default();
        let plain = !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric());
        if !plain || !line.contains(':') {
            return vec![String::new()];
        }
        keys.push(format!("/{key}"));
    }
    keys
}

/// The times that mark the beginning of a stay: what stages themselves write when they are played.
fn since(kind: &str) -> &'static [&'static str] {
    match kind {
        "v1/Pod" => &[
            "/status/startTime",
            "/status/conditions/*/lastTransitionTime",
            "/status/initContainerStatuses/*/state/*/startedAt",
            "/status/initContainerStatuses/*/state/*/finishedAt",
            "/status/containerStatuses/*/state/*/startedAt",
            "/status/containerStatuses/*/state/*/finishedAt",
        ],
        "v1/Node" => &[
            "/status/conditions/*/lastTransitionTime",
            "/status/conditions/*/lastHeartbeatTime",
        ],
        "v1/PersistentVolume" => &["/status/lastPhaseTransitionTime"],
        _ => &["/status/conditions/*/lastTransitionTime"],
    }
}
