//! What field selectors may ask of an object.

use std::sync::Arc;

/// Stands after each value. A value that has it is cut there, and no selector finds the rest.
const END: char = '\0';

/// Values by names. The objects of a kind share the names, and the values of one object lie in one piece of memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    names: Arc<[Box<str>]>,
    values: Box<str>,
}

// === impl Fields ===

impl Fields {
    /// The values in the order of the names.
    #[must_use]
    pub fn new<'a>(
        names: Arc<[Box<str>]>,
        values: impl Iterator<Item = std::borrow::Cow<'a, str>>,
    ) -> Self {
        let mut text = String::new();
        for value in values {
            text.push_str(value.split(END).next().unwrap_or_default());
            text.push(END);
        }
        Self {
            names,
            values: text.into(),
        }
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.names.iter().position(|known| **known == *name)?;
        self.values.split(END).nth(place)
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// About the memory that is the object's own.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.values.len()
    }
}
