//! Who holds a lease, and whether that process is known to have ended.
//!
//! An identity names the machine's boot, the PID namespace and the process, so that who is started again where its predecessor was
//! killed need not wait for the dead lease's end. Of processes elsewhere nothing is known, and they are waited out. What a dead
//! process sent before its end does no harm: each write carries the version that it was made from.

use std::fs;
use std::path::Path;

use stagewright_core::claims::IDENTITY_PREFIX;

use crate::clock::chance;

/// As many characters of a boot's id as tell it from the machine's others.
const BOOT: usize = 8;

/// A process, as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    id: u32,
    /// Ticks since the boot; ids come again, but not at the same time.
    started: u64,
    /// Whether it has ended and only its parent has not asked yet.
    is_zombie: bool,
}

/// Who this process is: unlike every other, also of this machine.
#[must_use]
pub fn identity() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.map(|host| host.trim().to_owned());
    let host = host.filter(|host| !host.is_empty());
    let host = host.as_deref().unwrap_or("host");
    let place = own().map(|place| format!("-{place}")).unwrap_or_default();
    format!("{IDENTITY_PREFIX}{host}{place}-{:08x}", chance())
}

/// Whether the holder was a process that this machine knows to have ended.
pub(super) fn has_ended(holder: &str) -> bool {
    ended(holder, &surroundings(), &process_of).unwrap_or(false)
}

/// The part of an identity that tells where it runs: `PID.TICKS.NAMESPACE.BOOT`.
fn own() -> Option<String> {
    let own = process("self")?;
    Some(format!("{}.{}.{}", own.id, own.started, surroundings()?))
}

/// The PID namespace and the boot. Processes beyond either are not seen.
fn surroundings() -> Option<String> {
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace = namespace
        .to_str()?
        .strip_prefix("pid:[")?
        .strip_suffix(']')?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{namespace}.{}", boot.get(..BOOT)?))
}

/// None: nothing is known of it.
fn ended(
    holder: &str,
    here: &Option<String>,
    process_of: &dyn Fn(u32) -> Option<Option<Process>>,
) -> Option<bool> {
    let (rest, _) = holder.strip_prefix(IDENTITY_PREFIX)?.rsplit_once('-')?;
    let (_, place) = rest.rsplit_once('-')?;
    let mut parts = place.splitn(3, '.');
    let id: u32 = parts.next()?.parse().ok()?;
    let started: u64 = parts.next()?.parse().ok()?;
    if parts.next()? != here.as_deref()? {
        return None;
    }
    let found = process_of(id)?;
    Some(found.is_none_or(|process| process.started != started || process.is_zombie))
}

/// The process that has the id now, if any; none at all: it could not be seen.
fn process_of(id: u32) -> Option<Option<Process>> {
    if let Some(process) = process(&id.to_string()) {
        return Some(Some(process));
    }
    // Where processes of others are hidden (hidepid), one that cannot be seen may be alive.
    process("1").map(|_| None)
}

fn process(id: &str) -> Option<Process> {
    let stat = fs::read_to_string(Path::new("/proc").join(id).join("stat")).ok()?;
    // The command's name is in brackets, and may hold anything.
    let (head, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some(Process {
        id: head.split_whitespace().next()?.parse().ok()?,
        // proc_pid_stat(5): the 22nd field, and the state is the third.
        started: fields.nth(18)?.parse().ok()?,
        is_zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_dead_only_where_that_is_known() {
        let here = Some("4026531836.1f2e3d4c".to_owned());
        let holder =
            |id: u32, place: &str| format!("{IDENTITY_PREFIX}a-host-{id}.77.{place}-0a0b0c0d");
        let process = |started, is_zombie| Process {
            id: 5,
            started,
            is_zombie,
        };
        for (found, expected) in [
            (Some(None), Some(true)),
            (Some(Some(process(78, false))), Some(true)),
            (Some(Some(process(77, true))), Some(true)),
            (Some(Some(process(77, false))), Some(false)),
            (None, None),
        ] {
            let holder = holder(5, "4026531836.1f2e3d4c");
            assert_eq!(
                ended(&holder, &here, &|_| found.clone()),
                expected,
                "{found:?}"
            );
        }
        for (holder, here) in [
            // Another boot, another namespace, another form, another program.
            (holder(5, "4026531836.00000000"), &here),
            (holder(5, "4026531837.1f2e3d4c"), &here),
            (holder(5, "4026531836.1f2e3d4c"), &None),
            (format!("{IDENTITY_PREFIX}a-host-0a0b0c0d"), &here),
            ("vm_55ff10b6-a30e-45b8-af99-930b0821d105".to_owned(), &here),
            (String::new(), &here),
        ] {
            assert_eq!(ended(&holder, here, &|_| Some(None)), None, "{holder}");
        }
    }

    #[test]
    fn we_live_and_who_was_waited_for_does_not() {
        assert!(!has_ended(&identity()), "{}", identity());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let own = own().unwrap();
        let (_, place) = own.split_once('.').unwrap();
        let holder = format!("{IDENTITY_PREFIX}h-{}.{place}-1", child.id());
        child.wait().unwrap();
        assert!(has_ended(&holder), "{holder}");
    }
}
