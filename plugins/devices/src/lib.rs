//! Stock plugin: devices of simulated nodes, as a driver for dynamic resource allocation (DRA) would publish and prepare them.
//!
//! A node gets a ResourceSlice for each driver that its annotations name (`publish`). The real scheduler gives the devices away, and the
//! real controllers take them back; in between a claim says that its devices are ready (`prepare`).

mod claim;
mod node;
mod settings;

use stagewright_plugin::{Answer, Context, Description, Effect, Object, Plugin, Value};

use settings::Settings;

/// Begins the annotations by which nodes ask; the driver's name follows.
const ASKS: &str = "devices.stagewright.dev/";

/// Written out: `configure` runs for most decisions, and building it would cost more than deciding.
const DESCRIPTION: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "devices", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["publish", "prepare", "report"],
"applies": [{"kind": "resource.k8s.io/v1/ResourceSlice"}],
"subjects": [{"kind": "v1/Node",
  "reads": ["/metadata/annotations"], "playReads": ["/metadata/annotations"], "facts": ["failure"],
  "relations": [{"name": "slices", "kind": "resource.k8s.io/v1/ResourceSlice", "by": {"owned": true},
    "reads": ["/metadata/annotations/stagewright.dev~1devices.published", "/metadata/deletionTimestamp", "/spec/driver",
      "/spec/pool/generation"]}]},
 {"kind": "resource.k8s.io/v1/ResourceClaim",
  "reads": ["/status/allocation/allocationTimestamp", "/status/allocation/devices/results", "/status/devices"],
  "since": ["/status/allocation/allocationTimestamp"],
  "playReads": ["/status/allocation/devices/results", "/status/devices"], "writes": ["/status/devices"], "facts": ["failure"],
  "relations": [{"name": "nodes", "kind": "v1/Node", "by": {"name": "/status/allocation/devices/results/*/pool"},
    "reads": ["/metadata/annotations"]}]}]}"#
);

/// The plugin, configured.
pub struct Devices {
    settings: Settings,
}

impl Plugin for Devices {
    fn configure(settings: &stagewright_plugin::Settings) -> Result<(Self, Description), String> {
        let settings = Settings::parse(settings)?;
        Ok((Self { settings }, Description::from_static(DESCRIPTION)))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        if object.text_at("/metadata/deletionTimestamp").is_some() {
            return Ok(Answer::Pass);
        }
        match object.text_at("/kind") {
            Some("Node") => node::decide(&self.settings, object, ctx),
            _ => claim::decide(&self.settings, object, ctx),
        }
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        match stage {
            "publish" => node::publish(&self.settings, object, ctx),
            "prepare" => claim::prepare(object, ctx),
            "report" => node::report(object),
            _ => Err(format!("stage {stage:?} is none of this plugin's")),
        }
    }
}

/// The drivers that a node's annotations name, each with how many devices it asks for, as text.
fn asked(node: &Value) -> impl Iterator<Item = (&str, &str)> {
    let annotations = node
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    annotations
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| Some((name.strip_prefix(ASKS)?, count.as_str()?)))
}

stagewright_plugin::export!(Devices);
