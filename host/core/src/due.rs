//! What due times are counted from, and the chance that jitter and weights are made of: functions of the object alone, so that
//! every host finds the same, whenever and however often it asks.

use std::time::Duration;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::json::Path;
use crate::object::Uid;
use crate::time::Time;

/// When the object's present stay began: the newest of its creation, the request of its deletion and the times at the paths.
///
/// The API server writes `deletionTimestamp` as the moment of the request plus the grace period (`BeforeDelete` in
/// apiserver/pkg/registry/rest/delete.go), so the request is that much earlier. What is no time is left out; without any, 1970.
#[must_use]
pub fn since(object: &Value, paths: &[Path]) -> Time {
    let metadata = object.get("metadata");
    let field = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let created = field("creationTimestamp").and_then(time);
    let grace = field("deletionGracePeriodSeconds")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let deleted = field("deletionTimestamp")
        .and_then(time)
        .map(|deleted| deleted - Duration::from_secs(grace));
    let declared = paths
        .iter()
        .flat_map(|path| path.values(object))
        .filter_map(time);
    created
        .into_iter()
        .chain(deleted)
        .chain(declared)
        .max()
        .unwrap_or_default()
}

fn time(value: &Value) -> Option<Time> {
    Time::parse(value.as_str()?)
}

/// 128 bits of chance, the same for one stay whoever asks. Stable for ever: another hash would move every simulated cluster.
#[must_use]
pub fn entropy(seed: u64, uid: &Uid, plugin: &str, since: Time) -> [u32; 4] {
    let uid = uid.as_str();
    let mut bytes = Vec::with_capacity(24 + uid.len() + plugin.len());
    bytes.extend(seed.to_le_bytes());
    bytes.extend(since.0.to_le_bytes());
    // The length keeps ("ab", "c") apart from ("a", "bc").
    bytes.extend(u64::try_from(uid.len()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend(uid.as_bytes());
    bytes.extend(plugin.as_bytes());
    let hash = xxh3_128(&bytes);
    // Truncation is what splits it.
    #[allow(clippy::cast_possible_truncation)]
    [0, 32, 64, 96].map(|shift| (hash >> shift) as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(object: &Value, paths: &[&str], expected: Option<&str>) {
        let paths: Vec<Path> = paths
            .iter()
            .map(|path| Path::parse(path).unwrap())
            .collect();
        let expected = expected.map_or(Time(0), |text| Time::parse(text).unwrap());
        assert_eq!(
            since(object, &paths),
            expected,
            "{} instead of {expected}",
            since(object, &paths)
        );
    }

    fn at(time: &str) -> Value {
        json!(format!("2026-01-01T{time}Z"))
    }

    #[test]
    fn the_newest_time_counts() {
        let object = json!({"metadata": {"creationTimestamp": at("10:00:00")},
            "status": {"startTime": at("10:00:05"), "conditions": [
                {"type": "PodScheduled", "lastTransitionTime": at("10:00:01")},
                {"type": "Ready", "lastTransitionTime": at("10:00:09")},
                {"type": "Odd", "lastTransitionTime": "soon"}, {"type": "Bare"}, {"lastTransitionTime": 12}]}});
        check(&object, &[], Some("2026-01-01T10:00:00Z"));
        check(
            &object,
            &["/status/startTime"],
            Some("2026-01-01T10:00:05Z"),
        );
        check(
            &object,
            &[
                "/status/startTime",
                "/status/conditions/*/lastTransitionTime",
            ],
            Some("2026-01-01T10:00:09Z"),
        );
        check(
            &object,
            &["/status/conditions/0/lastTransitionTime", "/status/none"],
            Some("2026-01-01T10:00:01Z"),
        );
        check(
            &object,
            &["/status/conditions/2/lastTransitionTime", "/status"],
            Some("2026-01-01T10:00:00Z"),
        );
    }

    #[test]
    fn a_deletion_counts_from_its_request() {
        let object = |grace: Value| {
            json!({"metadata": {"creationTimestamp": at("10:00:00"), "deletionTimestamp": at("10:05:30"),
                "deletionGracePeriodSeconds": grace}})
        };
        check(&object(json!(30)), &[], Some("2026-01-01T10:05:00Z"));
        check(&object(json!(0)), &[], Some("2026-01-01T10:05:30Z"));
        check(&object(json!(null)), &[], Some("2026-01-01T10:05:30Z"));
        check(&object(json!(u64::MAX)), &[], Some("2026-01-01T10:00:00Z"));
    }

    #[test]
    fn an_object_without_times_has_been_there_for_ever() {
        check(&json!({}), &[], None);
        check(
            &json!({"metadata": {"creationTimestamp": null}}),
            &["/metadata/creationTimestamp"],
            None,
        );
        check(&json!([]), &[""], None);
    }

    /// Whoever changes these numbers moves the jitter of every cluster that is simulated anywhere.
    #[test]
    fn entropy_is_the_same_for_ever() {
        let uid = Uid::new("6b0e1b5e-3b0c-4b0e-8b0e-1b5e3b0c4b0e");
        let all = [
            entropy(0, &uid, "pod", Time(1_767_261_600_000)),
            entropy(1, &uid, "pod", Time(1_767_261_600_000)),
            entropy(0, &Uid::new(""), "", Time(0)),
        ];
        let expected = [
            [1_271_280_341, 874_476_176, 2_658_936_795, 3_362_179_396],
            [1_455_968_663, 1_993_625_524, 1_896_007_783, 1_702_789_759],
            [3_838_282_282, 1_950_218_574, 3_794_346_784, 283_401_340],
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn every_part_moves_the_entropy() {
        let all = [
            entropy(0, &Uid::new("ab"), "c", Time(1)),
            entropy(1, &Uid::new("ab"), "c", Time(1)),
            entropy(0, &Uid::new("a"), "bc", Time(1)),
            entropy(0, &Uid::new("ab"), "d", Time(1)),
            entropy(0, &Uid::new("ab"), "c", Time(2)),
        ];
        let words: std::collections::BTreeSet<u32> = all.into_iter().flatten().collect();
        assert_eq!(words.len(), 20, "{all:?}");
    }
}
