//! One stage, one pod or one refusal that stops everything, and what a stage may read.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{
    Known, SOON, Scene, create, create_when_served, delete, is_true, merge, pod, set, text,
};

use super::contest::{Contest, Ours, SIDES, Theirs, has_address, is_running};

/// A stage of pods that changes nothing that matters, with a selector and more.
fn stage(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {{name: {name}}}\nspec:\n  \
         resourceRef: {{apiGroup: v1, kind: Pod}}\n{rest}"
    )
}

fn selecting(name: &str, expression: &str) -> String {
    let selector = format!("  selector:\n    matchExpressions:\n    - {expression}\n");
    let steps = "  steps:\n  - patch: {root: metadata, template: 'labels: {seen: x}'}\n";
    stage(name, &format!("{selector}{steps}"))
}

/// A bracket is missing. Nothing tells when the stage is written; the process ends once it meets a second stage.
pub async fn one_bad_stage_stops_all(scene: Scene) -> Result<()> {
    let bad = selecting("bad", "jq: {key: '.status.conditions[', operator: Exists}");
    let contest = Contest::ready(&scene, &["fast"], &bad).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    contest.only_ours_run(5).await?;
    let log = contest.host.log();
    ensure!(
        log.contains("stage bad") && log.contains("left out"),
        "the host does not name the stage:\n{log}"
    );
    println!(
        "kwok is {}",
        if contest.kwok.is_alive() {
            "alive"
        } else {
            "dead"
        }
    );
    Ok(())
}

/// A label that most pods do not have.
pub async fn an_expression_that_fails_stops_all(scene: Scene) -> Result<()> {
    let failing = selecting(
        "failing",
        "cel: {expression: \"self.metadata.labels['tier'] == 'gold'\"}",
    );
    let contest = Contest::ready(&scene, &["fast"], &failing).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    contest.only_ours_run(5).await
}

/// No limit of time, and one thread for all pods.
pub async fn an_expression_without_an_end_stops_all(scene: Scene) -> Result<()> {
    let endless = selecting(
        "endless",
        "jq: {key: 'last(range(1e12))', operator: DoesNotExist}",
    );
    let contest = Contest::ready(&scene, &["fast"], &endless).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    contest.only_ours_run(5).await
}

/// Whoever may create a pod can do it.
pub async fn an_annotation_of_a_pod_ends_the_controller(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &["general", "chaos"], "").await?;
    contest
        .create(1, |side, number| {
            let mut pod = contest.slow_pod(side, number, &[("pod-create", 0), ("pod-ready", 0)]);
            let chaos = "pod-init-container-running-failed.stage.kwok.x-k8s.io";
            set(&mut pod, "metadata", "labels", json!({chaos: "true"}));
            if let Some(annotations) = pod
                .pointer_mut("/metadata/annotations")
                .and_then(Value::as_object_mut)
            {
                annotations.insert(format!("{chaos}/weight"), "-5".into());
            }
            pod
        })
        .await?;
    contest
        .until("our pod Running", Ours, 1, is_running)
        .await?;
    contest
        .create(5, |side, number| {
            contest.slow_pod(side, number + 1, &[("pod-create", 0), ("pod-ready", 0)])
        })
        .await?;
    contest
        .until("our pods Running", Ours, 6, is_running)
        .await?;
    let stuck = |known: &Known| Theirs.count(known, has_address) == 0;
    contest.holds("KWOK's pods are stuck", 2, stuck).await?;
    ensure!(!contest.kwok.is_alive(), "kwok v0.8.0 is alive");
    ensure!(
        contest.kwok.log().contains("panic"),
        "{}",
        contest.kwok.log()
    );
    Ok(())
}

/// A delay until a time, in the way in which CEL tells times.
pub async fn a_delay_that_cannot_be_reckoned_is_none(scene: Scene) -> Result<()> {
    let late = stage(
        "late",
        "  selector: {}\n  delay:\n    durationFrom:\n      cel: {expression: \"timestamp('2099-01-01T00:00:00Z')\"}\n  \
         steps:\n  - patch: {subresource: status, root: status, template: 'phase: Running'}\n",
    );
    let contest = Contest::ready(&scene, &[], &late).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    contest
        .until("KWOK's pods Running", Theirs, 5, is_running)
        .await?;
    let waiting = |known: &Known| Ours.count(known, is_running) == 0;
    contest.holds("ours wait until 2099", 3, waiting).await?;
    let explained = contest
        .host
        .explain_text("pod", Some(&scene.name), "ours-0")
        .await?;
    ensure!(explained.contains("2099"), "{explained}");
    Ok(())
}

/// An admission policy that refuses, and is taken away.
pub async fn a_write_that_is_refused_once_is_lost(scene: Scene) -> Result<()> {
    let contest = Contest::ready(&scene, &["fast"], "").await?;
    let client = &scene.client;
    let name = format!("no-status-in-{}", scene.name);
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods/status"]});
    create(client, json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "not now"}]}})).await?;
    let of_scene = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.name}});
    let binding = create(client, json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": of_scene}}})).await?;
    until_refused(&scene).await?;
    contest
        .create(5, |side, number| contest.pod(side, number))
        .await?;
    // Both have tried.
    let refused = |log: &str| log.contains("not now");
    contest.host.until_log("a refusal", SOON, refused).await?;
    contest
        .holds("nobody's pods are Running", 1, |known| {
            known.count(is_running) == 0
        })
        .await?;
    ensure!(refused(&contest.kwok.log()), "kwok was not refused");
    delete(client, &binding, None).await?;
    contest.only_ours_run(5).await
}

/// A policy is in force a moment after it is created.
async fn until_refused(scene: &Scene) -> Result<()> {
    let probe = create_when_served(&scene.client, pod(&scene.name, "probe", "nobodys")).await?;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    let refused = async {
        for round in 0_u64.. {
            ticks.tick().await;
            let patch = json!({"status": {"message": round.to_string()}});
            if merge(&scene.client, &probe, Some("status"), patch)
                .await
                .is_err()
            {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, refused).await?;
    delete(&scene.client, &probe, Some(0)).await
}

/// With leases, a node is looked at when it is created, and never again.
pub async fn a_node_annotated_later_is_never_taken(scene: Scene) -> Result<()> {
    let flag = "--manage-nodes-with-annotation-selector";
    let contest = Contest::start(
        &scene,
        &["fast"],
        "",
        flag,
        &["--node-lease-duration-seconds=40"],
    )
    .await?;
    let group = |node: &Value| json!({"group": text(node, "/metadata/labels/group")});
    // Who is not there yet when a node is annotated finds it so in its first list.
    let mut firsts = Vec::new();
    for side in SIDES {
        let mut first = contest.node(side);
        let name = format!("{}-first", text(&first, "/metadata/name"));
        let annotations = group(&first);
        set(&mut first, "metadata", "name", json!(name));
        set(&mut first, "metadata", "annotations", annotations);
        create(&scene.client, first).await?;
        firsts.push(name);
    }
    let is_ready =
        |known: &Known, name: &String| known.get(name).is_some_and(|node| is_true(node, "Ready"));
    let ready = |known: &Known| firsts.iter().all(|name| is_ready(known, name));
    contest
        .nodes
        .until("nodes with annotations Ready", SOON, ready)
        .await?;
    for side in SIDES {
        let mut node = contest.node(side);
        let annotations = group(&node);
        set(&mut node, "metadata", "labels", json!({}));
        let node = create(&scene.client, node).await?;
        let patch = json!({"metadata": {"annotations": annotations}});
        merge(&scene.client, &node, None, patch).await?;
    }
    let name = text(&contest.node(Ours), "/metadata/name").to_owned();
    let ready = |known: &Known| is_ready(known, &name);
    contest.nodes.until("our node Ready", SOON, ready).await?;
    contest
        .create(2, |side, number| contest.pod(side, number))
        .await?;
    contest.only_ours_run(2).await?;
    ensure!(!contest.is_ready(Theirs), "kwok v0.8.0 took the node");
    Ok(())
}

/// Whoever may write a stage reads what the process was given.
pub async fn a_stage_reads_the_controllers_environment(scene: Scene) -> Result<()> {
    let curious = stage(
        "curious",
        "  selector: {matchLabels: {curious: 'true'}}\n  steps:\n  - patch:\n      root: metadata\n      template: |\n        \
         annotations: {home: {{ env \"HOME\" | quote }}}\n",
    );
    let contest = Contest::ready(&scene, &["fast"], &curious).await?;
    contest
        .create(3, |side, number| {
            let mut pod = contest.pod(side, number);
            set(&mut pod, "metadata", "labels", json!({"curious": "true"}));
            pod
        })
        .await?;
    let told = |pod: &Value| text(pod, "/metadata/annotations/home").starts_with('/');
    contest
        .until("KWOK told its environment", Theirs, 3, told)
        .await?;
    contest
        .until("our pods Running", Ours, 3, is_running)
        .await?;
    let silent = |known: &Known| {
        Ours.count(known, |pod| {
            pod["metadata"]["annotations"].get("home").is_some()
        }) == 0
    };
    contest.holds("we do not", 1, silent).await
}
