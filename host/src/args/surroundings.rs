//! What a command line means beside its words: where the process runs.

use std::env;
use std::path::PathBuf;

/// Where the process runs.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// It is a pod, where others must reach it.
    pub in_cluster: bool,
    /// It shares the host's ports, and may find its own taken.
    pub host_network: bool,
    /// KWOK's own configuration file, which need not be there.
    pub kwok_file: PathBuf,
}

// === impl Surroundings ===

impl Surroundings {
    /// Reads the environment of the process.
    #[must_use]
    pub fn read() -> Self {
        let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let folder = match (given("KWOK_WORKDIR"), env::home_dir()) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) if !home.as_os_str().is_empty() => home.join(".kwok"),
            (None, _) => env::temp_dir().join("kwok"),
        };
        let file = folder.join("kwok.yaml");
        Self {
            in_cluster: given("KUBERNETES_SERVICE_HOST").is_some(),
            host_network: given("POD_IP").is_some_and(|ip| given("HOST_IP") == Some(ip)),
            kwok_file: std::path::absolute(&file).unwrap_or(file),
        }
    }
}
