//! Compares a component's type with the released interface before it is instantiated, so that a message can name the function that
//! differs and where. (wasmtime checks the same again, with less to say.)

use wasmtime::Engine;
use wasmtime::component::types::{
    Component, ComponentFunc, ComponentInstance, ComponentItem, Type,
};

use super::errors::LoadError;

/// The interface that a plugin exports.
pub(super) const PLUGIN: &str = "stagewright:stage/plugin@0.1.0";
/// The interface that a plugin may import.
pub(super) const LOG: &str = "stagewright:stage/log@0.1.0";

/// Checks that `found` imports nothing but the log and exports what `reference` exports, with the same types.
///
/// # Errors
/// `ForeignImport`, `WrongInterface`, `MissingExport` or `ExportMismatch`.
pub(super) fn check(
    plugin: &str,
    engine: &Engine,
    reference: &Component,
    found: &Component,
) -> Result<(), LoadError> {
    imports(plugin, engine, reference, found)?;
    let name = exported(plugin, engine, found)?;
    let (Some(wanted), Some(found)) = (
        instance(engine, reference, PLUGIN),
        instance(engine, found, &name),
    ) else {
        return Err(LoadError::MissingExport {
            plugin: plugin.to_owned(),
            name,
        });
    };
    functions(plugin, engine, &name, &wanted, &found)
}

/// Everything imported is the log, with functions of the log's types (fewer are fine).
fn imports(
    plugin: &str,
    engine: &Engine,
    reference: &Component,
    found: &Component,
) -> Result<(), LoadError> {
    let log = reference.get_import(engine, LOG).map(|item| item.ty);
    for (name, item) in found.imports(engine) {
        if let (ComponentItem::ComponentInstance(item), Some(ComponentItem::ComponentInstance(log))) =
            (&item.ty, &log)
            && compatible(name, LOG)
        {
            // A plugin may leave out what it does not call, but not ask for more.
            functions(plugin, engine, name, item, log)?;
            continue;
        }
        return Err(LoadError::ForeignImport {
            plugin: plugin.to_owned(),
            name: name.to_owned(),
            allowed: LOG,
            remedy: remedy(name),
        });
    }
    Ok(())
}

fn remedy(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "There are no files, clocks or sockets here: build for wasm32-unknown-unknown, or stub WASI (--stub-wasi)"
    } else if import.starts_with("stagewright:stage/") {
        "It was built against another version of wit/stage.wit"
    } else {
        "What a decision depends on comes in its arguments"
    }
}

/// The name under which the plugin's interface is exported: its version may be a later patch of ours.
fn exported(plugin: &str, engine: &Engine, found: &Component) -> Result<String, LoadError> {
    let (interface, _) = split(PLUGIN);
    let mut other = None;
    for (name, _) in found.exports(engine) {
        if compatible(name, PLUGIN) {
            return Ok(name.to_owned());
        }
        if split(name).0 == interface {
            other = Some(name.to_owned());
        }
    }
    Err(match other {
        Some(found) => LoadError::WrongInterface {
            plugin: plugin.to_owned(),
            found,
            wanted: PLUGIN,
        },
        None => LoadError::MissingExport {
            plugin: plugin.to_owned(),
            name: PLUGIN.to_owned(),
        },
    })
}

/// Every function of `wanted` is in `found`, with the same type.
fn functions(
    plugin: &str,
    engine: &Engine,
    interface: &str,
    wanted: &ComponentInstance,
    found: &ComponentInstance,
) -> Result<(), LoadError> {
    for (name, item) in wanted.exports(engine) {
        let ComponentItem::ComponentFunc(wanted) = item.ty else {
            continue;
        };
        let function = format!("{interface} {name}");
        let difference = match found.get_export(engine, name).map(|item| item.ty) {
            Some(ComponentItem::ComponentFunc(found)) => signature(&wanted, &found),
            Some(_) => Some("it is not a function".to_owned()),
            None => {
                return Err(LoadError::MissingExport {
                    plugin: plugin.to_owned(),
                    name: function,
                });
            }
        };
        if let Some(difference) = difference {
            return Err(LoadError::ExportMismatch {
                plugin: plugin.to_owned(),
                function,
                difference,
            });
        }
    }
    Ok(())
}

fn instance(engine: &Engine, component: &Component, name: &str) -> Option<ComponentInstance> {
    match component.get_export(engine, name)?.ty {
        ComponentItem::ComponentInstance(instance) => Some(instance),
        _ => None,
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Whether both are one interface and their versions may be used for one another: equal up to the patch while the major is 0.
fn compatible(name: &str, ours: &str) -> bool {
    let (interface, version) = split(name);
    let (our_interface, our_version) = split(ours);
    let minor = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.splitn(3, '.');
        let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
        patch.parse::<u32>().ok()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    interface == our_interface && minor(version).is_some() && minor(version) == minor(our_version)
}

// === where two types part ===

fn signature(wanted: &ComponentFunc, found: &ComponentFunc) -> Option<String> {
    if found.async_() != wanted.async_() {
        return Some("it is async".to_owned());
    }
    let (wanted_count, found_count) = (wanted.params().len(), found.params().len());
    if wanted_count != found_count {
        return Some(format!(
            "it takes {found_count} parameters, not {wanted_count}"
        ));
    }
    for ((wanted_name, wanted), (name, found)) in wanted.params().zip(found.params()) {
        if name != wanted_name {
            return Some(format!("parameter {name:?} is called {wanted_name:?}"));
        }
        if let Some(difference) = part(&format!("parameter {name}"), &wanted, &found) {
            return Some(difference);
        }
    }
    let (mut wanted, mut found) = (wanted.results(), found.results());
    match (wanted.next(), found.next()) {
        (Some(wanted), Some(found)) => part("result", &wanted, &found),
        (None, None) => None,
        (Some(_), None) => Some("it returns nothing".to_owned()),
        (None, Some(_)) => Some("it returns something".to_owned()),
    }
}

/// Where `found` first differs from `wanted`, in words.
fn part(place: &str, wanted: &Type, found: &Type) -> Option<String> {
    match (wanted, found) {
        (Type::List(wanted), Type::List(found)) => {
            part(&format!("{place}, item"), &wanted.ty(), &found.ty())
        }
        (Type::Option(wanted), Type::Option(found)) => {
            part(&format!("{place}, some"), &wanted.ty(), &found.ty())
        }
        (Type::Record(wanted), Type::Record(found)) => named(
            place,
            "field",
            wanted
                .fields()
                .map(|field| (field.name.to_owned(), Some(field.ty)))
                .collect(),
            found
                .fields()
                .map(|field| (field.name.to_owned(), Some(field.ty)))
                .collect(),
        ),
        (Type::Variant(wanted), Type::Variant(found)) => named(
            place,
            "case",
            wanted
                .cases()
                .map(|case| (case.name.to_owned(), case.ty))
                .collect(),
            found
                .cases()
                .map(|case| (case.name.to_owned(), case.ty))
                .collect(),
        ),
        (Type::Tuple(wanted), Type::Tuple(found)) => named(
            place,
            "element",
            numbered(wanted.types()),
            numbered(found.types()),
        ),
        (Type::Enum(wanted), Type::Enum(found)) => {
            let bare = |names: Vec<&str>| {
                names
                    .into_iter()
                    .map(|name| (name.to_owned(), None))
                    .collect()
            };
            named(
                place,
                "case",
                bare(wanted.names().collect()),
                bare(found.names().collect()),
            )
        }
        (Type::Result(wanted), Type::Result(found)) => named(
            place,
            "arm",
            vec![
                ("ok".to_owned(), wanted.ok()),
                ("err".to_owned(), wanted.err()),
            ],
            vec![
                ("ok".to_owned(), found.ok()),
                ("err".to_owned(), found.err()),
            ],
        ),
        _ if wanted == found => None,
        _ => Some(format!("{place} is {}, not {}", word(found), word(wanted))),
    }
}

fn numbered(types: impl Iterator<Item = Type>) -> Vec<(String, Option<Type>)> {
    types
        .enumerate()
        .map(|(index, ty)| (index.to_string(), Some(ty)))
        .collect()
}

/// Compares fields or cases, whose order counts.
fn named(
    place: &str,
    sort: &str,
    wanted: Vec<(String, Option<Type>)>,
    found: Vec<(String, Option<Type>)>,
) -> Option<String> {
    let names = |list: &[(String, Option<Type>)]| {
        list.iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    let (wanted_names, found_names) = (names(&wanted), names(&found));
    if wanted_names != found_names {
        return Some(format!(
            "{place} has the {sort}s {}, not {}",
            found_names.join(", "),
            wanted_names.join(", ")
        ));
    }
    wanted
        .into_iter()
        .zip(found)
        .find_map(|((name, wanted), (_, found))| match (wanted, found) {
            (Some(wanted), Some(found)) => {
                part(&format!("{place}, {sort} {name}"), &wanted, &found)
            }
            (None, None) => None,
            (wanted, _) => {
                let says = if wanted.is_some() {
                    "holds nothing"
                } else {
                    "holds something"
                };
                Some(format!("{place}, {sort} {name} {says}"))
            }
        })
}

fn word(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "a bool",
        Type::S8 => "an s8",
        Type::U8 => "a u8",
        Type::S16 => "an s16",
        Type::U16 => "a u16",
        Type::S32 => "an s32",
        Type::U32 => "a u32",
        Type::S64 => "an s64",
        Type::U64 => "a u64",
        Type::Float32 => "an f32",
        Type::Float64 => "an f64",
        Type::Char => "a char",
        Type::String => "a string",
        Type::List(_) => "a list",
        Type::Record(_) => "a record",
        Type::Tuple(_) => "a tuple",
        Type::Variant(_) => "a variant",
        Type::Enum(_) => "an enum",
        Type::Option(_) => "an option",
        Type::Result(_) => "a result",
        Type::Flags(_) => "flags",
        Type::Own(_) | Type::Borrow(_) => "a resource",
        _ => "another type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_patch_of_the_same_minor_is_ours() {
        assert!(compatible("stagewright:stage/plugin@0.1.0", PLUGIN));
        assert!(compatible("stagewright:stage/plugin@0.1.7", PLUGIN));
        for other in [
            "stagewright:stage/plugin@0.2.0",
            "stagewright:stage/plugin@1.1.0",
            "stagewright:stage/plugin",
            "plugin@0.1.0",
        ] {
            assert!(!compatible(other, PLUGIN), "{other}");
        }
        assert!(!compatible("stagewright:stage/plugin@0.1.0-rc.1", PLUGIN));
    }
}
