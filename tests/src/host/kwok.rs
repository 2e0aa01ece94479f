//! KWOK itself, with the stages of its own module: to measure against, and to prove that the rank watcher sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{LIMIT, POLL, cpu, resident, text};
use crate::controlplane::{ControlPlane, free_port};
use crate::process::Process;
use crate::programs::{Program, program, source};

/// A release of KWOK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// v0.8.0.
    V08,
    /// v0.4.0, in which users reported pods that move backward (kwok#1002).
    V04,
}

impl Version {
    fn program(self) -> Program {
        match self {
            Version::V08 => Program::Kwok,
            Version::V04 => Program::KwokV04,
        }
    }
}

/// A running kwok. It is killed when the value goes.
#[derive(Debug)]
pub struct Kwok {
    process: Process,
}

impl Kwok {
    /// Starts kwok on all nodes with the stage files of its module's folders (like `kustomize/stage/pod/fast`), read where Go keeps
    /// its source, and waits until it serves.
    ///
    /// # Errors
    /// If it cannot be built or started, a folder has no stages, or it ends; the error shows the end of its log.
    pub async fn start(
        plane: &ControlPlane,
        version: Version,
        stages: &[&str],
        arguments: &[&str],
    ) -> Result<Self> {
        let stages = shipped_stages(version, stages).await?;
        Self::start_with(plane, version, &stages, arguments).await
    }

    /// The same with a configuration as text.
    ///
    /// # Errors
    /// As [`Kwok::start`].
    pub async fn start_with(
        plane: &ControlPlane,
        version: Version,
        configuration: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let folder = plane.instance_folder(version.program().name())?;
        let kubeconfig = plane.kubeconfig();
        Self::start_in(folder, kubeconfig, version, configuration, arguments).await
    }

    /// The same for the cluster of a kubeconfig, with its files in a folder of its own.
    pub(crate) async fn start_in(
        folder: PathBuf,
        kubeconfig: PathBuf,
        version: Version,
        configuration: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let which = version.program();
        let program = tokio::task::spawn_blocking(move || program(which)).await??;
        let config = folder.join("kwok.yaml");
        fs::write(&config, configuration)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut all = vec![
            format!("--kubeconfig={}", text(kubeconfig)?),
            format!("--config={}", text(config)?),
            "--manage-all-nodes=true".to_owned(),
            format!("--server-address={address}"),
            "--node-name=localhost".to_owned(),
        ];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        // It looks for configuration in the home folder too.
        let home = text(folder.clone())?;
        let process = Process::start(
            which.name(),
            &program,
            &all,
            &[("HOME", &home)],
            &folder.join("log"),
        )?;
        let kwok = Self { process };
        kwok.until_served(&address).await?;
        Ok(kwok)
    }

    async fn until_served(&self, address: &str) -> Result<()> {
        let mut ticks = tokio::time::interval(POLL);
        let served = async {
            loop {
                ticks.tick().await;
                self.process.check()?;
                if tokio::net::TcpStream::connect(address).await.is_ok() {
                    return Ok(());
                }
            }
        };
        let late = || {
            format!(
                "kwok did not serve within {LIMIT:?}:\n{}",
                self.process.tail()
            )
        };
        tokio::time::timeout(LIMIT, served)
            .await
            .with_context(late)?
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.ended().is_none()
    }

    /// Stops it where it is: SIGSTOP.
    ///
    /// # Errors
    /// If it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// Lets it go on: SIGCONT.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.pid())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident(&self) -> Result<u64> {
        resident(self.pid())
    }
}

/// The stage files of the module's folders, as one configuration.
///
/// # Errors
/// If the module cannot be fetched, or a folder has no stages.
pub async fn shipped_stages(version: Version, folders: &[&str]) -> Result<String> {
    let which = version.program();
    let module = tokio::task::spawn_blocking(move || source(which, "sigs.k8s.io/kwok")).await??;
    stage_file(&module, folders)
}

/// KWOK's own definition of the kind of stages.
///
/// # Errors
/// If the module cannot be fetched, or has none.
pub async fn stage_definition(version: Version) -> Result<serde_json::Value> {
    let which = version.program();
    let module = tokio::task::spawn_blocking(move || source(which, "sigs.k8s.io/kwok")).await??;
    let file = module.join("kustomize/crd/bases/kwok.x-k8s.io_stages.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(serde_saphyr::from_str(&text)?)
}

/// The stages of the folders as one file of several documents. Their names are made different, for two folders may each have a
/// stage of one name: beside each other is what they are wanted for.
fn stage_file(module: &Path, folders: &[&str]) -> Result<String> {
    let mut documents = Vec::new();
    for folder in folders {
        let path = module.join(folder);
        let entries = fs::read_dir(&path).with_context(|| format!("read {}", path.display()))?;
        let mut files: Vec<PathBuf> = entries
            .map(|entry| anyhow::Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
                && !file.ends_with("kustomization.yaml")
        });
        files.sort();
        let set = Path::new(folder)
            .file_name()
            .and_then(|name| name.to_str())
            .context("a folder's name")?;
        for file in files {
            let stage = fs::read_to_string(&file)?;
            documents.push(stage.replacen("\n  name: ", &format!("\n  name: {set}-"), 1));
        }
    }
    Ok(documents.join("\n---\n"))
}
