//! Any plugin answer whatever, through the guard and the commit, against the real API server: no rank falls, and what the server calls
//! invalid the guard has refused before, but for what only the server can know.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use stagewright::clock::Clock;
use stagewright::commit::{CommitError, CommitOptions, Committed, Committer};
use stagewright::discovery::{Target, discover};
use stagewright_core::claims::{Claims, Selection};
use stagewright_core::guard::{Rules, Verdict, admit, rehearse};
use stagewright_core::interface::Effect;
use stagewright_core::json::Path;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::order::Order;
use stagewright_tests::generated;
use stagewright_tests::scenario::{self, Scene, node};
use stagewright_tests::simulator::dice::Dice;
use stagewright_tests::watcher::RankWatcher;

/// Pods, each with answers of its own seed.
const PODS: u64 = 80;
/// Plays of one pod, of one to three effects each.
const PLAYS: u64 = 15;
/// Pods that are played side by side.
const AT_ONCE: usize = 8;

/// What of the server's validation the guard leaves to it, and why.
const EXCUSED: &[(&str, &str)] = &[
    (
        "status.podIP",
        "whether a text is an address is a field's format, no order",
    ),
    (
        "status.hostIP",
        "whether a text is an address is a field's format, no order",
    ),
    (
        "status.nominatedNodeName",
        "whether a text is a name is a field's format, no order",
    ),
];

fn main() {
    scenario::play(&[stagewright_tests::scenario!(
        whatever_a_plugin_answers_no_rank_falls
    )]);
}

/// What became of the answers, by a word.
type Tally = BTreeMap<String, u64>;

struct World {
    committer: Committer,
    target: Target,
    claims: Claims,
    clock: Clock,
    writes: Vec<Path>,
}

async fn whatever_a_plugin_answers_no_rank_falls(scene: Scene) -> Result<()> {
    let watcher = RankWatcher::start(&scene.client).await?;
    let node = scenario::create(&scene.client, node(&scene.name, &scene.name)).await?;
    let clock = Clock::new();
    let mut claims = Claims::new(Selection::All, "stagewright-test".to_owned(), false);
    claims.observe_node(&Snapshot::parse(&Kind::new("v1", "Node"), node)?);
    let world = &World {
        committer: Committer::new(
            scene.client.clone(),
            clock.clone(),
            CommitOptions::default(),
        ),
        target: discover(&scene.client, &Kind::new("v1", "Pod"))
            .await?
            .context("no pods")?,
        claims,
        clock,
        writes: vec![Path::parse("")?],
    };
    let tallies: Vec<Tally> = stream::iter(0..PODS)
        .map(|seed| world.live(&scene, seed))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut tally = Tally::new();
    for (word, count) in tallies.into_iter().flatten() {
        *tally.entry(word).or_default() += count;
    }
    println!("{tally:?}");
    let report = watcher.stop().await?;
    // kube-controller-manager takes back a DisruptionTarget to which no end has come.
    let condition = "/status/conditions/DisruptionTarget";
    let backward = report.backward_but("kube-controller-manager", "Pod", condition);
    ensure!(backward.is_empty(), "{backward:#?}");
    let of = |word: &str| tally.get(word).copied().unwrap_or_default();
    ensure!(of("answers") >= 1_000, "too few answers: {tally:?}");
    ensure!(
        of("written") >= 200 && of("refused Backward") >= 100,
        "the answers are too good, or too bad: {tally:?}"
    );
    Ok(())
}

// === impl World ===

impl World {
    /// One pod, play after play, as the host does it: rehearsed whole, then effect after effect on what the server answered.
    async fn live(&self, scene: &Scene, seed: u64) -> Result<Tally> {
        let mut dice = Dice::new(seed);
        let mut tally = Tally::new();
        let name = format!("pod-{seed}");
        let pod = generated::pod(&mut dice, &scene.name, &name, &scene.name);
        let pod = scenario::create(&scene.client, pod).await?;
        let key = Snapshot::parse(&self.target.kind, pod)?.key().clone();
        for _ in 0..PLAYS {
            let Some(subject) = self.committer.read(&self.target, &key).await? else {
                return Ok(tally);
            };
            let play = generated::play(&mut dice, subject.body());
            let mut count = |word: String, times| *tally.entry(word).or_default() += times;
            count("answers".to_owned(), play.len() as u64);
            match rehearse(&subject, &play, &self.rules()) {
                Err(violation) => count(format!("refused {}", violation.category()), 1),
                Ok(rehearsal) if !rehearsal.changes => count("unchanged".to_owned(), 1),
                Ok(_) => {
                    let written = self
                        .carry_out(subject, &play)
                        .await
                        .with_context(|| format!("seed {seed}: {play:?}"))?;
                    written.into_iter().for_each(|word| count(word, 1));
                }
            }
        }
        Ok(tally)
    }

    async fn carry_out(&self, mut subject: Snapshot, play: &[Effect]) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for effect in play {
            let claim = self.claims.claim(&subject)?;
            let admitted = match admit(&claim, &subject, effect, &self.rules()) {
                Err(violation) => {
                    // The server made something else of the effect before.
                    words.push(format!("refused {}", violation.category()));
                    return Ok(words);
                }
                Ok(Verdict::Unchanged { .. }) => continue,
                Ok(Verdict::Write(admitted)) => admitted,
            };
            let action = format!("{:?}", admitted.action());
            match self.committer.commit(&self.target, admitted).await {
                Ok(Committed::Object(stored, _)) => {
                    words.push("written".to_owned());
                    subject = stored;
                }
                Ok(Committed::Deleted) => words.push("deleted".to_owned()),
                Err(CommitError::Gone | CommitError::Stale { .. }) => return Ok(words),
                Err(CommitError::Refused {
                    code: 422, message, ..
                }) if is_excused(&message) => {
                    words.push("excused".to_owned());
                    return Ok(words);
                }
                Err(error) => bail!("not foreseen: {error}\n{}\n{action}", subject.body()),
            }
        }
        Ok(words)
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            plugin: "any",
            order: &Order::Pod,
            surface: &self.target.surface,
            writes: &self.writes,
            applies: &[],
            impersonation: false,
            now: self.clock.now(),
        }
    }
}

/// Whether the server's reason names a field that is excused.
fn is_excused(message: &str) -> bool {
    EXCUSED.iter().any(|(field, _)| message.contains(field))
}
