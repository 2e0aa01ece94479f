//! Stock plugin: load balancers and ingresses of a cluster without a cloud, as the controllers of one would report them.
//!
//! A Service of type LoadBalancer and an Ingress get an address (`publish`). Nothing listens there.

mod settings;

use stagewright_plugin::{
    Answer, Context, Description, Effect, Event, Object, Patch, Plugin, Value, json,
};

use settings::Settings;

/// Leaves an object as it is while it says `true`: a load balancer that does not come.
const PENDING: &str = "/metadata/annotations/stagewright.dev~1network.pending";

/// Written out: `configure` runs for most decisions, and building it would cost more than deciding.
const DESCRIPTION: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "network", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["publish"],
"subjects": [{"kind": "v1/Service",
  "reads": ["/metadata/annotations/stagewright.dev~1network.pending", "/spec/type", "/spec/loadBalancerClass", "/spec/clusterIP",
    "/status/loadBalancer/ingress"],
  "playReads": ["/spec/clusterIPs", "/spec/loadBalancerIP", "/status"], "writes": ["/status/loadBalancer"]},
 {"kind": "networking.k8s.io/v1/Ingress",
  "reads": ["/metadata/annotations/stagewright.dev~1network.pending", "/spec/ingressClassName", "/status/loadBalancer/ingress"],
  "playReads": ["/status"], "writes": ["/status/loadBalancer"]}]}"#
);

/// The plugin, configured.
pub struct Network {
    settings: Settings,
}

impl Plugin for Network {
    fn configure(settings: &stagewright_plugin::Settings) -> Result<(Self, Description), String> {
        let settings = Settings::parse(settings)?;
        Ok((Self { settings }, Description::from_static(DESCRIPTION)))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        let is_service = is_service(object);
        let class_at = if is_service {
            "/spec/loadBalancerClass"
        } else {
            "/spec/ingressClassName"
        };
        if is_service && object.text_at("/spec/type") != Some("LoadBalancer")
            || !self.settings.has(object.text_at(class_at))
        {
            return Ok(Answer::Pass);
        }
        if object.text_at("/metadata/deletionTimestamp").is_some() {
            return Ok(Answer::idle("it is being deleted"));
        }
        if object
            .items_at("/status/loadBalancer/ingress")
            .next()
            .is_some()
        {
            return Ok(Answer::idle("it has its address"));
        }
        match object.text_at(PENDING) {
            Some("true") => {
                return Ok(Answer::idle(
                    "its annotation stagewright.dev/network.pending says that it waits",
                ));
            }
            None | Some("false") => {}
            Some(other) => {
                return Ok(Answer::invalid(format!(
                    "annotation stagewright.dev/network.pending: {other:?} is neither \"true\" nor \"false\""
                )));
            }
        }
        if is_service
            && object
                .text_at("/spec/clusterIP")
                .is_none_or(|address| matches!(address, "" | "None"))
        {
            return Ok(Answer::idle(
                "the service has no address in the cluster yet",
            ));
        }
        // Becoming a load balancer leaves no time in a Service.
        let from = if is_service { ctx.changed } else { ctx.since };
        Ok(Answer::stage(
            "publish",
            from + ctx.draw("publish", self.settings.delay),
        ))
    }

    fn play(&self, stage: &str, object: &Object, _: &Context) -> Result<Vec<Effect>, String> {
        if stage != "publish" {
            return Err(format!("stage {stage:?} is none of this plugin's"));
        }
        let addresses = if is_service(object) {
            self.service(object)?
        } else {
            vec![self.settings.ingress()]
        };
        let told: Vec<&str> = addresses
            .iter()
            .filter_map(|entry| entry.as_object()?.values().next()?.as_str())
            .collect();
        let message = format!("Published at {}", told.join(", "));
        Ok(vec![
            Event::normal("EnsuredLoadBalancer", message).into(),
            Patch::status(json!({"loadBalancer": {"ingress": addresses}})).into(),
        ])
    }
}

impl Network {
    /// An address for each of the service's own; the one that it asks for comes instead of them.
    fn service(&self, service: &Object) -> Result<Vec<Value>, String> {
        // What the API server would fill in (`SetDefaults_Service`).
        let entry = |address: &str| json!({"ip": address, "ipMode": "VIP"});
        if let Some(asked) = service
            .text_at("/spec/loadBalancerIP")
            .filter(|asked| !asked.is_empty())
        {
            return Ok(vec![entry(asked)]);
        }
        let own = service
            .items_at("/spec/clusterIPs")
            .filter_map(Value::as_str);
        let public: Result<Vec<Value>, String> = own
            .map(|own| Ok(entry(&self.settings.public(own)?.to_string())))
            .collect();
        public
    }
}

fn is_service(object: &Object) -> bool {
    object.text_at("/kind") == Some("Service")
}

stagewright_plugin::export!(Network);
