//! What a crash leaves, and what a folder gives back.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod crash;
mod disk;
mod folder;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use stagewright_core::time::Time;

use self::disk::Disk;
use super::{DataDirError, Objects, Opened};
use crate::clock::ManualClock;
use crate::{ApiServer, Options};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn options() -> Options {
    let clock = ManualClock::new(Time::parse("2026-01-02T03:04:05Z").unwrap());
    Options::new(Arc::new(clock), 7)
}

/// A server whose folder is on that disk.
fn on(disk: &Disk) -> Result<(ApiServer, Opened), DataDirError> {
    let (objects, kept) = Objects::over(disk.clone())?;
    ApiServer::over(options(), objects, kept, Path::new("here"))
}

fn call(server: &ApiServer, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bytes = if body.is_null() {
        Bytes::new()
    } else {
        body.to_string().into()
    };
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", kind).body(bytes).unwrap();
    let response = server.call(request);
    let code = response.status().as_u16();
    let bytes = response.into_body().into_bytes().unwrap();
    (code, serde_json::from_slice(&bytes).unwrap())
}

fn get(server: &ApiServer, path: &str) -> Value {
    call(server, "GET", path, &Value::Null).1
}

fn map(name: &str, text: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"text": text}})
}

/// All ConfigMaps: by name, what they are.
fn maps(server: &ApiServer) -> BTreeMap<String, Value> {
    let list = get(server, MAPS);
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let name = item["metadata"]["name"].as_str().unwrap();
            (name.to_owned(), item.clone())
        })
        .collect()
}
