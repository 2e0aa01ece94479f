//! What templates ask of the world: in the plugin, of the context that the host gives; in the test tool, of stubs.

use stagewright_plugin::Context;

use crate::functions::{Outer, Surroundings};
use crate::go::Value;
use crate::go::time::Instant;

/// The release of KWOK whose stages are interpreted; they build version numbers of nodes from it.
pub const VERSION: &str = "v0.8.0";

/// The host's context.
pub struct World<'a>(pub &'a Context);

impl Surroundings for World<'_> {
    fn now(&self) -> Instant {
        Instant::from_time(self.0.now)
    }

    fn call(&self, function: Outer, args: &[Value]) -> Result<Value, String> {
        let addresses = || self.0.addresses();
        let first = |list: &[String], what: &str| match list.first() {
            Some(address) => Ok(Value::text(address)),
            None => Err(format!("the host knows no address of the {what}")),
        };
        let on_host_network = matches!(args.get(1), Some(Value::Bool(true)));
        match function {
            Outer::Now => Ok(Value::text(self.now().rfc3339())),
            Outer::SprigNow => Ok(Value::Time(self.now())),
            // A sandbox has no start; what the object itself knows is the same after a restart too.
            Outer::StartTime => Ok(Value::text(Instant::from_time(self.0.since).rfc3339())),
            Outer::Version => Ok(Value::text(VERSION)),
            Outer::NodeIp | Outer::NodeIpWith => first(&addresses()?.host_ips, "node"),
            Outer::NodeIpsWith => Ok(Value::texts(addresses()?.host_ips)),
            Outer::PodIpWith if on_host_network => first(&addresses()?.host_ips, "node"),
            Outer::PodIpsWith if on_host_network => Ok(Value::texts(addresses()?.host_ips)),
            Outer::PodIp | Outer::PodIpWith => first(&addresses()?.pod_ips, "pod"),
            Outer::PodIpsWith => Ok(Value::texts(addresses()?.pod_ips)),
            Outer::NodeName => match addresses()?.hostname {
                Some(name) => Ok(Value::text(name)),
                None => Err("the host knows no name of the node".to_owned()),
            },
            Outer::NodePort => match addresses()?.kubelet_port {
                Some(port) => Ok(Value::Int(i64::from(port))),
                None => Err("the host knows no port of the kubelet".to_owned()),
            },
        }
    }
}

/// What KWOK's test harness puts in place of the world: names and arguments, in brackets.
pub struct Stubs {
    /// The moment, for what the harness does not stub.
    pub now: Instant,
}

impl Surroundings for Stubs {
    fn now(&self) -> Instant {
        self.now
    }

    fn call(&self, function: Outer, args: &[Value]) -> Result<Value, String> {
        let name = match function {
            Outer::Now => "Now",
            Outer::SprigNow => "now",
            Outer::StartTime => return Ok(Value::text(self.now.rfc3339())),
            Outer::Version => "Version",
            Outer::NodeIp => "NodeIP",
            Outer::NodeName => "NodeName",
            Outer::NodePort => "NodePort",
            Outer::PodIp => "PodIP",
            Outer::NodeIpWith => "NodeIPWith",
            Outer::NodeIpsWith => "NodeIPsWith",
            Outer::PodIpWith => "PodIPWith",
            Outer::PodIpsWith => "PodIPsWith",
        };
        let args: Vec<String> = args.iter().map(Value::source).collect();
        let call = if args.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({})", args.join(", "))
        };
        Ok(match function {
            Outer::NodeIpsWith | Outer::PodIpsWith => {
                let items = (0..2).map(|number| Value::text(format!("<{number} of {call}>")));
                Value::list(items.collect())
            }
            _ => Value::text(format!("<{call}>")),
        })
    }
}
