//! Addresses of pods: no two pods have the same, and a pod keeps its own.
//!
//! What the API server says counts: an address seen on a pod is reserved before anything is handed out beside it, and an address
//! once handed out stays its pod's until the pod goes, whatever becomes of the play that asked for it. (KWOK draws anew at each
//! render, hands addresses out twice after a restart, and runs over the end of its range.)

mod pool;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::object::Uid;
use pool::Pool;

/// Which pod has which address.
#[derive(Debug, Default)]
pub struct Addresses {
    /// The CIDRs of nodes that have none of their own.
    default: Vec<IpNet>,
    nodes: HashMap<Box<str>, Node>,
    /// The CIDRs of all nodes, and the default's.
    pools: BTreeMap<IpNet, Shared>,
    /// Every address that is taken, inside of a pool or not: pods are seen before their nodes.
    holders: BTreeMap<IpAddr, Holders>,
    owners: HashMap<Uid, Vec<IpAddr>>,
}

#[derive(Debug, Default)]
struct Node {
    /// Empty: the default's.
    cidrs: Vec<IpNet>,
    host_ips: Vec<IpAddr>,
}

/// A pool and how many nodes draw from it; the default's counts as one more.
#[derive(Debug)]
struct Shared {
    pool: Pool,
    users: usize,
}

/// Who has an address. The same address on two pods was not our doing, but it is free only when both are gone.
#[derive(Debug, Default)]
struct Holders {
    owners: Vec<Uid>,
    /// Nodes whose own address it is; many may share one.
    nodes: usize,
}

/// Why there is no address, or one too few.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No pod CIDR is known for the node.
    #[error("node {node:?} has no pod CIDR: set spec.podCIDRs, or a default CIDR")]
    NoCidr {
        /// The node.
        node: String,
    },
    /// All addresses are taken.
    #[error(
        "all addresses of {cidrs} are taken: give node {node:?} a larger or a further pod CIDR"
    )]
    Exhausted {
        /// The node.
        node: String,
        /// Its CIDRs of one family.
        cidrs: String,
    },
    /// Two pods have the same address.
    #[error("{ip} is on the pod with uid {owner} already")]
    Duplicate {
        /// The address.
        ip: IpAddr,
        /// Who was seen with it first.
        owner: Uid,
    },
}

// === impl Addresses ===

impl Addresses {
    /// `default`: the CIDRs of nodes without their own. Bits past the prefix are ignored, as KWOK's `10.0.0.1/24` wants it.
    #[must_use]
    pub fn new(default: Vec<IpNet>) -> Self {
        let default: Vec<IpNet> = default.iter().map(IpNet::trunc).collect();
        let mut addresses = Self {
            default: default.clone(),
            ..Self::default()
        };
        for cidr in default {
            addresses.join(cidr);
        }
        addresses
    }

    /// A node's pod CIDRs (none: the default's) and its own addresses, which no pod gets. Addresses already given stay.
    pub fn set_node(&mut self, node: &str, cidrs: &[IpNet], host_ips: Vec<IpAddr>) {
        let cidrs: Vec<IpNet> = cidrs.iter().map(IpNet::trunc).collect();
        if self
            .nodes
            .get(node)
            .is_some_and(|known| known.cidrs == cidrs && known.host_ips == host_ips)
        {
            return;
        }
        // The new before the old, so that a pool that stays is not made anew.
        for cidr in &cidrs {
            self.join(*cidr);
        }
        for ip in &host_ips {
            self.holders.entry(*ip).or_default().nodes += 1;
            self.mark(*ip);
        }
        self.forget_node(node);
        self.nodes.insert(node.into(), Node { cidrs, host_ips });
    }

    /// The node went. The addresses of its pods stay theirs.
    pub fn forget_node(&mut self, node: &str) {
        let Some(node) = self.nodes.remove(node) else {
            return;
        };
        for cidr in node.cidrs {
            self.leave(cidr);
        }
        for ip in node.host_ips {
            if let Some(holders) = self.holders.get_mut(&ip) {
                holders.nodes = holders.nodes.saturating_sub(1);
            }
            self.free(ip);
        }
    }

    /// An address as seen on a pod.
    ///
    /// # Errors
    /// If another pod was seen with it before. It counts as this one's nevertheless, and is free when both are gone.
    pub fn reserve(&mut self, owner: &Uid, ip: IpAddr) -> Result<(), AddressError> {
        let holders = self.holders.entry(ip).or_default();
        let first = holders
            .owners
            .first()
            .filter(|first| *first != owner)
            .cloned();
        if !holders.owners.contains(owner) {
            // Nearly always there is one, and room for more is of no use.
            holders.owners.reserve_exact(1);
            holders.owners.push(owner.clone());
            let owned = self.owners.entry(owner.clone()).or_default();
            owned.reserve_exact(1);
            owned.push(ip);
            self.mark(ip);
        }
        first.map_or(Ok(()), |owner| Err(AddressError::Duplicate { ip, owner }))
    }

    /// The pod's addresses, one for each family of its node's CIDRs, in the CIDRs' order. The same again for the same pod, be
    /// they handed out or seen.
    ///
    /// # Errors
    /// If the node has no CIDR, or a family's are exhausted; then nothing is handed out.
    pub fn allocate(&mut self, owner: &Uid, node: &str) -> Result<Vec<IpAddr>, AddressError> {
        let own = self
            .nodes
            .get(node)
            .map(|node| &node.cidrs)
            .filter(|cidrs| !cidrs.is_empty());
        let cidrs = own.unwrap_or(&self.default);
        let Some(first) = cidrs.first() else {
            return Err(AddressError::NoCidr {
                node: node.to_owned(),
            });
        };
        let (same, other): (Vec<IpNet>, Vec<IpNet>) =
            cidrs.iter().partition(|cidr| is_v4(cidr) == is_v4(first));
        let has = self.owners.get(owner).cloned().unwrap_or_default();
        let mut all = Vec::new();
        let mut drawn = Vec::new();
        for cidrs in [same, other] {
            let Some(family) = cidrs.first().map(is_v4) else {
                continue;
            };
            if let Some(ip) = has.iter().find(|ip| ip.is_ipv4() == family) {
                all.push(*ip);
                continue;
            }
            let Some(ip) = cidrs
                .iter()
                .find_map(|cidr| self.pools.get_mut(cidr)?.pool.draw())
            else {
                // A pool gives what it drew last again.
                drawn.into_iter().for_each(|ip| self.free(ip));
                let cidrs = cidrs
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(AddressError::Exhausted {
                    node: node.to_owned(),
                    cidrs,
                });
            };
            drawn.push(ip);
            all.push(ip);
        }
        for ip in drawn {
            self.reserve(owner, ip)?;
        }
        Ok(all)
    }

    /// The node's own addresses.
    #[must_use]
    pub fn host_ips(&self, node: &str) -> &[IpAddr] {
        self.nodes.get(node).map_or(&[], |node| &node.host_ips)
    }

    /// The pod went; its addresses are free, those last that were freed last.
    pub fn release(&mut self, owner: &Uid) {
        for ip in self.owners.remove(owner).unwrap_or_default() {
            if let Some(holders) = self.holders.get_mut(&ip) {
                holders.owners.retain(|known| known != owner);
            }
            self.free(ip);
        }
    }

    /// One more user of the CIDR. A new pool leaves out what is taken.
    fn join(&mut self, cidr: IpNet) {
        if let Some(shared) = self.pools.get_mut(&cidr) {
            shared.users += 1;
            return;
        }
        let mut pool = Pool::new(cidr);
        for (ip, _) in self.holders.range(cidr.network()..=cidr.broadcast()) {
            pool.take(*ip);
        }
        self.pools.insert(cidr, Shared { pool, users: 1 });
    }

    fn leave(&mut self, cidr: IpNet) {
        let Some(shared) = self.pools.get_mut(&cidr) else {
            return;
        };
        shared.users = shared.users.saturating_sub(1);
        if shared.users == 0 {
            self.pools.remove(&cidr);
        }
    }

    /// Takes the address out of every pool that has it: CIDRs of nodes may overlap.
    fn mark(&mut self, ip: IpAddr) {
        self.each_pool(ip, |pool| pool.take(ip));
    }

    /// Gives the address back to its pools if nobody has it any more.
    fn free(&mut self, ip: IpAddr) {
        if self
            .holders
            .get(&ip)
            .is_some_and(|holders| holders.nodes > 0 || !holders.owners.is_empty())
        {
            return;
        }
        self.holders.remove(&ip);
        self.each_pool(ip, |pool| pool.give(ip));
    }

    /// The pools whose CIDR has the address: one look for each prefix length, instead of one for each pool.
    fn each_pool(&mut self, ip: IpAddr, mut act: impl FnMut(&mut Pool)) {
        for length in 0..=IpNet::from(ip).max_prefix_len() {
            let Ok(cidr) = IpNet::new(ip, length) else {
                continue;
            };
            if let Some(shared) = self.pools.get_mut(&cidr.trunc()) {
                act(&mut shared.pool);
            }
        }
    }
}

impl AddressError {
    /// The bounded word for metrics, Events and `explain`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoCidr { .. } => "NoPodCidr",
            Self::Exhausted { .. } => "AddressesExhausted",
            Self::Duplicate { .. } => "AddressDuplicate",
        }
    }
}

fn is_v4(cidr: &IpNet) -> bool {
    matches!(cidr, IpNet::V4(_))
}
