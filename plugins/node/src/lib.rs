//! Stock plugin: the life of a node that runs nothing, as a kubelet would report it.
//!
//! A node becomes Ready at once, with what its maker left out filled in (`initialize`); says regularly that it is still there
//! (`heartbeat`); is not Ready while an annotation says so, or now and then if it flaps (`not-ready`); runs out of memory, disk,
//! process ids or network on demand (`pressure`); and comes back when that is over, or when somebody else gave it up (`recover`). Its
//! spec is never touched: taints and `unschedulable` belong to others. The README has the annotations.

mod decide;
mod play;
mod settings;
mod view;

use stagewright_plugin::{Answer, Context, Description, Effect, Object, Plugin, Settings};

/// The plugin, configured.
pub struct Nodes {
    settings: settings::Settings,
}

/// Written out: `configure` runs for most decisions, and building it would cost more than deciding.
const DESCRIPTION: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "node", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["initialize", "heartbeat", "not-ready", "recover", "pressure"],
"subjects": [{"kind": "v1/Node",
  "reads": ["/metadata/annotations/stagewright.dev~1node.not-ready", "/metadata/annotations/stagewright.dev~1node.pressure",
    "/metadata/annotations/stagewright.dev~1node.flap", "/status/conditions/*/type", "/status/conditions/*/status",
    "/status/conditions/*/reason", "/status/conditions/*/message", "/status/conditions/*/lastHeartbeatTime", "/status/conditions/*/lastTransitionTime"],
  "since": ["/status/conditions/*/lastHeartbeatTime", "/status/conditions/*/lastTransitionTime"],
  "playReads": ["/metadata/labels", "/metadata/annotations/stagewright.dev~1node.not-ready",
    "/metadata/annotations/stagewright.dev~1node.pressure", "/metadata/annotations/stagewright.dev~1node.flap", "/status/conditions",
    "/status/capacity", "/status/allocatable", "/status/addresses", "/status/nodeInfo", "/status/daemonEndpoints",
    "/status/declaredFeatures"],
  "writes": ["/status"], "facts": ["addresses"]}]}"#
);

impl Plugin for Nodes {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let settings = settings::Settings::parse(settings)?;
        Ok((Self { settings }, Description::from_static(DESCRIPTION)))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        let node = object.parse()?;
        Ok(decide::decide(&self.settings, &node, ctx).unwrap_or_else(Answer::Invalid))
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        play::play(&self.settings, stage, object, ctx)
    }
}

stagewright_plugin::export!(Nodes);
