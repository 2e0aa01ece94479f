//! Lists that merge: of objects by a key, of scalars as a set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::directives::{Directive, clean_members};
use super::merge_keys::Property;
use super::{At, merge_object};
use crate::json::PatchError;
use crate::json::difference::whole;

/// What makes two items the same item: the merge key's value, or a scalar itself; as text, since it is looked up. Looking up in
/// maps keeps long lists linear: nothing else bounds the time that a patch takes.
pub(super) type Identity = String;

/// Merges the patch into the list and orders it: items that the patch names as the patch has them, the others around them as they were.
pub(super) fn merge(
    list: &mut Vec<Value>,
    patch: &[Value],
    property: Property,
    at: &At<'_>,
) -> Result<(), PatchError> {
    let objects = list
        .iter()
        .chain(patch)
        .filter(|item| item.is_object())
        .count();
    if objects == 0 {
        return merge_scalars(list, patch, property.key, at);
    }
    if objects < list.len() + patch.len() {
        return Err(at.error("the items of a merged list are all objects, or all scalars"));
    }
    let key = property
        .key
        .ok_or_else(|| at.error("a list of objects without a merge key does not merge"))?;
    let special = Special::read(patch, key, at)?;
    if special.replaces {
        *list = special
            .plain
            .into_iter()
            .map(|item| members(item, at))
            .collect::<Result<_, _>>()?;
        return identities(list, Some(key), at).map(|_| ());
    }
    if !special.deleted.is_empty() {
        let mut found = identities(list, Some(key), at)?.into_iter();
        list.retain(|_| {
            found
                .next()
                .is_none_or(|identity| !special.deleted.contains(&identity))
        });
    }
    let server = identities(list, Some(key), at)?;
    // Of several items with one key (ports that differ in protocol) the first is meant.
    let mut places: BTreeMap<Identity, usize> = places(&server)
        .into_iter()
        .map(|(identity, place)| (identity.clone(), place))
        .collect();
    let mut order = Vec::with_capacity(special.plain.len());
    for item in special.plain {
        let identity = identity(item, Some(key), at)?;
        order.push(identity.clone());
        let old = places.get(&identity).and_then(|place| list.get_mut(*place));
        match (old, item) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                merge_object(old, new, property.schema, &at.below(&identity))?;
            }
            _ => {
                places.insert(identity, list.len());
                list.push(members(item, at)?);
            }
        }
    }
    *list = sort(std::mem::take(list), &order, &server, Some(key), at)?;
    Ok(())
}

/// `$deleteFromPrimitiveList/name`.
pub(super) fn delete_scalars(
    list: Option<&mut Value>,
    items: &Value,
    at: &At<'_>,
) -> Result<(), PatchError> {
    let error = || at.error("$deleteFromPrimitiveList is a list of scalars, for a list of scalars");
    let gone: BTreeSet<Identity> = identities(items.as_array().ok_or_else(error)?, None, at)?
        .into_iter()
        .collect();
    let Some(list) = list else { return Ok(()) };
    let list = list.as_array_mut().ok_or_else(error)?;
    let mut found = identities(list, None, at)?.into_iter();
    list.retain(|_| {
        found
            .next()
            .is_none_or(|identity| !gone.contains(&identity))
    });
    Ok(())
}

/// That what the patch sets is named in the order of `$setElementOrder`, and comes in it. Deleted items need no place.
pub(super) fn check_order(
    patch: &[Value],
    order: &[Value],
    key: Option<&str>,
    at: &At<'_>,
) -> Result<(), PatchError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for item in patch {
        if let Value::Object(map) = item
            && Directive::of(map, at)?.is_some()
        {
            continue;
        }
        let wanted = identity(item, key, at)?;
        let mut found = false;
        for next in order.by_ref() {
            found = identity(next, key, at)? == wanted;
            if found {
                break;
            }
        }
        if !found {
            return Err(at.error(format!(
                "the list's item {wanted} is not in $setElementOrder, or not in that order"
            )));
        }
    }
    Ok(())
}

/// The items in order: those that `order` names in its order, the others in the server's. Where both have a place in the server's
/// list, that decides which comes first; else those of `order` do.
pub(super) fn sort(
    list: Vec<Value>,
    order: &[Identity],
    server: &[Identity],
    key: Option<&str>,
    at: &At<'_>,
) -> Result<Vec<Value>, PatchError> {
    let (order, server) = (places(order), places(server));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for (identity, item) in identities(&list, key, at)?.into_iter().zip(list) {
        let was = server.get(&identity).copied();
        match order.get(&identity) {
            Some(place) => named.push((*place, was, item)),
            None => others.push((was, item)),
        }
    }
    named.sort_by_key(|(place, ..)| *place);
    others.sort_by_key(|(was, _)| was.unwrap_or(usize::MAX));
    let mut sorted = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, was, item) in named {
        while let Some((_, other)) =
            others.next_if(|(other, _)| other.zip(was).is_some_and(|(other, was)| other < was))
        {
            sorted.push(other);
        }
        sorted.push(item);
    }
    sorted.extend(others.map(|(_, other)| other));
    Ok(sorted)
}

/// The identity of each item.
pub(super) fn identities(
    list: &[Value],
    key: Option<&str>,
    at: &At<'_>,
) -> Result<Vec<Identity>, PatchError> {
    list.iter().map(|item| identity(item, key, at)).collect()
}

fn identity(item: &Value, key: Option<&str>, at: &At<'_>) -> Result<Identity, PatchError> {
    let value = match key {
        Some(key) => item
            .get(key)
            .ok_or_else(|| at.error(format!("an item of this list lacks its merge key {key}")))?,
        None => item,
    };
    match value {
        Value::Array(_) | Value::Object(_) => {
            Err(at.error("items of a merged list are told apart by scalars"))
        }
        Value::Number(number) => {
            Ok(whole(number).map_or_else(|| number.to_string(), |whole| whole.to_string()))
        }
        scalar => Ok(scalar.to_string()),
    }
}

/// The first place of each identity.
fn places(identities: &[Identity]) -> BTreeMap<&Identity, usize> {
    let mut places = BTreeMap::new();
    for (place, identity) in identities.iter().enumerate() {
        places.entry(identity).or_insert(place);
    }
    places
}

fn members(item: &Value, at: &At<'_>) -> Result<Value, PatchError> {
    item.as_object().map_or_else(
        || Ok(item.clone()),
        |map| clean_members(map, at).map(Value::Object),
    )
}

fn merge_scalars(
    list: &mut Vec<Value>,
    patch: &[Value],
    key: Option<&str>,
    at: &At<'_>,
) -> Result<(), PatchError> {
    let (server, order) = (identities(list, key, at)?, identities(patch, key, at)?);
    list.extend_from_slice(patch);
    let mut seen = BTreeSet::new();
    let mut found = server.iter().chain(&order);
    list.retain(|_| found.next().is_none_or(|identity| seen.insert(identity)));
    *list = sort(std::mem::take(list), &order, &server, key, at)?;
    Ok(())
}

/// A list's patch, its items under `$patch` apart.
struct Special<'a> {
    replaces: bool,
    deleted: BTreeSet<Identity>,
    plain: Vec<&'a Value>,
}

impl<'a> Special<'a> {
    fn read(patch: &'a [Value], key: &str, at: &At<'_>) -> Result<Self, PatchError> {
        let mut special = Self {
            replaces: false,
            deleted: BTreeSet::new(),
            plain: Vec::new(),
        };
        for item in patch {
            match item
                .as_object()
                .map(|map| Directive::of(map, at))
                .transpose()?
                .flatten()
            {
                Some(Directive::Replace) => special.replaces = true,
                Some(Directive::Delete) => {
                    special.deleted.insert(identity(item, Some(key), at)?);
                }
                Some(Directive::Merge) | None => special.plain.push(item),
            }
        }
        Ok(special)
    }
}
