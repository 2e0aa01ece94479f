//! Whether and when a container runs again.

use std::time::Duration;

use crate::view::{Container, ContainerStatus, Rule, Terminated};

/// The first back-off, and the longest (`initialCrashLoopBackOff` and `MaxCrashLoopBackOff` in kubelet.go).
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
/// A container that ran longer than this begins anew (`hasExpired` in client-go's backoff.go: twice the longest back-off).
const CALM: Duration = Duration::from_secs(600);
/// How long the kubelet takes to see that a container ended (its pod lifecycle event generator looks once a second).
pub const NOTICED: Duration = Duration::from_secs(1);

/// Whether the container runs again after it ended with this code: its own rules first, then its policy, then the pod's
/// (`ContainerShouldRestart` in pkg/api/v1/pod/util.go).
pub fn should_restart(container: &Container<'_>, pod_policy: &str, code: i64) -> bool {
    let own = container.restart_policy.as_str();
    if !own.is_empty() && matching(container, code).is_some_and(restarts) {
        return true;
    }
    match if own.is_empty() { pod_policy } else { own } {
        "Never" => false,
        "OnFailure" => code != 0,
        // No policy means Always.
        _ => true,
    }
}

/// Whether its end restarts all containers of the pod (KEP-5532).
pub fn restarts_all(container: &Container<'_>, code: i64) -> bool {
    !container.restart_policy.as_str().is_empty()
        && matching(container, code).is_some_and(|rule| rule.action.as_str() == ALL)
}

/// Whether it has a rule that may restart all containers (`AllContainersCouldRestart` in pkg/api/v1/pod/util.go).
pub fn may_restart_all(container: &Container<'_>) -> bool {
    let mut rules = container.restart_policy_rules.iter();
    rules.any(|rule| rule.action.as_str() == ALL)
}

const ALL: &str = "RestartAllContainers";

fn restarts(rule: &Rule<'_>) -> bool {
    matches!(rule.action.as_str(), "Restart" | ALL)
}

/// The first rule that the code matches (`FindMatchingContainerRestartRule`).
fn matching<'c>(container: &'c Container<'c>, code: i64) -> Option<&'c Rule<'c>> {
    container.restart_policy_rules.iter().find(|rule| {
        let listed = rule.exit_codes.values.contains(&code);
        match rule.exit_codes.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        }
    })
}

/// How long a container that ended is waited for before it runs again, and whether it had run so long that back-offs begin anew.
/// `calm` is the restart count from which they were counted so far.
///
/// The first restart is not waited for at all, since only a container that was restarted is backed off (`doBackOff` in
/// `kuberuntime_manager.go`).
pub fn back_off(status: &ContainerStatus<'_>, end: &Terminated<'_>, calm: i64) -> (Duration, bool) {
    let restarts = status.restart_count.saturating_sub(calm).max(0);
    if restarts == 0 {
        return (Duration::ZERO, false);
    }
    if end.ran().is_some_and(|ran| ran > CALM) {
        return (Duration::ZERO, true);
    }
    (grown(restarts - 1), false)
}

/// The back-off after so many doublings. Images are waited for alike (`imageBackOffPeriod` and `MaxImageBackOff` in kubelet.go).
pub fn grown(doublings: i64) -> Duration {
    let doublings = u32::try_from(doublings).unwrap_or(u32::MAX).min(5);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_to_five_minutes() {
        let seconds: Vec<u64> = (0..8).map(|doublings| grown(doublings).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(grown(i64::MAX).as_secs(), 300);
    }
}
