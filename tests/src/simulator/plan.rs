//! What a world is made of, drawn from its seed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Scale;
use super::calm::Rest;
use super::dice::Dice;
use super::fatal::FatalWrite;
use super::less::Less;

const LONGEST_MILLIS: u64 = 90_000;
/// How long users are at work at most, and faults happen.
pub const LONGEST: Duration = Duration::from_millis(LONGEST_MILLIS);

/// The whole of it.
#[derive(Debug)]
pub struct Plan {
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// The hosts. The first one has all nodes that are anybody's.
    pub hosts: Vec<HostPlan>,
    /// How many names pods have.
    pub pods: u64,
    /// How long users are at work, and faults happen.
    pub busy: Duration,
    /// How many faults: out of a thousand requests, in each of several ways.
    pub trouble: u64,
    /// How many writes the server remembers.
    pub history: usize,
}

/// A node.
#[derive(Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub keeper: Keeper,
}

/// Who runs a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Every host.
    All,
    /// The hosts that select all nodes.
    Wide,
    /// A kubelet, though the hosts select it.
    Kubelet,
    /// Nobody: no host selects it.
    Nobody,
}

/// A host.
#[derive(Debug)]
pub struct HostPlan {
    /// Its name.
    pub name: String,
    /// Whether it selects all nodes, or only those of [`Keeper::All`].
    pub selects_all: bool,
    /// How long its leases last, if it holds any.
    pub leases: Option<Duration>,
    /// How far its clock is before the server's, in milliseconds.
    pub skew: i64,
    /// Its lives, one after another; the last one has no end.
    pub lives: Vec<Life>,
    /// How many writes it has in flight at once.
    pub writes: usize,
    /// Whether a plugin that traps at times is asked of each pod before the others.
    pub traps: bool,
}

/// A host from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it starts.
    pub from: Duration,
    /// When it ends; none: never.
    pub until: Option<End>,
    /// A write that it does not outlive, if it comes to it before its end.
    pub fatal: Option<FatalWrite>,
    /// How its pods live.
    pub profile: Profile,
    /// When another version of its plugin makes them live otherwise, if it does.
    pub renewed: Option<(Duration, Profile)>,
}

/// How a host ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is gone at once, whatever it was doing.
    Crash(Duration),
    /// It is asked to stop.
    Stop(Duration),
}

/// A profile of the plugin `pod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Everything at once.
    #[default]
    Fast,
    /// Step by step.
    General,
}

// === impl Plan ===

impl Plan {
    /// The plan that follows from the dice, with less in it.
    #[must_use]
    pub fn new(dice: &mut Dice, scale: Scale, less: Less) -> Self {
        let small = scale == Scale::Small;
        let busy = if small {
            Duration::from_secs(20)
        } else {
            dice.millis(30_000..=LONGEST_MILLIS)
        };
        let hosts = if small { 1 } else { dice.number(1..=3) };
        let hosts = (0..hosts).map(|number| HostPlan::new(dice, number, busy, small));
        let mut plan = Self {
            hosts: hosts.collect(),
            nodes: nodes(dice, small),
            pods: dice.number(if small { 5..=10 } else { 20..=72 }),
            busy,
            trouble: if small { 0 } else { dice.pick(&[0, 5, 10, 30]) },
            history: dice.pick(&[40, 200, 10_000]),
        };
        less.cut(&mut plan);
        plan
    }

    /// What is to come to rest in the end.
    #[must_use]
    pub fn rest(&self) -> Rest {
        let lives = || self.hosts.iter().flat_map(|host| &host.lives);
        let has = |profile| lives().any(|life| life.profiles().any(|its| its == profile));
        Rest {
            nodes: self
                .hosts
                .iter()
                .flat_map(|host| self.rights(host))
                .collect(),
            mixed: has(Profile::Fast) && has(Profile::General),
        }
    }

    /// The nodes whose pods a host may write.
    #[must_use]
    pub fn rights(&self, host: &HostPlan) -> BTreeSet<String> {
        let may = |node: &&NodePlan| match node.keeper {
            Keeper::All => true,
            Keeper::Wide => host.selects_all,
            Keeper::Kubelet | Keeper::Nobody => false,
        };
        let names = self.nodes.iter().filter(may);
        names.map(|node| node.name.clone()).collect()
    }
}

// === impl Life ===

impl Life {
    fn profiles(&self) -> impl Iterator<Item = Profile> {
        let renewed = self.renewed.map(|(_, profile)| profile);
        [self.profile].into_iter().chain(renewed)
    }
}

fn nodes(dice: &mut Dice, small: bool) -> Vec<NodePlan> {
    let count = dice.number(2..=if small { 3 } else { 5 });
    (0..count)
        .map(|number| NodePlan {
            name: format!("n{number}"),
            keeper: match dice.number(0..=9) {
                _ if small || number == 0 => Keeper::All,
                0..=5 => Keeper::All,
                6..=7 => Keeper::Wide,
                8 => Keeper::Kubelet,
                _ => Keeper::Nobody,
            },
        })
        .collect()
}

impl HostPlan {
    fn new(dice: &mut Dice, number: u64, busy: Duration, small: bool) -> Self {
        let lives = if small {
            vec![Life {
                from: Duration::ZERO,
                until: None,
                fatal: None,
                profile: Profile::Fast,
                renewed: None,
            }]
        } else {
            lives(dice, busy)
        };
        let leases = dice.pick(&[0, 10, 40, 40]);
        Self {
            name: format!("host-{number}"),
            selects_all: number == 0 || dice.permille(500),
            leases: (leases > 0).then(|| Duration::from_secs(leases)),
            skew: if small {
                0
            } else {
                i64::try_from(dice.number(0..=120_000)).unwrap_or(0) - 60_000
            },
            lives,
            writes: dice.pick(&[1, 4, 64]).max(1),
            traps: !small && dice.permille(300),
        }
    }
}

fn lives(dice: &mut Dice, busy: Duration) -> Vec<Life> {
    let mut lives = Vec::new();
    let mut from = dice.millis(0..=5_000);
    loop {
        let profile = dice.pick(&[Profile::Fast, Profile::General]);
        let until = from + dice.millis(1_000..=40_000);
        let goes_on = until < busy && dice.permille(700);
        let end = if dice.permille(700) {
            End::Crash(until)
        } else {
            End::Stop(until)
        };
        let fatal = FatalWrite {
            after: dice.number(0..=40),
            arrives: dice.permille(500),
        };
        let other = dice.pick(&[Profile::Fast, Profile::General]);
        let renewed = from + dice.millis(0..=20_000);
        let is_renewed = dice.permille(400);
        lives.push(Life {
            from,
            until: goes_on.then_some(end),
            fatal: Some(fatal).filter(|_| goes_on && matches!(end, End::Crash(_))),
            profile,
            renewed: is_renewed.then_some((renewed, other)),
        });
        if !goes_on {
            return lives;
        }
        from = until + dice.millis(0..=10_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_life_has_no_end_and_the_first_host_has_all_nodes() {
        for seed in 0..200 {
            let plan = Plan::new(&mut Dice::new(seed), Scale::Full, Less::default());
            for host in &plan.hosts {
                let (last, others) = host.lives.split_last().expect("a life");
                assert_eq!(last.until, None, "{seed}");
                assert!(others.iter().all(|life| life.until.is_some()), "{seed}");
            }
            let all = plan.rights(&plan.hosts[0]);
            assert!(all.contains("n0"), "{seed}");
            assert!(
                plan.hosts
                    .iter()
                    .all(|host| plan.rights(host).is_subset(&all)),
                "{seed}"
            );
        }
    }
}
