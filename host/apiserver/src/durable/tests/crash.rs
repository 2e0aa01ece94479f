//! Crashes, slow disks and broken ones.

use std::thread;

use futures::FutureExt as _;
use http_body_util::BodyExt as _;

use super::*;

/// How many crashes are looked at.
const CRASHES: usize = 150;

#[test]
fn what_was_answered_outlives_every_crash_and_nothing_is_half_there() {
    let disk = Disk::default();
    let (server, _) = on(&disk).unwrap();
    // The steps when it was answered, the revision, and all there was.
    let all = maps(&server);
    let mut answered = vec![(disk.steps(), server.revision(), all)];
    for round in 0..24 {
        let name = format!("m-{}", round % 7);
        let path = format!("{MAPS}/{name}");
        let text = "x".repeat(1 << (round % 14));
        let (code, answer) = match round % 5 {
            4 => call(&server, "DELETE", &path, &Value::Null),
            _ if maps(&server).contains_key(&name) => {
                call(&server, "PUT", &path, &map(&name, &text))
            }
            _ => call(&server, "POST", MAPS, &map(&name, &text)),
        };
        assert!([200, 201, 404].contains(&code), "{answer}");
        answered.push((disk.steps(), server.revision(), maps(&server)));
    }
    let (first, last) = (answered[0].0, disk.steps());
    for crash in 0..CRASHES {
        let at = first + (last - first) * crash / CRASHES;
        let crashed = disk.crashed(at, crash as u64);
        let (restarted, opened) = on(&crashed).unwrap_or_else(|error| panic!("at {at}: {error}"));
        assert!(opened.interrupted);
        let known = answered.iter().rfind(|(steps, ..)| *steps <= at).unwrap();
        assert!(opened.revision >= known.1, "at {at}");
        let found = answered
            .iter()
            .find(|(_, revision, _)| *revision == opened.revision);
        assert_eq!(maps(&restarted), found.unwrap().2, "at {at}");
    }
}

#[test]
fn writers_share_a_commit_and_nobody_is_told_before_it() {
    let disk = Disk::default();
    let (server, _) = on(&disk).unwrap();
    let request = Request::get(format!("{MAPS}?watch=true")).body(Bytes::new());
    let mut watch = server.call(request.unwrap()).into_body();
    let (before, revision) = (disk.syncs(), server.revision());
    let held = disk.hold();
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let server = server.clone();
            thread::spawn(move || call(&server, "POST", MAPS, &map(&format!("m-{number}"), "")).0)
        })
        .collect();
    while server.revision() < revision + 8 {
        thread::yield_now();
    }
    assert!(writers.iter().all(|writer| !writer.is_finished()));
    assert!(watch.frame().now_or_never().is_none());
    let reading = tower::Service::call(
        &mut server.clone(),
        Request::get(MAPS)
            .body(http_body_util::Empty::<Bytes>::new())
            .unwrap(),
    );
    assert!(reading.now_or_never().is_none());
    drop(held);
    for writer in writers {
        assert_eq!(writer.join().unwrap(), 201);
    }
    // The commit that was under way, and one for all who came meanwhile.
    let each = 2;
    assert!(
        disk.syncs() - before <= 2 * each,
        "{} syncs",
        disk.syncs() - before
    );
    let mut told = String::new();
    while let Some(Some(Ok(frame))) = watch.frame().now_or_never() {
        told += &String::from_utf8_lossy(&frame.into_data().unwrap());
    }
    assert_eq!(told.lines().count(), 8);
}

#[test]
fn a_broken_disk_is_told_to_all_who_would_see_what_it_has_not() {
    let disk = Disk::default();
    let (server, _) = on(&disk).unwrap();
    assert_eq!(call(&server, "POST", MAPS, &map("kept", "")).0, 201);
    let request = Request::get(format!("{MAPS}?watch=true")).body(Bytes::new());
    let mut watch = server.call(request.unwrap()).into_body();
    assert!(watch.frame().now_or_never().unwrap().is_some());
    disk.break_down();
    let (code, answer) = call(&server, "POST", MAPS, &map("lost", ""));
    let message = answer["message"].as_str().unwrap();
    assert_eq!(code, 500, "{answer}");
    assert!(message.contains("the disk is full"), "{message}");
    assert_eq!(call(&server, "GET", MAPS, &Value::Null).0, 500);
    assert_eq!(call(&server, "GET", "/readyz", &Value::Null).0, 500);
    assert!(watch.frame().now_or_never().unwrap().is_none());
    let again = disk.crashed(disk.steps(), 0);
    assert_eq!(
        maps(&on(&again).unwrap().0).into_keys().collect::<Vec<_>>(),
        ["kept"]
    );
}
