//! Whether FieldsV1 has paths, without making a tree of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::element::SELF;
use super::set::{Set, Steps, is_member};

/// Whether a text of FieldsV1 has all paths of the set.
pub(super) fn covers(text: &str, set: &Set) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = Below {
        wanted: &set.0,
        member: false,
    };
    found.deserialize(&mut reader).unwrap_or_default()
}

/// What must be below one step, and whether the step itself must be a member.
struct Below<'a> {
    wanted: &'a Steps,
    member: bool,
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Below<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("steps")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut steps: A) -> Result<bool, A::Error> {
        let mut missing = self.wanted.keys().filter(|step| *step != SELF).count();
        let (mut empty, mut marked) = (true, false);
        while let Some(Key(step)) = steps.next_key()? {
            empty = false;
            marked |= step == SELF;
            let wanted = self.wanted.get(&*step).filter(|_| step != SELF);
            let Some(Value::Object(below)) = wanted else {
                steps.next_value::<IgnoredAny>()?;
                continue;
            };
            let found = steps.next_value_seed(Below {
                wanted: below,
                member: wanted.is_some_and(is_member),
            })?;
            missing -= usize::from(found);
        }
        Ok(missing == 0 && (!self.member || empty || marked))
    }
}
