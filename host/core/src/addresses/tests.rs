//! Uniqueness, stability, exhaustion, and the cost of it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn uid(number: usize) -> Uid {
    Uid::new(&format!("u-{number}"))
}

fn addresses(default: &[&str]) -> Addresses {
    Addresses::new(default.iter().map(|text| net(text)).collect())
}

/// All that a node's CIDR gives until it is exhausted.
fn drain(addresses: &mut Addresses, node: &str) -> Vec<String> {
    let drawn = (0..1000).map_while(|number| {
        addresses
            .allocate(&Uid::new(&format!("{node}-{number}")), node)
            .ok()
    });
    drawn
        .map(|ips| {
            ips.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("+")
        })
        .collect()
}

#[test]
fn a_range_gives_all_it_has_and_no_more() {
    for (cidr, expected) in [
        ("10.0.0.0/30", vec!["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.1/30", vec!["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.4/31", vec!["10.0.0.4", "10.0.0.5"]),
        ("10.0.0.9/32", vec!["10.0.0.9"]),
        (
            "255.255.255.252/30",
            vec!["255.255.255.253", "255.255.255.254"],
        ),
        ("255.255.255.255/32", vec!["255.255.255.255"]),
        ("fd00::/126", vec!["fd00::1", "fd00::2", "fd00::3"]),
        ("fd00::/127", vec!["fd00::", "fd00::1"]),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
            vec!["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
        ),
    ] {
        let mut addresses = addresses(&[cidr]);
        assert_eq!(drain(&mut addresses, "n"), expected, "{cidr}");
        let error = addresses.allocate(&uid(0), "n").unwrap_err();
        assert!(
            matches!(error, AddressError::Exhausted { .. }),
            "{cidr}: {error}"
        );
    }
    assert_eq!(drain(&mut addresses(&["192.168.0.0/24"]), "n").len(), 254);
}

#[test]
fn a_pod_keeps_its_addresses() {
    let mut addresses = addresses(&["10.0.0.0/24", "fd00::/64"]);
    let first = addresses.allocate(&uid(1), "a").unwrap();
    assert_eq!(first, [ip("10.0.0.1"), ip("fd00::1")]);
    assert_eq!(addresses.allocate(&uid(1), "a").unwrap(), first);
    assert_eq!(
        addresses.reserve(&uid(1), first[0]),
        Ok(()),
        "seen on the pod they were given to"
    );
    addresses.set_node("a", &[net("10.9.0.0/24"), net("fd09::/64")], vec![]);
    assert_eq!(
        addresses.allocate(&uid(1), "a").unwrap(),
        first,
        "the node's CIDRs changed"
    );
    assert_eq!(
        addresses.allocate(&uid(2), "a").unwrap(),
        [ip("10.9.0.1"), ip("fd09::1")]
    );
}

#[test]
fn what_is_seen_is_not_given_again() {
    let mut addresses = addresses(&["10.0.0.0/29"]);
    for (number, seen) in [
        (1, "10.0.0.1"),
        (3, "10.0.0.3"),
        (9, "10.9.0.1"),
        (8, "fd00::1"),
    ] {
        assert_eq!(addresses.reserve(&uid(number), ip(seen)), Ok(()));
    }
    // Seen before the node that has its range.
    addresses.set_node("later", &[net("10.9.0.0/30")], vec![]);
    assert_eq!(drain(&mut addresses, "later"), ["10.9.0.2"]);
    assert_eq!(
        drain(&mut addresses, "n"),
        ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    );
    assert_eq!(
        addresses.allocate(&uid(3), "n").unwrap(),
        [ip("10.0.0.3")],
        "its own, after a restart"
    );
}

#[test]
fn the_family_that_is_missing_is_added() {
    let mut addresses = addresses(&["fd00::/64", "10.0.0.0/24"]);
    addresses.reserve(&uid(1), ip("10.0.0.77")).unwrap();
    assert_eq!(
        addresses.allocate(&uid(1), "n").unwrap(),
        [ip("fd00::1"), ip("10.0.0.77")]
    );
}

#[test]
fn a_freed_address_is_given_again_but_last() {
    let mut addresses = addresses(&["10.0.0.0/29"]);
    for number in 1..=3 {
        addresses.allocate(&uid(number), "n").unwrap();
    }
    addresses.release(&uid(2));
    assert_eq!(
        drain(&mut addresses, "n"),
        ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]
    );
    addresses.release(&uid(2));
    assert!(
        addresses.allocate(&uid(2), "n").is_err(),
        "a second release frees nobody else's"
    );
}

#[test]
fn an_address_on_two_pods_is_free_when_both_are_gone() {
    let mut addresses = addresses(&["10.0.0.0/32"]);
    addresses.reserve(&uid(1), ip("10.0.0.0")).unwrap();
    let duplicate = AddressError::Duplicate {
        ip: ip("10.0.0.0"),
        owner: uid(1),
    };
    assert_eq!(
        addresses.reserve(&uid(2), ip("10.0.0.0")),
        Err(duplicate.clone())
    );
    assert_eq!(
        addresses.reserve(&uid(2), ip("10.0.0.0")),
        Err(duplicate),
        "as often as it is seen"
    );
    addresses.release(&uid(1));
    assert!(addresses.allocate(&uid(3), "n").is_err());
    assert_eq!(addresses.reserve(&uid(2), ip("10.0.0.0")), Ok(()));
    addresses.release(&uid(2));
    assert!(addresses.allocate(&uid(3), "n").is_ok());
}

#[test]
fn nodes_share_the_default_and_have_their_own() {
    let mut addresses = addresses(&["10.0.0.0/24"]);
    addresses.set_node("c", &[net("10.1.0.0/24")], vec![]);
    addresses.set_node("b", &[], vec![]);
    let drawn: Vec<_> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(number, node)| addresses.allocate(&uid(number), node).unwrap())
        .collect();
    assert_eq!(
        drawn,
        [[ip("10.0.0.1")], [ip("10.0.0.2")], [ip("10.1.0.1")]]
    );
}

#[test]
fn ranges_that_overlap_give_nothing_twice() {
    let mut addresses = addresses(&["10.0.0.0/24"]);
    addresses.set_node("a", &[net("10.0.0.0/29")], vec![]);
    addresses.allocate(&uid(1), "n").unwrap();
    addresses.allocate(&uid(2), "n").unwrap();
    assert_eq!(
        drain(&mut addresses, "a"),
        ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    );
    assert_eq!(addresses.allocate(&uid(3), "n").unwrap(), [ip("10.0.0.7")]);
    addresses.release(&uid(1));
    assert_eq!(addresses.allocate(&uid(4), "a").unwrap(), [ip("10.0.0.1")]);
}

#[test]
fn a_further_cidr_of_the_family_is_used_when_the_first_is_full() {
    let mut addresses = addresses(&[]);
    addresses.set_node("n", &[net("10.0.0.1/32"), net("10.0.0.9/32")], vec![]);
    assert_eq!(drain(&mut addresses, "n"), ["10.0.0.1", "10.0.0.9"]);
}

#[test]
fn node_addresses_are_no_pod_s() {
    let mut addresses = addresses(&["10.0.0.0/29"]);
    let shared = vec![ip("10.0.0.1"), ip("192.168.0.1")];
    addresses.set_node("a", &[], shared.clone());
    addresses.set_node("b", &[], shared.clone());
    assert_eq!(
        (addresses.host_ips("a"), addresses.host_ips("none")),
        (&shared[..], &[][..])
    );
    assert_eq!(addresses.allocate(&uid(1), "a").unwrap(), [ip("10.0.0.2")]);
    addresses.forget_node("a");
    assert!(!drain(&mut addresses, "b").contains(&"10.0.0.1".to_owned()));
    addresses.set_node("b", &[], vec![]);
    assert_eq!(addresses.allocate(&uid(2), "b").unwrap(), [ip("10.0.0.1")]);
    assert_eq!(
        addresses.reserve(&uid(2), ip("192.168.0.1")),
        Ok(()),
        "a pod in the host's network"
    );
}

#[test]
fn an_exhausted_family_costs_the_other_nothing() {
    let mut addresses = addresses(&["10.0.0.0/31", "fd00::/128"]);
    assert_eq!(drain(&mut addresses, "n"), ["10.0.0.0+fd00::"]);
    assert!(addresses.allocate(&uid(1), "n").is_err());
    addresses.set_node("v4", &[net("10.0.0.0/31")], vec![]);
    assert_eq!(addresses.allocate(&uid(2), "v4").unwrap(), [ip("10.0.0.1")]);
}

#[test]
fn errors_say_what_to_do() {
    let error = addresses(&[]).allocate(&uid(1), "n").unwrap_err();
    assert_eq!(error.category(), "NoPodCidr");
    assert!(error.to_string().contains("spec.podCIDRs"), "{error}");
}

#[test]
fn what_went_leaves_nothing_behind() {
    let mut addresses = addresses(&["10.0.0.0/24"]);
    for number in 0..20 {
        addresses.set_node(
            &format!("n{number}"),
            &[net(&format!("10.1.{number}.0/24"))],
            vec![ip("10.0.0.9")],
        );
        addresses
            .allocate(&uid(number), &format!("n{number}"))
            .unwrap();
    }
    assert_eq!(addresses.pools.len(), 21);
    for number in 0..20 {
        addresses.forget_node(&format!("n{number}"));
        addresses.release(&uid(number));
    }
    let left = (
        addresses.pools.len(),
        addresses.nodes.len(),
        addresses.holders.len(),
        addresses.owners.len(),
    );
    assert_eq!(left, (1, 0, 0, 0));
}

/// A scan from the start would take 5,000,000,000 steps.
#[test]
fn a_hundred_thousand_pods_share_a_large_range() {
    let mut addresses = addresses(&["10.0.0.0/8", "fd00::/8"]);
    let drawn: BTreeSet<_> = (0..100_000)
        .flat_map(|number| addresses.allocate(&uid(number), "n").unwrap())
        .collect();
    assert_eq!(drawn.len(), 200_000);
    let again: BTreeSet<_> = (0..100_000)
        .flat_map(|number| addresses.allocate(&uid(number), "n").unwrap())
        .collect();
    assert_eq!(drawn, again);
    for number in (0..100_000).step_by(2) {
        addresses.release(&uid(number));
    }
    assert_eq!(
        addresses.allocate(&uid(0), "n").unwrap()[0],
        ip("10.1.134.161"),
        "the first that was never given"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Allocate(usize, usize),
    Reserve(usize, u8),
    Release(usize),
    Move(usize, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12_usize, 0..3_usize).prop_map(|(pod, node)| Step::Allocate(pod, node)),
        2 => (0..12_usize, 0..20_u8).prop_map(|(pod, last)| Step::Reserve(pod, last)),
        3 => (0..12_usize).prop_map(Step::Release),
        1 => (0..3_usize, 0..4_u8).prop_map(|(node, quarter)| Step::Move(node, quarter)),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn no_address_is_handed_to_two(steps in steps()) {
        let mut addresses = addresses(&["10.0.0.0/28"]);
        // Who has what, by the plainest reckoning.
        let mut model: BTreeMap<usize, BTreeSet<IpAddr>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Allocate(pod, node) => {
                    let had = model.get(&pod).cloned().unwrap_or_default();
                    let taken: BTreeSet<IpAddr> = model.values().flatten().copied().collect();
                    match addresses.allocate(&uid(pod), &format!("n{node}")) {
                        Ok(ips) => {
                            prop_assert!(ips.len() == 1 && (had.contains(&ips[0]) || had.is_empty() && !taken.contains(&ips[0])), "{ips:?}");
                            model.entry(pod).or_default().insert(ips[0]);
                        }
                        Err(error) => {
                            let own = addresses.nodes.get(format!("n{node}").as_str()).and_then(|node| node.cidrs.first().copied());
                            let mut usable = own.unwrap_or(net("10.0.0.0/28")).hosts();
                            prop_assert!(had.is_empty() && usable.all(|ip| taken.contains(&ip)), "{error} with {taken:?}");
                        }
                    }
                }
                Step::Reserve(pod, last) => {
                    let ip = IpAddr::from([10, 0, 0, last]);
                    let free = model.iter().all(|(other, ips)| *other == pod || !ips.contains(&ip));
                    let first = addresses.reserve(&uid(pod), ip).is_ok();
                    prop_assert!(first || !free, "{ip} is nobody else's");
                    model.entry(pod).or_default().insert(ip);
                }
                Step::Release(pod) => {
                    addresses.release(&uid(pod));
                    model.remove(&pod);
                }
                Step::Move(node, quarter) => addresses.set_node(&format!("n{node}"), &[net(&format!("10.0.0.{}/30", quarter * 4))], vec![]),
            }
            let taken: BTreeSet<IpAddr> = model.values().flatten().copied().collect();
            prop_assert_eq!(addresses.holders.keys().copied().collect::<BTreeSet<_>>(), taken);
        }
    }
}
