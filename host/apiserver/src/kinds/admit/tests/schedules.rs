//! Schedules of CronJobs.

use serde_json::json;

use super::*;

/// What is said of a schedule, but for where it stands.
fn refused(schedule: &str) -> Option<String> {
    let container = json!({"name": "c", "image": "i"});
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    let mut cron = json!({
        "kind": "CronJob",
        "apiVersion": "batch/v1",
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": pod}}},
    });
    let refused = admit(&resource("batch", "cronjobs"), Operation::Create, &mut cron).err()?;
    let value = format!("spec.schedule: Invalid value: {schedule:?}: ");
    let (_, words) = refused.message.split_once(&value).unwrap();
    Some(words.to_owned())
}

#[test]
fn durations_are_read_as_go_reads_them() {
    for duration in [
        "0",
        "-5s",
        "+1h30m",
        ".5s",
        "1.s",
        "1.5us2µs",
        "2562047h47m16.854775807s",
        "-2562047h47m16.854775808s",
    ] {
        assert_eq!(refused(&format!("@every {duration}")), None);
    }
    for (duration, words) in [
        ("--5s", "invalid duration \"--5s\""),
        ("+", "invalid duration \"+\""),
        (".s", "invalid duration \".s\""),
        ("..5s", "invalid duration \"..5s\""),
        ("1s-", "unknown unit \"s-\" in duration \"1s-\""),
        ("1.2.3s", "missing unit in duration \"1.2.3s\""),
        ("5", "missing unit in duration \"5\""),
        ("5d", "unknown unit \"d\" in duration \"5d\""),
        ("3000000h", "invalid duration \"3000000h\""),
        (
            "2562047h47m16.854775808s",
            "invalid duration \"2562047h47m16.854775808s\"",
        ),
        (
            "99999999999999999999ns",
            "invalid duration \"99999999999999999999ns\"",
        ),
    ] {
        let whole = format!("failed to parse duration @every {duration}: time: {words}");
        assert_eq!(refused(&format!("@every {duration}")), Some(whole));
    }
}
