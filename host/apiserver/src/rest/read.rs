//! Get, list, watch.

use std::sync::Arc;

use super::Call;
use super::answer::{Answer, List};
use super::select::Filter;
use super::token::Token;
use crate::status::Status;
use crate::status::number::unsigned;
use crate::store::{Entry, Range, Store};
use crate::watch::{Start, Watch};

/// Which part of which state is listed.
struct Part {
    revision: u64,
    /// The first key that may come; none for the list's first page.
    from: Option<Token>,
    /// At most so many; 0 for all.
    limit: usize,
}

impl Call<'_> {
    pub(super) fn get(&mut self) -> Result<Answer, Status> {
        let (name, key) = (self.target.name(), self.target.key(self.target.name()));
        let asked = self
            .asked_revision()
            .map_err(|why| match self.is_cached() {
                true => Status::unexplained(why),
                false => Status::bad_request(format!("invalid resource version: {why}")),
            })?;
        let again = u16::from(self.is_cached());
        self.shared.read(|store| {
            not_in_the_future(store, asked, again)?;
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
        let filter = Filter::new(&self.target, &self.query)?;
        self.shared
            .read(|store| self.page(store, &filter))
            .map(Answer::List)
    }

    /// The part of the list that was asked for, as it is or was.
    pub(super) fn page(&self, store: &Store, filter: &Filter) -> Result<List, Status> {
        let part = self.part(store, filter)?;
        let prefix = filter.prefix.as_str();
        let from = part.from.as_ref().map(|token| token.key(prefix));
        let range = Range {
            prefix,
            from: from.as_deref(),
            limit: part.limit,
            revision: part.revision,
        };
        let collection = &self.target.resource.collection;
        let page = store
            .list(collection, &range, |entry| filter.matches(entry))
            .map_err(|_| match part.from {
                Some(token) => Status::expired_continue(token.of_now().write()),
                None => Status::expired("The resourceVersion for the provided list is too old."),
            })?;
        // One object by its name is no list there, so it does not go on.
        let goes_on = page.remaining > 0 && !(filter.is_one_object() && range.from.is_none());
        let last = page.entries.last().filter(|_| goes_on);
        let next = last.map(|last| Token::after(&last.key, prefix, part.revision));
        Ok(List {
            continue_token: next.map(|next| next.write()),
            remaining: filter.is_everything().then_some(page.remaining),
            entries: page.entries,
            revision: part.revision,
        })
    }

    fn part(&self, store: &Store, filter: &Filter) -> Result<Part, Status> {
        let query = &self.query;
        // Whoever asks for any state is given all of it at once: there, it is read from memory.
        let limit = if query.resource_version == "0" && self.is_cached() {
            0
        } else {
            query.limit
        };
        let (asked, from) = if query.continue_token.is_empty() {
            (self.listed_revision(store, filter)?, None)
        } else {
            let token = self.token()?;
            let asked = token.revision();
            not_in_the_future(store, asked.unwrap_or(0), u16::from(self.is_cached()))?;
            (asked, Some(token))
        };
        Ok(Part {
            revision: asked.unwrap_or_else(|| store.revision()),
            from,
            limit,
        })
    }

    fn token(&self) -> Result<Token, Status> {
        let token = Token::read(&self.query.continue_token);
        let token =
            token.map_err(|why| Status::bad_request(format!("invalid continue token: {why}")))?;
        if !["", "0"].contains(&self.query.resource_version.as_str()) {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        Ok(token)
    }

    /// The revision of a list that begins, if it is to be a certain one. A limit asks for exactly the revision, as it did before there
    /// was a way to say so; but not where one object is meant, since that is no list there.
    fn listed_revision(&self, store: &Store, filter: &Filter) -> Result<Option<u64>, Status> {
        let query = &self.query;
        let asked = self
            .asked_revision()
            .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
        let exact = match query.resource_version_match.as_str() {
            "Exact" => true,
            "" => query.limit > 0 && !filter.is_one_object(),
            _ => false,
        };
        // One object of a certain state is read from etcd itself there.
        let legacy = query.limit > 0 && query.resource_version_match.is_empty();
        let waits = !(filter.is_one_object() && (exact || legacy));
        not_in_the_future(store, asked, u16::from(waits && self.is_cached()))?;
        Ok(Some(asked).filter(|&asked| exact && asked > 0))
    }

    /// Whether the real server answers from its memory where that is new enough. Events change too often for that.
    fn is_cached(&self) -> bool {
        &*self.target.resource.plural != "events"
    }

    /// The resourceVersion of the query; 0 if there is none.
    fn asked_revision(&self) -> Result<u64, String> {
        let text = &self.query.resource_version;
        if text.is_empty() {
            return Ok(0);
        }
        unsigned(text).map_err(|why| format!("resourceVersion: Invalid value: {text:?}: {why}"))
    }

    pub(super) fn watch(&mut self) -> Result<Answer, Status> {
        let filter = Filter::new(&self.target, &self.query)?;
        let asked = self.asked_revision().map_err(Status::unexplained)?;
        let start = match (self.query.send_initial_events, asked) {
            (Some(true), asked) => {
                // Whoever has begun to watch is told in the watch.
                let again = if self.is_cached() { 1 } else { 2 };
                let known = self
                    .shared
                    .read(|store| not_in_the_future(store, asked, again));
                known.map_or_else(Start::Refused, |()| Start::Listed)
            }
            (Some(false), 0) => Start::Now,
            (None, 0) => Start::Listed,
            (_, revision) => Start::After(revision),
        };
        let watch = Watch::new(self, filter, start);
        Ok(Answer::Watch(Box::new(watch)))
    }
}

/// Refuses a revision that is not there yet. Where it is waited for in vain there, the client is told when to try again.
fn not_in_the_future(store: &Store, asked: u64, again: u16) -> Result<(), Status> {
    if asked <= store.revision() {
        return Ok(());
    }
    Err(Status::too_large_version(asked, store.revision()).retry_after(again))
}
