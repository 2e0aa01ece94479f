//! `stagewright stage` and `run --config` as a user meets them: what is printed, what is refused and where, and with which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

mod config;
mod order;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stagewright_tests::programs;

const GOOD: &str = "\
# Kept as it is.
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: ready
spec:
  resourceRef: {apiGroup: example.com/v1, kind: Widget}
  selector:
    matchExpressions:
    - jq: {key: .status.phase, operator: DoesNotExist}
  delay: {durationMilliseconds: 1000}
  steps:
  - event: {type: Normal, reason: Made, message: made}
  - patch:
      subresource: status
      root: status
      template: |
        phase: Active
        at: {{ Now | Quote }}
";

const OLD: &str = "\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: done
spec:
  resourceRef:
    apiGroup: example.com/v1
    kind: Widget
  selector:
    matchExpressions:
    - key: .status.phase
      operator: In
      values: [Active]
  next:
    statusTemplate: |
      phase: Done
";

/// It has a jq expression that is not closed.
const BAD: &str = "\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: broken}
spec:
  resourceRef: {apiGroup: example.com/v1, kind: Widget}
  selector:
    matchExpressions:
    - jq: {key: '.a[', operator: Exists}
";

const WIDGET: &str = "\
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: d}
";

struct Folder(tempfile::TempDir);

struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        for (name, text) in files {
            let path = folder.0.path().join(name);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, text)?;
        }
        Ok(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn stage(&self, arguments: &[&str]) -> Result<Outcome> {
        run(self.0.path(), &[&["stage"], arguments].concat())
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Outcome> {
    let output = Command::new(programs::stagewright()?)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()?;
    Ok(Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

impl Outcome {
    #[track_caller]
    fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            let said = self.out.contains(part) || self.err.contains(part);
            assert!(said, "{part:?} is not in\n{}\n{}", self.out, self.err);
        }
        self
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| self.out.clone())
    }
}

#[test]
fn one_object_is_reported_as_kwok_does() -> Result<()> {
    let folder = Folder::new(&[
        ("s/good.yaml", GOOD),
        ("s/old.yaml", OLD),
        ("w.yaml", WIDGET),
    ])?;
    let printed = folder.stage(&["test", "w.yaml", "s"])?;
    printed.ends(0);
    assert_eq!(
        printed.out,
        "apiGroup: example.com/v1\nkind: Widget\nname: w\nnamespace: d\nstages:\n- delay:\n  - 1000000000\n  next:\n  - kind: event\n    \
         message: made\n    reason: Made\n    type: Normal\n  - data:\n      status:\n        at: <Now>\n        phase: Active\n    kind: patch\n    \
         subresource: status\n    type: application/merge-patch+json\n  stage: ready\n  weight: 0\n"
    );
    let json = folder
        .stage(&["test", "w.yaml", "s", "-o", "json"])?
        .json()?;
    assert_eq!(json["stages"][0]["stage"], "ready");
    folder
        .stage(&["test", "w.yaml"])?
        .ends(64)
        .says(&["STAGE_DIR", "w.yaml"]);
    folder
        .stage(&["test", "none.yaml", "s"])?
        .ends(1)
        .says(&["none.yaml", "cannot be read"]);
    Ok(())
}

#[test]
fn cases_below_a_folder_pass_fail_and_are_updated() -> Result<()> {
    let folder = Folder::new(&[
        ("a/good.yaml", GOOD),
        ("a/testdata/w.input.yaml", WIDGET),
        ("b/old.yaml", OLD),
        ("b/v.input.yaml", WIDGET),
    ])?;
    folder.stage(&["test", "."])?.ends(1).says(&[
        "FAIL",
        "w.output.yaml",
        "--update",
        "2 cases, 2 failed",
    ]);
    folder.stage(&["test", ".", "--update"])?.ends(0);
    folder
        .stage(&["test", "."])?
        .ends(0)
        .says(&["2 cases, 0 failed"]);
    std::fs::write(folder.path("a/good.yaml"), GOOD.replace("Active", "Idle"))?;
    folder.stage(&["test", "."])?.ends(1).says(&[
        "w.output.yaml: differs",
        "-         phase: Active",
        "+         phase: Idle",
        "2 cases, 1 failed",
    ]);
    let json = folder.stage(&["test", ".", "-o", "json"])?.ends(1).json()?;
    assert_eq!(
        (&json[0]["passed"], &json[1]["passed"]),
        (&false.into(), &true.into())
    );
    // A case must not pass because a stage of its folder was left out.
    std::fs::write(folder.path("b/bad.yaml"), BAD)?;
    folder
        .stage(&["test", "b"])?
        .ends(1)
        .says(&["bad.yaml:1: stage broken: /spec/selector/matchExpressions/0/jq/key"]);
    folder
        .stage(&["test", "a/testdata/..", "s"])?
        .ends(64)
        .says(&["STAGE_DIR"]);
    Folder::new(&[])?
        .stage(&["test", "."])?
        .ends(1)
        .says(&["no *.input.yaml"]);
    Ok(())
}

#[test]
fn lint_names_file_stage_and_place() -> Result<()> {
    let misspelt = GOOD.replace("  delay:", "  immediateNextstage: true\n  delay:");
    let folder = Folder::new(&[
        ("good.yaml", GOOD),
        ("all.yaml", &format!("{misspelt}---\n{BAD}---\na: [\n")),
    ])?;
    folder
        .stage(&["lint", "good.yaml"])?
        .ends(0)
        .says(&["1 stages: 0 errors, 0 warnings"]);
    folder.stage(&["lint", "all.yaml"])?.ends(1).says(&[
        "all.yaml:1: warning: stage ready: /spec/immediateNextstage: unknown key",
        "\"immediateNextStage\" meant?",
        "error: stage broken: /spec/selector/matchExpressions/0/jq/key: jq: ",
        "2 stages: 2 errors, 1 warnings",
    ]);
    std::fs::write(folder.path("all.yaml"), &misspelt)?;
    folder.stage(&["lint", "all.yaml"])?.ends(0);
    folder.stage(&["lint", "all.yaml", "--strict"])?.ends(1);
    folder
        .stage(&["lint", "all.yaml", "good.yaml"])?
        .ends(0)
        .says(&[
            "good.yaml:1: warning: stage ready: /metadata/name",
            "at all.yaml:1 too",
        ]);
    let json = folder.stage(&["lint", "all.yaml", "-o", "json"])?.json()?;
    assert_eq!(json["findings"][0]["path"], "/spec/immediateNextstage");
    folder
        .stage(&["lint", "nowhere"])?
        .ends(1)
        .says(&["nowhere", "cannot be read"]);
    Ok(())
}

#[test]
fn convert_rewrites_what_is_old_and_keeps_the_rest() -> Result<()> {
    let folder = Folder::new(&[("s.yaml", &format!("{GOOD}---\n{OLD}"))])?;
    let converted = folder.stage(&["convert", "s.yaml"])?;
    converted.ends(0).says(&["# Kept as it is.", "steps:"]);
    ensure!(
        !converted.out.contains("statusTemplate"),
        "{}",
        converted.out
    );
    // What was converted is in order, and means the same.
    std::fs::write(folder.path("new.yaml"), &converted.out)?;
    folder
        .stage(&["lint", "new.yaml"])?
        .ends(0)
        .says(&["2 stages: 0 errors, 0 warnings"]);
    assert_eq!(folder.stage(&["convert", "new.yaml"])?.out, converted.out);
    let object = format!("{WIDGET}status: {{phase: Active}}\n");
    let folder = Folder::new(&[
        ("old/s.yaml", OLD),
        ("new/s.yaml", &converted.out),
        ("w.yaml", &object),
    ])?;
    let reports = ["old", "new"].map(|stages| folder.stage(&["test", "w.yaml", stages]).unwrap());
    reports[0].ends(0).says(&["stage: done"]);
    assert_eq!(reports[0].out, reports[1].out);
    Ok(())
}

#[test]
fn a_life_is_walked_to_its_end() -> Result<()> {
    let folder = Folder::new(&[
        ("s.yaml", &format!("{GOOD}---\n{OLD}---\n{BAD}")),
        ("w.yaml", WIDGET),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n",
        ),
    ])?;
    let life = folder.stage(&["simulate", "-f", "w.yaml", "-c", "s.yaml"])?;
    life.ends(0).says(&[
        "AFTER  STAGE  STATE   WRITES",
        "1s     ready  Active  patch status (at, phase); Event Normal Made: made",
        "1s     done   Done    patch status (phase)",
        "Nothing more happens: no stage matches",
        "warning: left out: s.yaml:",
        "stage broken: /spec/selector",
    ]);
    folder
        .stage(&["simulate", "-f", "w.yaml", "-c", "s.yaml", "-o", "mermaid"])?
        .ends(0)
        .says(&["stateDiagram-v2", "s0 --> s1: ready +1s"]);
    // Without stages the stock plugins decide.
    folder
        .stage(&["simulate", "-f", "pod.yaml", "--delete"])?
        .ends(0)
        .says(&[
            "ready",
            "Running",
            "(deletion requested)",
            "The object is gone.",
        ]);
    let backward = OLD
        .replace("example.com/v1", "v1")
        .replace("Widget", "Pod")
        .replace("Active", "Running")
        .replace("Done", "Pending");
    std::fs::write(folder.path("back.yaml"), backward)?;
    std::fs::write(
        folder.path("running.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: {phase: Running}\n",
    )?;
    folder
        .stage(&["simulate", "-f", "running.yaml", "-c", "back.yaml"])?
        .ends(1)
        .says(&["Refused by the guard: stage done"]);
    folder
        .stage(&["simulate", "-f", "s.yaml"])?
        .ends(1)
        .says(&["s.yaml", "3 objects; write one"]);
    Ok(())
}
