//! The control plane's folder, ports, tokens and kubeconfigs.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::ByteString;
use serde_json::json;
use tempfile::TempDir;

use crate::programs::target;

/// Who has a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    name: &'static str,
    group: &'static str,
}

impl User {
    pub(super) const ADMIN: User = User {
        name: "admin",
        group: "system:masters",
    };
    pub(super) const SCHEDULER: User = User {
        name: "system:kube-scheduler",
        group: "",
    };
    pub(super) const CONTROLLER_MANAGER: User = User {
        name: "system:kube-controller-manager",
        group: "",
    };

    fn file(self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!(
            "{}.{extension}",
            self.name.trim_start_matches("system:")
        ))
    }

    pub(super) fn kubeconfig(self, folder: &Path) -> PathBuf {
        self.file(folder, "kubeconfig")
    }

    pub(super) fn write_kubeconfig(self, folder: &Path, url: &str) -> Result<()> {
        let token = fs::read_to_string(self.file(folder, "token"))?;
        // The server's certificate is signed by one that it made too and put beside it. In the text, not by path: the file may be copied.
        let authority =
            fs::read(folder.join("pki/apiserver.crt")).context("the API server's certificate")?;
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "stagewright",
            "clusters": [{"name": "stagewright", "cluster": {"server": url, "certificate-authority-data": ByteString(authority)}}],
            "users": [{"name": self.name, "user": {"token": token}}],
            "contexts": [{"name": "stagewright", "context": {"cluster": "stagewright", "user": self.name}}]});
        Ok(fs::write(
            self.kubeconfig(folder),
            serde_json::to_vec_pretty(&config)?,
        )?)
    }
}

pub(super) fn tokens(folder: &Path) -> PathBuf {
    folder.join("tokens.csv")
}

/// Writes a token for each user and the file by which the API server knows them.
pub(super) fn write_tokens(folder: &Path) -> Result<[User; 3]> {
    let users = [User::ADMIN, User::SCHEDULER, User::CONTROLLER_MANAGER];
    let mut random = File::open("/dev/urandom").context("open /dev/urandom")?;
    let mut lines = String::new();
    for user in users {
        let mut bytes = [0; 16];
        random.read_exact(&mut bytes)?;
        let token = format!("{:032x}", u128::from_ne_bytes(bytes));
        lines += &format!("{token},{0},{0},{1}\n", user.name, user.group);
        fs::write(user.file(folder, "token"), token)?;
    }
    fs::write(tokens(folder), lines)?;
    Ok(users)
}

/// A folder that goes with the value. What killed runs left behind goes now.
pub(super) fn folder() -> Result<TempDir> {
    let runs = target()?.join("controlplane/runs");
    fs::create_dir_all(&runs)?;
    for left in fs::read_dir(&runs)?.flatten() {
        let name = left.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.split_once('-'))
            .and_then(|(owner, _)| owner.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            drop(fs::remove_dir_all(left.path()));
        }
    }
    let prefix = format!("{}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&runs)
        .context("a folder for the control plane")
}

/// A loopback port that nobody has just now, below those that the kernel gives to outgoing connections.
pub(crate) fn free_port() -> Result<u16> {
    let mut random = File::open("/dev/urandom").context("open /dev/urandom")?;
    for _ in 0..1000 {
        let mut bytes = [0; 2];
        random.read_exact(&mut bytes)?;
        let port = 20_000 + u16::from_ne_bytes(bytes) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between 20000 and 32000")
}
