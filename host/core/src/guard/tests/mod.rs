//! What is refused, what is written, and what comes back.

mod effects;
mod kwok;
mod laws;
mod model;
mod others;
mod reach;
mod sent;

use serde_json::{Value, json};

use super::{Action, Admitted, Rules, Surface, Verdict, Violation, WireForm, admit};
use crate::claims::{Claim, Claims, Selection};
use crate::description::Applies;
use crate::interface::{Effect, Form, PatchEffect};
use crate::json::Path;
use crate::object::{Kind, Snapshot};
use crate::order::Order;
use crate::time::Time;

pub(super) const NOW: &str = "2026-03-01T12:00:00Z";

/// One kind, and what a plugin may do to it.
pub(super) struct Bench {
    pub kind: Kind,
    pub order: Order,
    pub surface: Surface,
    pub writes: Vec<Path>,
    pub applies: Vec<Applies>,
    pub impersonation: bool,
}

impl Bench {
    /// Of a kind whose order and surface the host knows; everything may be written.
    pub(super) fn built_in(kind: &str) -> Self {
        let kind = Kind::parse(kind).unwrap();
        let order = Order::built_in(&kind).unwrap_or(Order::Any);
        let surface = Surface::built_in(&kind).unwrap();
        Self {
            kind,
            order,
            surface,
            writes: vec![Path::parse("").unwrap()],
            applies: Vec::new(),
            impersonation: false,
        }
    }

    pub(super) fn custom(order: Order, has_status: bool, has_scale: bool) -> Self {
        let surface = Surface::custom(has_status, has_scale);
        Self {
            kind: Kind::new("example.com/v1", "Trainer"),
            order,
            surface,
            ..Self::built_in("v1/Pod")
        }
    }

    pub(super) fn writes(self, paths: &[&str]) -> Self {
        Self {
            writes: paths
                .iter()
                .map(|path| Path::parse(path).unwrap())
                .collect(),
            ..self
        }
    }

    pub(super) fn applies(self, kind: &str, adopt: bool) -> Self {
        Self {
            applies: vec![Applies {
                kind: Kind::parse(kind).unwrap(),
                adopt,
            }],
            ..self
        }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            plugin: "gang",
            order: &self.order,
            surface: &self.surface,
            writes: &self.writes,
            applies: &self.applies,
            impersonation: self.impersonation,
            now: Time::parse(NOW).unwrap(),
        }
    }

    pub(super) fn snapshot(&self, body: &Value) -> Snapshot {
        Snapshot::parse(&self.kind, body.clone()).unwrap()
    }

    pub(super) fn admit(&self, body: &Value, effect: &Effect) -> Result<Verdict, Violation> {
        let subject = self.snapshot(body);
        admit(&claim(&subject), &subject, effect, &self.rules())
    }

    /// The category of the violation, `unchanged` or `write`, each with the mends.
    pub(super) fn outcome(&self, body: &Value, effect: &Effect) -> String {
        let (word, mended) = match self.admit(body, effect) {
            Err(violation) => return violation.category().to_owned(),
            Ok(Verdict::Unchanged { mended }) => ("unchanged", mended),
            Ok(Verdict::Write(admitted)) => ("write", admitted.mended().to_vec()),
        };
        let rules = mended.iter().map(|mend| mend.rule);
        std::iter::once(word)
            .chain(rules)
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn write(&self, body: &Value, effect: &Effect) -> Admitted {
        match self.admit(body, effect) {
            Ok(Verdict::Write(admitted)) => admitted,
            other => panic!("{other:?}"),
        }
    }
}

/// With every node ours.
pub(super) fn claim(subject: &Snapshot) -> Claim {
    let mut claims = Claims::new(Selection::All, "stagewright-a".to_owned(), false);
    for name in ["n", subject.key().name.as_ref()] {
        let node = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}});
        claims.observe_node(&Snapshot::parse(&Kind::new("v1", "Node"), node).unwrap());
    }
    claims.claim(subject).unwrap()
}

pub(super) fn patch(form: Form, subresource: Option<&str>, body: Value) -> Effect {
    Effect::Patch(PatchEffect {
        form,
        subresource: subresource.map(str::to_owned),
        body,
        as_user: None,
    })
}

pub(super) fn status(status: Value) -> Effect {
    patch(Form::Merge, Some("status"), json!({"status": status}))
}

/// An object with those spec and status.
pub(super) fn object(spec: Value, status: Value) -> Value {
    json!({
        "metadata": {"name": "o", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 1},
        "spec": spec,
        "status": status,
    })
}

pub(super) fn pod(status: Value) -> Value {
    object(
        json!({"nodeName": "n", "restartPolicy": "Always", "containers": [{"name": "web"}]}),
        status,
    )
}

/// What a server stores of a write to that version: the preconditions hold, the patch is applied, the version is new.
pub(super) fn stored(before: &Snapshot, action: &Action) -> Value {
    let Action::Patch { form, body, .. } = action else {
        panic!("{action:?}")
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    let form = match form {
        WireForm::Merge => {
            assert_eq!(body["metadata"]["uid"], before.uid().as_str());
            assert_eq!(
                body["metadata"]["resourceVersion"],
                before.version().to_string()
            );
            Form::Merge
        }
        WireForm::Json => {
            assert_eq!(body[0]["path"], "/metadata/resourceVersion");
            assert_eq!(body[1]["path"], "/metadata/uid");
            Form::Json
        }
    };
    let mut after =
        crate::json::apply(form, &before.key().kind, before.body(), &body, None).unwrap();
    after["metadata"]["resourceVersion"] = json!("8");
    after
}
