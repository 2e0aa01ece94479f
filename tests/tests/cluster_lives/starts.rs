//! How pods come up: init containers, sidecars, gates, addresses.
#![expect(clippy::disallowed_methods, reason = "a user's clock is the machine's")]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, View, is_true, phase, text, uid};

use super::support::{
    alone, container, ever, exit_code, node, nodes, number, pod, runs, says, seconds, status,
    until, view,
};

/// The first of two init containers fails twice. While any is not done the pod is Pending (`getPhase` in kubelet_pods.go) and not
/// Initialized (`GeneratePodInitializedCondition` in kubelet/status/generate.go).
pub async fn init_containers_run_in_order_and_are_retried(scene: Scene) -> Result<()> {
    let spec = json!({"initContainers": [container("first"), container("second")]});
    let asks = [("crashes", "first=2"), ("exit-code", "first=7")];
    let (pods, created) = alone(&scene, pod(&scene, "web", &asks, spec)).await?;
    let ready = until(&pods, "web", "Ready", |pod| is_true(pod, "Ready")).await?;
    let first = status(&ready, "first");
    ensure!(
        number(first, "/restartCount") == 2 && exit_code(&ready, "first") == Some(0),
        "the init container failed twice and then did well: {first}"
    );
    ensure!(
        number(first, "/lastState/terminated/exitCode") == 7,
        "its last failure is told: {first}"
    );
    let ended = seconds(status(&ready, "second"), "/state/terminated/finishedAt")?;
    ensure!(
        seconds(first, "/state/terminated/finishedAt")?
            <= seconds(status(&ready, "second"), "/state/terminated/startedAt")?
            && ended <= seconds(status(&ready, "main"), "/state/running/startedAt")?,
        "each waited for the one before: {ready}"
    );
    ensure!(
        is_true(&ready, "Initialized") && phase(&ready) == "Running",
        "{ready}"
    );
    let known = pods.now();
    let waits = |pod: &Value| exit_code(pod, "second") != Some(0);
    let early = |pod: &Value| {
        phase(pod) != "Pending"
            || is_true(pod, "Initialized")
            || runs(pod, "main")
            || is_true(pod, "Ready")
    };
    ensure!(
        !ever(&known, uid(&created), |pod| waits(pod) && early(pod)),
        "nothing began before the init containers were done"
    );
    let backs_off = |pod: &Value| {
        text(status(pod, "first"), "/state/waiting/reason") == "CrashLoopBackOff"
            && says(pod, "Initialized") == "False/ContainersNotInitialized"
    };
    ensure!(
        ever(&known, uid(&created), backs_off),
        "the second retry waited for its back-off"
    );
    Ok(())
}

/// A Job whose pods have a sidecar: it starts before the main container, outlives it, and holds up neither pod nor Job
/// (`newTerminationOrdering` in kuberuntime_termination_order.go).
pub async fn sidecars_start_first_and_end_last_and_a_job_completes_beside_them(
    scene: Scene,
) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, jobs) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "batch/v1/Job").await?,
    );
    let mut sidecar = container("proxy");
    set_field(&mut sidecar, "restartPolicy", "Always".into());
    let spec = json!({"restartPolicy": "Never", "initContainers": [sidecar]});
    let template = super::support::template(&scene, "work", &[("complete-delay", "3s")], spec);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": scene.name},
        "spec": {"template": template}});
    scenario::create(&scene.client, job).await?;
    until(&jobs, "work", "Complete", |job| is_true(job, "Complete")).await?;
    let known = pods.now();
    let pod = known.objects.values().next().context("the Job's pod")?;
    ensure!(phase(pod) == "Succeeded", "{pod}");
    let (proxy, main) = (status(pod, "proxy"), status(pod, "main"));
    ensure!(
        seconds(proxy, "/state/terminated/startedAt")?
            <= seconds(main, "/state/terminated/startedAt")?,
        "the sidecar started first: {pod}"
    );
    ensure!(
        seconds(proxy, "/state/terminated/finishedAt")?
            > seconds(main, "/state/terminated/finishedAt")?,
        "the sidecar ended last: {pod}"
    );
    let both = |pod: &Value| runs(pod, "proxy") && runs(pod, "main");
    ensure!(ever(&known, uid(pod), both), "they ran beside each other");
    Ok(())
}

fn set_field(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

/// Whether a service's only endpoint is ready, as the endpoint slice controller has it.
fn serves(slice: &Value) -> Option<bool> {
    slice.pointer("/endpoints/0/conditions/ready")?.as_bool()
}

/// All containers are ready, but the pod is not while its gate is not (`GeneratePodReadyCondition` in kubelet/status/generate.go); the
/// service's endpoints follow, both ways.
pub async fn readiness_gates_are_others_to_open(scene: Scene) -> Result<()> {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    scenario::create(&scene.client, service).await?;
    let slices = view(&scene, "discovery.k8s.io/v1/EndpointSlice").await?;
    let spec = json!({"readinessGates": [{"conditionType": "example.com/warm"}]});
    let (pods, _) = alone(&scene, pod(&scene, "web", &[("gates", "wait")], spec)).await?;
    let held = until(&pods, "web", "held by its gate", |pod| {
        is_true(pod, "ContainersReady") && says(pod, "Ready") == "False/ReadinessGatesNotReady"
    })
    .await?;
    let is = |ready: bool| {
        move |known: &scenario::Known| known.all(1, |slice| serves(slice) == Some(ready))
    };
    slices
        .until("an endpoint that is not ready", SOON, is(false))
        .await?;
    for open in [true, false] {
        let now = scenario::read(&scene.client, &held).await?;
        let mut conditions = now
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        conditions.retain(|condition| text(condition, "/type") != "example.com/warm");
        conditions.push(
            json!({"type": "example.com/warm", "status": if open { "True" } else { "False" },
                "lastTransitionTime": jiff::Timestamp::now().to_string()}),
        );
        scenario::merge(
            &scene.client,
            &held,
            Some("status"),
            json!({"status": {"conditions": conditions}}),
        )
        .await?;
        until(&pods, "web", "Ready as its gate says", |pod| {
            is_true(pod, "Ready") == open
        })
        .await?;
        slices
            .until("an endpoint as the gate says", SOON, is(open))
            .await?;
    }
    Ok(())
}

/// Probes have the word on Ready, and one container's failure is the others' only as far as the pod goes.
pub async fn a_container_is_unready_restarted_and_slow_by_itself(scene: Scene) -> Result<()> {
    let mut slow = container("slow");
    set_field(
        &mut slow,
        "startupProbe",
        json!({"tcpSocket": {"port": 1}, "initialDelaySeconds": 2}),
    );
    let spec = json!({"containers": [container("calm"), container("sick"), slow]});
    let asks = [
        ("not-ready", "calm=true"),
        ("liveness-fails-after", "sick=2s"),
        ("crashes", "sick=1"),
    ];
    let (pods, created) = alone(&scene, pod(&scene, "web", &asks, spec)).await?;
    let sick = until(&pods, "web", "with one restart", |pod| {
        number(status(pod, "sick"), "/restartCount") == 1
            && runs(pod, "sick")
            && runs(pod, "slow")
            && status(pod, "slow").pointer("/ready") == Some(&true.into())
    })
    .await?;
    // A container that its liveness probe ends is killed (`killContainer` in kuberuntime_container.go): 128 + SIGKILL.
    ensure!(
        number(status(&sick, "sick"), "/lastState/terminated/exitCode") == 137,
        "{sick}"
    );
    for other in ["calm", "slow"] {
        ensure!(
            number(status(&sick, other), "/restartCount") == 0,
            "{other} was left alone: {sick}"
        );
    }
    ensure!(says(&sick, "Ready") == "False/ContainersNotReady", "{sick}");
    let started = |pod: &Value| {
        runs(pod, "slow") && status(pod, "slow").pointer("/started") == Some(&false.into())
    };
    ensure!(
        ever(&pods.now(), uid(&created), started),
        "the slow one ran before it had started up"
    );
    scenario::merge(
        &scene.client,
        &created,
        None,
        super::support::ask("not-ready", Value::Null),
    )
    .await?;
    until(&pods, "web", "Ready", |pod| is_true(pod, "Ready"))
        .await
        .map(drop)
}

/// A node with a range of each family: pods get an address of each, those on the host's network the host's.
pub async fn addresses_are_of_both_families_and_the_hosts_where_asked(scene: Scene) -> Result<()> {
    let mut object = node(&scene, &format!("{}-dual", scene.name));
    let ranges = json!(["10.77.0.0/24", "fd00:77::/64"]);
    set_field(
        &mut object,
        "spec",
        json!({"podCIDR": "10.77.0.0/24", "podCIDRs": ranges}),
    );
    scenario::create(&scene.client, object).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let own = pod(&scene, "own", &[], json!({}));
    let host = pod(&scene, "host", &[], json!({"hostNetwork": true}));
    scenario::create_all(&scene.client, [own, host]).await?;
    pods.until("both Ready", SOON, |known| {
        known.all(2, |pod| is_true(pod, "Ready"))
    })
    .await?;
    let known = pods.now();
    let (own, host) = (
        known.get("own").context("own")?,
        known.get("host").context("host")?,
    );
    let (v4, v6) = (
        text(own, "/status/podIPs/0/ip"),
        text(own, "/status/podIPs/1/ip"),
    );
    ensure!(
        v4.starts_with("10.77.0.") && v6.starts_with("fd00:77::"),
        "one of each family: {own}"
    );
    ensure!(
        text(own, "/status/podIP") == v4 && text(own, "/status/hostIP") != v4,
        "{own}"
    );
    // `generateAPIPodStatus` in kubelet_pods.go: a pod on the host's network has the host's addresses.
    ensure!(
        text(host, "/status/podIP") == text(host, "/status/hostIP")
            && host.pointer("/status/podIPs") == host.pointer("/status/hostIPs"),
        "{host}"
    );
    Ok(())
}

/// Resizes: granted, put off, impossible; the API server asks for one by its subresource, and the kubelet's conditions follow
/// (`handlePodResourcesResize` in kubelet/allocation/allocation_manager.go). The generation that was observed is told throughout.
pub async fn a_pod_is_resized_in_place(scene: Scene) -> Result<()> {
    let mut main = container("main");
    set_field(&mut main, "resources", json!({"requests": {"cpu": "1"}}));
    let (pods, created) = alone(
        &scene,
        pod(&scene, "web", &[], json!({"containers": [main]})),
    )
    .await?;
    until(&pods, "web", "Ready", |pod| is_true(pod, "Ready")).await?;
    let resized = resize(&scene, &pods, &created, "2").await?;
    ensure!(
        number(status(&resized, "main"), "/restartCount") == 0,
        "in place: {resized}"
    );
    let in_progress = |pod: &Value| {
        is_true(pod, "PodResizeInProgress") && cpu(pod, "allocatedResources/cpu") == "2"
    };
    ensure!(
        ever(&pods.now(), uid(&created), in_progress),
        "it was allocated first, and there a while later"
    );

    for (wish, reason, cpu) in [
        ("deferred", "True/Deferred", "3"),
        ("infeasible", "True/Infeasible", "4"),
    ] {
        scenario::merge(
            &scene.client,
            &created,
            None,
            super::support::ask("resize", wish.into()),
        )
        .await?;
        scenario::merge(&scene.client, &created, Some("resize"), asked(cpu)).await?;
        let held = until(&pods, "web", "not granted", |pod| {
            says(pod, "PodResizePending") == reason
        })
        .await?;
        ensure!(
            self::cpu(&held, "resources/requests/cpu") != cpu && is_true(&held, "Ready"),
            "{held}"
        );
        ensure!(observed(&held), "what was observed is told: {held}");
        scenario::merge(
            &scene.client,
            &created,
            None,
            super::support::ask("resize", Value::Null),
        )
        .await?;
        until(&pods, "web", "granted", |pod| {
            self::cpu(pod, "resources/requests/cpu") == cpu
        })
        .await?;
    }
    Ok(())
}

fn asked(cpu: &str) -> Value {
    json!({"spec": {"containers": [{"name": "main", "image": "example.com/main:1", "resources": {"requests": {"cpu": cpu}}}]}})
}

fn cpu<'a>(pod: &'a Value, at: &str) -> &'a str {
    text(status(pod, "main"), &format!("/{at}"))
}

fn observed(pod: &Value) -> bool {
    number(pod, "/status/observedGeneration") == number(pod, "/metadata/generation")
}

async fn resize(scene: &Scene, pods: &View, created: &Value, wanted: &str) -> Result<Value> {
    // A merge patch replaces the list, so the rest of the container is said again as the server has it.
    scenario::merge(&scene.client, created, Some("resize"), asked(wanted)).await?;
    until(pods, "web", "resized", |pod| {
        cpu(pod, "resources/requests/cpu") == wanted
            && says(pod, "PodResizeInProgress") == "/"
            && observed(pod)
    })
    .await
}
