//! From the Stage and PhaseOrder objects of the API server to the plugins that are asked with them and the orders that hold. Takes
//! milliseconds and more: not for the I/O threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stagewright_core::json::At as _;
use stagewright_core::object::Snapshot;

use crate::kwok::{Document, Place, Stages};
use crate::loading::{Live, Renewed};
use crate::orders::{Orders, PhaseOrder};
use crate::plugin::{LoadError, Plugin};

/// The group and version of stages.
pub(super) const API_VERSION: &str = "kwok.x-k8s.io/v1alpha1";
/// Their kind.
pub(super) const KIND: &str = "Stage";

/// What decides of a stage: its name and its spec. All else of the object changes nothing.
pub(super) type Specs = BTreeMap<Arc<str>, Value>;

/// Why a stage is left out, by its name.
pub(super) type Refusals = BTreeMap<Arc<str>, String>;

/// Who decides, and how objects move: what the API server says of it, and the plugins beside the stages' own, by priority.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub stages: Specs,
    pub orders: Specs,
    pub others: Vec<Arc<Plugin>>,
}

/// What lineups are made from beside the objects of the API server.
#[derive(Clone)]
pub(super) struct Origin {
    /// Stages come from the API server.
    pub live: Option<Live>,
    /// The plugins beside the stages' own, by priority, as they are now. None comes, goes or moves: another version of one takes its
    /// place.
    pub others: Renewed,
    /// The orders of files; none: phase orders are not looked for.
    pub orders: Option<Orders>,
}

impl Origin {
    pub(super) fn builder(&self) -> Builder {
        Builder {
            live: self.live.clone(),
            orders: self.orders.clone().unwrap_or_default(),
            staged: None,
            last: None,
        }
    }
}

/// Makes plugins of stages, and orders.
pub(super) struct Builder {
    /// Whether stages come from the API server.
    live: Option<Live>,
    /// The orders of files. Those of the API server come before them.
    orders: Orders,
    /// The last stages that could be loaded. They decide on where others cannot be.
    staged: Option<Staged>,
    /// The stages' plugin as it was configured last, whose code the next one shares.
    last: Option<Arc<Plugin>>,
}

/// Stages, and what they came to. While they are the same, so is the plugin: what it decides on is no question again.
struct Staged {
    specs: Specs,
    /// None without stages.
    plugin: Option<Arc<Plugin>>,
    refused: Refusals,
}

/// What a set of stages comes to.
pub(super) struct Built {
    /// Who is asked, by priority; who is not keeps the place.
    pub places: Vec<Option<Arc<Plugin>>>,
    /// How many stages decide.
    pub stages: usize,
    /// The others.
    pub refused: Refusals,
    /// The orders that hold.
    pub orders: Orders,
    /// The others of the API server's.
    pub refused_orders: Refusals,
    /// Why the stages are those before, if they are not the ones that are wanted.
    pub failed: Option<LoadError>,
}

// === impl Wanted ===

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        self.stages == other.stages && self.is_but_for_stages(other)
    }
}

impl Wanted {
    /// Whether all but the stages is the same.
    pub(super) fn is_but_for_stages(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<Plugin>, &Arc<Plugin>)| Arc::ptr_eq(one, other);
        self.orders == other.orders
            && self.others.len() == other.others.len()
            && self.others.iter().zip(&other.others).all(same)
    }
}

// === impl Builder ===

impl Builder {
    /// Whether building takes longer than an I/O thread may be held up.
    pub(super) fn is_slow(&self) -> bool {
        self.live.is_some()
    }

    /// Configures a plugin with the stages, without those that it cannot take.
    ///
    /// # Errors
    /// If it takes none of them, for a reason that is not one of them, and there are none before.
    pub(super) fn build(&mut self, wanted: &Wanted) -> Result<Built, LoadError> {
        let (orders, refused_orders) = self.order(&wanted.orders);
        let Some(live) = self.live.clone() else {
            return Ok(Built {
                places: wanted.others.iter().cloned().map(Some).collect(),
                stages: 0,
                refused: Refusals::new(),
                orders,
                refused_orders,
                failed: None,
            });
        };
        let (staged, failed) = self.stage(&live, &wanted.stages)?;
        let kinds = documents(&staged.specs.iter().collect::<Vec<_>>()).kinds();
        let asked = |other: &Arc<Plugin>| {
            let yields = live.yields(other, &kinds);
            (!yields).then(|| Arc::clone(other))
        };
        let mut places: Vec<_> = wanted.others.iter().map(asked).collect();
        let place = live.place().min(places.len());
        places.insert(place, staged.plugin.clone());
        Ok(Built {
            places,
            stages: staged.specs.len() - staged.refused.len(),
            refused: staged.refused.clone(),
            orders,
            refused_orders,
            failed,
        })
    }

    /// What the stages come to, or, with the reason, what those before came to.
    fn stage(
        &mut self,
        live: &Live,
        specs: &Specs,
    ) -> Result<(&Staged, Option<LoadError>), LoadError> {
        let mut failed = None;
        let staged = match self.staged.take() {
            Some(staged) if staged.specs == *specs => staged,
            before => match (self.load_staged(live, specs), before) {
                (Ok(staged), _) => staged,
                (Err(error), None) => return Err(error),
                (Err(error), Some(before)) => {
                    failed = Some(error);
                    before
                }
            },
        };
        Ok((self.staged.insert(staged), failed))
    }

    fn load_staged(&mut self, live: &Live, specs: &Specs) -> Result<Staged, LoadError> {
        let mut refused = Refusals::new();
        let plugin = self.load_good(live, specs, &mut refused)?;
        if let Some(plugin) = &plugin {
            refuse_problems(plugin, specs, &mut refused);
            self.last = Some(Arc::clone(plugin));
        }
        Ok(Staged {
            specs: specs.clone(),
            plugin,
            refused,
        })
    }

    fn order(&self, specs: &Specs) -> (Orders, Refusals) {
        let (mut orders, mut refused) = (Orders::default(), Refusals::new());
        for (name, spec) in specs {
            let document = json!({"metadata": {"name": &**name}, "spec": spec});
            let added = PhaseOrder::read(&document).and_then(|order| orders.add(order));
            if let Err(problem) = added {
                refused.insert(Arc::clone(name), problem);
            }
        }
        orders.fill(&self.orders);
        (orders, refused)
    }

    /// All stages, or where that fails those that can be loaded alone: one that costs all the fuel, or traps, must not take the
    /// others along.
    fn load_good(
        &self,
        live: &Live,
        specs: &Specs,
        refused: &mut Refusals,
    ) -> Result<Option<Arc<Plugin>>, LoadError> {
        let all: Vec<_> = specs.iter().collect();
        if let Ok(plugin) = self.load(live, &all) {
            return Ok(plugin);
        }
        let mut good = Vec::new();
        for stage in all {
            match self.load(live, &[stage]) {
                Ok(_) => good.push(stage),
                Err(error) => drop(refused.insert(Arc::clone(stage.0), error.to_string())),
            }
        }
        self.load(live, &good)
    }

    /// None without stages.
    fn load(
        &self,
        live: &Live,
        specs: &[(&Arc<str>, &Value)],
    ) -> Result<Option<Arc<Plugin>>, LoadError> {
        if specs.is_empty() {
            return Ok(None);
        }
        let settings = documents(specs).settings();
        let plugin = live.plugin(&settings, self.last.as_deref())?;
        Ok(Some(Arc::new(plugin)))
    }
}

/// The stages that the plugin itself has left out, with all that is wrong with each.
fn refuse_problems(plugin: &Plugin, specs: &Specs, refused: &mut Refusals) {
    let given: Vec<_> = specs
        .iter()
        .filter(|(name, _)| !refused.contains_key(*name))
        .collect();
    for problem in documents(&given).problems(plugin.description()) {
        let name = problem.stage.as_deref().unwrap_or_default();
        let message = match problem.path.as_str() {
            "" => problem.message,
            path => format!("{path}: {}", problem.message),
        };
        let so_far = refused.entry(name.into()).or_default();
        if !so_far.is_empty() {
            so_far.push_str("; ");
        }
        so_far.push_str(&message);
    }
}

/// What decides of a stage.
pub(super) fn spec(stage: &Snapshot) -> (Arc<str>, Value) {
    let spec = stage.body().at("/spec").cloned().unwrap_or_default();
    (Arc::clone(&stage.key().name), spec)
}

fn documents(specs: &[(&Arc<str>, &Value)]) -> Stages {
    let mut stages = Stages::default();
    for (name, spec) in specs {
        let value = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": &***name}, "spec": spec});
        let file = format!("stage {name}");
        let document = Document {
            place: Place { file, line: 1 },
            text: String::new(),
            value,
        };
        // Names are the API server's to keep apart.
        let _ = stages.add(document);
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{Engine, Limits, Source};

    fn specs(count: usize) -> Specs {
        let spec = |number: usize| {
            let spec = json!({"resourceRef": {"apiGroup": "v1", "kind": "ConfigMap"},
                "selector": {"matchExpressions": [{"key": ".data.phase", "operator": "DoesNotExist"}]},
                "next": {"statusTemplate": "{}"}});
            (format!("stage-{number:04}").into(), spec)
        };
        (0..count).map(spec).collect()
    }

    fn others(engine: &Engine) -> Vec<Arc<Plugin>> {
        let node = Plugin::load(engine, &Source::Stock("node"), &json!({})).unwrap();
        vec![Arc::new(node)]
    }

    /// A builder whose stages have so much fuel, and others to line up with them.
    fn builder(fuel: u64) -> (Builder, Wanted) {
        let engine = Engine::new(Limits {
            configure_fuel: fuel,
            ..Limits::default()
        });
        let engine = engine.unwrap();
        let others = others(&engine);
        let origin = Builder {
            live: Some(Live::of_stock(engine, &["node"])),
            orders: Orders::default(),
            staged: None,
            last: None,
        };
        let wanted = Wanted {
            stages: specs(2),
            orders: Specs::new(),
            others,
        };
        (origin, wanted)
    }

    fn staged(built: &Built) -> &Arc<Plugin> {
        built.places.first().and_then(Option::as_ref).unwrap()
    }

    #[test]
    fn with_the_same_stages_their_plugin_is_the_same() {
        let (mut builder, mut wanted) = builder(Limits::default().configure_fuel);
        let before = builder.build(&wanted).unwrap();
        let engine = Engine::new(Limits::default()).unwrap();
        wanted.others = others(&engine);
        let after = builder.build(&wanted).unwrap();
        assert!(Arc::ptr_eq(staged(&before), staged(&after)));
        assert!(Arc::ptr_eq(
            after.places[1].as_ref().unwrap(),
            &wanted.others[0]
        ));
        wanted.stages = specs(3);
        let other = builder.build(&wanted).unwrap();
        assert!(!Arc::ptr_eq(staged(&before), staged(&other)));
        assert_eq!(other.stages, 3);
    }

    #[test]
    fn where_the_stages_cannot_be_loaded_the_others_go_with_those_before() {
        let (mut builder, mut wanted) = builder(60_000_000);
        let before = builder.build(&wanted).unwrap();
        assert!(before.failed.is_none());
        let engine = Engine::new(Limits::default()).unwrap();
        wanted.stages = specs(400);
        wanted.others = others(&engine);
        let after = builder.build(&wanted).unwrap();
        assert!(after.failed.is_some());
        assert_eq!(after.stages, 2);
        assert!(Arc::ptr_eq(staged(&before), staged(&after)));
        assert!(Arc::ptr_eq(
            after.places[1].as_ref().unwrap(),
            &wanted.others[0]
        ));
    }
}
