//! Empties namespaces that are to go, and lets them go, as long as no kube-controller-manager does.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use stagewright_core::json::At as _;

use super::component::Component;
use super::follow::{Change, Follow};
use super::user::{Refused, User};

/// Of a namespace: its content is to be deleted first (`corev1.FinalizerKubernetes`).
const FINALIZER: &str = "kubernetes";
/// What is in a namespace may take its time to go.
const AGAIN: Duration = Duration::from_millis(200);
/// The namespace changed meanwhile, or is gone: its next event says how.
const OVERTAKEN: [u16; 2] = [404, 409];

/// Follows namespaces for ever.
pub(super) async fn run(user: User) {
    let mut namespaces = Follow::new(&user, "/api/v1/namespaces", "");
    let mut manager = Component::new(&user, "kube-controller-manager");
    let mut going: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        tokio::select! {
            biased;
            () = manager.changed() => {}
            changes = namespaces.next::<Value>() => changes.into_iter().for_each(|change| take_in(&mut going, change)),
            () = tokio::time::sleep(AGAIN), if !going.is_empty() => {}
        }
        if !manager.is_there() {
            going.retain(|name, namespace| !is_done(name, empty(&user, name, namespace)));
        }
    }
}

fn take_in(going: &mut BTreeMap<String, Value>, change: Change<Value>) {
    let name = |namespace: &Value| {
        let name = namespace.at("/metadata/name").and_then(Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    match change {
        Change::Anew => going.clear(),
        Change::Listed => {}
        Change::There(namespace) if is_going(&namespace) => {
            going.insert(name(&namespace), namespace);
        }
        Change::There(namespace) | Change::Gone(namespace) => {
            going.remove(&name(&namespace));
        }
    }
}

fn is_going(namespace: &Value) -> bool {
    let finalizers = namespace.at("/spec/finalizers").and_then(Value::as_array);
    namespace.at("/metadata/deletionTimestamp").is_some()
        && finalizers.is_some_and(|finalizers| finalizers.iter().any(|known| known == FINALIZER))
}

/// Deletes what is in a namespace; whether nothing is left, and the namespace was let go.
fn empty(user: &User, name: &str, namespace: &Value) -> Result<bool, Refused> {
    let mut is_empty = true;
    for kind in user.namespaced_kinds() {
        if user.has_any(&kind, name)? {
            user.delete_all(&kind, name)?;
            is_empty &= !user.has_any(&kind, name)?;
        }
    }
    if is_empty {
        user.finalize(namespace, FINALIZER)?;
    }
    Ok(is_empty)
}

fn is_done(name: &str, emptied: Result<bool, Refused>) -> bool {
    match emptied {
        Ok(done) => done,
        Err(error) => {
            if !OVERTAKEN.contains(&error.code) {
                tracing::warn!(namespace = name, %error, "a namespace is not emptied yet");
            }
            false
        }
    }
}
