//! The kinds that are followed: who is asked about them, in which order they move, where the server serves them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use stagewright_core::description::{By, Description, Subject};
use stagewright_core::json::Path;
use stagewright_core::object::Kind;
use stagewright_core::order::Order;
use stagewright_core::time::Time;

use crate::discovery::Target;
use crate::orders::Orders;

/// A plugin's subject as the controller uses it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Follower {
    /// The plugin, by priority.
    pub plugin: usize,
    /// The subject in its description.
    pub subject: usize,
    /// What the plugin reads, and what its relations are found by.
    pub reads: Vec<Path>,
}

/// One kind.
#[derive(Debug)]
pub(super) struct Followed {
    pub kind: Kind,
    pub order: Order,
    /// Who is asked, the first first.
    pub followers: Vec<Follower>,
    /// Whether some relation refers to it.
    pub related: bool,
    /// When plugins were first asked about it, if that was not from the start.
    pub begun: Option<Time>,
    /// Set once the server is known to serve it; the same for every lineup.
    pub target: Arc<OnceLock<Arc<Target>>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<Kind, Followed>);

/// Two plugins declare different orders for one kind; the first one's holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "OrderConflict: plugin {second} declares another order for {kind} than {first}, whose order holds: make them equal, or load one of the two"
)]
pub struct OrderConflict {
    kind: Kind,
    first: String,
    second: String,
}

// === impl Followed ===

impl Followed {
    /// Who is asked, the first first.
    pub(super) fn asked(&self) -> &[Follower] {
        &self.followers
    }

    /// Whether its objects are looked at, and not only written to.
    pub(super) fn is_watched(&self) -> bool {
        self.related || !self.followers.is_empty()
    }
}

// === impl Kinds ===

impl Kinds {
    /// From the descriptions of the plugins, each with its place by priority, and the administrator's orders, which win.
    pub(super) fn of(
        descriptions: &[(usize, &Description)],
        orders: &Orders,
    ) -> (Self, Vec<OrderConflict>) {
        let mut kinds = Self::default();
        let mut conflicts = Vec::new();
        let mut declared: BTreeMap<Kind, &str> = BTreeMap::new();
        kinds.entry(&Kind::new("v1", "Node"));
        for &(plugin, description) in descriptions {
            for (subject, declaration) in description.subjects.iter().enumerate() {
                let followed = kinds.entry(&declaration.kind);
                followed.followers.push(Follower {
                    plugin,
                    subject,
                    reads: reads(declaration),
                });
                let Some(order) = &declaration.order else {
                    continue;
                };
                match (&followed.order, declared.get(&declaration.kind)) {
                    (Order::Declared(first), Some(by)) if first != order => {
                        conflicts.push(OrderConflict {
                            kind: declaration.kind.clone(),
                            first: (*by).to_owned(),
                            second: description.name.clone(),
                        })
                    }
                    (Order::Any, None) => {
                        followed.order = Order::Declared(Arc::clone(order));
                        declared.insert(declaration.kind.clone(), &description.name);
                    }
                    _ => {}
                }
            }
            for relation in description
                .subjects
                .iter()
                .flat_map(|subject| &subject.relations)
            {
                kinds.entry(&relation.kind).related = true;
            }
            for applies in &description.applies {
                kinds.entry(&applies.kind);
            }
        }
        for followed in kinds.0.values_mut() {
            if let Some(order) = orders.get(&followed.kind) {
                followed.order = Order::Declared(Arc::clone(order));
            }
        }
        conflicts.retain(|conflict| orders.get(&conflict.kind).is_none());
        (kinds, conflicts)
    }

    /// Takes over what is known of the kinds from the lineup before. What nobody was asked about then begins now.
    pub(super) fn go_on(&mut self, before: &Self, now: Time) {
        for followed in self.0.values_mut() {
            let known = before.get(&followed.kind);
            if let Some(known) = known {
                followed.target = Arc::clone(&known.target);
            }
            followed.begun = match known.filter(|known| !known.followers.is_empty()) {
                Some(known) => known.begun,
                None => Some(now),
            };
        }
    }

    /// The kind's entry, made if it is new.
    fn entry(&mut self, kind: &Kind) -> &mut Followed {
        self.0.entry(kind.clone()).or_insert_with(|| Followed {
            kind: kind.clone(),
            order: Order::built_in(kind).unwrap_or(Order::Any),
            followers: Vec::new(),
            related: false,
            begun: None,
            target: Arc::default(),
        })
    }

    pub(super) fn get(&self, kind: &Kind) -> Option<&Followed> {
        self.0.get(kind)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Followed> {
        self.0.values()
    }
}

/// A relation's subjects are found from the same cut that the plugin is asked with, so what finds them is read too.
fn reads(subject: &Subject) -> Vec<Path> {
    let mut reads = subject.reads.clone();
    let owners = || Path::parse("/metadata/ownerReferences").ok();
    for relation in &subject.relations {
        reads.extend(match &relation.by {
            By::Name(path) => Some(path.clone()),
            By::Label { value, .. } => Some(value.clone()),
            By::Owner => owners(),
            By::Owned => None,
        });
    }
    reads
}
