//! Where KWOK's documents come from: files, folders, kustomizations, stdin.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::documents;

/// A text, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The file, or `stdin`.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// Why a source gives nothing. It names the file, what is wrong, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct SourceError {
    /// The file or folder.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What kustomize looks for, in its order.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kustomizations within each other.
const DEEPEST: usize = 16;

/// What is read of a kustomization.
#[derive(Debug, Deserialize)]
struct Kustomization {
    #[serde(default)]
    resources: Vec<String>,
}

/// Reads a source: a file, `-` for stdin, a folder with a kustomization, or a folder whose YAML and JSON files are meant.
///
/// # Errors
/// If something is not there, or a kustomization asks for more than a list of resources.
pub fn read(source: &str) -> Result<Vec<Text>, SourceError> {
    if source == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| problem(Path::new("stdin"), format!("cannot be read: {error}")))?;
        let file = "stdin".to_owned();
        return Ok(vec![Text { file, text }]);
    }
    let path = expanded(source);
    if !path.is_dir() {
        return Ok(vec![file(&path)?]);
    }
    match kustomization(&path) {
        Some(_) => kustomized(&path, 0),
        None => folder(&path),
    }
}

/// The YAML and JSON files of a folder itself, by name, without kustomizations.
///
/// # Errors
/// If the folder or one of them cannot be read.
pub fn folder(path: &Path) -> Result<Vec<Text>, SourceError> {
    let unreadable = |error| problem(path, format!("cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let name = file.file_name().and_then(|name| name.to_str());
        let ending = file.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("yaml" | "yml" | "json"))
            && name.is_some_and(|name| !name.starts_with('.') && !KUSTOMIZATIONS.contains(&name))
            && file.is_file()
        {
            files.push(file);
        }
    }
    files.sort();
    files.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> Result<Text, SourceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(path, format!("cannot be read: {error}")))?;
    let file = path.display().to_string();
    Ok(Text { file, text })
}

fn kustomization(folder: &Path) -> Option<PathBuf> {
    let mut candidates = KUSTOMIZATIONS.iter().map(|name| folder.join(name));
    candidates.find(|path| path.is_file())
}

fn kustomized(folder: &Path, depth: usize) -> Result<Vec<Text>, SourceError> {
    if depth > DEEPEST {
        let message = format!("more than {DEEPEST} kustomizations within each other");
        return Err(problem(folder, message));
    }
    let Some(place) = kustomization(folder) else {
        let names = KUSTOMIZATIONS.join(", ");
        let message =
            format!("a folder among the resources has a kustomization; here is no {names}");
        return Err(problem(folder, message));
    };
    let text = file(&place)?;
    let value = documents::parse(&text.text).map_err(|error| problem(&place, error))?;
    let mut texts = Vec::new();
    for resource in resources(&place, value)? {
        if resource.contains("://") || resource.starts_with("github.com/") {
            let message = format!(
                "resource {resource:?} is not on this machine: fetch it, or run `kustomize build {} | stagewright run --config -`",
                folder.display()
            );
            return Err(problem(&place, message));
        }
        let path = folder.join(&resource);
        if path.is_dir() {
            texts.extend(kustomized(&path, depth + 1)?);
        } else {
            texts.push(file(&path)?);
        }
    }
    Ok(texts)
}

/// The list of resources. What else a kustomization may ask for is kustomize's to do.
fn resources(place: &Path, value: Value) -> Result<Vec<String>, SourceError> {
    let keys = value.as_object().into_iter().flatten();
    for (key, _) in keys {
        if !matches!(
            key.as_str(),
            "apiVersion" | "kind" | "metadata" | "resources"
        ) {
            let folder = place.parent().unwrap_or(place).display();
            let message = format!(
                "only `resources` is followed here, and this has {key:?} too: run `kustomize build {folder} | stagewright run --config -`"
            );
            return Err(problem(place, message));
        }
    }
    if value.is_null() {
        return Ok(Vec::new());
    }
    serde_json::from_value::<Kustomization>(value)
        .map(|kustomization| kustomization.resources)
        .map_err(|error| problem(place, format!("is no kustomization: {error}")))
}

/// As a shell would read it, since files that name files have no shell.
pub(crate) fn expanded(source: &str) -> PathBuf {
    match (source.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(source),
    }
}

fn problem(path: &Path, problem: String) -> SourceError {
    SourceError {
        file: path.display().to_string(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn read_from(root: &tempfile::TempDir, at: &str) -> Result<Vec<String>, String> {
        let texts = read(root.path().join(at).to_str().unwrap());
        let texts = texts.map_err(|error| error.to_string())?;
        Ok(texts.into_iter().map(|text| text.text).collect())
    }

    #[test]
    fn files_folders_and_kustomizations() {
        let root = tree(&[
            ("plain/b.yaml", "b"),
            ("plain/a.yml", "a"),
            ("plain/c.json", "c"),
            ("plain/.hidden.yaml", "no"),
            ("plain/notes.txt", "no"),
            ("plain/below/d.yaml", "no"),
            (
                "fast/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../pod\n- own.yaml\n",
            ),
            ("fast/own.yaml", "own"),
            ("fast/other.yaml", "no"),
            ("pod/Kustomization", "resources: [pod.yaml]"),
            ("pod/pod.yaml", "pod"),
        ]);
        assert_eq!(read_from(&root, "plain").unwrap(), ["a", "b", "c"]);
        assert_eq!(read_from(&root, "plain/b.yaml").unwrap(), ["b"]);
        assert_eq!(read_from(&root, "fast").unwrap(), ["pod", "own"]);
    }

    #[test]
    fn what_cannot_be_followed_is_named_with_its_remedy() {
        let root = tree(&[
            (
                "patched/kustomization.yaml",
                "resources: []\nnamePrefix: x-\n",
            ),
            (
                "far/kustomization.yaml",
                "resources: ['https://example.com/x']\n",
            ),
            ("round/kustomization.yaml", "resources: [../round]\n"),
            ("lost/kustomization.yaml", "resources: [none.yaml]\n"),
            ("folder/kustomization.yaml", "resources: [empty]\n"),
            ("folder/empty/x.yaml", ""),
            ("broken/kustomization.yaml", "resources: {a: 1}\n"),
        ]);
        for (at, parts) in [
            ("patched", ["namePrefix", "kustomize build"]),
            ("far", ["https://example.com/x", "kustomize build"]),
            ("round", ["more than 16", "round"]),
            ("lost", ["none.yaml", "cannot be read"]),
            ("folder", ["empty", "here is no kustomization.yaml"]),
            ("broken", ["kustomization.yaml", "is no kustomization"]),
            ("nowhere.yaml", ["nowhere.yaml", "cannot be read"]),
        ] {
            let error = read_from(&root, at).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
