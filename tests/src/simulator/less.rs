//! A world with less in it, so that what is wrong with it is told shortly.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};

use super::dice::Dice;
use super::plan::Plan;
use super::{Options, Outcome, run};

/// How many worlds are tried before the shortest so far is good enough.
const TRIES: usize = 40;

/// What is left out of a world, as `pods=3,hosts=1,busy=20000,calm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Less {
    /// At most so many names of pods.
    pub pods: Option<u64>,
    /// At most so many hosts.
    pub hosts: Option<usize>,
    /// At most so long a time of users and faults.
    pub busy: Option<Duration>,
    /// No faults on the way.
    pub calm: bool,
}

// === impl Less ===

impl Less {
    pub(super) fn cut(&self, plan: &mut Plan) {
        plan.pods = self.pods.map_or(plan.pods, |pods| pods.min(plan.pods));
        plan.hosts.truncate(self.hosts.unwrap_or(usize::MAX).max(1));
        plan.busy = self.busy.map_or(plan.busy, |busy| busy.min(plan.busy));
        if self.calm {
            plan.trouble = 0;
        }
    }

    /// A little less than this of such a plan, in each of several ways.
    fn steps(self, plan: &Plan) -> Vec<Self> {
        let mut steps = Vec::new();
        if plan.hosts.len() > 1 {
            let hosts = Some(plan.hosts.len() - 1);
            steps.push(Self { hosts, ..self });
        }
        if plan.trouble > 0 {
            let calm = true;
            steps.push(Self { calm, ..self });
        }
        for (numerator, denominator) in [(1, 4), (3, 4)] {
            let pods = plan.pods * numerator / denominator;
            if (1..plan.pods).contains(&pods) {
                let pods = Some(pods);
                steps.push(Self { pods, ..self });
            }
            let busy = u64::try_from(plan.busy.as_millis()).unwrap_or(u64::MAX);
            let busy = busy / denominator * numerator;
            if busy >= 1_000 {
                let busy = Some(Duration::from_millis(busy));
                steps.push(Self { busy, ..self });
            }
        }
        steps
    }
}

/// The same seed with as little in its world as still breaks the rule that was broken first.
///
/// # Errors
/// If a world cannot be put together.
pub fn shortest(failed: Outcome, options: &Options) -> Result<Outcome> {
    let broken = |outcome: &Outcome| outcome.violations.first().map(|first| first.rule);
    let rule = broken(&failed);
    let mut best = failed;
    let mut tries = 0;
    loop {
        let less = best.less;
        let plan = Plan::new(&mut Dice::new(best.seed), options.scale, less);
        let before = best.versions;
        for less in less.steps(&plan) {
            tries += 1;
            let options = Options {
                less,
                ..options.clone()
            };
            let outcome = run(best.seed, &options)?;
            if broken(&outcome) == rule && outcome.versions < best.versions {
                best = outcome;
                break;
            }
            if tries >= TRIES {
                return Ok(best);
            }
        }
        if best.versions == before {
            return Ok(best);
        }
    }
}

impl fmt::Display for Less {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.pods.map(|pods| format!("pods={pods}")),
            self.hosts.map(|hosts| format!("hosts={hosts}")),
            self.busy.map(|busy| format!("busy={}", busy.as_millis())),
            self.calm.then(|| "calm".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Less {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut less = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, "1"));
            let number: u64 = value
                .parse()
                .with_context(|| format!("{part:?} is no number"))?;
            match name {
                "pods" => less.pods = Some(number),
                "hosts" => less.hosts = Some(usize::try_from(number)?),
                "busy" => less.busy = Some(Duration::from_millis(number)),
                "calm" => less.calm = true,
                _ => bail!("{name:?} is none of pods, hosts, busy, calm"),
            }
        }
        Ok(less)
    }
}
