//! What a pod's annotations ask for, and what the setting `defaults` asks of pods that have none.
//!
//! A value is for all main containers; `NAME=VALUE` is for the one container, and is the only way to speak of an init container or a
//! sidecar; several stand behind commas: `1,proxy=0`. The README has the table for users.

use stagewright_plugin::Delay;

use crate::settings::Settings;
use crate::view::{Annotations, Pod};

/// Begins every key of this plugin.
pub const PREFIX: &str = "stagewright.dev/pod.";

/// One thing that may be asked for.
#[derive(Debug)]
pub struct Key {
    /// The whole key.
    pub key: &'static str,
    kind: Kind,
    by_container: bool,
}

#[derive(Debug)]
enum Kind {
    Code,
    Count,
    Delay,
    Flag,
    Reason,
    OneOf([&'static str; 2]),
    Text,
}

const fn key(key: &'static str, kind: Kind, by_container: bool) -> Key {
    Key {
        key,
        kind,
        by_container,
    }
}

/// With which code a container ends: 0 unless it is to fail.
pub const EXIT_CODE: Key = key("stagewright.dev/pod.exit-code", Kind::Code, true);
/// With which reason it ends, like `OOMKilled`.
pub const EXIT_REASON: Key = key("stagewright.dev/pod.exit-reason", Kind::Reason, true);
/// How long it runs before it ends by itself, whatever the restart policy.
pub const RUN_FOR: Key = key("stagewright.dev/pod.run-for", Kind::Delay, true);
/// How many attempts fail before one does well.
pub const CRASHES: Key = key("stagewright.dev/pod.crashes", Kind::Count, true);
/// After how long its liveness probe fails.
pub const UNHEALTHY: Key = key(
    "stagewright.dev/pod.liveness-fails-after",
    Kind::Delay,
    true,
);
/// How many attempts never pass their startup probe.
pub const STARTUP_FAILURES: Key = key("stagewright.dev/pod.startup-failures", Kind::Count, true);
/// Whether its readiness probe fails.
pub const NOT_READY: Key = key("stagewright.dev/pod.not-ready", Kind::Flag, true);
/// How long its image takes to come.
pub const PULL_DELAY: Key = key("stagewright.dev/pod.pull-delay", Kind::Delay, true);
/// How many times its image does not come.
pub const PULL_FAILURES: Key = key("stagewright.dev/pod.pull-failures", Kind::Count, true);
/// What becomes of a resize that is not granted.
pub const RESIZE: Key = key(
    "stagewright.dev/pod.resize",
    Kind::OneOf(["deferred", "infeasible"]),
    false,
);
/// That the kubelet evicts the pod, and its words.
pub const EVICT: Key = key("stagewright.dev/pod.evict", Kind::Text, false);
/// Whether the plugin opens readiness gates, or somebody else does.
pub const GATES: Key = key(
    "stagewright.dev/pod.gates",
    Kind::OneOf(["open", "wait"]),
    false,
);

/// All of them but the delays, which [`crate::delays`] reads.
pub const KEYS: [&Key; 12] = [
    &EXIT_CODE,
    &EXIT_REASON,
    &RUN_FOR,
    &CRASHES,
    &UNHEALTHY,
    &STARTUP_FAILURES,
    &NOT_READY,
    &PULL_DELAY,
    &PULL_FAILURES,
    &RESIZE,
    &EVICT,
    &GATES,
];

/// The plugin's memory: how often images did not come, and when they did not last.
pub const PULLS: &str = "stagewright.dev/pod.pulls";
/// The plugin's memory: the restart counts from which back-offs grow.
pub const CALM: &str = "stagewright.dev/pod.calm";

/// What is asked of one pod.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    annotations: &'a Annotations<'a>,
    settings: &'a Settings,
}

// === impl Key ===

impl Key {
    /// Without what all keys begin with: the name under the setting `defaults`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.strip_prefix(PREFIX).unwrap_or(self.key)
    }

    /// Tests a whole value.
    ///
    /// # Errors
    /// What is wrong with it, and what may stand there.
    pub fn check<'n>(
        &self,
        value: &str,
        mut containers: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<(), String> {
        if !self.by_container {
            return self.check_one(value);
        }
        for item in value.split(',') {
            let (name, item) = match item.split_once('=') {
                Some((name, item)) => (Some(name.trim()), item),
                None => (None, item),
            };
            if let Some(name) = name
                && containers.clone().next().is_some()
                && !containers.any(|known| known == name)
            {
                return Err(format!("{value:?}: the pod has no container {name:?}"));
            }
            self.check_one(item.trim())?;
        }
        Ok(())
    }

    fn check_one(&self, item: &str) -> Result<(), String> {
        let (good, remedy) = match &self.kind {
            Kind::Delay => {
                return Delay::parse(item)
                    .map(drop)
                    .map_err(|error| error.to_string());
            }
            Kind::Code => (
                item.parse::<u8>().is_ok(),
                "is no exit code: write a number from 0 to 255".to_owned(),
            ),
            Kind::Count => (
                count(item).is_some(),
                "is no count: write a number, or \"always\"".to_owned(),
            ),
            Kind::Flag => (
                matches!(item, "true" | "false"),
                "is neither \"true\" nor \"false\"".to_owned(),
            ),
            Kind::Reason => (
                is_reason(item),
                "is no reason: write one word like \"OOMKilled\"".to_owned(),
            ),
            Kind::OneOf([one, other]) => (
                item == *one || item == *other,
                format!("is neither {one:?} nor {other:?}"),
            ),
            Kind::Text => (true, String::new()),
        };
        if good {
            return Ok(());
        }
        Err(format!("{item:?} {remedy}"))
    }
}

/// A number of times; `always` is more than anything counts.
fn count(text: &str) -> Option<u32> {
    match text {
        "always" => Some(u32::MAX),
        _ => text.parse().ok(),
    }
}

fn is_reason(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric())
}

/// What a value says of a container: by its name, or, if it is a main one, of all.
#[must_use]
pub fn of_container<'t>(value: &'t str, container: &str, is_main: bool) -> Option<&'t str> {
    let mut found = None;
    for item in value.split(',') {
        match item.split_once('=') {
            Some((name, item)) if name.trim() == container => return Some(item.trim()),
            None if is_main => found = Some(item.trim()),
            _ => {}
        }
    }
    found
}

// === impl Wishes ===

impl<'a> Wishes<'a> {
    /// Of a pod with these annotations.
    #[must_use]
    pub fn new(annotations: &'a Annotations<'a>, settings: &'a Settings) -> Self {
        Self {
            annotations,
            settings,
        }
    }

    /// Tests everything that the pod's annotations ask for.
    ///
    /// # Errors
    /// Names the annotation, its value, and what may stand there.
    pub fn check(&self, pod: &Pod<'_>) -> Result<(), String> {
        for (name, value) in self.annotations.iter() {
            let Some(key) = KEYS.iter().find(|key| key.key == name) else {
                continue;
            };
            let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
            key.check(value, containers.map(|container| container.name.as_str()))
                .map_err(|error| format!("annotation {name}: {error}"))?;
        }
        Ok(())
    }

    /// What is asked of the pod.
    #[must_use]
    pub fn pod(&self, key: &Key) -> Option<&'a str> {
        let own = || self.annotations.get(key.key);
        if self.annotations.is_empty() {
            return self.settings.default(key);
        }
        own().or_else(|| self.settings.default(key))
    }

    /// What is asked of a container.
    #[must_use]
    pub fn container(&self, key: &Key, name: &str, is_main: bool) -> Option<&'a str> {
        of_container(self.pod(key)?, name, is_main)
    }

    /// A number of times that is asked for.
    #[must_use]
    pub fn count(&self, key: &Key, name: &str, is_main: bool) -> Option<u32> {
        count(self.container(key, name, is_main)?)
    }

    /// A delay that is asked for.
    #[must_use]
    pub fn delay(&self, key: &Key, name: &str, is_main: bool) -> Option<Delay> {
        Delay::parse(self.container(key, name, is_main)?).ok()
    }

    /// An exit code that is asked for.
    #[must_use]
    pub fn exit_code(&self, name: &str, is_main: bool) -> Option<u8> {
        self.container(&EXIT_CODE, name, is_main)?.parse().ok()
    }

    /// The plugin's memory of a container: what it wrote behind the name.
    #[must_use]
    pub fn memory(&self, key: &str, name: &str) -> Option<&'a str> {
        of_container(self.annotations.get(key)?, name, false)
    }
}

/// A memory with another entry for a container; none takes the entry out. Empty if nothing is left.
#[must_use]
pub fn remember(memory: Option<&str>, name: &str, entry: Option<&str>) -> String {
    let others = memory.into_iter().flat_map(|memory| memory.split(','));
    let others = others.filter(|item| item.split_once('=').is_some_and(|(known, _)| known != name));
    let mut items: Vec<String> = others.map(str::to_owned).collect();
    items.extend(entry.map(|entry| format!("{name}={entry}")));
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_or_is_one_of_all() {
        for (value, container, is_main, expected) in [
            ("3", "main", true, Some("3")),
            ("3", "first", false, None),
            ("3, first=4", "first", false, Some("4")),
            ("main=5,3", "main", true, Some("5")),
            ("main=5,3", "other", true, Some("3")),
            ("main=5", "other", true, None),
        ] {
            let found = of_container(value, container, is_main);
            assert_eq!(found, expected, "{value} of {container}");
        }
    }

    #[test]
    fn every_kind_of_value_says_what_may_stand_there() {
        for (key, bad, remedy) in [
            (&EXIT_CODE, "256", "0 to 255"),
            (&EXIT_REASON, "out of memory", "OOMKilled"),
            (&RUN_FOR, "soon", "5s..10s"),
            (&CRASHES, "-1", "always"),
            (&NOT_READY, "yes", "true"),
            (&RESIZE, "later", "infeasible"),
            (&RUN_FOR, "10s,main=soon", "5s..10s"),
            (&EXIT_CODE, "mian=1", "mian"),
            (&EXIT_CODE, "", "0 to 255"),
        ] {
            let error = key.check(bad, ["main"].into_iter()).unwrap_err();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
        for (key, good) in [
            (&EXIT_CODE, "0,main=255"),
            (&CRASHES, "always"),
            (&RUN_FOR, "5s..10s,main=1m"),
            (&EVICT, "anything, at=all"),
        ] {
            assert_eq!(key.check(good, ["main"].into_iter()), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_memory_has_one_entry_a_container() {
        let one = remember(None, "a", Some("1"));
        let two = remember(Some(&one), "b", Some("2"));
        assert_eq!(two, "a=1,b=2");
        assert_eq!(remember(Some(&two), "a", Some("3")), "b=2,a=3");
        assert_eq!(remember(Some("b=2"), "b", None), "");
    }
}
