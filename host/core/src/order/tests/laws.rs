//! The order is one: what forward means holds along any way.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::now;
use crate::order::Order;
use crate::order::testing::{Case, triple};

/// All that is ordered but the phase, which may differ on a cycle.
fn rest(order: &Order, object: &Value) -> Value {
    let mut rank = serde_json::to_value(order.rank(object)).unwrap();
    rank.as_object_mut().unwrap().remove("phase");
    rank
}

/// A name that went and came again is no later epoch, and no real one does (uids, boot ids).
fn returns(a: &Value, b: &Value, c: &Value) -> bool {
    let [a, b, c] = [a, b, c].map(|object| object.pointer("/spec/claimRef/uid"));
    a == c && a != b
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nothing_moves_backward_by_staying(case in triple()) {
        let Case { order, a, .. } = case;
        prop_assert_eq!(order.breaches(&a, &a), vec![]);
        prop_assert!(order.rank(&a).reaches(&order, &order.rank(&a)));
    }

    #[test]
    fn forward_twice_is_forward(case in triple()) {
        let Case { order, a, b, c } = case;
        prop_assume!(!returns(&a, &b, &c));
        let [ra, rb, rc] = [&a, &b, &c].map(|object| order.rank(object));
        if ra.reaches(&order, &rb) && rb.reaches(&order, &rc) {
            prop_assert!(ra.reaches(&order, &rc), "{:?}", order.breaches(&a, &c));
        }
    }

    #[test]
    fn forward_and_back_is_one_rank(case in triple()) {
        let Case { order, a, b, .. } = case;
        prop_assume!(!returns(&a, &b, &a));
        let [ra, rb] = [&a, &b].map(|object| order.rank(object));
        if ra.reaches(&order, &rb) && rb.reaches(&order, &ra) {
            prop_assert_eq!(rest(&order, &a), rest(&order, &b));
            prop_assert!(ra.phase() == rb.phase() || matches!(order, Order::Declared(_)));
        }
    }

    #[test]
    fn ranks_and_breaches_say_the_same(case in triple()) {
        let Case { order, a, b, .. } = case;
        prop_assert_eq!(order.rank(&a).reaches(&order, &order.rank(&b)), order.breaches(&a, &b).is_empty());
        let mut other = b;
        other["metadata"]["uid"] = json!("another");
        prop_assert!(!order.breaches(&a, &other).is_empty());
    }

    #[test]
    fn mended_once_is_mended(case in triple()) {
        let Case { order, a, b, .. } = case;
        let mut once = b;
        order.mend(&a, &mut once, now());
        let mut twice = once.clone();
        prop_assert_eq!(order.mend(&a, &mut twice, now()), vec![]);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn mending_turns_no_move_backward(case in triple()) {
        let Case { order, a, b, .. } = case;
        let mut mended = b.clone();
        let mends = order.mend(&a, &mut mended, now());
        // An epoch that nobody can have observed is none.
        let forged = mends.iter().any(|mend| mend.rule == "ObservedGeneration");
        if !forged && order.breaches(&a, &b).is_empty() {
            prop_assert_eq!(order.breaches(&a, &mended), vec![]);
        }
    }

    #[test]
    fn one_terminal_phase_is_the_last(case in triple()) {
        let Case { order, a, b, .. } = case;
        let (from, to) = (order.rank(&a), order.rank(&b));
        if from.reaches(&order, &to) && order.is_terminal(from.phase().unwrap_or_default()) {
            prop_assert_eq!(from.phase(), to.phase());
        }
    }
}
