//! What is only for containers of Windows (`validateWindowsSecurityContextOptions`, `validateWindowsHostProcessPod`).

use serde_json::Value;

use super::super::super::look::{at, is_true};
use super::super::{Errors, names};
use super::every;

/// What a specification of credentials may come to, in bytes.
const CREDENTIALS: usize = 64 << 10;

/// The longest user, and the first length that is too much for a domain.
const USER: usize = 104;
const DOMAIN: usize = 256;

/// Options in a security context.
pub(super) fn options(errors: &mut Errors, context: &Value, path: &str) {
    let options = at(context, "/windowsOptions");
    let path = format!("{path}.windowsOptions");
    if let Some(name) = at(options, "/gmsaCredentialSpecName").as_str() {
        let path = format!("{path}.gmsaCredentialSpecName");
        errors.form(&path, name, names::subdomain(name));
    }
    if let Some(credentials) = at(options, "/gmsaCredentialSpec").as_str() {
        let words = match credentials.len() {
            0 => "gmsaCredentialSpec cannot be an empty string",
            length if length > CREDENTIALS => "gmsaCredentialSpec size must be under 64 KiB",
            _ => "",
        };
        if !words.is_empty() {
            errors.invalid(&format!("{path}.gmsaCredentialSpec"), credentials, words);
        }
    }
    if let Some(name) = at(options, "/runAsUserName").as_str() {
        let path = format!("{path}.runAsUserName");
        for words in user_faults(name) {
            errors.invalid(&path, name, &format!("runAsUserName{words}"));
        }
    }
}

/// What is wrong with a user, perhaps with a domain before it.
fn user_faults(name: &str) -> Vec<String> {
    let one = |words: &str| vec![words.to_owned()];
    if name.is_empty() {
        return one(" cannot be an empty string");
    }
    if name.contains(|letter: char| letter.is_ascii_control()) {
        return one(" cannot contain control characters");
    }
    let (domain, user) = match name.split('\\').collect::<Vec<_>>().as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return one(" cannot contain more than one backslash"),
    };
    let rules = [
        (
            domain.is_some_and(|domain| domain.len() >= DOMAIN),
            "'s Domain length must be under 256 characters",
        ),
        (
            domain.is_some_and(|domain| !is_netbios(domain) && !is_dns(domain)),
            "'s Domain doesn't match the NetBios nor the DNS format",
        ),
        (user.is_empty(), "'s User cannot be empty"),
        (
            user.len() > USER,
            "'s User length must not be longer than 104 characters",
        ),
        (
            !user.is_empty() && user.chars().all(|letter| ". ".contains(letter)),
            "'s User cannot contain only periods or spaces",
        ),
        (
            user.contains(|letter| "\"/\\:;|=,+*?<>@[]".contains(letter)),
            "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]",
        ),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    broken.map(|(_, words)| words.to_owned()).collect()
}

/// A name of NetBIOS.
fn is_netbios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(|letter| "\\/:*?\"<>|".contains(letter))
}

/// A name of DNS, in capitals or not.
fn is_dns(domain: &str) -> bool {
    let is_end = |letter: char| letter.is_ascii_alphanumeric();
    domain.split('.').all(|part| {
        part.len() <= 63
            && part.chars().all(|letter| is_end(letter) || letter == '-')
            && part.starts_with(is_end)
            && part.ends_with(is_end)
    })
}

/// Containers that are processes of the host: all of a pod's, or none.
pub(super) fn host_processes(errors: &mut Errors, spec: &Value, path: &str) {
    const POINTER: &str = "/securityContext/windowsOptions/hostProcess";
    let pods = at(spec, POINTER).as_bool();
    let (mut hosts, mut all) = (0, 0);
    for (path, container) in every(spec, path) {
        let own = at(container, POINTER).as_bool();
        if let (Some(pods), Some(own)) = (pods, own)
            && pods != own
        {
            let words = format!(
                "pod hostProcess value must be identical if both are specified, was {pods}"
            );
            errors.invalid(
                &format!("{path}.securityContext.windowsOptions.hostProcess"),
                own,
                &words,
            );
        }
        all += 1;
        hosts += usize::from(own.or(pods) == Some(true));
    }
    if hosts == 0 {
        return;
    }
    if hosts != all {
        let words = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", words);
    }
    if !is_true(spec, "/hostNetwork") {
        let words = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&format!("{path}.hostNetwork"), false, words);
    }
}
