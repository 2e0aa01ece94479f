//! What is known of an object, as lines for people.

use std::fmt::{self, Write as _};

use stagewright_core::time::Time;

use super::{ClaimAnswer, Explanation, NextStep, NoteLine, PluginAnswer};

/// The text of `stagewright explain`, its lines ending with a newline.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.namespace.as_ref().map_or_else(
            || self.name.clone(),
            |space| format!("{space}/{}", self.name),
        );
        let mut rows = Rows::default();
        rows.add("Object", format!("{} {place}", self.kind));
        rows.add(
            "Version",
            format!("{} (uid {})", self.resource_version, self.uid),
        );
        rows.add(
            "Order",
            match self.order.as_str() {
                "none" => format!("no order for {}: the rules for all objects hold", self.kind),
                order => format!("{order}: {}", self.rank),
            },
        );
        if self.generation > 0 {
            let text = format!(
                "{} stages of the API server, set in {} times",
                self.stages, self.generation
            );
            rows.add("Stages", text);
        }
        rows.add("Claim", self.claim.to_string());
        for (index, plugin) in self.plugins.iter().enumerate() {
            rows.add(
                if index == 0 { "Plugins" } else { "" },
                plugin.text(self.now),
            );
        }
        if self.plugins.is_empty() {
            rows.add("Plugins", "none follows this object".to_owned());
        }
        rows.add("State", self.state.clone());
        rows.add(
            "Next",
            self.next.as_ref().map_or_else(
                || "nothing until something changes".to_owned(),
                |next| next.text(self.now),
            ),
        );
        if let Some(last) = &self.last {
            rows.add(
                "Last",
                format!(
                    "stage {} of plugin {}, in the stay since {}",
                    last.stage, last.plugin, last.since
                ),
            );
        }
        if let Some(failure) = &self.failure {
            let times = if failure.count > 1 {
                format!(", {} times in a row", failure.count)
            } else {
                String::new()
            };
            rows.add(
                "Failure",
                format!(
                    "stage {} ({}{times}): {}",
                    failure.stage, failure.code, failure.message
                ),
            );
        }
        for (index, note) in self.notes.iter().enumerate() {
            rows.add(if index == 0 { "Notes" } else { "" }, note.text(self.now));
        }
        for (index, warning) in self.warnings.iter().enumerate() {
            rows.add(if index == 0 { "Warnings" } else { "" }, warning.clone());
        }
        f.write_str(&rows.0)
    }
}

/// Lines with a name and a text that may have lines of its own.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add(&mut self, name: &str, text: String) {
        let label = if name.is_empty() {
            String::new()
        } else {
            format!("{name}:")
        };
        for (index, line) in text.lines().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                self.0,
                "{:<10} {line}",
                if index == 0 { label.as_str() } else { "" }
            );
        }
    }
}

impl fmt::Display for ClaimAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ours, &self.reason, &self.message) {
            (true, ..) => f.write_str("ours"),
            (false, Some(reason), Some(message)) => write!(f, "not ours ({reason}): {message}"),
            (false, Some(text), None) | (false, None, Some(text)) => write!(f, "not ours: {text}"),
            (false, None, None) => f.write_str("not ours"),
        }
    }
}

impl PluginAnswer {
    fn text(&self, now: Time) -> String {
        let mut text = format!("{} {}: ", self.plugin, self.version);
        match (self.answer.as_str(), &self.detail) {
            ("Stage", Some(stage)) => {
                let _ = write!(text, "stage {stage}");
            }
            (answer, Some(detail)) => {
                let _ = write!(text, "{answer} ({detail})");
            }
            (answer, None) => text.push_str(answer),
        }
        if let Some(due) = self.due {
            let _ = write!(text, ", {}", when(due, now));
        }
        if let Some(since) = self.since {
            let _ = write!(text, "; in this stay since {since}");
        }
        text
    }
}

impl NextStep {
    fn text(&self, now: Time) -> String {
        match &self.stage {
            Some(stage) => format!("stage {stage}, {}", when(self.at, now)),
            None => format!("the plugins are asked again, {}", when(self.at, now)),
        }
    }
}

impl NoteLine {
    fn text(&self, now: Time) -> String {
        let stage = if self.stage.is_empty() {
            String::new()
        } else {
            format!(", stage {}", self.stage)
        };
        let age = span(now.since(self.time).as_millis());
        format!(
            "{age} ago {} {} (plugin {}{stage}): {}",
            self.kind, self.category, self.plugin, self.message
        )
    }
}

/// `due now`, `in 1.5s`, `in 2m3s at 2026-11-24T01:55:20Z`.
fn when(due: Time, now: Time) -> String {
    if due <= now {
        return "due now".to_owned();
    }
    format!("in {} at {due}", span(due.since(now).as_millis()))
}

/// A span as people write it: two units at most.
fn span(millis: u128) -> String {
    let seconds = millis / 1_000;
    match (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, 0) => format!("{millis}ms"),
        (0, 0, 0, s) if s < 10 && millis % 1_000 >= 100 => format!("{s}.{}s", millis % 1_000 / 100),
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s}s"),
        (0, h, m, _) => format!("{h}h{m}m"),
        (d, h, ..) => format!("{d}d{h}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::LastFailure;
    use super::*;

    fn explanation() -> Explanation {
        let now = Time::parse("2026-11-24T01:55:20Z").unwrap();
        let later = |seconds: i64| Time(now.0 + seconds * 1_000);
        Explanation {
            kind: "v1/Pod".into(),
            namespace: Some("default".into()),
            name: "web".into(),
            uid: "u-1".into(),
            resource_version: "7".into(),
            now,
            order: "pod".into(),
            generation: 2,
            stages: 3,
            rank: "phase=Pending".into(),
            state: "Waiting".into(),
            claim: ClaimAnswer {
                ours: true,
                ..ClaimAnswer::default()
            },
            plugins: vec![
                PluginAnswer {
                    plugin: "gang".into(),
                    version: "1.0".into(),
                    answer: "Pass".into(),
                    ..PluginAnswer::default()
                },
                PluginAnswer {
                    plugin: "pod".into(),
                    version: "0.1.0".into(),
                    answer: "Stage".into(),
                    detail: Some("ready".into()),
                    due: Some(later(63)),
                    since: Some(later(-5)),
                },
            ],
            next: Some(NextStep {
                stage: Some("ready".into()),
                at: later(63),
            }),
            last: None,
            failure: Some(LastFailure {
                stage: "start".into(),
                code: "refused".into(),
                message: "no".into(),
                count: 2,
            }),
            notes: vec![NoteLine {
                time: later(-90),
                kind: "Refused".into(),
                category: "Backward".into(),
                plugin: "pod".into(),
                stage: "start".into(),
                message: "Running -> Pending".into(),
            }],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn people_read_lines() {
        let text = explanation().to_string();
        let expected = "\
Object:    v1/Pod default/web
Version:   7 (uid u-1)
Order:     pod: phase=Pending
Stages:    3 stages of the API server, set in 2 times
Claim:     ours
Plugins:   gang 1.0: Pass
           pod 0.1.0: stage ready, in 1m3s at 2026-11-24T01:56:23Z; in this stay since 2026-11-24T01:55:15Z
State:     Waiting
Next:      stage ready, in 1m3s at 2026-11-24T01:56:23Z
Failure:   stage start (refused, 2 times in a row): no
Notes:     1m30s ago Refused Backward (plugin pod, stage start): Running -> Pending
";
        assert_eq!(text, expected);
    }

    #[test]
    fn machines_read_what_machines_wrote() {
        let told = explanation();
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(json["now"], "2026-11-24T01:55:20.000000Z");
        assert_eq!(json["claim"], serde_json::json!({"ours": true}));
        assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), told);
    }

    #[test]
    fn spans_have_two_units() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_500, "1.5s"),
            (12_900, "12s"),
            (61_000, "1m1s"),
            (3_660_000, "1h1m"),
            (90_000_000, "1d1h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }
}
