//! Scripts of requests from seeds, as a real kube-apiserver answered them (`cluster_differential` records and compares them).

use crate::replay;

#[test]
fn scripts_are_answered_as_by_the_real_server() {
    let recorded = replay::read(include_str!("scripts.json"));
    // Each script begins with the same list, and plays on a server of its own.
    let is_first = |exchange: &replay::Exchange| exchange.path == replay::FIRST;
    let starts: Vec<usize> = (0..recorded.len())
        .filter(|&index| is_first(&recorded[index]))
        .collect();
    let prelude = &recorded[..starts[0]];
    let mut wrong = Vec::new();
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(recorded.len());
        let script = &recorded[start..end];
        for (place, told) in replay::script_differences(prelude, script) {
            let (method, path) = (&script[place].method, &script[place].path);
            wrong.push(format!("script {number}, {method} {path}{told}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} in all",
        wrong.join("\n"),
        wrong.len()
    );
}
