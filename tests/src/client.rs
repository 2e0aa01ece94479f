//! Clients for whoever a kubeconfig speaks of.

use std::path::Path;

use anyhow::Result;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A client by a kubeconfig's file.
///
/// # Errors
/// If it cannot be read.
pub async fn of_file(file: &Path) -> Result<Client> {
    of(Kubeconfig::read_from(file)?).await
}

/// A client by a kubeconfig.
///
/// # Errors
/// If it leads nowhere.
pub async fn of(kubeconfig: Kubeconfig) -> Result<Client> {
    Ok(Client::try_from(config(kubeconfig).await?)?)
}

/// A client that asks once: what other clients only take as a reason to try again is an answer for it.
///
/// # Errors
/// If the file cannot be read.
pub async fn that_asks_once(file: &Path) -> Result<Client> {
    let mut config = config(Kubeconfig::read_from(file)?).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn config(kubeconfig: Kubeconfig) -> Result<Config> {
    let options = KubeConfigOptions::default();
    Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?)
}
