//! Files that are no plugins, and files that nearly are.

use serde_json::{Value, json};
use stagewright::plugin::{Plugin, Source};
use stagewright_core::interface::Answer;

use super::support::{decide, engine, guest, load_bytes, neighbour, the_neighbour_answers};

#[test]
fn a_file_that_is_no_plugin_is_told_from_every_other() {
    let whole = guest();
    let half = whole[..whole.len() / 2].to_vec();
    for (what, bytes, category) in [
        ("nothing", Vec::new(), "Empty"),
        ("text", b"kind: Plugin\n".to_vec(), "NotWasm"),
        ("half a component", half, "Truncated"),
        ("a header", whole[..6].to_vec(), "Truncated"),
        ("a core module", wat("(module)"), "CoreModule"),
        ("an empty component", wat("(component)"), "MissingExport"),
        ("a foreign import", wat(FOREIGN), "ForeignImport"),
        (
            "a function of another type",
            wat(MISTYPED),
            "ExportMismatch",
        ),
        ("a function short", wat(SHORT), "MissingExport"),
        ("another version", at_version("0.2.0"), "WrongInterface"),
        ("garbage within", garbled(), "InvalidComponent"),
    ] {
        let error = load_bytes(bytes, &json!({})).expect_err(what);
        assert_eq!(error.category(), category, "{what}: {error}");
        assert!(
            error.to_string().starts_with("plugin hostile.wasm: "),
            "{what}: {error}"
        );
    }
    the_neighbour_answers();
}

#[test]
fn the_message_names_what_differs() {
    let text = |bytes| load_bytes(bytes, &json!({})).unwrap_err().to_string();
    let mistyped = text(wat(MISTYPED));
    assert!(
        mistyped.contains("plugin@0.1.0 configure has another type"),
        "{mistyped}"
    );
    assert!(
        mistyped.contains("it takes 0 parameters, not 1"),
        "{mistyped}"
    );
    assert!(text(wat(FOREIGN)).contains("wasi:cli/environment@0.2.0"));
    assert!(text(at_version("0.2.0")).contains("stagewright:stage/plugin@0.2.0"));
}

#[test]
fn a_later_patch_of_the_interface_is_welcome() {
    let plugin = load_bytes(at_version("0.1.9"), &json!({})).unwrap();
    assert!(matches!(decide(&plugin), Ok(Answer::Stage { .. })));
}

#[test]
fn a_file_is_read_and_a_missing_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    let error = Plugin::load(engine(), &Source::File(file.clone()), &Value::Null).unwrap_err();
    assert_eq!(error.category(), "Unreadable");
    assert!(error.to_string().contains("plugin.wasm"), "{error}");
    std::fs::write(&file, guest()).unwrap();
    let plugin = Plugin::load(engine(), &Source::File(file), &Value::Null).unwrap();
    assert_eq!(plugin.digest(), neighbour().digest());
}

#[test]
fn no_flipped_byte_is_more_than_an_error() {
    let whole = wat(MISTYPED);
    for place in 0..whole.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] ^= mask;
            assert!(
                load_bytes(bytes, &json!({})).is_err(),
                "byte {place} ^ {mask:#x}"
            );
        }
    }
}

const FOREIGN: &str = r#"(component
    (import "wasi:cli/environment@0.2.0" (instance (export "get" (func (result u32))))))"#;
const MISTYPED: &str = r#"(component
    (core module $m (func (export "f") (result i32) i32.const 0))
    (core instance $i (instantiate $m))
    (func $f (result u32) (canon lift (core func $i "f")))
    (instance $p (export "configure" (func $f)))
    (export "stagewright:stage/plugin@0.1.0" (instance $p)))"#;
const SHORT: &str = r#"(component
    (instance $p)
    (export "stagewright:stage/plugin@0.1.0" (instance $p)))"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// The guest, with another version in the names of its interfaces.
fn at_version(version: &str) -> Vec<u8> {
    let mut bytes = guest().to_vec();
    let (from, to) = (b"stage/plugin@0.1.0", format!("stage/plugin@{version}"));
    assert_eq!(from.len(), to.len());
    for place in 0..bytes.len() - from.len() {
        if bytes[place..].starts_with(from) {
            bytes[place..place + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

/// The guest with its last kilobytes of code zeroed, sections intact.
fn garbled() -> Vec<u8> {
    let mut bytes = guest().to_vec();
    let middle = bytes.len() / 4;
    bytes[middle..middle + 64].fill(0xff);
    bytes
}
