//! What the plugin declares, as text: `configure` runs for most decisions, and building it would cost more than deciding.

/// For profile `fast`.
pub const FAST: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "pod", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["ready", "complete", "terminate", "delete"],
"subjects": [{"kind": "v1/Pod",
  "reads": ["/metadata/finalizers", "/metadata/ownerReferences/*/kind", "/metadata/annotations/stagewright.dev~1pod.exit-code",
    "/metadata/annotations/stagewright.dev~1pod.complete-delay", "/spec/restartPolicy", "/status/phase"],
  "playReads": ["/metadata/annotations/stagewright.dev~1pod.exit-code",
    "/spec/containers/*/name", "/spec/containers/*/image", "/spec/readinessGates", "/status",
    "/spec/initContainers/*/name", "/spec/initContainers/*/image", "/spec/initContainers/*/restartPolicy"],
  "writes": ["/status"], "facts": ["addresses"]}]}"#
);

/// For profile `general`.
pub const GENERAL: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "pod", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["create", "init-start", "init-complete", "ready", "complete", "terminate", "delete"],
"subjects": [{"kind": "v1/Pod",
  "reads": ["/metadata/finalizers", "/metadata/ownerReferences/*/kind", "/metadata/deletionGracePeriodSeconds",
    "/spec/restartPolicy", "/spec/initContainers/*/name", "/spec/initContainers/*/restartPolicy",
    "/status/phase", "/status/conditions/*/type", "/status/conditions/*/lastTransitionTime", "/status/containerStatuses/*/name",
    "/status/initContainerStatuses/*/name", "/status/initContainerStatuses/*/state",
    "/metadata/annotations/stagewright.dev~1pod.exit-code",
    "/metadata/annotations/stagewright.dev~1pod.create-delay",
    "/metadata/annotations/stagewright.dev~1pod.init-start-delay",
    "/metadata/annotations/stagewright.dev~1pod.init-complete-delay",
    "/metadata/annotations/stagewright.dev~1pod.ready-delay",
    "/metadata/annotations/stagewright.dev~1pod.complete-delay",
    "/metadata/annotations/stagewright.dev~1pod.terminate-delay",
    "/metadata/annotations/pod-create.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-create.stage.kwok.x-k8s.io~1jitter-delay",
    "/metadata/annotations/pod-init-container-running.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-init-container-running.stage.kwok.x-k8s.io~1jitter-delay",
    "/metadata/annotations/pod-init-container-completed.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-init-container-completed.stage.kwok.x-k8s.io~1jitter-delay",
    "/metadata/annotations/pod-ready.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-ready.stage.kwok.x-k8s.io~1jitter-delay",
    "/metadata/annotations/pod-complete.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-complete.stage.kwok.x-k8s.io~1jitter-delay",
    "/metadata/annotations/pod-delete.stage.kwok.x-k8s.io~1delay",
    "/metadata/annotations/pod-delete.stage.kwok.x-k8s.io~1jitter-delay"],
  "since": ["/status/startTime",
    "/status/initContainerStatuses/*/state/*/startedAt", "/status/initContainerStatuses/*/state/*/finishedAt",
    "/status/containerStatuses/*/state/*/startedAt", "/status/containerStatuses/*/state/*/finishedAt"],
  "playReads": ["/metadata/annotations/stagewright.dev~1pod.exit-code",
    "/spec/containers/*/name", "/spec/containers/*/image", "/spec/readinessGates", "/status",
    "/spec/initContainers/*/name", "/spec/initContainers/*/image", "/spec/initContainers/*/restartPolicy"],
  "writes": ["/status"], "facts": ["addresses"]}]}"#
);
