//! The order of API versions: stable before beta before alpha, the newer first (apimachinery, `pkg/version/helpers.go`).

use std::cmp::Ordering;

/// How stable, and which: `v2beta1` is beta, 2, 1.
type Rank = (u8, u32, u32);

/// The order in which discovery has them. What is not named as Kubernetes names versions comes last, by its letters.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    match (rank(one), rank(other)) {
        (Some(one), Some(other)) => other.cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

fn rank(version: &str) -> Option<Rank> {
    let rest = version.strip_prefix('v')?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let major = number(major)?;
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = rest
        .strip_prefix("beta")
        .map(|minor| (1, minor))
        .or_else(|| rest.strip_prefix("alpha").map(|minor| (0, minor)))?;
    Some((stability, major, number(minor)?))
}

/// A number that does not begin with zero.
fn number(digits: &str) -> Option<u32> {
    digits
        .parse()
        .ok()
        .filter(|_| !digits.starts_with(['0', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_comes_before_beta_and_new_before_old() {
        let wanted = [
            "v10",
            "v2",
            "v1",
            "v11beta2",
            "v10beta3",
            "v3beta1",
            "v12alpha1",
            "v11alpha2",
            "foo1",
            "foo10",
            "v0",
        ];
        let mut sorted = wanted;
        sorted.reverse();
        sorted.sort_by(|one, other| compare(one, other));
        assert_eq!(sorted, wanted);
    }
}
