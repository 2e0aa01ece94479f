//! Metrics as text: OpenMetrics for those who ask for it, Prometheus' older format for the rest.

use std::fmt;

use prometheus_client::encoding::text::encode as encode_open;
use prometheus_client::registry::Registry;

const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type and text for an `Accept` header.
pub(super) fn encode(
    registry: &Registry,
    accept: &str,
) -> Result<(&'static str, String), fmt::Error> {
    let mut text = String::new();
    encode_open(&mut text, registry)?;
    if accept.contains("application/openmetrics-text") {
        return Ok((OPEN, text));
    }
    Ok((CLASSIC, classic(&text)))
}

/// In the older format a counter's family is named with its suffix, and there are neither units nor an end.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help: Option<&str> = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.rsplit_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().and_then(|help| help.split_once(' ')) {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line.split_once(" # {").map_or(line, |(sample, _)| sample));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Unit;

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::with_prefix("stagewright");
        let counter: Counter = Counter::default();
        counter.inc();
        registry.register("plays", "Plays", counter);
        registry.register_with_unit("lag", "Lag", Unit::Seconds, Gauge::<i64>::default());
        registry
    }

    #[test]
    fn each_format_for_those_who_ask() {
        let (kind, text) = encode(
            &registry(),
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        )
        .unwrap();
        assert!(
            kind.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"),
            "{text}"
        );
        let (kind, text) = encode(&registry(), "*/*").unwrap();
        assert!(kind.starts_with("text/plain"));
        let expected = "# HELP stagewright_plays_total Plays.\n# TYPE stagewright_plays_total counter\nstagewright_plays_total 1\n\
            # HELP stagewright_lag_seconds Lag.\n# TYPE stagewright_lag_seconds gauge\nstagewright_lag_seconds 0\n";
        assert_eq!(text, expected);
    }
}
