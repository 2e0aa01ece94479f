//! Where a component comes from, and what its bytes are before anything is compiled.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::errors::LoadError;
use super::stock;

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One of [`stock::stock`], inside this binary.
    Stock(&'static str),
    /// A file.
    File(PathBuf),
    /// Bytes from elsewhere, under a name for messages.
    Bytes {
        /// The name.
        name: String,
        /// The component.
        bytes: Vec<u8>,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stock(name) => write!(f, "stock plugin {name}"),
            Self::File(path) => write!(f, "plugin {}", path.display()),
            Self::Bytes { name, .. } => write!(f, "plugin {name}"),
        }
    }
}

/// What a source holds.
pub(super) enum Held {
    /// Compiled when this binary was built.
    Stock(&'static stock::Stock),
    /// A component that has yet to be compiled.
    Wasm(Vec<u8>),
}

// === impl Held ===

impl Held {
    /// `sha256:…` of the component.
    pub(super) fn digest(&self) -> String {
        match self {
            Self::Stock(stock) => stock.digest.to_owned(),
            Self::Wasm(bytes) => sha256(bytes),
        }
    }

    /// Bytes of the component.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Stock(stock) => stock.size,
            Self::Wasm(bytes) => bytes.len(),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold("sha256:".to_owned(), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

// === impl Source ===

impl Source {
    /// Fetches the bytes and turns away what cannot be a component, each case with its own error.
    pub(super) fn fetch(&self, limit: usize) -> Result<Held, LoadError> {
        let plugin = self.to_string();
        let bytes = match self {
            Self::Stock(name) => {
                let known = || stock::stock().join(", ");
                let found = stock::find(name).ok_or_else(|| LoadError::UnknownStock {
                    plugin,
                    known: known(),
                })?;
                return Ok(Held::Stock(found));
            }
            Self::File(path) => read(path, limit).map_err(|error| LoadError::Unreadable {
                plugin: plugin.clone(),
                message: error.to_string(),
            })?,
            Self::Bytes { bytes, .. } => bytes.clone(),
        };
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { plugin, limit });
        }
        inspect(&plugin, &bytes)?;
        Ok(Held::Wasm(bytes))
    }
}

/// Reads at most one byte more than may be: the length that the file system tells may change while one reads.
fn read(path: &PathBuf, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

const MAGIC: &[u8] = b"\0asm";
/// Version 13, layer 1: the component model as released.
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
/// Version 1, layer 0.
const MODULE: &[u8] = &[1, 0, 0, 0];

fn inspect(plugin: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let plugin = plugin.to_owned();
    if bytes.is_empty() {
        return Err(LoadError::Empty { plugin });
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled { plugin });
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        if MAGIC.starts_with(bytes) {
            return Err(LoadError::Truncated { plugin, offset: 0 });
        }
        let begins = bytes.get(..16).unwrap_or(bytes).escape_ascii().to_string();
        return Err(LoadError::NotWasm { plugin, begins });
    };
    match rest.get(..4) {
        None => Err(LoadError::Truncated { plugin, offset: 0 }),
        Some(MODULE) => Err(LoadError::CoreModule { plugin }),
        Some(COMPONENT) => match cut_section(bytes) {
            Some(offset) => Err(LoadError::Truncated { plugin, offset }),
            None => Ok(()),
        },
        Some(other) => Err(LoadError::Invalid {
            plugin,
            message: format!("unknown version {}", other.escape_ascii()),
        }),
    }
}

/// Where a section begins that is longer than what is left. Whether sections mean anything is the validator's to say.
fn cut_section(bytes: &[u8]) -> Option<usize> {
    let mut offset = MAGIC.len() + COMPONENT.len();
    while offset < bytes.len() {
        let after_id = offset.checked_add(1)?;
        let Some((size, length)) = leb128(bytes.get(after_id..).unwrap_or_default()) else {
            return Some(offset);
        };
        let end = after_id
            .checked_add(length)
            .and_then(|start| start.checked_add(size));
        match end {
            Some(end) if end <= bytes.len() => offset = end,
            _ => return Some(offset),
        }
    }
    None
}

/// An unsigned 32-bit LEB128 number and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(bytes: &[u8]) -> &'static str {
        let source = Source::Bytes {
            name: "x".to_owned(),
            bytes: bytes.to_vec(),
        };
        source
            .fetch(64)
            .map_or_else(|error| error.category(), |_| "fine")
    }

    #[test]
    fn each_kind_of_bytes_has_its_own_error() {
        assert_eq!(category(b""), "Empty");
        assert_eq!(category(b"apiVersion: v1"), "NotWasm");
        assert_eq!(category(b"\0as"), "Truncated");
        assert_eq!(category(b"\0asm\x0d"), "Truncated");
        assert_eq!(category(b"\0asm\x01\0\0\0"), "CoreModule");
        assert_eq!(category(b"\0asm\x0c\0\x01\0"), "InvalidComponent");
        assert_eq!(category(b"\0asm\x0d\0\x01\0"), "fine");
        assert_eq!(category(b"\0asm\x0d\0\x01\0\x00\x05ab"), "Truncated");
        assert_eq!(category(b"\0asm\x0d\0\x01\0\x00\x80\x80"), "Truncated");
        assert_eq!(category(b"\0asm\x0d\0\x01\0\x00\x02\x01a"), "fine");
        assert_eq!(category(&[0; 65]), "TooLarge");
    }

    #[test]
    fn native_code_is_never_taken_from_outside() {
        let source = Source::Bytes {
            name: "x".to_owned(),
            bytes: stock::reference().to_vec(),
        };
        let error = source.fetch(64 << 20).err().unwrap();
        assert_eq!(error.category(), "Precompiled");
    }

    #[test]
    fn a_file_that_is_not_there_is_unreadable() {
        let source = Source::File("no/such/plugin.wasm".into());
        let error = source.fetch(64).err().unwrap();
        assert_eq!(error.category(), "Unreadable");
        assert!(error.to_string().contains("no/such/plugin.wasm"), "{error}");
    }
}
