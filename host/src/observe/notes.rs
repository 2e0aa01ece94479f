//! The last refusals and mends, for `explain`.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use stagewright_core::object::{Key, Uid};
use stagewright_core::time::Time;

/// Notes kept; the oldest make room.
const KEPT: usize = 1_000;
/// Longer messages are cut.
const MESSAGE: usize = 2_048;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum NoteKind {
    /// A play was dropped, or an object left alone.
    Refused,
    /// Bookkeeping was mended in what a plugin wanted.
    Mended,
    /// The API server stored something else than a plugin wanted.
    Remade,
}

impl NoteKind {
    /// The kind in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Mended => "Mended",
            Self::Remade => "Remade",
        }
    }
}

/// Something that a user may ask about.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// When.
    pub time: Time,
    /// Of which object.
    pub key: Key,
    /// Its uid: another object may have the name now.
    pub uid: Uid,
    /// Whose play.
    pub plugin: String,
    /// Which stage; empty if none was played.
    pub stage: String,
    /// What it is about.
    pub kind: NoteKind,
    /// In one word.
    pub category: &'static str,
    /// In full, with breaches or the mend.
    pub message: String,
}

/// A ring of notes.
#[derive(Debug, Default)]
pub struct Notes(Mutex<VecDeque<Note>>);

impl Notes {
    /// Keeps a note.
    pub fn push(&self, mut note: Note) {
        if note.message.len() > MESSAGE {
            note.message = super::events::cut(&note.message, MESSAGE).to_owned();
        }
        let mut notes = self.0.lock();
        if notes.len() >= KEPT {
            notes.pop_front();
        }
        notes.push_back(note);
    }

    /// An object's notes, the oldest first.
    #[must_use]
    pub fn of(&self, key: &Key, uid: &Uid) -> Vec<Note> {
        self.0
            .lock()
            .iter()
            .filter(|note| note.uid == *uid && note.key == *key)
            .cloned()
            .collect()
    }

    /// The newest notes of all objects, the newest first.
    #[must_use]
    pub fn recent(&self, count: usize) -> Vec<Note> {
        self.0.lock().iter().rev().take(count).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use stagewright_core::object::Kind;

    use super::*;

    fn note(name: &str, uid: &str, message: &str) -> Note {
        Note {
            time: Time(0),
            key: Key::new(&Kind::new("v1", "Pod"), Some("default"), name),
            uid: Uid::new(uid),
            plugin: "pod".into(),
            stage: "start".into(),
            kind: NoteKind::Refused,
            category: "Backward",
            message: message.into(),
        }
    }

    #[test]
    fn notes_are_of_one_object_and_bounded() {
        let notes = Notes::default();
        notes.push(note("a", "1", "first"));
        for number in 0..KEPT {
            notes.push(note("b", "2", &number.to_string()));
        }
        let (a, b) = (note("a", "1", ""), note("b", "2", ""));
        assert!(notes.of(&a.key, &a.uid).is_empty());
        assert_eq!(notes.of(&b.key, &b.uid).len(), KEPT);
        assert!(notes.of(&b.key, &a.uid).is_empty());
        assert_eq!(notes.recent(1)[0].message, (KEPT - 1).to_string());
        notes.push(note("c", "3", &"ü".repeat(MESSAGE)));
        assert_eq!(notes.recent(1)[0].message.len(), MESSAGE);
    }
}
