//! Identifiers that a container runtime would give: functions of the pod alone, so that a repeated play writes the same.

/// An attempt of a container of one pod. 64 hexadecimal digits, as runtimes have them.
pub fn container(pod: &str, container: &str, attempt: i64) -> String {
    let attempt = attempt.to_string();
    format!("stagewright://{}", digest(&[pod, container, &attempt]))
}

/// What an image's reference was resolved to: the same for the same reference.
pub fn image(reference: &str) -> String {
    if reference.is_empty() || reference.contains("@sha256:") {
        return reference.to_owned();
    }
    // A colon before the last slash is a registry's port.
    let name = reference.rfind('/').map_or(0, |slash| slash + 1);
    let tag = reference.get(name..).and_then(|name| name.find(':'));
    let repository = tag
        .and_then(|tag| reference.get(..name + tag))
        .unwrap_or(reference);
    format!("{repository}@sha256:{}", digest(&[reference]))
}

/// 256 bits that differ where the parts do. Nothing here is a secret, so four rounds of FNV-1a with a final mix are enough.
fn digest(parts: &[&str]) -> String {
    let [a, b, c, d] = [1, 2, 3, 4].map(|seed| lane(seed, parts));
    format!("{a:016x}{b:016x}{c:016x}{d:016x}")
}

fn lane(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        // The end of a part counts, so that ("ab", "c") is not ("a", "bc").
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_differ_by_pod_name_and_attempt() {
        assert_ne!(container("ab", "c", 0), container("a", "bc", 0));
        assert_ne!(container("a", "b", 0), container("a", "b", 1));
        assert_eq!(container("a", "b", 0), container("a", "b", 0));
        assert_eq!(container("a", "b", 0).len(), "stagewright://".len() + 64);
    }

    #[test]
    fn images_lose_their_tag_and_gain_a_digest() {
        assert!(image("web").starts_with("web@sha256:"));
        assert!(image("example.com:5000/a/web:1.2").starts_with("example.com:5000/a/web@sha256:"));
        assert!(image("example.com:5000/web").starts_with("example.com:5000/web@sha256:"));
        assert_eq!(image("web@sha256:abc"), "web@sha256:abc");
        assert_ne!(image("web:1"), image("web:2"));
    }
}
