//! Bad input from a cluster: each error is said where it belongs, and everything else goes on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, View, name, node, phase, pod, text, uid};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_host_started_before_its_api_server_works_once_that_is_up),
        stagewright_tests::scenario!(an_api_server_that_goes_away_is_waited_for),
        stagewright_tests::scenario!(a_forbidden_list_names_verb_and_resource_and_the_rest_goes_on),
        stagewright_tests::scenario!(a_forbidden_write_names_verb_and_resource_and_is_made_up_for),
        stagewright_tests::scenario!(an_annotation_that_does_not_parse_is_reported_on_its_pod),
        stagewright_tests::scenario!(absurd_objects_stop_nobody_else),
        stagewright_tests::scenario!(a_kind_that_is_not_served_yet_is_waited_for),
    ]);
}

/// A way to the API server that can be open or closed.
struct Door {
    address: SocketAddr,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Door {
    /// A port of its own, closed.
    async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self {
            address: listener.local_addr()?,
            task: None,
        })
    }

    async fn open(&mut self, server: SocketAddr) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.task = Some(tokio::spawn(async move {
            // The connections end with the door, since the set is dropped with the task.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut inner, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut outer = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut inner, &mut outer).await
                });
            }
        }));
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            drop(task.await);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// One pod of the scenario's node becomes Running.
async fn a_pod_runs(scene: &Scene, name: &str, node: &str) -> Result<()> {
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    scenario::create(&scene.client, pod(&scene.name, name, node)).await?;
    pods.until("the pod Running", SOON, |known| {
        known.get(name).is_some_and(|pod| phase(pod) == "Running")
    })
    .await
}

async fn a_host_started_before_its_api_server_works_once_that_is_up(scene: Scene) -> Result<()> {
    let mut door = Door::new().await?;
    let host = scene.host_behind(door.address, &scene.selected()).await?;
    host.until_log("the server named as unreachable", SOON, |log| {
        log.contains(&door.address.to_string())
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(host.is_alive(), "the host gave up:\n{}", host.log());
    ensure!(
        host.log().lines().count() < 100,
        "the log is flooded while nobody answers:\n{}",
        host.log()
    );
    door.open(scene.server()?).await?;
    scene.ready_node("early").await?;
    a_pod_runs(&scene, "pod", "early").await
}

async fn an_api_server_that_goes_away_is_waited_for(scene: Scene) -> Result<()> {
    let mut door = Door::new().await?;
    door.open(scene.server()?).await?;
    let host = scene.host_behind(door.address, &scene.selected()).await?;
    scene.ready_node("cut-off").await?;
    a_pod_runs(&scene, "before", "cut-off").await?;
    door.close().await;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let missed = (0..20).map(|number| pod(&scene.name, &format!("missed-{number}"), "cut-off"));
    scenario::create_all(&scene.client, missed).await?;
    let before = host.cpu()?;
    pods.holds(
        "nobody writes while the way is cut",
        Duration::from_secs(5),
        |known| known.count(|pod| phase(pod) == "Running") == 1,
    )
    .await?;
    ensure!(host.is_alive(), "the host gave up:\n{}", host.log());
    let spent = host.cpu()? - before;
    ensure!(
        spent < Duration::from_secs(1),
        "the host used {spent:?} of CPU in 5 s without a server"
    );
    door.open(scene.server()?).await?;
    pods.until("all Running again", SOON, |known| {
        known.all(21, |pod| phase(pod) == "Running")
    })
    .await
}

/// A role with these rules, bound to a user of the scenario; answers the user's name.
async fn user_with(scene: &Scene, rules: Value) -> Result<String> {
    let user = format!("user-{}", scene.name);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules});
    scenario::create(&scene.client, role).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
    scenario::create(&scene.client, binding).await?;
    Ok(user)
}

async fn allow(scene: &Scene, user: &str, rules: Value) -> Result<()> {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}});
    scenario::merge(&scene.client, &role, None, json!({"rules": rules}))
        .await
        .map(drop)
}

fn everything() -> Value {
    json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
}

async fn a_forbidden_list_names_verb_and_resource_and_the_rest_goes_on(scene: Scene) -> Result<()> {
    let nodes_only = json!([
        {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["*"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["*"]},
    ]);
    let user = user_with(&scene, nodes_only).await?;
    let mut arguments = scene.selected();
    arguments.extend(["--as".to_owned(), user.clone()]);
    let host = scene.host_unready(&arguments).await?;
    scene.ready_node("half-allowed").await?;
    let named = |log: &str| {
        log.lines().any(|line| {
            line.contains("list")
                && line.contains("pods")
                && line.to_lowercase().contains("forbidden")
        })
    };
    host.until_log("the verb and the resource", SOON, named)
        .await?;
    ensure!(host.is_alive(), "the host gave up:\n{}", host.log());
    allow(&scene, &user, everything()).await?;
    a_pod_runs(&scene, "pod", "half-allowed").await
}

async fn a_forbidden_write_names_verb_and_resource_and_is_made_up_for(scene: Scene) -> Result<()> {
    let no_pod_status = json!([
        {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["*"]},
    ]);
    let user = user_with(&scene, no_pod_status).await?;
    let mut arguments = scene.selected();
    arguments.extend(["--as".to_owned(), user.clone()]);
    let host = scene.host(&arguments).await?;
    scene.ready_node("read-only").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    scenario::create(&scene.client, pod(&scene.name, "refused", "read-only")).await?;
    let named = |log: &str| {
        log.lines().any(|line| {
            line.contains("patch")
                && line.contains("pods")
                && line.to_lowercase().contains("forbidden")
        })
    };
    host.until_log("the verb and the resource", SOON, named)
        .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The API server does not count what it forbids; the host counts what it asked.
    let labels = [r#""patch""#, r#""pods/status""#, r#""403""#];
    let tries = host.metric("stagewright_requests_total", &labels).await?;
    ensure!(
        (1.0..=12.0).contains(&tries),
        "{tries} tries in 5 s of a write that is forbidden"
    );
    let explained = host
        .explain_text("pod", Some(&scene.name), "refused")
        .await?;
    ensure!(
        explained.to_lowercase().contains("forbidden"),
        "explain does not say that the write is forbidden:\n{explained}"
    );
    allow(&scene, &user, everything()).await?;
    pods.until("Running once it is allowed", SOON, |known| {
        known.all(1, |pod| phase(pod) == "Running")
    })
    .await
}

async fn an_annotation_that_does_not_parse_is_reported_on_its_pod(scene: Scene) -> Result<()> {
    let host = scene.host(&scene.general()).await?;
    scene.ready_node("annotated").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let mut wrong =
        scene.pod_with_delays("wrong", "annotated", &[("pod-create", 1), ("pod-ready", 1)]);
    let key = scenario::delay_annotation("pod-create");
    scenario::set(
        &mut wrong,
        "metadata",
        "annotations",
        json!({key.clone(): "soon", scenario::delay_annotation("pod-ready"): "1s"}),
    );
    let wrong = scenario::create(&scene.client, wrong).await?;
    let right = (0..5).map(|number| {
        scene.pod_with_delays(
            &format!("right-{number}"),
            "annotated",
            &[("pod-create", 1), ("pod-ready", 1)],
        )
    });
    scenario::create_all(&scene.client, right).await?;
    let running = |pod: &Value| phase(pod) == "Running";
    pods.until("the others Running", SOON, |known| {
        known.count(|pod| running(pod) && name(pod) != "wrong") == 5
    })
    .await?;
    let events = View::open(&scene.client, "events.k8s.io/v1/Event", Some(&scene.name)).await?;
    let about = |event: &Value| {
        text(event, "/regarding/uid") == uid(&wrong)
            && text(event, "/type") == "Warning"
            && text(event, "/note").contains(&key)
    };
    events
        .until("a Warning that names the annotation", SOON, |known| {
            known.count(about) == 1
        })
        .await?;
    let explained = host.explain_text("pod", Some(&scene.name), "wrong").await?;
    ensure!(
        explained.contains(&key),
        "explain does not name the annotation:\n{explained}"
    );
    let mended = json!({"metadata": {"annotations": {key: "1s"}}});
    scenario::merge(&scene.client, &wrong, None, mended).await?;
    pods.until("the pod Running, its annotation mended", SOON, |known| {
        known.all(6, running)
    })
    .await
}

async fn absurd_objects_stop_nobody_else(scene: Scene) -> Result<()> {
    let host = scene.host(&scene.selected()).await?;
    scene.ready_node("absurd").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let container = |name: &str| json!({"name": name, "image": "i"});
    let changes = [
        (
            "grace",
            "spec",
            "terminationGracePeriodSeconds",
            json!(i64::MAX),
        ),
        ("deadline", "spec", "activeDeadlineSeconds", json!(i32::MAX)),
        ("no-host", "spec", "hostNetwork", json!(true)),
        ("priority", "spec", "nodeName", json!("no-such-node")),
        (
            "many",
            "spec",
            "containers",
            (0..200)
                .map(|number| container(&format!("c-{number}")))
                .collect(),
        ),
        (
            "init",
            "spec",
            "initContainers",
            (0..50)
                .map(|number| container(&format!("i-{number}")))
                .collect(),
        ),
        (
            "large",
            "metadata",
            "annotations",
            json!({"large": "x".repeat(200_000), "": "", "a/b": "\u{fffd}\u{1f980}"}),
        ),
        (
            "gates",
            "spec",
            "readinessGates",
            json!([{"conditionType": "example.com/never"}, {"conditionType": "Ready"}]),
        ),
        (
            "finalizer",
            "metadata",
            "finalizers",
            json!(["example.com/never"]),
        ),
    ];
    for (name, part, field, value) in changes {
        let mut object = pod(&scene.name, name, "absurd");
        scenario::set(&mut object, part, field, value);
        // What the API server refuses never reaches the host.
        drop(scenario::create(&scene.client, object).await);
    }
    // Statuses that no kubelet writes, and no server refuses.
    for (number, status) in absurd_statuses().into_iter().enumerate() {
        let object = scenario::create(
            &scene.client,
            pod(&scene.name, &format!("status-{number}"), "absurd"),
        )
        .await?;
        drop(
            scenario::merge(
                &scene.client,
                &object,
                Some("status"),
                json!({"status": status}),
            )
            .await,
        );
    }
    let mut strange = node(&format!("{}-strange", scene.name), &scene.name);
    scenario::set(&mut strange, "spec", "podCIDR", json!("10.0.0.0/32"));
    let strange = scenario::create(&scene.client, strange).await?;
    drop(scenario::merge(&scene.client, &strange, Some("status"), json!({"status": {"capacity": {"cpu": "1e30", "pods": "-5"},
        "addresses": [{"type": "InternalIP", "address": "nowhere"}], "conditions": [{"type": "Ready", "status": "Maybe"}]}})).await);
    let others = (0..20).map(|number| pod(&scene.name, &format!("other-{number}"), "absurd"));
    scenario::create_all(&scene.client, others).await?;
    let running = |pod: &Value| name(pod).starts_with("other-") && phase(pod) == "Running";
    pods.until("the ordinary pods Running", SOON, |known| {
        known.count(running) == 20
    })
    .await?;
    for name in ["grace", "deadline", "many", "init", "large", "finalizer"] {
        let runs =
            |known: &scenario::Known| known.get(name).is_none_or(|pod| phase(pod) == "Running");
        pods.until(&format!("pod {name} Running"), SOON, runs)
            .await?;
    }
    let before = host.cpu()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let spent = host.cpu()? - before;
    ensure!(
        spent < Duration::from_millis(500),
        "the host used {spent:?} of CPU in 5 s on objects that go nowhere"
    );
    ensure!(host.is_alive(), "the host died:\n{}", host.log());
    Ok(())
}

fn absurd_statuses() -> Vec<Value> {
    vec![
        json!({"phase": "Banana"}),
        json!({"phase": ""}),
        json!({"podIP": "nowhere", "podIPs": [{"ip": "nowhere"}]}),
        json!({"startTime": "0001-01-01T00:00:00Z"}),
        json!({"startTime": "9999-12-31T23:59:59Z"}),
        json!({"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "9999-12-31T23:59:59Z"}]}),
        json!({"containerStatuses": [{"name": "nobody", "image": "", "imageID": "", "ready": true, "restartCount": 2_147_483_647}]}),
        json!({"containerStatuses": [{"name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": -1, "state": {}}]}),
    ]
}

async fn a_kind_that_is_not_served_yet_is_waited_for(scene: Scene) -> Result<()> {
    let plugin = scenario::component("trainer")?;
    let mut arguments = scene.selected();
    arguments.extend([
        "--plugin".to_owned(),
        plugin.to_str().context("a path in UTF-8")?.to_owned(),
    ]);
    let host = scene.host_unready(&arguments).await?;
    host.until_log("the kind that is not served", SOON, |log| {
        log.contains("Trainer")
    })
    .await?;
    // Pods and nodes do not wait for it.
    scene.ready_node("patient").await?;
    a_pod_runs(&scene, "pod", "patient").await?;
    let started = Instant::now();
    for kind in ["Trainer", "Dataset"] {
        scenario::create(&scene.client, scenario::custom_kind(kind)).await?;
    }
    let trainer = json!({"apiVersion": "example.com/v1", "kind": "Trainer", "metadata": {"name": "late", "namespace": scene.name}, "spec": {}});
    scenario::create_when_served(&scene.client, trainer).await?;
    let trainers = View::open(&scene.client, "example.com/v1/Trainer", Some(&scene.name)).await?;
    trainers
        .until("the trainer Queued", SOON, |known| {
            known.all(1, |trainer| phase(trainer) == "Queued")
        })
        .await?;
    ensure!(
        started.elapsed() < SOON,
        "the kind was found only after {:?}",
        started.elapsed()
    );
    Ok(())
}
