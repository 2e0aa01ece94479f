//! What `kubectl get` prints: the Tables of every built-in kind, from a real kube-apiserver and from the server in the box.
//!
//! `STAGEWRIGHT_RECORD=1` writes the recording and the columns of all kinds anew.
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose requests nobody counts"
)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::Client;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use stagewright_apiserver::kinds::Catalog;
use stagewright_tests::recorded::{self, replay};

/// Below the workspace.
const COLUMNS: &str = "host/apiserver/src/kinds/table/columns.json";

fn main() {
    let run = || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(tables()).map_err(Into::into)
    };
    let trial = Trial::test("tables_are_those_of_the_real_server", run);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

async fn tables() -> Result<()> {
    let plane = recorded::start().await?;
    let client = plane.client().await?;
    columns(&client).await?;
    recorded::compare(&plane, "tables.json", &replay::TABLES_OTHERWISE).await
}

/// The columns of all kinds are those of the file.
async fn columns(client: &Client) -> Result<()> {
    let mut columns: BTreeMap<String, Value> = BTreeMap::new();
    for resource in Catalog::new().resources() {
        let root = if resource.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let request = http::Request::get(format!(
            "{root}/{}/{}?limit=1",
            resource.api_version(),
            resource.plural
        ))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())?;
        let table: Value = client.request(request).await?;
        let found = table.get("columnDefinitions").context("columns")?;
        let usual = found
            .pointer("/1/name")
            .is_some_and(|name| name == "Created At");
        let kind = if usual { "" } else { &resource.kind };
        let known = columns
            .entry(kind.to_owned())
            .or_insert_with(|| found.clone());
        ensure!(
            known == found,
            "{} has other columns in another version",
            resource.kind
        );
    }
    let mut lines = Vec::new();
    for (kind, columns) in &columns {
        lines.push(format!("{}:{columns}", serde_json::to_string(kind)?));
    }
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(COLUMNS);
    if recorded::is_recording() {
        std::fs::write(&path, &text)?;
    }
    ensure!(
        std::fs::read_to_string(&path)? == text,
        "{COLUMNS} is not what a real server says: run with {}=1",
        recorded::RECORD
    );
    Ok(())
}
