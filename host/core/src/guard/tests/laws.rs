//! Whatever a plugin wants: what is admitted never lowers a rank.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Bench, patch, stored};
use crate::guard::{Surface, Verdict};
use crate::interface::{Effect, Form};
use crate::json::equal;
use crate::order::Order;
use crate::order::testing::{Case, triple};

const EPOCH: &str = "/metadata/annotations/stagewright.dev~1sandbox-epoch";

fn bench(order: &Order) -> Bench {
    let kind = match order {
        Order::Pod => "v1/Pod",
        Order::Node => "v1/Node",
        Order::Job => "batch/v1/Job",
        Order::Namespace => "v1/Namespace",
        Order::PersistentVolume => "v1/PersistentVolume",
        _ => return Bench::custom(order.clone(), true, true).writes(&["", EPOCH]),
    };
    Bench {
        surface: Surface::built_in(&Bench::built_in(kind).kind).unwrap(),
        ..Bench::built_in(kind)
    }
    .writes(&["", EPOCH])
}

/// A patch that would make the one state of the other, in whatever form.
fn effect(wanted: &Value, how: u8) -> Effect {
    let sub = |name: &str| json!({name: wanted[name]});
    let with_metadata = |name: &str| {
        let annotations = wanted["metadata"]
            .get("annotations")
            .cloned()
            .unwrap_or(json!({}));
        json!({"metadata": {"annotations": annotations}, name: wanted[name]})
    };
    match how {
        0 => patch(Form::Merge, Some("status"), sub("status")),
        1 => patch(Form::Replace, Some("status"), sub("status")),
        2 => patch(Form::Merge, Some("status"), with_metadata("status")),
        3 => patch(
            Form::Json,
            Some("status"),
            json!([{"op": "add", "path": "/status", "value": wanted["status"]}]),
        ),
        4 => patch(Form::Merge, None, with_metadata("spec")),
        5 => patch(Form::Replace, None, wanted.clone()),
        6 => patch(Form::Strategic, Some("status"), sub("status")),
        7 => patch(Form::Merge, Some("scale"), sub("spec")),
        _ => Effect::Delete { grace: None },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn admitted_and_applied_never_lowers_a_rank(case in triple(), how in 0..9u8) {
        let Case { order, a, b, .. } = case;
        let bench = bench(&order);
        let subject = bench.snapshot(&a);
        let effect = effect(&b, how);
        let from = order.rank(&a);
        let Ok(Verdict::Write(admitted)) = bench.admit(&a, &effect) else { return Ok(()) };
        prop_assert_eq!(admitted.from(), &from);
        prop_assert!(from.reaches(&order, admitted.to()));
        if how == 8 {
            return Ok(());
        }
        let after = stored(&subject, admitted.action());
        let to = order.rank(&after);
        prop_assert!(from.reaches(&order, &to), "{:?}", order.breaches(&a, &after));
        prop_assert_eq!(admitted.to(), &to);
        // Outside the surface nothing moved.
        if matches!(how, 0..=3 | 6) {
            prop_assert!(equal(&a["spec"], &after["spec"]));
        } else {
            prop_assert!(equal(&a["status"], &after["status"]));
        }
        prop_assert!(equal(&a["metadata"]["uid"], &after["metadata"]["uid"]));
        prop_assert_eq!(admitted.took(&bench.snapshot(&after)), crate::guard::Took::Stored);
    }

    /// What was admitted and stored, wanted once more, is nothing: no write follows from itself.
    #[test]
    fn what_is_stored_is_not_written_again(case in triple(), how in 0..7u8) {
        let Case { order, a, b, .. } = case;
        let bench = bench(&order);
        let subject = bench.snapshot(&a);
        let effect = effect(&b, how);
        let Ok(Verdict::Write(admitted)) = bench.admit(&a, &effect) else { return Ok(()) };
        let after = stored(&subject, admitted.action());
        let same = patch(Form::Replace, Some("status"), json!({"status": after["status"]}));
        match bench.admit(&after, &same) {
            Ok(Verdict::Unchanged { mended }) => prop_assert_eq!(mended, vec![]),
            other => prop_assert!(false, "{other:?}"),
        }
        let again = bench.admit(&after, &effect);
        prop_assert!(!matches!(again, Ok(Verdict::Write(_))), "{again:?}");
    }
}
