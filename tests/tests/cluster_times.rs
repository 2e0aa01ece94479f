//! Due times: a function of the object, so that touches, restarts, outside writes and namesakes change nothing about them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, Touches, View, name, phase, text, uid,
};

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_touched_pod_keeps_its_due_time),
        stagewright_tests::scenario!(a_delay_survives_sigkill_and_restart),
        stagewright_tests::scenario!(a_pod_failed_from_outside_stays_failed),
        stagewright_tests::scenario!(
            a_pod_re_created_while_the_host_is_stopped_gets_nothing_of_its_predecessor
        ),
    ]);
}

/// How long after the pod's first version a version with the property came.
fn after(known: &Known, uid: &str, property: impl Fn(&Value) -> bool) -> Option<Duration> {
    let first = known.versions(uid).next()?.at;
    let reached = known.versions(uid).find(|seen| property(&seen.object))?.at;
    Some(reached.duration_since(first))
}

/// Whether the duration is the delay and at most `slack` more. A delay counts from a creation time in whole seconds, so it may seem
/// up to a second short.
fn is_about(measured: Duration, delay: u64, slack: u64) -> bool {
    measured + Duration::from_secs(1) >= Duration::from_secs(delay)
        && measured <= Duration::from_secs(delay + slack)
}

/// Twenty pods due after 6 s, half of them touched every 100 ms all the while.
async fn a_touched_pod_keeps_its_due_time(scene: Scene) -> Result<()> {
    let _host = scene.host(&scene.general()).await?;
    scene.ready_node("touched").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let delays = [("pod-create", 6), ("pod-ready", 3)];
    let objects =
        (0..20).map(|number| scene.pod_with_delays(&format!("pod-{number}"), "touched", &delays));
    let created = scenario::create_all(&scene.client, objects).await?;
    let touches = Touches::start(
        &scene.client,
        created.iter().step_by(2).cloned().collect(),
        Duration::from_millis(100),
    );
    pods.until("all Running", SOON, |known| {
        known.all(20, |pod| phase(pod) == "Running")
    })
    .await?;
    drop(touches);
    let known = pods.now();
    for pod in &created {
        let touches = known.versions(uid(pod)).count();
        let started = after(&known, uid(pod), |pod| {
            !text(pod, "/status/podIP").is_empty()
        })
        .context("no podIP")?;
        let running =
            after(&known, uid(pod), |pod| phase(pod) == "Running").context("not Running")?;
        ensure!(
            is_about(started, 6, 2),
            "{} ({touches} versions) got its address after {started:?}, not 6 s",
            name(pod)
        );
        ensure!(
            is_about(running, 9, 3),
            "{} ({touches} versions) was Running after {running:?}, not 9 s",
            name(pod)
        );
    }
    Ok(())
}

/// A delay of 15 s; the host is killed after 5 s and started again 3 s later.
async fn a_delay_survives_sigkill_and_restart(scene: Scene) -> Result<()> {
    // Longer than this scenario: who is started again where its predecessor was killed does not wait for the leases' end.
    let mut arguments = scene.general();
    arguments.push("--node-lease-duration-seconds=200".to_owned());
    let host = scene.host(&arguments).await?;
    scene.ready_node("restarted").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let delays = [("pod-create", 15), ("pod-ready", 600)];
    let objects =
        (0..10).map(|number| scene.pod_with_delays(&format!("pod-{number}"), "restarted", &delays));
    let created = scenario::create_all(&scene.client, objects).await?;
    let untouched = |known: &Known| known.count(|pod| !text(pod, "/status/podIP").is_empty()) == 0;
    pods.holds(
        "no pod starts before its time",
        Duration::from_secs(5),
        untouched,
    )
    .await?;
    host.kill().await?;
    pods.holds(
        "nobody writes while the host is dead",
        Duration::from_secs(3),
        untouched,
    )
    .await?;
    let _host = scene.host(&arguments).await?;
    pods.until("all started", SOON, |known| {
        known.all(10, |pod| !text(pod, "/status/podIP").is_empty())
    })
    .await?;
    let known = pods.now();
    for pod in &created {
        let started = after(&known, uid(pod), |pod| {
            !text(pod, "/status/podIP").is_empty()
        })
        .context("no podIP")?;
        ensure!(
            is_about(started, 15, 2),
            "{} started after {started:?}, not 15 s",
            name(pod)
        );
    }
    Ok(())
}

/// Ten pods wait to become Running; each is set Failed by another writer. They stay Failed, and terminal pods are left alone.
async fn a_pod_failed_from_outside_stays_failed(scene: Scene) -> Result<()> {
    let _host = scene.host(&scene.general()).await?;
    scene.ready_node("evicted").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let delays = [("pod-create", 1), ("pod-ready", 4)];
    let objects =
        (0..10).map(|number| scene.pod_with_delays(&format!("pod-{number}"), "evicted", &delays));
    let created = scenario::create_all(&scene.client, objects).await?;
    pods.until("all created", SOON, |known| {
        known.all(10, |pod| !text(pod, "/status/podIP").is_empty())
    })
    .await?;
    for pod in &created {
        let failed = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}});
        scenario::merge(&scene.client, pod, Some("status"), failed).await?;
    }
    pods.until("all Failed", SOON, |known| {
        known.all(10, |pod| phase(pod) == "Failed")
    })
    .await?;
    let failed = |known: &Known| {
        known.all(10, |pod| {
            phase(pod) == "Failed" && text(pod, "/status/reason") == "Evicted"
        })
    };
    pods.holds("all are Failed", Duration::from_secs(8), failed)
        .await
}

/// Four rounds of 20: while the host is stopped for 3 s, pods with a stage or a deletion due are replaced by namesakes.
async fn a_pod_re_created_while_the_host_is_stopped_gets_nothing_of_its_predecessor(
    scene: Scene,
) -> Result<()> {
    let host = scene.host(&scene.general()).await?;
    scene.ready_node("reused").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    for round in 0..4 {
        let names: Vec<String> = (0..20)
            .map(|number| format!("pod-{round}-{number}"))
            .collect();
        // Each is due while the host is stopped: half have a stage before them, half their deletion.
        let first = names.iter().map(|name| old_pod(&scene, name));
        let first = scenario::create_all(&scene.client, first).await?;
        pods.until("all created", SOON, |known| {
            first.iter().all(|pod| started(known, name(pod)))
        })
        .await?;
        for pod in first.iter().step_by(2) {
            scenario::delete(&scene.client, pod, Some(2)).await?;
        }
        host.pause()?;
        let paused = Instant::now();
        scenario::delete_all(&scene.client, &first, Some(0)).await?;
        pods.until("the old ones gone", SOON, |known| {
            first.iter().all(|pod| known.get(name(pod)).is_none())
        })
        .await?;
        let second = scenario::create_all(
            &scene.client,
            names.iter().map(|name| new_pod(&scene, name)),
        )
        .await?;
        tokio::time::sleep_until((paused + Duration::from_secs(3)).into()).await;
        host.resume()?;
        // A namesake is due after 600 s: whatever comes before is meant for its predecessor.
        let untouched = |known: &Known| {
            second.iter().all(|pod| {
                known
                    .get(name(pod))
                    .is_some_and(|now| uid(now) == uid(pod) && is_untouched(now))
            })
        };
        pods.holds(
            "the new pods are as they were created",
            Duration::from_secs(4),
            untouched,
        )
        .await?;
        scenario::delete_all(&scene.client, &second, Some(0)).await?;
        pods.until("the round's pods gone", SOON, |known| known.is_empty())
            .await?;
    }
    Ok(())
}

fn old_pod(scene: &Scene, name: &str) -> Value {
    scene.pod_with_delays(
        name,
        "reused",
        &[("pod-create", 0), ("pod-ready", 2), ("pod-delete", 2)],
    )
}

fn new_pod(scene: &Scene, name: &str) -> Value {
    scene.pod_with_delays(name, "reused", &[("pod-create", 600), ("pod-ready", 600)])
}

fn started(known: &Known, name: &str) -> bool {
    known
        .get(name)
        .is_some_and(|pod| !text(pod, "/status/podIP").is_empty())
}

/// No status but what the API server gives a new pod, and no request to delete it.
fn is_untouched(pod: &Value) -> bool {
    let status = pod.pointer("/status").and_then(Value::as_object);
    let bare = status.is_none_or(|status| {
        ["podIP", "hostIP", "startTime", "containerStatuses"]
            .iter()
            .all(|field| !status.contains_key(*field))
    });
    bare && phase(pod) == "Pending" && text(pod, "/metadata/deletionTimestamp").is_empty()
}
