//! How long each stage of the general profile is waited for, and who says so.
//!
//! The strongest first:
//! 1. the pod's annotation `stagewright.dev/pod.<stage>-delay`, like `10s` or `5s..10s`, or of one container `first=10s`;
//! 2. its annotations `<stage>.stage.kwok.x-k8s.io/delay` and `…/jitter-delay`, with KWOK's names of the stages: at least the one, at
//!    most the other;
//! 3. the setting `delays`, like `{"create": "1s..5s"}`;
//! 4. one to five seconds; for `terminate`, one second to the grace period.
//!
//! A delay counts from the end of the stage before: the binding of the pod, the last start or end of a container, the request of its
//! deletion. A pod is ended within its grace period, whatever its delay.

use serde::Deserialize;
use stagewright_plugin::{Delay, parse_duration};

use crate::annotations::of_container;
use crate::view::Annotations;

/// A stage that may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Sandbox and addresses are there, containers wait.
    Create,
    /// The next init container runs.
    InitStart,
    /// The init container that runs is done.
    InitComplete,
    /// All containers run.
    Ready,
    /// A Job's pod is done.
    Complete,
    /// A deleted pod's containers end.
    Terminate,
    /// A granted resize is done.
    Resize,
}

/// The setting `delays`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Delays {
    create: Option<Delay>,
    init_start: Option<Delay>,
    init_complete: Option<Delay>,
    ready: Option<Delay>,
    complete: Option<Delay>,
    terminate: Option<Delay>,
    resize: Option<Delay>,
}

/// What stages are waited for if nobody says otherwise.
pub const USUAL: Delay = Delay::seconds(1, 5);

impl Stage {
    /// As `decide` answers it, and as the setting names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::InitStart => "init-start",
            Self::InitComplete => "init-complete",
            Self::Ready => "ready",
            Self::Complete => "complete",
            Self::Terminate => "terminate",
            Self::Resize => "resize",
        }
    }

    /// This plugin's annotation.
    #[must_use]
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Create => "stagewright.dev/pod.create-delay",
            Self::InitStart => "stagewright.dev/pod.init-start-delay",
            Self::InitComplete => "stagewright.dev/pod.init-complete-delay",
            Self::Ready => "stagewright.dev/pod.ready-delay",
            Self::Complete => "stagewright.dev/pod.complete-delay",
            Self::Terminate => "stagewright.dev/pod.terminate-delay",
            Self::Resize => "stagewright.dev/pod.resize-delay",
        }
    }

    /// The annotations that KWOK's general stages read, if it has the stage: the shortest and the longest delay.
    #[must_use]
    pub fn kwok_annotations(self) -> Option<[&'static str; 2]> {
        Some(match self {
            Self::Resize => return None,
            Self::Create => [
                "pod-create.stage.kwok.x-k8s.io/delay",
                "pod-create.stage.kwok.x-k8s.io/jitter-delay",
            ],
            Self::InitStart => [
                "pod-init-container-running.stage.kwok.x-k8s.io/delay",
                "pod-init-container-running.stage.kwok.x-k8s.io/jitter-delay",
            ],
            Self::InitComplete => [
                "pod-init-container-completed.stage.kwok.x-k8s.io/delay",
                "pod-init-container-completed.stage.kwok.x-k8s.io/jitter-delay",
            ],
            Self::Ready => [
                "pod-ready.stage.kwok.x-k8s.io/delay",
                "pod-ready.stage.kwok.x-k8s.io/jitter-delay",
            ],
            Self::Complete => [
                "pod-complete.stage.kwok.x-k8s.io/delay",
                "pod-complete.stage.kwok.x-k8s.io/jitter-delay",
            ],
            Self::Terminate => [
                "pod-delete.stage.kwok.x-k8s.io/delay",
                "pod-delete.stage.kwok.x-k8s.io/jitter-delay",
            ],
        })
    }
}

impl Delays {
    /// The setting for a stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Option<Delay> {
        match stage {
            Stage::Create => self.create,
            Stage::InitStart => self.init_start,
            Stage::InitComplete => self.init_complete,
            Stage::Ready => self.ready,
            Stage::Complete => self.complete,
            Stage::Terminate => self.terminate,
            Stage::Resize => self.resize,
        }
    }
}

/// What the pod says of a stage, and of a container in it, or `otherwise`. A value without a name is for all containers.
///
/// # Errors
/// If an annotation has no delay in it: names it, its value, and what is expected.
pub fn annotated(
    stage: Stage,
    container: &str,
    annotations: &Annotations<'_>,
    otherwise: Delay,
) -> Result<Delay, String> {
    if annotations.is_empty() {
        return Ok(otherwise);
    }
    let own = stage.annotation();
    if let Some(text) = annotations
        .get(own)
        .and_then(|text| of_container(text, container, true))
    {
        return Delay::parse(text).map_err(|error| format!("annotation {own}: {error}"));
    }
    let Some(kwok) = stage.kwok_annotations() else {
        return Ok(otherwise);
    };
    let [shortest, longest] = kwok.map(|key| {
        let text = annotations.get(key)?;
        Some(parse_duration(text).map_err(|error| format!("annotation {key}: {error}")))
    });
    let (shortest, longest) = (shortest.transpose()?, longest.transpose()?);
    Ok(match (shortest, longest) {
        (None, None) => otherwise,
        // KWOK takes a longest below the shortest as the delay itself.
        (Some(shortest), Some(longest)) => Delay {
            min: shortest.min(longest),
            max: longest,
        },
        (Some(shortest), None) => Delay {
            min: shortest,
            max: otherwise.max.max(shortest),
        },
        (None, Some(longest)) => Delay {
            min: otherwise.min.min(longest),
            max: longest,
        },
    })
}
