//! What the types of built-in kinds say of their lists. Generated from Kubernetes' OpenAPI document:
//! `cargo run -p stagewright-tests --bin generate-merge-keys`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::object::Kind;

static TEXT: &str = include_str!("merge_keys.json");

/// Read when the first strategic merge patch is applied. Were the file broken, no kind would be known; a test reads it.
static TABLE: LazyLock<Table<'static>> =
    LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

#[derive(Default, Deserialize)]
struct Table<'a> {
    /// The definition of each kind.
    #[serde(borrow)]
    kinds: BTreeMap<&'a str, &'a str>,
    #[serde(borrow)]
    definitions: BTreeMap<&'a str, Definition<'a>>,
}

type Definition<'a> = BTreeMap<&'a str, Row<'a>>;

/// A property that has a strategy, or leads to one.
#[derive(Default, Deserialize)]
struct Row<'a> {
    /// `x-kubernetes-patch-strategy`.
    #[serde(borrow, default)]
    strategy: Option<&'a str>,
    /// `x-kubernetes-patch-merge-key`.
    #[serde(borrow, default)]
    key: Option<&'a str>,
    /// The definition of the value, or of a list's items.
    #[serde(borrow, default)]
    of: Option<&'a str>,
}

/// The type of an object; of most it says nothing, since nothing below has a strategy.
#[derive(Clone, Copy, Default)]
pub(super) struct Schema(Option<&'static Definition<'static>>);

/// How a property is patched.
#[derive(Clone, Copy, Default)]
pub(super) struct Property {
    pub(super) strategy: PatchStrategy,
    /// The merge key of a list of objects.
    pub(super) key: Option<&'static str>,
    /// The type of the value, or of a list's items.
    pub(super) schema: Schema,
}

/// What is done with a value that is there already. (`retainKeys` is carried by the patch itself.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PatchStrategy {
    /// Objects merge, lists are replaced.
    #[default]
    Default,
    /// Lists merge.
    Merge,
    /// Objects are replaced.
    Replace,
}

impl Schema {
    /// `None` unless the kind is built in.
    pub(super) fn of(kind: &Kind) -> Option<Self> {
        let definition = TABLE.kinds.get(kind.to_string().as_str())?;
        Some(Self(TABLE.definitions.get(definition)))
    }

    pub(super) fn property(self, name: &str) -> Property {
        let Some(row) = self.0.and_then(|definition| definition.get(name)) else {
            return Property::default();
        };
        let strategies = || row.strategy.unwrap_or_default().split(',');
        let strategy = if strategies().any(|word| word == "merge") {
            PatchStrategy::Merge
        } else if strategies().any(|word| word == "replace") {
            PatchStrategy::Replace
        } else {
            PatchStrategy::Default
        };
        Property {
            strategy,
            key: row.key,
            schema: Self(row.of.and_then(|name| TABLE.definitions.get(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The property at the end of the names, and the names that do not lead on.
    fn property(kind: &str, names: &[&str]) -> Property {
        let schema = Schema::of(&Kind::parse(kind).unwrap()).unwrap();
        names.iter().fold(
            Property {
                schema,
                ..Property::default()
            },
            |at, name| at.schema.property(name),
        )
    }

    #[test]
    fn the_table_is_read() {
        let table: Table<'_> = serde_json::from_str(TEXT).unwrap();
        assert!(table.kinds.len() > 60, "{}", table.kinds.len());
        let named = table.kinds.values().chain(
            table
                .definitions
                .values()
                .flat_map(|rows| rows.values())
                .filter_map(|row| row.of.as_ref()),
        );
        for definition in named {
            assert!(table.definitions.contains_key(definition), "{definition}");
        }
        for row in table.definitions.values().flat_map(|rows| rows.values()) {
            for word in row.strategy.unwrap_or("merge").split(',') {
                assert!(["merge", "replace", "retainKeys"].contains(&word), "{word}");
            }
        }
    }

    #[test]
    fn merge_keys_are_those_of_the_types() {
        for (kind, names, key) in [
            ("v1/Pod", &["status", "conditions"][..], Some("type")),
            ("v1/Pod", &["status", "podIPs"], Some("ip")),
            ("v1/Pod", &["spec", "containers"], Some("name")),
            (
                "v1/Pod",
                &["spec", "containers", "ports"],
                Some("containerPort"),
            ),
            (
                "v1/Pod",
                &["spec", "containers", "volumeMounts"],
                Some("mountPath"),
            ),
            ("v1/Pod", &["metadata", "ownerReferences"], Some("uid")),
            ("v1/Pod", &["metadata", "finalizers"], None),
            ("v1/Node", &["status", "conditions"], Some("type")),
            ("v1/Node", &["status", "addresses"], Some("type")),
            ("v1/Node", &["spec", "podCIDRs"], None),
            ("batch/v1/Job", &["status", "conditions"], Some("type")),
            (
                "batch/v1/CronJob",
                &[
                    "spec",
                    "jobTemplate",
                    "spec",
                    "template",
                    "spec",
                    "containers",
                    "env",
                ],
                Some("name"),
            ),
            ("v1/Service", &["spec", "ports"], Some("port")),
        ] {
            let property = property(kind, names);
            assert_eq!(
                (property.strategy, property.key),
                (PatchStrategy::Merge, key),
                "{kind} {names:?}"
            );
        }
    }

    #[test]
    fn other_lists_are_atomic() {
        for (kind, names) in [
            ("v1/Pod", &["spec", "tolerations"][..]),
            ("v1/Pod", &["status", "containerStatuses"]),
            ("v1/Node", &["spec", "taints"]),
            ("v1/Node", &["status", "images"]),
            ("v1/Pod", &["spec", "none", "none"]),
        ] {
            assert_eq!(
                property(kind, names).strategy,
                PatchStrategy::Default,
                "{kind} {names:?}"
            );
        }
        assert_eq!(
            property("policy/v1/PodDisruptionBudget", &["spec", "selector"]).strategy,
            PatchStrategy::Replace
        );
        assert_eq!(
            property("apps/v1/Deployment", &["spec", "strategy"]).strategy,
            PatchStrategy::Default
        );
    }

    #[test]
    fn only_built_in_kinds_are_known() {
        for kind in [
            "example.com/v1/Widget",
            "v1/PodList",
            "v2/Pod",
            "v1/Status",
            "v1/DeleteOptions",
        ] {
            assert!(Schema::of(&Kind::parse(kind).unwrap()).is_none(), "{kind}");
        }
    }
}
