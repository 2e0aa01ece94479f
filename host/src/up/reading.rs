//! The host's metrics as the table shows them: read from the same text as any scrape.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Some metrics at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reading {
    /// Stages that were played.
    pub plays: u64,
    /// Plays that were refused.
    pub refused: u64,
    /// Moves backward that others made.
    pub backward: u64,
    /// Seconds from the host's start to the first answer of a plugin; 0 before it.
    pub first_decision_seconds: f64,
    /// Seconds of the processor, and bytes of memory, as far as the system tells.
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    /// How many turns began within so many seconds of their due time: upper bounds, and counts up to them.
    lags: Vec<(f64, u64)>,
}

// === impl Reading ===

impl Reading {
    pub(super) fn take(registry: &Registry) -> Self {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, registry);
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut reading = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let count = || value.parse::<u64>().unwrap_or(0);
            match name {
                "stagewright_plays_total" => reading.plays += count(),
                "stagewright_guard_rejections_total" => reading.refused += count(),
                "stagewright_backward_moves_total" => reading.backward += count(),
                "stagewright_first_decision_seconds" => {
                    reading.first_decision_seconds = value.parse().unwrap_or_default();
                }
                "process_cpu_seconds_total" => reading.cpu_seconds = value.parse().ok(),
                "process_resident_memory_bytes" => reading.resident_bytes = value.parse().ok(),
                "stagewright_stage_lag_seconds_bucket" => {
                    let bound = labels.split('"').nth(1).unwrap_or_default();
                    let bound = bound.parse().unwrap_or(f64::INFINITY);
                    reading.lags.push((bound, count()));
                }
                _ => {}
            }
        }
        reading
    }

    /// The lag that so much of all turns since the earlier reading did not exceed; none if there were no turns. The bounds of the
    /// histogram are what can be told.
    pub(super) fn lag(&self, earlier: &Self, share: f64) -> Option<Duration> {
        let before = |bound: f64| {
            let same = earlier.lags.iter().find(|(known, _)| *known == bound);
            same.map_or(0, |(_, count)| *count)
        };
        let since: Vec<(f64, u64)> = self
            .lags
            .iter()
            .map(|(bound, count)| (*bound, count.saturating_sub(before(*bound))))
            .collect();
        let all = since.last().map_or(0, |(_, count)| *count);
        if all == 0 {
            return None;
        }
        // Counts of turns are far below what a float has exactly.
        #[expect(clippy::cast_precision_loss)]
        let (bound, _) = since
            .iter()
            .find(|(_, count)| *count as f64 >= all as f64 * share)?;
        let last = since
            .iter()
            .rev()
            .map(|(bound, _)| *bound)
            .find(|bound| bound.is_finite());
        Some(Duration::from_secs_f64(if bound.is_finite() {
            *bound
        } else {
            last?
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Metrics;

    #[test]
    fn the_hosts_own_metrics_are_read() {
        let mut registry = Registry::default();
        Metrics::register_process(&mut registry);
        let metrics = Metrics::register(registry.sub_registry_with_prefix("stagewright"));
        let earlier = Reading::take(&registry);
        assert_eq!(
            (earlier.plays, earlier.lag(&Reading::default(), 0.5)),
            (0, None)
        );
        for _ in 0..98 {
            metrics.lag(Duration::from_micros(900));
        }
        metrics.lag(Duration::from_secs(3));
        metrics.lag(Duration::from_hours(9));
        metrics.refused("pod", "Backward");
        metrics.refused("node", "Backward");
        let played: Result<_, ()> = Ok(Vec::new());
        metrics.played("pod", "ready", &played, 1);
        let reading = Reading::take(&registry);
        assert_eq!(
            (reading.plays, reading.refused, reading.backward),
            (1, 2, 0)
        );
        assert_eq!(reading.lag(&earlier, 0.5), Some(Duration::from_millis(1)));
        assert_eq!(
            reading.lag(&earlier, 0.99),
            Some(Duration::from_millis(4_096))
        );
        assert_eq!(
            reading.lag(&earlier, 1.0),
            Some(Duration::from_millis(131_072)),
            "the last bound there is"
        );
        assert_eq!(reading.lag(&reading, 0.5), None);
        assert!(reading.resident_bytes.is_none_or(|bytes| bytes > 0));
    }
}
