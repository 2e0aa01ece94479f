//! Definitions of kinds, which the scenarios on one control plane share.

use anyhow::{Result, ensure};
use kube::Client;
use serde_json::Value;

use super::{Known, SOON, View, create, delete, name};

/// Creates the definition, unless an earlier scenario has.
///
/// # Errors
/// What the API server says.
pub async fn define(client: &Client, definition: Value) -> Result<()> {
    if let Err(error) = create(client, definition).await {
        ensure!(format!("{error:#}").contains("already exists"), error);
    }
    Ok(())
}

/// Deletes the definition, and waits until it is gone with all objects of its kind.
///
/// # Errors
/// What the API server says, or if it stays.
pub async fn undefine(client: &Client, definition: &Value) -> Result<()> {
    const DEFINITIONS: &str = "apiextensions.k8s.io/v1/CustomResourceDefinition";
    let definitions = View::open(client, DEFINITIONS, None).await?;
    delete(client, definition, None).await?;
    let is_gone = |known: &Known| known.get(name(definition)).is_none();
    definitions.until("the kind is gone", SOON, is_gone).await
}
