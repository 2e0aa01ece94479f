//! The life of a Trainer: Queued → Provisioning → Active → Retired. A new generation of its spec begins again at Queued, unless
//! it is retired. It waits for the Dataset that it names: to be ready, before it is provisioned; to be exhausted, before it retires.
//!
//! A trainer with `spec.rebel: true` tries to go back from Active to Queued, which its order forbids.

use stagewright_plugin::{
    Answer, Context, Description, Effect, Object, Order, Patch, Plugin, Relation, Settings,
    Subject, Value, json,
};

struct Trainer;

const PHASES: [&str; 4] = ["Queued", "Provisioning", "Active", "Retired"];

impl Plugin for Trainer {
    fn configure(_: &Settings) -> Result<(Self, Description), String> {
        let order = Order::by("/status/phase")
            .initial("Queued")
            .epochs(["/status/observedGeneration"])
            .phase("Queued", ["Provisioning"])
            .phase("Provisioning", ["Active"])
            .phase("Active", ["Retired"])
            .phase("Retired", []);
        let dataset = Relation::by_name("dataset", "example.com/v1/Dataset", "/spec/dataset")
            .reads(["/status"]);
        let trainer = Subject::new("example.com/v1/Trainer")
            .reads(["/metadata/generation", "/spec", "/status"])
            .writes(["/status"])
            .relation(dataset)
            .order(order);
        let stages = ["queue", "provision", "activate", "retire", "rebel"];
        Ok((
            Self,
            Description::new("trainer", "1.0.0")
                .stages(stages)
                .subject(trainer),
        ))
    }

    fn decide(&self, trainer: &Object, ctx: &Context) -> Result<Answer, String> {
        let stage = |stage: &str| Ok(Answer::stage(stage, ctx.changed));
        if observed(trainer) < generation(trainer) {
            return stage("queue");
        }
        let name = trainer.text_at("/spec/dataset").unwrap_or("(none)");
        let dataset = ctx.related("dataset")?.into_iter().next();
        let is = |flag: &str| {
            let status = dataset
                .as_ref()
                .and_then(|dataset| dataset.object.get("status"));
            status
                .and_then(|status| status.get(flag))
                .and_then(Value::as_bool)
                == Some(true)
        };
        match trainer.text_at("/status/phase") {
            Some("Queued") if is("ready") => stage("provision"),
            Some("Queued") => Ok(Answer::idle(format!(
                "waits for dataset {name} to be ready"
            ))),
            Some("Provisioning") => stage("activate"),
            Some("Active") if is_rebel(trainer) => stage("rebel"),
            Some("Active") if is("exhausted") => stage("retire"),
            Some("Active") => Ok(Answer::idle(format!(
                "trains until dataset {name} is exhausted"
            ))),
            Some("Retired") => Ok(Answer::idle("retired, until its spec changes")),
            phase => Ok(Answer::invalid(format!(
                "status.phase is {phase:?}; it may be one of {PHASES:?}"
            ))),
        }
    }

    fn play(&self, stage: &str, trainer: &Object, _: &Context) -> Result<Vec<Effect>, String> {
        let phase = match stage {
            "provision" => "Provisioning",
            "activate" => "Active",
            "retire" => "Retired",
            _ => "Queued",
        };
        let observed = if stage == "queue" {
            generation(trainer)
        } else {
            observed(trainer)
        };
        Ok(vec![
            Patch::status(json!({"phase": phase, "observedGeneration": observed})).into(),
        ])
    }
}

stagewright_plugin::export!(Trainer);

fn number(trainer: &Object, pointer: &str) -> u64 {
    trainer
        .at(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

fn generation(trainer: &Object) -> u64 {
    number(trainer, "/metadata/generation")
}

fn observed(trainer: &Object) -> u64 {
    number(trainer, "/status/observedGeneration")
}

fn is_rebel(trainer: &Object) -> bool {
    trainer.at("/spec/rebel").and_then(Value::as_bool) == Some(true)
}
