//! Texts of objects that rest, put away small. Objects of one kind resemble each other, so each is kept as what it has beside the first
//! few of its kind: LZ4 with these as its dictionary, which takes microseconds.

use std::collections::HashMap;

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use crate::object::Kind;

/// Bytes of a kind's pattern: enough for a dozen sorts of large objects, and little beside the objects of a kind that is worth it.
const PATTERN: usize = 32 << 10;

/// What the texts of each kind have in common.
#[derive(Debug, Default)]
pub(super) struct Shelf(HashMap<Kind, Vec<u8>>);

/// A text that was put away.
#[derive(Debug)]
pub(super) enum Kept {
    /// As it is: nothing on the shelf is like it.
    Whole(Box<str>),
    /// Against the first bytes of its kind's pattern, which only grows at its end.
    Packed {
        bytes: Box<[u8]>,
        pattern: u32,
        /// Bytes of the text.
        len: u32,
    },
}

// === impl Shelf ===

impl Shelf {
    /// Puts a text away. What is not like those before it joins the pattern, while there is room for it.
    pub(super) fn put(&mut self, kind: &Kind, text: &str) -> Kept {
        let pattern = self.0.entry(kind.clone()).or_default();
        let mut bytes = compress_with_dict(text.as_bytes(), pattern);
        if bytes.len() > text.len() / 2 && pattern.len() + text.len() <= PATTERN {
            pattern.extend_from_slice(text.as_bytes());
            bytes = compress_with_dict(text.as_bytes(), pattern);
        }
        let sizes = (u32::try_from(pattern.len()), u32::try_from(text.len()));
        match sizes {
            (Ok(pattern), Ok(len)) if bytes.len() < text.len() => Kept::Packed {
                bytes: bytes.into_boxed_slice(),
                pattern,
                len,
            },
            _ => Kept::Whole(text.into()),
        }
    }

    /// The text. None for what was not put away here, and under this kind.
    pub(super) fn get(&self, kind: &Kind, kept: &Kept) -> Option<Box<str>> {
        match kept {
            Kept::Whole(text) => Some(text.clone()),
            Kept::Packed {
                bytes,
                pattern,
                len,
            } => {
                let pattern = self.0.get(kind)?.get(..*pattern as usize)?;
                let text = decompress_with_dict(bytes, *len as usize, pattern).ok()?;
                String::from_utf8(text).ok().map(String::into_boxed_str)
            }
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Bytes that it takes.
    #[cfg(test)]
    fn size(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Packed { bytes, .. } => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(number: usize) -> String {
        let name = format!("pod-{number}");
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": format!("{number:036}")},
            "spec": {"nodeName": "node", "containers": [{"name": "main", "image": "registry.local/image:1"}]},
            "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", number / 256, number % 256),
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]}})
        .to_string()
    }

    #[test]
    fn alike_objects_take_little_room_and_come_back_whole() {
        let (mut shelf, kind) = (Shelf::default(), Kind::new("v1", "Pod"));
        let texts: Vec<String> = (0..1000).map(pod).collect();
        let kept: Vec<Kept> = texts.iter().map(|text| shelf.put(&kind, text)).collect();
        for (text, kept) in texts.iter().zip(&kept) {
            assert_eq!(shelf.get(&kind, kept).as_deref(), Some(text.as_str()));
            assert!(
                kept.size() * 4 < text.len(),
                "{} of {}",
                kept.size(),
                text.len()
            );
        }
        assert!(shelf.0[&kind].len() < 2 * texts[0].len());
    }

    #[test]
    fn a_kind_is_not_read_with_the_pattern_of_another() {
        let mut shelf = Shelf::default();
        let kept = shelf.put(&Kind::new("v1", "Pod"), &pod(1));
        assert_eq!(shelf.get(&Kind::new("v1", "Node"), &kept), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(texts in proptest::collection::vec("[a-d]{0,8000}|.{0,400}", 1..20)) {
            let (mut shelf, kind) = (Shelf::default(), Kind::new("v1", "Pod"));
            let kept: Vec<Kept> = texts.iter().map(|text| shelf.put(&kind, text)).collect();
            for (text, kept) in texts.iter().zip(&kept) {
                let back = shelf.get(&kind, kept);
                prop_assert_eq!(back.as_deref(), Some(text.as_str()));
                prop_assert!(kept.size() <= text.len());
            }
            prop_assert!(shelf.0[&kind].len() <= PATTERN);
        }
    }
}
