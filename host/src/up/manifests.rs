//! `--filename`: manifests in YAML or JSON, as kubectl reads them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use super::user::User;

/// An object to create, and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    /// The file, and which of its documents.
    origin: String,
    object: Value,
}

/// What others rest on is created before them, wherever it stands.
const FIRST: [&str; 2] = ["CustomResourceDefinition", "Namespace"];

/// Reads files, folders (without their own folders) and standard input (`-`).
///
/// # Errors
/// Names the file, and the document in it.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("--filename: standard input cannot be read")?;
            parse("standard input", &text, &mut manifests)?;
            continue;
        }
        for file in files(path)? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("--filename: {} cannot be read", file.display()))?;
            parse(&file.display().to_string(), &text, &mut manifests)?;
        }
    }
    // Stable: the order of the rest is the user's.
    manifests.sort_by_key(|manifest| {
        let place = FIRST.iter().position(|kind| *kind == manifest.kind());
        place.unwrap_or(FIRST.len())
    });
    Ok(manifests)
}

// === impl Manifest ===

impl Manifest {
    fn text(&self, pointer: &str) -> &str {
        text(&self.object, pointer)
    }

    fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Creates it, or changes what is there; the kind of what was created.
    ///
    /// # Errors
    /// What the server says, or that it has no such kind.
    pub(super) fn create(&self, user: &User) -> anyhow::Result<&str> {
        let (version, kind, name) = (
            self.text("/apiVersion"),
            self.kind(),
            self.text("/metadata/name"),
        );
        let Some(resource) = user.kind(version, kind) else {
            bail!(
                "--filename: {}: the API server has no kind {kind} of {version:?}; give the CustomResourceDefinition that makes it too",
                self.origin
            );
        };
        match user.create(&resource, &self.object) {
            Ok(()) => Ok(kind),
            Err(error) if error.code == 409 && !name.is_empty() => user
                .change(&resource, &self.object)
                .map(|()| "")
                .map_err(|error| self.refused(&error.to_string())),
            Err(error) => Err(self.refused(&error.to_string())),
        }
    }

    fn refused(&self, error: &str) -> anyhow::Error {
        anyhow!(
            "--filename: {}: {} {}: {error}",
            self.origin,
            self.kind(),
            self.text("/metadata/name")
        )
    }
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = || format!("--filename: {} cannot be read", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(failed)? {
        let file = entry.with_context(failed)?.path();
        let is_manifest = file
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension));
        if is_manifest && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!(
            "--filename: {} has no file that ends in .yaml, .yml or .json",
            path.display()
        );
    }
    files.sort();
    Ok(files)
}

fn parse(origin: &str, text: &str, into: &mut Vec<Manifest>) -> anyhow::Result<()> {
    // JSON is read as JSON, since only its errors speak JSON; YAML comes in several documents.
    let documents: Vec<Value> = match serde_json::from_str(text) {
        Ok(document) => vec![document],
        Err(_) => serde_saphyr::from_multiple(text)
            .map_err(|error| anyhow!("--filename: {origin} is neither YAML nor JSON: {error}"))?,
    };
    for (index, document) in documents.into_iter().enumerate() {
        let origin = format!("{origin}, document {}", index + 1);
        take(&origin, document, into)?;
    }
    Ok(())
}

/// Takes an object, or the items of a list.
fn take(origin: &str, mut document: Value, into: &mut Vec<Manifest>) -> anyhow::Result<()> {
    if document.is_null() {
        return Ok(());
    }
    if text(&document, "/apiVersion").is_empty() || text(&document, "/kind").is_empty() {
        bail!("--filename: {origin} is no object of Kubernetes: it has no apiVersion and kind");
    }
    if text(&document, "/kind").ends_with("List")
        && let Some(Value::Array(items)) = document.get_mut("items").map(Value::take)
    {
        for (index, item) in items.into_iter().enumerate() {
            take(&format!("{origin}, item {}", index + 1), item, into)?;
        }
        return Ok(());
    }
    let manifest = Manifest {
        origin: origin.to_owned(),
        object: document,
    };
    let named = ["/metadata/name", "/metadata/generateName"];
    if named.iter().all(|field| manifest.text(field).is_empty()) {
        bail!(
            "--filename: {origin}: this {} has no metadata.name",
            manifest.kind()
        );
    }
    into.push(manifest);
    Ok(())
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Result<Vec<String>, String> {
        let manifests = read(paths).map_err(|error| error.to_string())?;
        Ok(manifests
            .iter()
            .map(|manifest| format!("{} {}", manifest.kind(), manifest.text("/metadata/name")))
            .collect())
    }

    #[test]
    fn files_folders_lists_and_several_documents() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "b.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n---\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: own}\n",
        );
        write(
            "a.json",
            r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]}"#,
        );
        write("notes.txt", "none of it");
        let all = names(&[folder.path().to_owned()]).unwrap();
        assert_eq!(all, ["Namespace own", "Pod a", "Pod b"]);
        assert_eq!(names(&[folder.path().join("b.yaml")]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.yaml");
        for (text, part) in [
            ("{]", "neither YAML nor JSON"),
            ("kind: Pod\n", "x.yaml, document 1 is no object"),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\n",
                "document 2: this Pod has no metadata.name",
            ),
        ] {
            fs::write(&file, text).unwrap();
            let error = names(std::slice::from_ref(&file)).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(
            names(&[empty.path().to_owned()])
                .unwrap_err()
                .contains(".yaml")
        );
        assert!(
            names(&[folder.path().join("none")])
                .unwrap_err()
                .contains("none")
        );
    }
}
