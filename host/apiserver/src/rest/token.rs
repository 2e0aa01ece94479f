//! Where a list goes on: the token at the end of a page, in the real server's form, so that clients may look into it as there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

const FORM: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    /// The form of the token.
    #[serde(default)]
    v: String,
    /// The revision of the list; below 0 for the present one.
    #[serde(default)]
    rv: i64,
    /// The first key that may come, without what all keys of the list begin with.
    #[serde(default)]
    start: String,
}

// === impl Token ===

impl Token {
    /// The token of a list that goes on after a key, as it was at the revision.
    pub(super) fn after(key: &str, prefix: &str, revision: u64) -> Self {
        let rest = key.strip_prefix(prefix).unwrap_or(key);
        Self {
            v: FORM.to_owned(),
            rv: i64::try_from(revision).unwrap_or(i64::MAX),
            // No key is between this one and the one before it.
            start: format!("{rest}\0"),
        }
    }

    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        const INVALID: &str = "continue key is not valid";
        let bytes = URL_SAFE_NO_PAD.decode(text);
        let bytes = bytes.map_err(|error| format!("{INVALID}: {error}"))?;
        let token: Self =
            serde_json::from_slice(&bytes).map_err(|error| format!("{INVALID}: {error}"))?;
        let Self { v, rv, start } = &token;
        let why = match (v.as_str(), rv, start.as_str()) {
            (FORM, 0, _) => {
                format!("{INVALID}: incorrect encoded start resourceVersion (version {FORM})")
            }
            (FORM, _, "") => format!("{INVALID}: encoded start key empty (version {FORM})"),
            (FORM, _, start) if !is_clean(start) => format!("{INVALID}: {start}"),
            (FORM, ..) => return Ok(token),
            _ => format!("{INVALID}: server does not recognize this encoded version {v}"),
        };
        Err(why)
    }

    /// The same place in the list of the present.
    pub(super) fn of_now(self) -> Self {
        Self { rv: -1, ..self }
    }

    /// The revision of the list; none for the present one.
    pub(super) fn revision(&self) -> Option<u64> {
        u64::try_from(self.rv).ok()
    }

    /// The first key that may come.
    pub(super) fn key(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.start.trim_start_matches('/'))
    }

    pub(super) fn write(&self) -> String {
        // Two strings and a number: this cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Whether a key leads nowhere but down.
fn is_clean(key: &str) -> bool {
    let key = key.strip_prefix('/').unwrap_or(key);
    key.is_empty() || key.split('/').all(|part| !["", ".", ".."].contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_to_the_next_key_and_never_out_of_their_list() {
        let token = Token::after("ns/a", "ns/", 7);
        let read = Token::read(&token.write()).unwrap();
        assert_eq!(
            (read.key("ns/"), read.revision()),
            ("ns/a\0".to_owned(), Some(7))
        );
        assert_eq!(read.of_now().revision(), None);
        let token = |start: &str| Token {
            start: start.to_owned(),
            ..Token::after("a", "", 1)
        };
        for wrong in ["", "../a", "a/../b", "a//b", "./a", "a/"] {
            assert!(Token::read(&token(wrong).write()).is_err(), "{wrong:?}");
        }
        assert_eq!(token("/a").key("ns/"), "ns/a");
        let nowhere = Token {
            rv: 0,
            ..token("a")
        };
        assert!(
            Token::read(&nowhere.write())
                .unwrap_err()
                .contains("start resourceVersion")
        );
    }
}
