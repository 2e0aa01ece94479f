//! Reading what is written in a tree, with the place of what is of another shape.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::stage::Problem;

/// A value and its JSON pointer.
pub struct Field<'a> {
    value: &'a Json,
    path: String,
}

impl<'a> Field<'a> {
    /// A value at a place.
    #[must_use]
    pub fn new(value: &'a Json, path: &str) -> Self {
        Self {
            value,
            path: path.to_owned(),
        }
    }

    /// What is wrong here.
    #[must_use]
    pub fn problem(&self, message: &str) -> Problem {
        Problem {
            path: self.path.clone(),
            message: message.to_owned(),
        }
    }

    fn expected(&self, what: &str) -> Problem {
        let found = match self.value {
            Json::Null => "null",
            Json::Bool(_) => "a bool",
            Json::Number(_) => "a number",
            Json::String(_) => "a text",
            Json::Array(_) => "a list",
            Json::Object(_) => "a map",
        };
        self.problem(&format!("invalid type: {found}, expected {what}"))
    }

    fn object(&self) -> Result<&'a Map<String, Json>, Problem> {
        self.value.as_object().ok_or_else(|| self.expected("a map"))
    }

    /// A field of this map. A null is none, as Go has it.
    ///
    /// # Errors
    /// If this is no map.
    pub fn get(&self, key: &str) -> Result<Option<Field<'a>>, Problem> {
        let value = self.object()?.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| Field {
            value,
            path: format!("{}/{key}", self.path),
        }))
    }

    /// A field that is a text; empty if it is not there.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, key: &str) -> Result<String, Problem> {
        Ok(self.maybe_text(key)?.unwrap_or_default())
    }

    /// A field that is a text.
    ///
    /// # Errors
    /// If it is something else.
    pub fn maybe_text(&self, key: &str) -> Result<Option<String>, Problem> {
        self.get(key)?.map(|field| field.own_text()).transpose()
    }

    fn own_text(&self) -> Result<String, Problem> {
        match self.value {
            Json::String(text) => Ok(text.clone()),
            _ => Err(self.expected("a text; put it in quotes")),
        }
    }

    /// A field that is a bool; false if it is not there.
    ///
    /// # Errors
    /// If it is something else.
    pub fn bool(&self, key: &str) -> Result<bool, Problem> {
        let Some(field) = self.get(key)? else {
            return Ok(false);
        };
        let value = field.value.as_bool();
        value.ok_or_else(|| field.expected("true or false"))
    }

    /// A field that is a whole number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn whole(&self, key: &str) -> Result<Option<i64>, Problem> {
        let Some(field) = self.get(key)? else {
            return Ok(None);
        };
        let value = field.value.as_i64();
        let value = value.ok_or_else(|| field.expected("a whole number"))?;
        Ok(Some(value))
    }

    /// A field of texts by name.
    ///
    /// # Errors
    /// If it is something else.
    pub fn texts_by_name(&self, key: &str) -> Result<BTreeMap<String, String>, Problem> {
        let mut texts = BTreeMap::new();
        if let Some(field) = self.get(key)? {
            for name in field.object()?.keys() {
                texts.insert(name.clone(), field.text(name)?);
            }
        }
        Ok(texts)
    }

    /// A field of texts.
    ///
    /// # Errors
    /// If it is something else.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, Problem> {
        self.list(key, |item| item.own_text())
    }

    /// A field that is a list; empty if it is not there.
    ///
    /// # Errors
    /// If it is no list, or an item is not as `read` wants it.
    pub fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&Field<'a>) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let Some(field) = self.get(key)? else {
            return Ok(Vec::new());
        };
        let items = field.value.as_array();
        let items = items.ok_or_else(|| field.expected("a list"))?.iter();
        let items = items.enumerate().map(|(index, value)| {
            read(&Field {
                value,
                path: format!("{}/{index}", field.path),
            })
        });
        items.collect()
    }

    /// A field of its own shape.
    ///
    /// # Errors
    /// If it is not as `read` wants it.
    pub fn part<T>(
        &self,
        key: &str,
        read: impl Fn(&Field<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.get(key)?.map(|field| read(&field)).transpose()
    }
}
