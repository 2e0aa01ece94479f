//! The kubeconfig: a file of its own, and on request a context among the user's others. Both go with the cluster.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::files::{make_folder, save};

/// The name of cluster, user and context.
pub(super) const NAME: &str = "stagewright";

/// How the server is reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub url: String,
    /// The certificates that a client trusts, in PEM.
    pub authority: Option<String>,
    /// The name that is asked for where the certificate does not have that of the URL.
    pub server_name: Option<String>,
    pub token: Option<String>,
}

/// What was written, to be taken away again.
#[derive(Debug)]
pub(super) struct Published {
    /// The file of its own.
    pub file: PathBuf,
    text: String,
    merged: Option<Merged>,
}

/// A context among the user's others.
#[derive(Debug)]
struct Merged {
    file: PathBuf,
    url: String,
    /// The context that was current before.
    before: Option<String>,
}

/// Why a kubeconfig cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum KubeconfigError {
    #[error("--kubeconfig: {} cannot be written: {source}; give a FILE in a folder of yours", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("--kubeconfig: there is no home folder for it; give a FILE")]
    NoHome,
    #[error("--merge-kubeconfig: {} cannot be changed: {problem}", path.display())]
    Merge { path: PathBuf, problem: String },
}

// === impl Access ===

impl Access {
    fn cluster(&self) -> Value {
        let mut cluster = json!({"server": self.url});
        let authority = self.authority.as_ref().map(|pem| STANDARD.encode(pem));
        for (field, value) in [
            ("certificate-authority-data", authority),
            ("tls-server-name", self.server_name.clone()),
        ] {
            if let (Some(cluster), Some(value)) = (cluster.as_object_mut(), value) {
                cluster.insert(field.to_owned(), value.into());
            }
        }
        json!({"name": NAME, "cluster": cluster})
    }

    fn user(&self) -> Value {
        let user = match &self.token {
            Some(token) => json!({"token": token}),
            None => json!({}),
        };
        json!({"name": NAME, "user": user})
    }

    fn context() -> Value {
        json!({"name": NAME, "context": {"cluster": NAME, "user": NAME}})
    }

    /// The three lists of a kubeconfig, and what is in them.
    fn entries(&self) -> [(&'static str, Value); 3] {
        [
            ("clusters", self.cluster()),
            ("contexts", Self::context()),
            ("users", self.user()),
        ]
    }
}

// === impl Published ===

impl Published {
    /// Writes the file (in the user's folder if none is named), and merges if that is wanted.
    ///
    /// # Errors
    /// If a file cannot be written; nothing is left behind then.
    pub(super) fn write(
        file: Option<&Path>,
        merge: bool,
        port: u16,
        access: Access,
    ) -> Result<Self, KubeconfigError> {
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let file = match (file, &home) {
            (Some(file), _) => file.to_owned(),
            (None, Some(home)) => home.join(format!(".stagewright/kubeconfig-{port}")),
            (None, None) => return Err(KubeconfigError::NoHome),
        };
        // Whoever is told of the file may be in another folder.
        let file = std::path::absolute(&file).unwrap_or(file);
        let mut config = json!({"apiVersion": "v1", "kind": "Config", "current-context": NAME});
        put(&mut config, &access);
        let text = yaml(&config);
        save(&file, &text).map_err(|source| KubeconfigError::Unwritable {
            path: file.clone(),
            source,
        })?;
        let mut published = Self {
            file,
            text,
            merged: None,
        };
        if merge {
            let listed = env::var_os("KUBECONFIG").unwrap_or_default();
            let listed = env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty());
            let target = merge_target(listed.collect(), home.as_deref());
            match target
                .ok_or(KubeconfigError::NoHome)
                .and_then(|file| merge_into(file, &access))
            {
                Ok(merged) => published.merged = Some(merged),
                Err(error) => {
                    published.withdraw();
                    return Err(error);
                }
            }
        }
        Ok(published)
    }

    /// The file as a shell takes it; one in the home folder, shortly.
    pub(super) fn for_shell(&self) -> String {
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
        shell_word(&self.file, home.as_deref())
    }

    /// The file that the context was merged into.
    pub(super) fn merged(&self) -> Option<&Path> {
        self.merged.as_ref().map(|merged| &*merged.file)
    }

    /// Takes away what is still as it was written.
    pub(super) fn withdraw(&self) {
        if fs::read_to_string(&self.file).is_ok_and(|text| text == self.text)
            && let Err(error) = fs::remove_file(&self.file)
        {
            tracing::warn!(file = %self.file.display(), %error, "the kubeconfig stays behind");
        }
        if let Some(merged) = &self.merged
            && let Err(error) = change(&merged.file, |config| merged.remove_from(config))
        {
            tracing::warn!(%error, "the context stays behind");
        }
    }
}

// === impl Merged ===

impl Merged {
    /// Takes the context out, unless it is another cluster's by now, and makes the one before current again.
    fn remove_from(&self, config: &mut Value) -> bool {
        let ours = config
            .get("clusters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|entry| {
                entry.get("name").is_some_and(|name| name == NAME)
                    && entry
                        .pointer("/cluster/server")
                        .is_some_and(|url| *url == *self.url)
            });
        if !ours {
            return false;
        }
        for list in ["clusters", "contexts", "users"] {
            if let Some(entries) = config.get_mut(list).and_then(Value::as_array_mut) {
                entries.retain(|entry| entry.get("name").is_none_or(|name| name != NAME));
            }
        }
        if let Some(config) = config.as_object_mut()
            && config
                .get("current-context")
                .is_some_and(|name| name == NAME)
        {
            let before = self.before.clone().unwrap_or_default();
            config.insert("current-context".to_owned(), before.into());
        }
        true
    }
}

fn shell_word(file: &Path, home: Option<&Path>) -> String {
    let below = home.and_then(|home| file.strip_prefix(home).ok()?.to_str());
    if let Some(below) = below.filter(|below| !below.contains(['"', '$', '`', '\\', '!'])) {
        return format!("\"$HOME/{below}\"");
    }
    let text = file.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+=:,@%".contains(char);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The file that kubectl would write to: the first of `$KUBECONFIG` that is there, or its last; else the usual one.
fn merge_target(listed: Vec<PathBuf>, home: Option<&Path>) -> Option<PathBuf> {
    let there = listed.iter().find(|path| path.exists());
    there
        .or(listed.last())
        .cloned()
        .or_else(|| home.map(|home| home.join(".kube/config")))
}

fn merge_into(file: PathBuf, access: &Access) -> Result<Merged, KubeconfigError> {
    let mut before = None;
    change(&file, |config| {
        let current = config.get("current-context").and_then(Value::as_str);
        before = current
            .filter(|name| !name.is_empty() && *name != NAME)
            .map(str::to_owned);
        put(config, access);
        if let Some(config) = config.as_object_mut() {
            config.insert("current-context".to_owned(), NAME.into());
        }
        true
    })?;
    Ok(Merged {
        file,
        url: access.url.clone(),
        before,
    })
}

/// Puts cluster, user and context in, in place of those of the same name.
fn put(config: &mut Value, access: &Access) {
    let Some(config) = config.as_object_mut() else {
        return;
    };
    for (list, entry) in access.entries() {
        let slot = config.entry(list).or_insert_with(|| json!([]));
        if !slot.is_array() {
            // An empty list is often written as null.
            *slot = json!([]);
        }
        if let Some(entries) = slot.as_array_mut() {
            entries.retain(|known| known.get("name").is_none_or(|name| name != NAME));
            entries.push(entry);
        }
    }
}

/// Changes a kubeconfig that others write too, under the lock that kubectl takes. `change` tells whether there is something to write.
fn change(path: &Path, change: impl FnOnce(&mut Value) -> bool) -> Result<(), KubeconfigError> {
    let failed = |problem: String| KubeconfigError::Merge {
        path: path.to_owned(),
        problem,
    };
    // Written through a link, and not in its place.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    make_folder(path).map_err(|error| failed(error.to_string()))?;
    let _lock = Lock::take(path).map_err(failed)?;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mut config: Value = if text.trim().is_empty() {
        json!({"apiVersion": "v1", "kind": "Config", "preferences": {}})
    } else {
        serde_saphyr::from_str(&text)
            .map_err(|error| failed(format!("it is no kubeconfig: {error}")))?
    };
    if !config.is_object() {
        return Err(failed("it is no kubeconfig, but something else".to_owned()));
    }
    if change(&mut config) {
        save(path, &yaml(&config)).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// The file beside a kubeconfig that means that somebody writes it (client-go, `tools/clientcmd/config.go`).
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, String> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&lock)
        {
            Ok(_) => Ok(Self(lock)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!(
                "another program is changing it; if there is none, remove {}",
                lock.display()
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn yaml(config: &Value) -> String {
    // A tree of strings, arrays and maps has a form in YAML.
    serde_saphyr::to_string(config).unwrap_or_default()
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
