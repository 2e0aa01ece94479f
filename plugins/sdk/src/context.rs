//! All that an answer may depend on beside the settings and the object.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::duration::Delay;
use crate::json::Json;
use crate::time::Time;

/// What the host says of the moment and of the world around the object.
#[derive(Debug)]
pub struct Context {
    /// Now, on the API server's clock; never before a time on the object. For what is written, not for reckoning due times.
    pub now: Time,
    /// When the object's present stay began: the newest of its creation, the request of its deletion and the times at the subject's
    /// `since` paths. A function of the object alone.
    pub since: Time,
    /// The newest of `since` and the last change that the host saw of a field in `reads`.
    pub changed: Time,
    /// 128 random bits, the same for one `since`, whoever asks and how often.
    pub entropy: [u32; 4],
    /// Related objects by relation, as the host rendered them. [`Context::related`] reads them.
    pub related: Json,
    /// The facts that the subject asked for. [`Context::fact`] reads them.
    pub facts: Json,
}

/// An object related to the subject, cut to what the relation reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// The object.
    pub object: Value,
    /// Milliseconds since 1970: as [`Context::since`], of this object.
    #[serde(default)]
    since_ms: f64,
    #[serde(default)]
    changed_ms: f64,
}

/// The fact `addresses`, given to plays alone, since pod addresses are allocated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Addresses {
    /// The node's own, one of a family.
    #[serde(rename = "hostIPs")]
    pub host_ips: Vec<String>,
    /// The pod's; the node's own for a pod on the host's network. Empty for a node.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<String>,
    /// The node's name in its network; for a node.
    pub hostname: Option<String>,
    /// Where the node's kubelet is said to answer.
    pub kubelet_port: Option<u16>,
}

/// The fact `failure`: the last play failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// The stage that was played.
    pub stage: String,
    /// `forbidden`, `invalid`, `quota`, `refused` or `exists`; there may come more.
    pub code: String,
    /// What the server or the host said.
    #[serde(default)]
    pub message: String,
    /// How often in a row.
    #[serde(default)]
    pub count: u32,
}

// === impl Context ===

impl Context {
    /// A context for tests: everything begins at `now`, and nothing is known.
    #[must_use]
    pub fn at(now: Time) -> Self {
        Self {
            now,
            since: now,
            changed: now,
            entropy: [0; 4],
            related: Json::new("{}".to_owned()),
            facts: Json::new("{}".to_owned()),
        }
    }

    /// The objects of a relation, in the order of namespace and name. Empty where there are none.
    ///
    /// # Errors
    /// If the host gave something else than the interface says.
    pub fn related(&self, relation: &str) -> Result<Vec<Related>, String> {
        let Some(objects) = self.related.get(relation) else {
            return Ok(Vec::new());
        };
        Vec::deserialize(objects).map_err(|error| format!("related {relation:?}: {error}"))
    }

    /// A fact, if the subject asked for it and there is one.
    ///
    /// # Errors
    /// If it has another shape.
    pub fn fact<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Result<Option<T>, String> {
        let fact = self.facts.get(name).map(T::deserialize).transpose();
        fact.map_err(|error| format!("fact {name:?}: {error}"))
    }

    /// The addresses of the pod or node that is played. Empty while deciding.
    ///
    /// # Errors
    /// If the fact has another shape.
    pub fn addresses(&self) -> Result<Addresses, String> {
        Ok(self.fact("addresses")?.unwrap_or_default())
    }

    /// Why the last play failed for good, if it did.
    ///
    /// # Errors
    /// If the fact has another shape.
    pub fn failure(&self) -> Result<Option<Failure>, String> {
        self.fact("failure")
    }

    /// Whether the last play of that stage failed for good.
    ///
    /// # Errors
    /// As [`Context::failure`].
    pub fn has_failed(&self, stage: &str) -> Result<bool, String> {
        let failure = self.failure()?;
        Ok(failure.is_some_and(|failure| failure.stage == stage))
    }

    /// A number in [0, 1): the same for one `since` and label. Draws of different labels are independent.
    #[must_use]
    pub fn chance(&self, label: &str) -> f64 {
        let [a, b, c, d] = self.entropy.map(u64::from);
        let mut hash = a << 32 | b;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        fraction(mix(mix(hash) ^ (c << 32 | d)))
    }

    /// A duration in the range, uniformly, as [`Context::chance`] has it. An empty range gives its beginning.
    #[must_use]
    pub fn jitter(&self, label: &str, range: Range<Duration>) -> Duration {
        let room = range.end.saturating_sub(range.start);
        range.start + room.mul_f64(self.chance(label))
    }

    /// A duration between the delay's ends, uniformly.
    #[must_use]
    pub fn draw(&self, label: &str, delay: Delay) -> Duration {
        self.jitter(label, delay.min..delay.max)
    }
}

/// A number in [0, 1) that follows from these texts alone: for draws that must outlast a stay, since [`Context::chance`] differs from
/// one to the next. Name the object's uid among them.
#[must_use]
pub fn chance_of(parts: &[&str]) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // The end of a part counts, so that ("ab", "c") is not ("a", "bc").
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fraction(mix(mix(hash)))
}

/// The first 53 bits as a number below one: as many as a float holds.
fn fraction(bits: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    {
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The finaliser of `SplitMix64`: every bit of the input moves every bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

// === impl Related ===

impl Related {
    /// When its present stay began, as [`Context::since`].
    #[must_use]
    pub fn since(&self) -> Time {
        Time::from_f64(self.since_ms)
    }

    /// When the host saw it change last, as [`Context::changed`].
    #[must_use]
    pub fn changed(&self) -> Time {
        Time::from_f64(self.changed_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chance_of_texts_is_theirs_alone() {
        let chances: Vec<f64> = (0..100)
            .map(|uid| chance_of(&["uid", &uid.to_string()]))
            .collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        let low = chances.iter().filter(|chance| **chance < 0.5).count();
        assert!((30..70).contains(&low), "{low} of 100 are low");
        let [one, other] = [["ab", "c"], ["a", "bc"]].map(|parts| chance_of(&parts).to_bits());
        assert_ne!(one, other);
    }

    fn with_entropy(entropy: [u32; 4]) -> Context {
        Context {
            entropy,
            ..Context::at(Time(0))
        }
    }

    #[test]
    fn draws_are_stable_and_independent() {
        let context = with_entropy([1, 2, 3, 4]);
        assert_eq!(context.chance("a"), context.chance("a"));
        assert_ne!(context.chance("a"), context.chance("b"));
        for word in 0..4 {
            let mut entropy = [1, 2, 3, 4];
            entropy[word] ^= 1;
            assert_ne!(
                with_entropy(entropy).chance("a"),
                context.chance("a"),
                "word {word}"
            );
        }
    }

    #[test]
    fn draws_fill_their_range() {
        let range = Duration::from_secs(1)..Duration::from_secs(5);
        let mut tenths = [0; 10];
        for seed in 0..1000 {
            let context = with_entropy([seed, 0, 0, 0]);
            let duration = context.jitter("delay", range.clone());
            assert!(range.contains(&duration), "{duration:?}");
            tenths[(context.chance("delay") * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|tenth| *tenth > 50), "{tenths:?}");
        let empty = Duration::from_secs(5)..Duration::from_secs(1);
        assert_eq!(
            with_entropy([7; 4]).jitter("delay", empty),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn facts_and_related_objects_are_read_by_name() {
        let mut context = Context::at(Time(0));
        context.facts =
            json!({"addresses": {"hostIPs": ["10.0.0.1"], "kubeletPort": 10247, "later": 1},
            "failure": {"stage": "start", "code": "quota", "message": "no", "count": 2}})
            .into();
        let addresses = context.addresses().unwrap();
        assert_eq!(
            (addresses.host_ips.as_slice(), addresses.kubelet_port),
            (&["10.0.0.1".to_owned()][..], Some(10247))
        );
        assert_eq!(context.failure().unwrap().unwrap().count, 2);
        assert_eq!(context.fact::<String>("none"), Ok(None));

        context.related =
            json!({"node": [{"object": {"kind": "Node"}, "sinceMs": 5, "changedMs": 7}]}).into();
        let nodes = context.related("node").unwrap();
        assert_eq!((nodes[0].since(), nodes[0].changed()), (Time(5), Time(7)));
        assert_eq!(context.related("gang"), Ok(Vec::new()));
    }
}
