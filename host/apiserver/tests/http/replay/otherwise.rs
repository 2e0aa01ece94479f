//! Where scripts of requests are answered otherwise here than by a real kube-apiserver: the reviewed list, with reasons.

use serde_json::{Value, json};

use super::{Exchange, WATCH};

/// A difference of scripts that is known.
pub struct Otherwise {
    pub methods: &'static [&'static str],
    /// A part of the path; `*` stands for a name.
    pub path: &'static str,
    /// Only where the real server answers so; none for any.
    pub codes: &'static [u16],
    /// Only where this server answers so.
    pub here: Option<u16>,
    /// All that is apart begins so.
    pub place: &'static str,
    /// Only events more there that tell nothing new: each is the one before it once again.
    pub echoes: bool,
    #[allow(dead_code, reason = "it is for who reads the list")]
    pub why: &'static str,
}

/// Where scripts are answered otherwise.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const SCRIPTS_OTHERWISE: [Otherwise; 4] = [
    Otherwise {
        methods: &["PUT"],
        path: "/widgets/",
        codes: &[],
        here: None,
        place: "/warnings",
        echoes: false,
        why: "unknown fields are looked for when it is clear what is to be changed; there, before",
    },
    Otherwise {
        methods: &["PATCH", "PUT"],
        path: "/services/*/status",
        codes: &[400, 422, 500],
        here: Some(404),
        place: "/",
        echoes: false,
        why: "where no service is, one is created by its status there, which fails for the lack of what is filled in elsewhere",
    },
    Otherwise {
        methods: &[WATCH],
        path: "/daemonsets?",
        codes: &[],
        here: None,
        place: "/answer//0/object/metadata/annotations/deprecated.daemonset.template.generation",
        echoes: false,
        why: "a bookmark is converted there as a DaemonSet is, and gets its annotation",
    },
    Otherwise {
        methods: &[WATCH],
        path: "/persistentvolumeclaims?",
        codes: &[],
        here: None,
        place: "/answer/",
        echoes: true,
        why: "a patch that changes nothing in a claim that was applied is stored once there",
    },
];

impl Otherwise {
    /// Whether what is apart between the two answers to the request is this.
    #[allow(dead_code, reason = "each program plays some recordings")]
    pub fn covers(&self, exchange: &Exchange, told: &str) -> bool {
        let lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
        self.methods.contains(&exchange.method.as_str())
            && (self.codes.is_empty() || self.codes.contains(&exchange.code))
            && self.is_at(&exchange.path)
            && self.here.is_none_or(|code| is_code_here(&lines, code))
            && lines.chunks(3).all(|lines| self.is_all(lines))
    }

    /// Whether a place, what is there and what is here are no more than this difference.
    fn is_all(&self, lines: &[&str]) -> bool {
        let [place, there, here] = lines else {
            return false;
        };
        let is_echoed = || match value(there) {
            Some(Value::Array(mut events)) => {
                events.dedup_by(|event, before| {
                    event["type"] == "MODIFIED" && event["object"] == before["object"]
                });
                value(here) == Some(json!(events))
            }
            _ => false,
        };
        place.trim_start().starts_with(self.place) && (!self.echoes || is_echoed())
    }

    fn is_at(&self, path: &str) -> bool {
        let (before, after) = self.path.split_once('*').unwrap_or((self.path, ""));
        let rest = path.split_once(before).map(|(_, rest)| rest);
        let name = rest.and_then(|rest| Some(rest.split_once(after)?.0));
        name.is_some_and(|name| !name.contains('/'))
    }
}

/// Whether the codes are apart, and this server's is that.
fn is_code_here(lines: &[&str], code: u16) -> bool {
    let mut places = lines.chunks(3);
    places.any(|lines| match lines {
        [place, _, here] => place.trim_start() == "/code" && value(here) == Some(json!(code)),
        _ => false,
    })
}

/// The value behind `there` or `here`.
fn value(line: &str) -> Option<Value> {
    let (_, text) = line.trim_start().split_once(' ')?;
    serde_json::from_str(text.trim_start()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::apart;
    use super::*;

    #[test]
    fn a_status_is_otherwise_only_where_no_service_is() {
        let path = "/api/v1/namespaces/default/services/a/status";
        let exchange = json!({"method": "PUT", "path": path, "code": 422});
        let exchange: Exchange = serde_json::from_value(exchange).unwrap();
        let there = json!({"code": 422, "answer": "refused"});
        let is_covered = |code: u16| {
            let told = apart("", &there, &json!({"code": code, "answer": "not found"}));
            let mut known = SCRIPTS_OTHERWISE.iter();
            known.any(|known| known.covers(&exchange, &told))
        };
        assert_eq!([404, 409, 422].map(is_covered), [true, false, false]);
    }
}
