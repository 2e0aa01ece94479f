use prometheus_client::encoding::text::encode;

use super::*;

#[test]
fn what_happens_is_counted_under_the_names_that_dashboards_know() {
    let mut registry = Registry::with_prefix("stagewright");
    let metrics = Metrics::register(&mut registry);
    let pod = Kind::new("v1", "Pod");
    metrics.decided::<()>(
        "pod",
        &Ok(Answer::Stage {
            stage: "ready".into(),
            due: stagewright_core::time::Time(0),
        }),
        7,
    );
    metrics.played::<()>("pod", "ready", &Ok(Vec::new()), 8);
    metrics.decide_took("pod", Duration::from_micros(30));
    metrics.refused("pod", "Backward");
    metrics.mended("pod", "ConditionTime");
    metrics.moved_backward(&pod);
    metrics.watch_restarted(&pod, "Expired");
    metrics.objects(&pod, 3);
    metrics.lag(Duration::from_millis(3));
    metrics.depth(4, 1);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "stagewright_decisions_total{plugin=\"pod\",stage=\"ready\",verdict=\"stage\"} 1",
        "stagewright_plays_total{plugin=\"pod\",stage=\"ready\",verdict=\"nothing\"} 1",
        "stagewright_fuel_total{plugin=\"pod\",call=\"play\"} 8",
        "stagewright_guard_rejections_total{plugin=\"pod\",reason=\"Backward\"} 1",
        "stagewright_mends_total{plugin=\"pod\",rule=\"ConditionTime\"} 1",
        "stagewright_backward_moves_total{kind=\"v1/Pod\"} 1",
        "stagewright_watch_restarts_total{kind=\"v1/Pod\",reason=\"Expired\"} 1",
        "stagewright_cache_objects{kind=\"v1/Pod\"} 3",
        "stagewright_stage_lag_seconds_count 1",
        "stagewright_queue_depth 4",
        "stagewright_decide_duration_seconds_count{plugin=\"pod\"} 1",
        "stagewright_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_first_decision_is_the_first_and_stays_it() {
    let mut registry = Registry::with_prefix("stagewright");
    let metrics = Metrics::register(&mut registry);
    let seconds = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("stagewright_first_decision_seconds "));
        line.unwrap().parse::<f64>().unwrap()
    };
    let decide = || metrics.decided::<()>("pod", &Ok(Answer::Pass), 1);
    assert!(seconds() == 0.0);
    decide();
    let first = seconds();
    assert!(first > 0.0);
    decide();
    assert!(seconds() == first);
}

#[test]
fn the_process_is_measured() {
    let mut registry = Registry::default();
    Metrics::register_process(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(
        text.contains("process_cpu_seconds_total ")
            || !std::path::Path::new("/proc/self/stat").exists(),
        "{text}"
    );
}
