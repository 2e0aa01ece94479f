//! What other relations know from the start.

use super::*;

/// A trainer's node by name, cut to `reads`, and its pods by label.
fn node_and_pods(reads: &str) -> Subject {
    subject(json!([
        {"name": "node", "kind": "v1/Node", "by": {"name": "/spec/node"}, "reads": [reads]},
        {"name": "pods", "kind": "v1/Pod", "by": {"label": "app", "value": "/spec/app"}, "reads": ["/status/phase"]}]))
}

fn labelled(phase: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "status": {"phase": phase}})
}

fn asker() -> Snapshot {
    trainer("ns/t", json!({"spec": {"app": "web", "node": "n1"}}))
}

/// A pod that changed, and a node.
fn known() -> Relations {
    let mut known = relations(&[&node_and_pods("/spec")]);
    known.observe(&pod("ns/a", 1, labelled("Pending")), NOW);
    known.observe(&object("v1/Node", "n1", 1, json!({"spec": {"x": 1}})), NOW);
    let asked = known.related(&node_and_pods("/spec"), &asker());
    assert!(asked.is_ok());
    known.observe(&pod("ns/a", 2, labelled("Running")), after(1));
    known
}

#[test]
fn what_is_read_the_same_of_is_known_with_its_changes_and_wakes_who_asks() {
    let subject = node_and_pods("/spec");
    let told = known().related(&subject, &asker()).unwrap();
    let mut next = relations(&[&subject]);
    assert_eq!(next.take_over(known()), []);
    assert_eq!(next.related(&subject, &asker()).unwrap(), told);
    let woken = next.observe(&pod("ns/a", 3, labelled("Failed")), after(2));
    assert_eq!(woken, [asker().key().clone()]);
    assert_eq!(next.forget(pod("ns/a", 3, json!({})).key()), woken);
    let gone = next.related(&subject, &asker()).unwrap();
    assert!(gone.contains("\"pods\":[]"), "{gone}");
}

#[test]
fn what_is_read_otherwise_or_found_by_more_is_to_be_seen_anew() {
    let other = node_and_pods("/status");
    let mut next = relations(&[&other]);
    assert_eq!(next.take_over(known()), [Kind::new("v1", "Node")]);
    let related = next.related(&other, &asker()).unwrap();
    assert!(
        related.contains("\"node\":[]") && related.contains("Running"),
        "{related}"
    );

    // The kinds have other numbers here.
    let owned = pods(json!({"owned": true}));
    let subject = node_and_pods("/spec");
    let mut next = relations(&[&owned, &subject]);
    assert_eq!(next.take_over(known()), [Kind::new("v1", "Pod")]);
    let related = next.related(&subject, &asker()).unwrap();
    assert!(
        related.contains("\"pods\":[]") && related.contains("n1"),
        "{related}"
    );
}

#[test]
fn what_nobody_looks_at_any_more_is_not_kept() {
    let alone = pods(json!({"label": "app", "value": "/spec/app"}));
    let mut next = relations(&[&alone]);
    assert_eq!(next.take_over(known()), []);
    let related = next.related(&alone, &asker()).unwrap();
    assert!(related.contains("Running"), "{related}");
    assert_eq!(next.keys(&Kind::new("v1", "Node")), []);
}
