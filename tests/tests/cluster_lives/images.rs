//! Images that do not come.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{Scene, is_true, phase, text, uid};

use super::support::{alone, container, ever, pod, seconds, status, until};

/// One image fails once: `ErrImagePull`, then `ImagePullBackOff` for 10 s (`ensureImage` in kubelet/images/image_manager.go), in a pod
/// that is Pending since a container waits and never ran (`getPhase`).
pub async fn an_image_fails_to_come_and_comes(scene: Scene) -> Result<()> {
    let spec = json!({"containers": [container("main"), container("other")]});
    let (pods, created) = alone(
        &scene,
        pod(&scene, "web", &[("pull-failures", "main=1")], spec),
    )
    .await?;
    let ready = until(&pods, "web", "Ready", |pod| is_true(pod, "Ready")).await?;
    let waits = |pod: &Value, reason: &str| {
        text(status(pod, "main"), "/state/waiting/reason") == reason && phase(pod) == "Pending"
    };
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        ensure!(
            ever(&pods.now(), uid(&created), |pod| waits(pod, reason)),
            "it waited for {reason}"
        );
    }
    let other = seconds(status(&ready, "other"), "/state/running/startedAt")?;
    let main = seconds(status(&ready, "main"), "/state/running/startedAt")?;
    ensure!(
        (9..=16).contains(&(main - other)),
        "it came {} s after the other: {ready}",
        main - other
    );
    Ok(())
}
