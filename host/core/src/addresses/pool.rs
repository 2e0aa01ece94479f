//! The free addresses of one CIDR, as intervals: drawing, taking and giving back cost the same however many are taken.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Free addresses as numbers.
#[derive(Debug)]
pub(super) struct Pool {
    v4: bool,
    /// The usable addresses, both ends included. Empty if the first is past the last.
    first: u128,
    last: u128,
    /// Intervals from the key to the value, both included, never touching one another.
    free: BTreeMap<u128, u128>,
    /// Where the next search begins: what was given back is drawn last, so that nobody takes a new pod for an old one.
    next: u128,
}

// === impl Pool ===

impl Pool {
    /// All usable addresses of the CIDR. Left out are v4's network and broadcast address, but for /31 (RFC 3021) and /32, and
    /// v6's subnet-router anycast address (RFC 4291, 2.6.1), but for /127 (RFC 6164) and /128.
    pub(super) fn new(cidr: IpNet) -> Self {
        let (mut first, mut last) = (number(cidr.network()), number(cidr.broadcast()));
        let (v4, host_bits) = (
            matches!(cidr, IpNet::V4(_)),
            cidr.max_prefix_len() - cidr.prefix_len(),
        );
        if host_bits > 1 {
            first += 1;
            last -= u128::from(v4);
        }
        Self {
            v4,
            first,
            last,
            free: BTreeMap::from([(first, last)]),
            next: first,
        }
    }

    /// The next free address, which is no longer free then.
    pub(super) fn draw(&mut self) -> Option<IpAddr> {
        let inside = self
            .free
            .range(..=self.next)
            .next_back()
            .filter(|(_, end)| **end >= self.next);
        let number = match inside {
            Some(_) => self.next,
            None => {
                *self
                    .free
                    .range(self.next..)
                    .next()
                    .or_else(|| self.free.iter().next())?
                    .0
            }
        };
        self.remove(number);
        self.next = if number >= self.last {
            self.first
        } else {
            number + 1
        };
        Some(self.address(number))
    }

    /// The address is taken. Nothing happens if it is already, or is not one of ours.
    pub(super) fn take(&mut self, ip: IpAddr) {
        self.remove(number(ip));
    }

    /// The address is free. Nothing happens if it is already, or is not one of ours.
    pub(super) fn give(&mut self, ip: IpAddr) {
        let number = number(ip);
        let below = self
            .free
            .range(..=number)
            .next_back()
            .map(|(start, end)| (*start, *end));
        let free = below.is_some_and(|(_, end)| end >= number);
        if free || number < self.first || number > self.last {
            return;
        }
        // `checked`: 0 has nothing below it, the last address of IPv6 nothing above.
        let start = below
            .filter(|(_, end)| end.checked_add(1) == Some(number))
            .map_or(number, |(start, _)| start);
        let end = number
            .checked_add(1)
            .and_then(|above| self.free.remove(&above))
            .unwrap_or(number);
        self.free.insert(start, end);
    }

    fn remove(&mut self, number: u128) {
        let Some((start, end)) = self
            .free
            .range(..=number)
            .next_back()
            .map(|(start, end)| (*start, *end))
        else {
            return;
        };
        if end < number {
            return;
        }
        self.free.remove(&start);
        if start < number {
            self.free.insert(start, number - 1);
        }
        if number < end {
            self.free.insert(number + 1, end);
        }
    }

    fn address(&self, number: u128) -> IpAddr {
        // A v4 pool holds nothing over 32 bits.
        let v4 = if self.v4 {
            u32::try_from(number).ok()
        } else {
            None
        };
        v4.map_or_else(
            || IpAddr::V6(Ipv6Addr::from(number)),
            |number| IpAddr::V4(Ipv4Addr::from(number)),
        )
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}
