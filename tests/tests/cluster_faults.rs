//! Whatever goes wrong between the host and the API server, or under either: every object arrives, once, and forward.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::Host;
use stagewright_tests::proxy::{Counts, Proxy, Tamper};
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, View, name, node, phase, pod, text, uid,
};
use stagewright_tests::watcher::{Judge, RankWatcher, Report, Rules};

/// Pods that come up while every fifth request meets a fault.
const COMING: usize = 500;
/// Pods that end meanwhile.
const ENDING: usize = 200;
/// How long the faults last.
const FAULTS: Duration = Duration::from_secs(20);
/// How often more pods come where a fault was not met by then.
const WAVES: usize = 60;
/// How soon afterwards all have arrived.
const AFTER: Duration = Duration::from_secs(60);
/// How soon a host that is asked to stop has stopped, on a busy machine.
const GRACE: Duration = Duration::from_secs(20);
const SEED: u64 = 5;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_fault_on_every_fifth_request_loses_and_repeats_nothing),
        stagewright_tests::scenario!(a_restart_of_etcd_and_the_api_server_in_the_middle),
        stagewright_tests::scenario!(a_stop_in_the_middle_of_a_burst_is_taken_up_by_the_next_host),
        stagewright_tests::scenario!(a_full_disk_for_logs_stops_nothing),
        stagewright_tests::scenario!(a_node_without_free_addresses_lets_pods_wait),
    ]);
}

fn node_name(scene: &Scene, number: usize) -> String {
    format!("{}-{number}", scene.name)
}

async fn ready_nodes(scene: &Scene, count: usize) -> Result<()> {
    let nodes = View::open(&scene.client, "v1/Node", None).await?;
    let wanted = (0..count).map(|number| node(&node_name(scene, number), &scene.name));
    scenario::create_all(&scene.client, wanted).await?;
    let ready = |known: &Known| {
        let ours = |node: &Value| text(node, "/metadata/labels/group") == scene.name;
        known.count(|node| ours(node) && scenario::is_true(node, "Ready")) == count
    };
    nodes.until("the nodes Ready", SOON, ready).await
}

fn pods(scene: &Scene, prefix: &str, count: usize, nodes: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let node = node_name(scene, number % nodes);
            pod(&scene.name, &format!("{prefix}-{number}"), &node)
        })
        .collect()
}

fn is_running(pod: &Value) -> bool {
    phase(pod) == "Running" && text(pod, "/metadata/deletionTimestamp").is_empty()
}

fn starts(prefix: &'static str) -> impl Fn(&Value) -> bool {
    move |pod| name(pod).starts_with(prefix)
}

/// How often something was written, by what it is and how.
type Writes = BTreeMap<String, BTreeMap<String, u64>>;

/// How often each of the scene's pods was written, by its name: patches and deletions that the API server carried out.
fn writes(scene: &Scene, stored: &Counts) -> Writes {
    let folder = format!("/api/v1/namespaces/{}/pods/", scene.name);
    let mut writes = Writes::new();
    for ((method, path), count) in stored {
        let Some(rest) = path.strip_prefix(&folder) else {
            continue;
        };
        let (name, subresource) = rest.split_once('/').unwrap_or((rest, ""));
        let what = format!("{method} {subresource}");
        *writes
            .entry(name.into())
            .or_default()
            .entry(what)
            .or_default() += count;
    }
    writes
}

/// Waits until the writes that the proxy has seen are as they should be. An event may be here before the answer to the write that it
/// tells of is there.
async fn until_written(
    scene: &Scene,
    proxy: &Proxy,
    check: impl Fn(&Writes) -> Result<()>,
) -> Result<Writes> {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let written = writes(scene, &proxy.stored());
        match check(&written) {
            Ok(()) => return Ok(written),
            Err(error) if begun.elapsed() > SOON => return Err(error),
            Err(_) => {}
        }
    }
}

fn nothing_backward(report: &Report) -> Result<()> {
    ensure!(report.backward.is_empty(), "{:#?}", report.backward);
    ensure!(report.misplaced.is_empty(), "{:#?}", report.misplaced);
    Ok(())
}

/// The first pods live and end in quiet: they say how often a pod is written. Then 500 come and 200 end while a fifth of all requests
/// meet a fault; afterwards each has been written as often as in quiet, no more and no less.
async fn a_fault_on_every_fifth_request_loses_and_repeats_nothing(scene: Scene) -> Result<()> {
    let watcher = RankWatcher::start(&scene.client).await?;
    let proxy = Proxy::start(&scene.plane, Tamper::default()).await?;
    let host = Host::start_with(&scene.plane, proxy.kubeconfig(), &scene.selected()).await?;
    ready_nodes(&scene, 10).await?;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let old = [
        pods(&scene, "calm", 10, 10),
        pods(&scene, "old", ENDING, 10),
    ]
    .concat();
    let old = scenario::create_all(&scene.client, old).await?;
    let count = old.len();
    view.until("the first pods Running", SOON, |known| {
        known.all(count, is_running)
    })
    .await?;
    let (calm, ending) = old.split_at(10);
    scenario::delete_all(&scene.client, calm, None).await?;
    view.until("the calm pods gone", SOON, |known| known.len() == ENDING)
        .await?;
    let alike = |quiet: &Writes| {
        let whole = quiet.get("calm-0").context("no write to calm-0")?;
        ensure!(
            whole.keys().any(|what| what.starts_with("DELETE"))
                && calm.iter().all(|pod| quiet.get(name(pod)) == Some(whole)),
            "pods were not written alike in quiet: {quiet:?}"
        );
        Ok(())
    };
    let quiet = until_written(&scene, &proxy, alike).await?;
    let whole = quiet.get("calm-0").context("no write to calm-0")?.clone();
    let begun = quiet.get("old-0").context("no write to old-0")?.clone();

    proxy.put_faults(200, SEED);
    let (mut coming, _) = tokio::try_join!(
        scenario::create_all(&scene.client, pods(&scene, "new", COMING, 10)),
        scenario::delete_all(&scene.client, ending, None),
    )?;
    tokio::time::sleep(FAULTS).await;
    // A watch begins seldom: more pods make more events, at which it is cut and begins again.
    let mut waves = 0..WAVES;
    while !proxy.unmet().is_empty() {
        let unmet = proxy.unmet();
        let wave = waves.next();
        let wave = wave.with_context(|| format!("not every fault was met: {unmet:?}"))?;
        let more = pods(&scene, &format!("new-{wave}"), 20, 10);
        coming.extend(scenario::create_all(&scene.client, more).await?);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    proxy.put_faults(0, SEED);
    let ended = Instant::now();
    let count = coming.len();
    let arrived = |known: &Known| known.all(count, |pod| starts("new-")(pod) && is_running(pod));
    view.until("all arrived", AFTER, arrived).await?;
    let late = ended.elapsed();

    ensure!(host.is_alive(), "the host died:\n{}", host.log());
    let met = proxy.faults();
    let wanted = coming.iter().map(|pod| (pod, &begun));
    let wanted: Vec<_> = wanted
        .chain(ending.iter().map(|pod| (pod, &whole)))
        .collect();
    let as_in_quiet = |written: &Writes| {
        for (pod, wanted) in &wanted {
            let is = written.get(name(pod));
            ensure!(
                is == Some(*wanted),
                "{} was written {is:?}, and {wanted:?} in quiet",
                name(pod)
            );
        }
        Ok(())
    };
    until_written(&scene, &proxy, as_in_quiet).await?;
    nothing_backward(&watcher.stop().await?)?;
    println!("all arrived {late:?} after the faults: {met:?}");
    Ok(())
}

/// Pods in the middle of their delays lose the server and its store. A relist repeats no move and forgets no pod.
async fn a_restart_of_etcd_and_the_api_server_in_the_middle(scene: Scene) -> Result<()> {
    const PODS: usize = 200;
    let host = scene.host(&scene.general()).await?;
    ready_nodes(&scene, 4).await?;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let slow = (0..PODS).map(|number| {
        let delay = 1 + number as u64 % 6;
        let node = node_name(&scene, number % 4);
        let delays = [("pod-create", delay), ("pod-ready", delay)];
        scene.pod_with_delays(&format!("slow-{number}"), &node, &delays)
    });
    scenario::create_all(&scene.client, slow).await?;
    view.until("some Running", SOON, |known| {
        known.count(is_running) >= PODS / 10
    })
    .await?;
    ensure!(
        view.now().count(is_running) < PODS,
        "all were Running before the restart"
    );
    scene.plane.restart().await?;
    view.until("all Running", AFTER, |known| known.all(PODS, is_running))
        .await?;
    ensure!(host.is_alive(), "the host gave up:\n{}", host.log());
    // New work is done too.
    scenario::create_all(&scene.client, pods(&scene, "new", 20, 4)).await?;
    view.until("new pods Running", AFTER, |known| {
        known.all(PODS + 20, is_running)
    })
    .await?;
    let mut judge = Judge::default();
    let mut seen = BTreeSet::new();
    for version in &view.now().history {
        let object = Value::clone(&version.object);
        if seen.insert((uid(&object).to_owned(), scenario::version(&object))) {
            judge.observe("Pod", &Rules::Pod, object, version.gone);
        }
    }
    nothing_backward(judge.report()?)
}

async fn a_stop_in_the_middle_of_a_burst_is_taken_up_by_the_next_host(scene: Scene) -> Result<()> {
    let watcher = RankWatcher::start(&scene.client).await?;
    let proxy = Proxy::start(&scene.plane, Tamper::default()).await?;
    let host = Host::start_with(&scene.plane, proxy.kubeconfig(), &scene.selected()).await?;
    ready_nodes(&scene, 10).await?;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    // Requests that take a while: there are some under way when the signal comes.
    proxy.delay_requests(Duration::from_millis(300));
    scenario::create_all(&scene.client, pods(&scene, "burst", COMING, 10)).await?;
    view.until("some Running", SOON, |known| known.count(is_running) >= 20)
        .await?;
    let asked = Instant::now();
    let code = host.terminate().await?;
    let took = asked.elapsed();
    ensure!(code == 0, "the host ended with {code}");
    ensure!(took < GRACE, "the host took {took:?} to stop");
    let left = view.now().count(is_running);
    ensure!(left < COMING, "all were Running before the host stopped");

    proxy.delay_requests(Duration::ZERO);
    let _next = Host::start_with(&scene.plane, proxy.kubeconfig(), &scene.selected()).await?;
    view.until("all Running", SOON, |known| known.all(COMING, is_running))
        .await?;
    let twice: Vec<_> = writes(&scene, &proxy.stored())
        .into_iter()
        .filter(|(_, writes)| writes.values().sum::<u64>() != 1)
        .collect();
    ensure!(twice.is_empty(), "not written once: {twice:?}");
    nothing_backward(&watcher.stop().await?)?;
    println!("stopped after {took:?}, with {left} of {COMING} Running");
    Ok(())
}

/// `/dev/full` takes no byte: every line of the log is an error.
async fn a_full_disk_for_logs_stops_nothing(scene: Scene) -> Result<()> {
    let mut arguments = scene.selected();
    arguments.push("--log-level=debug".to_owned());
    let kubeconfig = scene.plane.kubeconfig();
    let host = Host::spawn_with_log(&kubeconfig, &arguments, Path::new("/dev/full")).await?;
    host.until_ready(SOON).await?;
    ready_nodes(&scene, 2).await?;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let created = scenario::create_all(&scene.client, pods(&scene, "pod", 50, 2)).await?;
    view.until("all Running", SOON, |known| known.all(50, is_running))
        .await?;
    scenario::delete_all(&scene.client, &created, None).await?;
    view.until("all gone", SOON, Known::is_empty).await?;
    let code = host.terminate().await?;
    ensure!(code == 0, "the host ended with {code}");
    Ok(())
}

/// Six addresses for seven pods: the seventh waits and says why, until one is given back. A restarted host knows which are taken.
async fn a_node_without_free_addresses_lets_pods_wait(scene: Scene) -> Result<()> {
    const PODS: usize = 7;
    let host = scene.host(&scene.selected()).await?;
    let mut small = node(&node_name(&scene, 0), &scene.name);
    small["spec"] = json!({"podCIDR": "10.77.0.0/29", "podCIDRs": ["10.77.0.0/29"]});
    scenario::create(&scene.client, small).await?;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let events = View::open(&scene.client, "events.k8s.io/v1/Event", Some(&scene.name)).await?;
    scenario::create_all(&scene.client, pods(&scene, "pod", PODS, 1)).await?;
    let waits = |known: &Known| known.count(is_running) == PODS - 1;
    view.until("all but one Running", SOON, waits).await?;
    let waiting = waiting(&view)?;
    let about = |event: &Value| {
        text(event, "/regarding/uid") == uid(&waiting)
            && text(event, "/type") == "Warning"
            && text(event, "/note").contains("10.77.0.0/29")
    };
    events
        .until("a Warning that names the CIDR", SOON, |known| {
            known.count(about) > 0
        })
        .await?;
    distinct(&view, PODS - 1)?;

    delete_one(&scene, &view).await?;
    let all = |known: &Known| known.all(PODS - 1, is_running);
    view.until("the waiting pod Running", SOON, all).await?;
    distinct(&view, PODS - 1)?;

    host.kill().await?;
    delete_one(&scene, &view).await?;
    let _next = scene.host(&scene.selected()).await?;
    view.until("the pod ended", SOON, |known| known.len() == PODS - 2)
        .await?;
    scenario::create_all(&scene.client, pods(&scene, "next", 2, 1)).await?;
    view.until("all but one Running again", SOON, |known| {
        known.len() == PODS && waits(known)
    })
    .await?;
    distinct(&view, PODS - 1)
}

fn waiting(view: &View) -> Result<Value> {
    let known = view.now();
    let waiting = known.objects.values().find(|pod| !is_running(pod));
    Ok(Value::clone(waiting.context("no pod waits")?))
}

/// Deletes a pod that has an address.
async fn delete_one(scene: &Scene, view: &View) -> Result<()> {
    let running = {
        let known = view.now();
        let running = known.objects.values().find(|pod| is_running(pod));
        Value::clone(running.context("no pod is Running")?)
    };
    scenario::delete(&scene.client, &running, None).await
}

/// Each Running pod has an address of the node's, and its own.
fn distinct(view: &View, count: usize) -> Result<()> {
    let known = view.now();
    let running = known.objects.values().filter(|pod| is_running(pod));
    let addresses: BTreeSet<&str> = running.map(|pod| text(pod, "/status/podIP")).collect();
    ensure!(
        addresses.len() == count && addresses.iter().all(|ip| ip.starts_with("10.77.0.")),
        "the addresses of {count} pods: {addresses:?}"
    );
    Ok(())
}
