//! Backward, too late, and on the wrong object.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, Known, SOON, Scene, Touches, name, phase, set, text, uid};
use stagewright_tests::watcher::{RankWatcher, Report, Watched};

use super::contest::{Contest, Ours, SIDES, Theirs, has_address, is_running};

/// A pod's life in which a pod that succeeded runs again.
const REVIVING: &str = "
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: end}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - jq: {key: .status.phase, operator: In, values: [Pending, Running]}
  delay: {durationMilliseconds: 500}
  steps:
  - patch: {subresource: status, root: status, template: 'phase: Succeeded'}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: again}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - jq: {key: .status.phase, operator: In, values: [Succeeded]}
  delay: {durationMilliseconds: 500}
  steps:
  - patch: {subresource: status, root: status, template: 'phase: Running'}
";

/// Removes one of two finalizers after four seconds.
const UNFINISHING: &str = "
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: finish}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchAnnotations: {finish: 'true'}
  delay: {durationMilliseconds: 4000}
  steps:
  - finalizers:
      remove:
      - value: example.com/stages
";

/// Any stage may write any phase.
pub async fn a_stage_revives_pods_that_succeeded(scene: Scene) -> Result<()> {
    let watcher = RankWatcher::start_for(&scene.client, vec![Watched::pods()]).await?;
    let contest = Contest::ready(&scene, &[], REVIVING).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    let succeeded = |pod: &Value| phase(pod) == "Succeeded";
    contest
        .until("our pods Succeeded", Ours, 5, succeeded)
        .await?;
    let theirs = |report: &Report| {
        let moves = report.backward.iter();
        moves
            .filter(|moved| moved.name.contains(Theirs.word()))
            .count()
            >= 5
    };
    watcher
        .until("KWOK's pods moved backward", SOON, theirs)
        .await?;
    let report = watcher.stop().await?;
    let ours = report
        .backward
        .iter()
        .filter(|moved| moved.name.contains(Ours.word()));
    let ours: Vec<_> = ours.collect();
    ensure!(ours.is_empty(), "{ours:#?}");
    ensure!(Ours.count(&contest.pods.now(), succeeded) == 5, "revived");
    let explained = contest
        .host
        .explain_text("pod", Some(&scene.name), "ours-0")
        .await?;
    ensure!(
        explained.contains("Terminal"),
        "explain does not say why:\n{explained}"
    );
    Ok(())
}

/// A job that waits survives a version that no stage matches.
pub async fn a_pod_failed_from_outside_is_brought_back(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &["general"], "").await?;
    let delays = [("pod-create", 0), ("pod-ready", 4)];
    let pods = contest
        .create(5, |side, number| contest.slow_pod(side, number, &delays))
        .await?;
    for side in SIDES {
        contest.until("all created", side, 5, has_address).await?;
    }
    for pod in &pods {
        let failed = json!({"status": {"phase": "Failed", "reason": "Evicted"}});
        scenario::merge(&scene.client, pod, Some("status"), failed).await?;
    }
    contest
        .until("KWOK's pods Running", Theirs, 5, is_running)
        .await?;
    let failed = |known: &Known| Ours.count(known, |pod| phase(pod) == "Failed") == 5;
    contest.holds("our pods stay Failed", 3, failed).await
}

/// Writes go by name. Both are stopped while pods with a stage due are replaced by namesakes.
pub async fn a_pod_gets_what_its_dead_namesake_was_due(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &["general"], "").await?;
    let delays = [("pod-create", 0), ("pod-ready", 2)];
    let old = contest
        .create(20, |side, number| contest.slow_pod(side, number, &delays))
        .await?;
    for side in SIDES {
        contest.until("all created", side, 20, has_address).await?;
    }
    contest.kwok.pause()?;
    contest.host.pause()?;
    let paused = Instant::now();
    scenario::delete_all(&scene.client, &old, Some(0)).await?;
    contest
        .pods
        .until("the old ones gone", SOON, Known::is_empty)
        .await?;
    let delays = [("pod-create", 600), ("pod-ready", 600)];
    let new = contest
        .create(20, |side, number| contest.slow_pod(side, number, &delays))
        .await?;
    tokio::time::sleep_until((paused + Duration::from_secs(3)).into()).await;
    contest.kwok.resume()?;
    contest.host.resume()?;
    let touched = |pod: &Value| {
        let is_new = new.iter().any(|new| uid(new) == uid(pod));
        is_new && (phase(pod) != "Pending" || has_address(pod))
    };
    let wrong = |known: &Known| Theirs.count(known, touched) > 0;
    contest
        .pods
        .until("a namesake of KWOK's touched", SOON, wrong)
        .await?;
    let untouched = |known: &Known| Ours.count(known, touched) == 0;
    contest
        .holds("our namesakes are untouched", 4, untouched)
        .await?;
    Ok(())
}

/// Finalizers are removed by their index in the version that the stage was chosen for.
pub async fn a_finalizer_of_somebody_else_is_removed(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &[], UNFINISHING).await?;
    let both = json!(["example.com/stages", "example.com/other"]);
    let pods = contest.create(20, |side, number| {
        let mut pod = contest.pod(side, number);
        set(
            &mut pod,
            "metadata",
            "annotations",
            json!({"finish": "true"}),
        );
        set(&mut pod, "metadata", "finalizers", both.clone());
        pod
    });
    let pods = pods.await?;
    let have_both = |known: &Known| known.all(40, |pod| pod["metadata"]["finalizers"] == both);
    contest.pods.until("all pods", SOON, have_both).await?;
    // Both hear of them and wait for the delay.
    contest.holds("all have both", 1, have_both).await?;
    contest.kwok.pause()?;
    contest.host.pause()?;
    let paused = Instant::now();
    for pod in &pods {
        let one = json!({"metadata": {"finalizers": ["example.com/other"]}});
        scenario::merge(&scene.client, pod, None, one).await?;
    }
    tokio::time::sleep_until((paused + Duration::from_secs(5)).into()).await;
    contest.kwok.resume()?;
    contest.host.resume()?;
    let robbed = |pod: &Value| pod["metadata"].get("finalizers").is_none();
    let wrong = |known: &Known| Theirs.count(known, robbed) > 0;
    contest
        .pods
        .until("KWOK removed another's finalizer", SOON, wrong)
        .await?;
    let kept = |known: &Known| Ours.count(known, robbed) == 0;
    contest.holds("we did not", 4, kept).await?;
    println!("{} of KWOK's 20", Theirs.count(&contest.pods.now(), robbed));
    for pod in &pods {
        let none = json!({"metadata": {"finalizers": null}});
        scenario::merge(&scene.client, pod, None, none).await?;
    }
    Ok(())
}

/// A label that changes twice a second keeps KWOK's pods from their first stage.
pub async fn a_touch_begins_a_delay_anew(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &["general"], "").await?;
    let delays = [("pod-create", 4), ("pod-ready", 600)];
    let pods = contest
        .create(5, |side, number| contest.slow_pod(side, number, &delays))
        .await?;
    let touches = Touches::start(&scene.client, pods, Duration::from_millis(500));
    contest
        .until("our pods created", Ours, 5, has_address)
        .await?;
    let waiting = |known: &Known| Theirs.count(known, has_address) == 0;
    contest.holds("KWOK's pods wait", 4, waiting).await?;
    drop(touches);
    // Left alone, they go on: it was the touches.
    contest
        .until("KWOK's pods created", Theirs, 5, has_address)
        .await?;
    let known = contest.pods.now();
    let late = Ours
        .of(&known)
        .find(|pod| text(pod, "/status/phase") != "Pending");
    ensure!(late.is_none(), "{:?}", late.map(name));
    Ok(())
}
