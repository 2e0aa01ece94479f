//! `stagewright stage lint` on where stages take objects, and `--order`.

use anyhow::Result;

use super::{Folder, GOOD, OLD};

fn stage(name: &str, kind: &str, condition: &str, to: &str) -> String {
    let (group, kind) = kind.rsplit_once('/').unwrap();
    format!(
        "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {{name: {name}}}\nspec:\n  \
         resourceRef: {{apiGroup: {group}, kind: {kind}}}\n  selector:\n    matchExpressions:\n    \
         - {{key: .metadata.name, operator: Exists}}\n{condition}  next: {{statusTemplate: 'phase: {to}'}}\n"
    )
}

fn selects(phases: &str) -> String {
    format!("    - {{key: .status.phase, operator: In, values: [{phases}]}}\n")
}

#[test]
fn lint_names_what_the_order_refuses_and_the_smallest_change() -> Result<()> {
    let order = "---\napiVersion: stagewright.dev/v1alpha1\nkind: PhaseOrder\nmetadata: {name: widget}\nspec:\n  \
         kind: example.com/v1/Widget\n  path: /status/phase\n  phases: {Active: [Done], Done: []}\n";
    let pods = [
        stage("back", "v1/Pod", &selects("Pending, Running"), "Pending"),
        stage("never", "v1/Pod", &selects("Succeeded"), "Running"),
        stage("any", "v1/Pod", "", "Running"),
        stage("good", "v1/Pod", &selects("Pending"), "Running"),
        stage(
            "but",
            "v1/Pod",
            "    - {key: .status.phase, operator: NotIn, values: [Succeeded]}\n",
            "Running",
        ),
        stage(
            "asked",
            "v1/Pod",
            "    - {cel: {expression: 'self.status.phase != \"Failed\"'}}\n",
            "Running",
        ),
    ];
    let widget = stage(
        "undone",
        "example.com/v1/Widget",
        &selects("Done"),
        "Active",
    );
    let folder = Folder::new(&[
        ("pods.yaml", &pods.concat()),
        ("widget.yaml", &widget),
        ("order.yaml", order),
    ])?;
    folder.stage(&["lint", "pods.yaml"])?.ends(0).says(&[
        "stage back: /spec/selector/matchExpressions/1: the order of v1/Pod refuses Running -> Pending; take Running out of the values",
        "stage never: /spec/selector/matchExpressions/1: the order of v1/Pod refuses Succeeded -> Running; no phase that it selects may go there",
        "stage any: /spec/selector: the order of v1/Pod refuses Succeeded -> Running, Failed -> Running; it selects whatever phase",
        "values [\"Pending\",\"Running\"]",
        "stage but: /spec/selector/matchExpressions/1: the order of v1/Pod refuses Failed -> Running; add Failed to the values",
        "6 stages: 0 errors,",
    ]);
    let shown = folder.stage(&["lint", "--order", "pods.yaml"])?;
    shown.says(&[
        "asked  ? -> Running",
        "when played",
        "good   Pending -> Running",
    ]);
    let silent = folder.stage(&["lint", "widget.yaml"])?;
    assert!(!silent.out.contains("refuses"), "{}", silent.out);
    folder
        .stage(&["lint", "widget.yaml", "order.yaml"])?
        .ends(0)
        .says(&["the order of example.com/v1/Widget refuses Done -> Active"]);
    Ok(())
}

/// What it prints is an order that a run takes.
#[test]
fn an_order_is_derived_and_says_what_is_equal_in_it() -> Result<()> {
    let back = stage("back", "example.com/v1/Widget", &selects("Done"), "Active");
    let folder = Folder::new(&[
        ("w.yaml", &format!("{GOOD}---\n{OLD}")),
        ("back.yaml", &back),
    ])?;
    let derived = folder.stage(&["lint", "--order", "w.yaml"])?;
    derived.ends(0).says(&[
        "# example.com/v1/Widget  ready  none -> Active  no order",
        "kind: PhaseOrder",
    ]);
    assert!(
        !derived.out.contains("lead to each other"),
        "{}",
        derived.out
    );
    std::fs::write(folder.0.path().join("order.yaml"), &derived.out)?;
    folder
        .stage(&["lint", "--order", "w.yaml", "order.yaml"])?
        .ends(0)
        .says(&["done   Active -> Done  forward"]);
    folder
        .stage(&["lint", "back.yaml", "order.yaml"])?
        .says(&["refuses Done -> Active"]);
    folder
        .stage(&["lint", "--order", "w.yaml", "back.yaml"])?
        .ends(0)
        .says(&["# Active, Done lead to each other, so nothing is backward among them"]);
    let json = folder
        .stage(&["lint", "--order", "w.yaml", "-o", "json"])?
        .json()?;
    assert_eq!(json[0]["spec"]["phases"]["Active"][0], "Done");
    Ok(())
}
