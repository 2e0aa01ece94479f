//! Get, list, watch.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Call;
use super::answer::{Answer, List};
use super::select::Filter;
use crate::status::Status;
use crate::store::{Entry, Range, Store};
use crate::watch::{Start, Watch};

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    /// The form of the token.
    v: String,
    /// The revision of the list; -1 for the present one.
    rv: i64,
    /// The last key of the page before.
    start: String,
}

const TOKEN_FORM: &str = "meta.k8s.io/v1";

impl Call<'_> {
    pub(super) fn get(&mut self) -> Result<Answer, Status> {
        let (name, key) = (self.target.name(), self.target.key(self.target.name()));
        let asked = number("resourceVersion", &self.query.resource_version)?;
        self.shared.read(|store| {
            not_in_the_future(store, asked)?;
            store
                .get(&self.target.resource.collection, &key)
                .map(|entry| Answer::Entry(200, entry.clone()))
                .ok_or_else(|| Status::not_found(&self.target.resource, name))
        })
    }

    /// The target as it is stored now.
    pub(super) fn stored_entry(&self) -> Result<Arc<Entry>, Status> {
        let (name, key) = (self.target.name(), self.target.key(self.target.name()));
        self.shared
            .read(|store| store.get(&self.target.resource.collection, &key).cloned())
            .ok_or_else(|| Status::not_found(&self.target.resource, name))
    }

    pub(super) fn list(&mut self) -> Result<Answer, Status> {
        self.query.check_list()?;
        let filter = Filter::new(&self.target, &self.query)?;
        self.shared
            .read(|store| self.page(store, &filter))
            .map(Answer::List)
    }

    /// The part of the list that was asked for, as it is or was.
    pub(super) fn page(&self, store: &Store, filter: &Filter) -> Result<List, Status> {
        let query = &self.query;
        let token = self.token(filter)?;
        let revision = match &token {
            Some(token) => u64::try_from(token.rv).unwrap_or_else(|_| store.revision()),
            None => self.listed_revision(store)?,
        };
        let range = Range {
            prefix: &filter.prefix,
            after: token.as_ref().map(|token| token.start.as_str()),
            limit: query.limit,
            revision,
        };
        let collection = &self.target.resource.collection;
        let page = store
            .list(collection, &range, |entry| filter.matches(entry))
            .map_err(|_| match &token {
                Some(token) => Status::expired_continue(encode(-1, &token.start)),
                None => Status::expired("The resourceVersion for the provided list is too old."),
            })?;
        let last = page.entries.last().filter(|_| page.more);
        Ok(List {
            continue_token: last
                .map(|last| encode(i64::try_from(revision).unwrap_or(i64::MAX), &last.key)),
            remaining: filter.is_everything().then_some(page.remaining),
            entries: page.entries,
            revision,
        })
    }

    fn token(&self, filter: &Filter) -> Result<Option<Token>, Status> {
        let text = &self.query.continue_token;
        if text.is_empty() {
            return Ok(None);
        }
        if !["", "0"].contains(&self.query.resource_version.as_str()) {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let decoded = URL_SAFE_NO_PAD.decode(text).ok();
        let token: Option<Token> = decoded.and_then(|json| serde_json::from_slice(&json).ok());
        token
            .filter(|token| token.v == TOKEN_FORM && token.start.starts_with(&filter.prefix))
            .map(Some)
            .ok_or_else(|| {
                Status::bad_request(
                    "continue key is not valid: it is none that this server gave for this list",
                )
            })
    }

    /// The revision of a list that begins. A limit asks for exactly the revision, as it did before there was a way to say so.
    fn listed_revision(&self, store: &Store) -> Result<u64, Status> {
        let query = &self.query;
        let asked = number("resourceVersion", &query.resource_version)?;
        not_in_the_future(store, asked)?;
        let exact = match query.resource_version_match.as_str() {
            "Exact" => true,
            "" => query.limit > 0,
            _ => false,
        };
        Ok(asked
            .filter(|&asked| exact && asked > 0)
            .unwrap_or_else(|| store.revision()))
    }

    pub(super) fn watch(&mut self) -> Result<Answer, Status> {
        self.query.check_list()?;
        let filter = Filter::new(&self.target, &self.query)?;
        let asked = number("resourceVersion", &self.query.resource_version)?;
        let start = match (self.query.send_initial_events, asked) {
            (Some(true), asked) => {
                self.shared.read(|store| not_in_the_future(store, asked))?;
                Start::Streamed
            }
            (Some(false), None | Some(0)) => Start::Now,
            (None, None | Some(0)) => Start::Listed,
            (_, Some(revision)) => Start::After(revision),
        };
        let watch = Watch::new(self, filter, start);
        Ok(Answer::Watch(Box::new(watch)))
    }
}

fn encode(rv: i64, start: &str) -> String {
    let token = Token {
        v: TOKEN_FORM.to_owned(),
        rv,
        start: start.to_owned(),
    };
    // Two strings and a number: this cannot fail.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

/// A resourceVersion in a query; none if it is not given.
pub(super) fn number(field: &str, text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Status::bad_request(format!(
            "{field}: Invalid value: {text:?}: a resourceVersion is a decimal number"
        ))
    })
}

fn not_in_the_future(store: &Store, asked: Option<u64>) -> Result<(), Status> {
    match asked {
        Some(asked) if asked > store.revision() => {
            Err(Status::too_large_version(asked, store.revision()))
        }
        _ => Ok(()),
    }
}
