//! How fast something starts, as promised for a machine that has nothing else to do, looked at on one that may be busy.

use std::fs;

use anyhow::{Context as _, Result, ensure};

/// How many starts are tried. The best counts: what else the machine does is not the program's.
const STARTS: usize = 5;

/// A machine whose cores are idle for a smaller part of the time is busy.
const IDLE: f64 = 0.1;

/// So many seconds at most, from the start.
#[derive(Debug)]
pub struct Promise {
    seconds: f64,
    starts: Vec<Start>,
    /// When the start that is under way began.
    begun: Ticks,
}

/// How long a start took.
#[derive(Debug, Clone, Copy)]
struct Start {
    seconds: f64,
    /// Of the processor, for the program alone.
    cpu: f64,
    /// The part of the time for which the machine's cores had nothing to do.
    idle: f64,
}

/// What the cores have done since the machine was started.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    idle: u64,
    all: u64,
}

// === impl Promise ===

impl Promise {
    /// A promise that is yet to be kept.
    #[must_use]
    pub fn of(seconds: f64) -> Self {
        Self {
            seconds,
            starts: Vec::new(),
            begun: Ticks::default(),
        }
    }

    /// The number of the next start, as long as none has kept the promise and not too many were tried.
    ///
    /// # Errors
    /// If the system does not say what the cores do.
    pub fn next_start(&mut self) -> Result<Option<usize>> {
        let (number, is_kept) = (self.starts.len(), self.is_kept());
        self.begun = Ticks::now()?;
        Ok((!is_kept && number < STARTS).then_some(number))
    }

    /// How many seconds it took, and how many of the processor.
    ///
    /// # Errors
    /// As [`Promise::next_start`].
    pub fn took(&mut self, seconds: f64, cpu: f64) -> Result<()> {
        let idle = self.begun.idle_until(Ticks::now()?);
        self.starts.push(Start { seconds, cpu, idle });
        Ok(())
    }

    /// Whether it was kept.
    ///
    /// # Errors
    /// If not, with all starts.
    pub fn verdict(self) -> Result<()> {
        ensure!(self.is_kept(), "not one start as promised: {self:?}");
        Ok(())
    }

    fn is_kept(&self) -> bool {
        self.starts.iter().any(|start| start.keeps(self.seconds))
    }
}

// === impl Start, Ticks ===

impl Start {
    /// On a busy machine nobody knows how long a program waited for a core; what it needed of one is its own all the same.
    fn keeps(self, promised: f64) -> bool {
        let Self { seconds, cpu, idle } = self;
        seconds > 0.0 && (seconds <= promised || (idle < IDLE && cpu <= promised))
    }
}

impl Ticks {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let cores = stat.lines().next().context("an empty /proc/stat")?;
        let times = cores.split_whitespace().skip(1).map(str::parse);
        // What guests had is in the first two already.
        let times: Vec<u64> = times.take(8).collect::<Result<_, _>>()?;
        let idle = *times.get(3).context("/proc/stat without idle time")?;
        let all = times.iter().sum();
        Ok(Self { idle, all })
    }

    fn idle_until(self, later: Self) -> f64 {
        let idle = later.idle.saturating_sub(self.idle);
        let all = later.all.saturating_sub(self.all);
        idle as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_must_have_had_no_core() {
        let starts = [
            (0.9, 5.0, 0.5, true),
            (1.1, 0.1, 0.5, false),
            (1.1, 0.9, 0.05, true),
            (1.1, 1.1, 0.05, false),
            (0.0, 0.0, 0.5, false),
        ];
        for (seconds, cpu, idle, keeps) in starts {
            let start = Start { seconds, cpu, idle };
            assert_eq!(start.keeps(1.0), keeps, "{start:?}");
        }
    }

    #[test]
    fn starts_end_with_the_first_good_one_or_the_last() {
        for (good, tried) in [(2, 3), (9, STARTS)] {
            let mut promise = Promise::of(1.0);
            while let Some(number) = promise.next_start().unwrap() {
                let seconds = if number == good { 0.5 } else { 3.0 };
                promise.took(seconds, 2.0).unwrap();
            }
            assert_eq!(promise.starts.len(), tried);
            assert_eq!(promise.verdict().is_ok(), good < STARTS);
        }
    }
}
