//! What templates ask of the world: in the plugin, of the context that the host gives; in the test tool, of stubs.

use std::cell::OnceCell;

use stagewright_go_template::time::Instant;
use stagewright_go_template::{Surroundings, Value};
use stagewright_plugin::{Addresses, Context};

/// The release of KWOK whose stages are interpreted; they build version numbers of nodes from it.
pub const VERSION: &str = "v0.8.0";

/// The host's context.
pub struct World<'a> {
    context: &'a Context,
    addresses: OnceCell<Result<Addresses, String>>,
}

impl<'a> World<'a> {
    /// The world of one play.
    #[must_use]
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            addresses: OnceCell::new(),
        }
    }

    /// Read once, since templates ask for one after the other.
    fn addresses(&self) -> Result<&Addresses, String> {
        let addresses = self.addresses.get_or_init(|| self.context.addresses());
        addresses.as_ref().map_err(String::clone)
    }
}

impl Surroundings for World<'_> {
    fn now(&self) -> Instant {
        Instant::from_time(self.context.now)
    }

    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        let first = |list: &[String], what: &str| match list.first() {
            Some(address) => Ok(Value::text(address)),
            None => Err(format!("the host knows no address of the {what}")),
        };
        let on_host_network = matches!(args.get(1), Some(Value::Bool(true)));
        match function {
            "Now" => Ok(Value::text(self.now().rfc3339())),
            "now" => Ok(Value::Time(self.now())),
            // A sandbox has no start; what the object itself knows is the same after a restart too.
            "StartTime" => Ok(Value::text(
                Instant::from_time(self.context.since).rfc3339(),
            )),
            "Version" => Ok(Value::text(VERSION)),
            "NodeIP" | "NodeIPWith" => first(&self.addresses()?.host_ips, "node"),
            "NodeIPsWith" => Ok(Value::texts(&self.addresses()?.host_ips)),
            "PodIPWith" if on_host_network => first(&self.addresses()?.host_ips, "node"),
            "PodIPsWith" if on_host_network => Ok(Value::texts(&self.addresses()?.host_ips)),
            "PodIP" | "PodIPWith" => first(&self.addresses()?.pod_ips, "pod"),
            "PodIPsWith" => Ok(Value::texts(&self.addresses()?.pod_ips)),
            "NodeName" => match &self.addresses()?.hostname {
                Some(name) => Ok(Value::text(name)),
                None => Err("the host knows no name of the node".to_owned()),
            },
            "NodePort" => match self.addresses()?.kubelet_port {
                Some(port) => Ok(Value::Int(i64::from(port))),
                None => Err("the host knows no port of the kubelet".to_owned()),
            },
            other => Err(format!("{other} asks for what the host does not know")),
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

    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        if function == "StartTime" {
            return Ok(Value::text(self.now.rfc3339()));
        }
        let args: Vec<String> = args.iter().map(Value::source).collect();
        let call = if args.is_empty() {
            function.to_owned()
        } else {
            format!("{function}({})", args.join(", "))
        };
        Ok(match function {
            "NodeIPsWith" | "PodIPsWith" => {
                let items = (0..2).map(|number| Value::text(format!("<{number} of {call}>")));
                Value::list(items.collect())
            }
            _ => Value::text(format!("<{call}>")),
        })
    }
}

#[cfg(test)]
mod tests {
    use stagewright_go_template::{Body, Found};
    use stagewright_plugin::Time;

    use super::*;
    use crate::functions::{find_stubbed, names};

    /// A function is told by its name here, so that the compiler does not see one that is left out.
    #[test]
    fn every_function_that_asks_the_world_is_answered() {
        let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let context = Context::at(now);
        let kinds = [
            "NodeIP",
            "PodIP",
            "NodeIPWith",
            "NodeIPsWith",
            "PodIPWith",
            "PodIPsWith",
            "NodeName",
            "NodePort",
        ];
        let mut asked = 0;
        for name in names().into_iter().chain(kinds) {
            let Found::Function(function) = find_stubbed(name) else {
                panic!("{name} is not found");
            };
            if !matches!(function.body, Body::World) {
                continue;
            }
            asked += 1;
            if let Err(message) = World::new(&context).call(name, &[]) {
                assert!(!message.contains("asks for what"), "{message}");
            }
        }
        assert_eq!(asked, 12);
    }
}
