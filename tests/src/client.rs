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
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(Client::try_from(config)?)
}
