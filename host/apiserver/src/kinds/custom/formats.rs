//! The formats of texts that are checked (kube-openapi, `pkg/validation/strfmt`).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Those that the real server knows (apiextensions-apiserver, `pkg/apiserver/validation/formats.go`), without dashes. Only some of them
/// are checked here; the others let every text pass.
const KNOWN: [&str; 29] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
    "int32",
    "int64",
    "double",
];

/// Whether the real server knows that format for values of that type.
pub(super) fn is_known(kind: &str, format: &str) -> bool {
    match kind {
        "integer" => ["int32", "int64"].contains(&format),
        "number" => ["float", "double"].contains(&format),
        "string" | "" => KNOWN.contains(&format.replace('-', "").as_str()),
        _ => false,
    }
}

/// Whether a text has that format.
pub(super) fn matches(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => {
            text.contains('T') && stagewright_core::time::Time::parse(text).is_some()
        }
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uuid" => is_uuid(text),
        _ => true,
    }
}

fn is_uuid(text: &str) -> bool {
    let digits: Vec<&str> = text.split('-').collect();
    let hex = text
        .chars()
        .all(|digit| digit == '-' || digit.is_ascii_hexdigit());
    let lengths: Vec<usize> = digits.iter().map(|part| part.len()).collect();
    hex && (lengths == [8, 4, 4, 4, 12] || lengths == [32])
}
