//! What is written is read back; what is wrong is named.

use super::*;

fn measured() -> Capacity {
    Capacity {
        events_per_second: 412_000,
        measured_at: Some("2026-11-30T07:00:00Z".to_owned()),
        version: Some("0.1.0".to_owned()),
        cores: Some(2),
        event_bytes: Some(214),
        ack_p99_ms: Some(18.25),
        ack_p99_ms_max: Some(50.0),
        burst_events: Some(60_000),
        burst_seconds: Some(0.125),
        burst_ack_p99_ms: Some(110.5),
        sync_p50_us: Some(700),
        sync_p99_us: Some(2_300),
    }
}

#[test]
fn what_is_written_is_read_back_and_nothing_else_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    assert_eq!(Capacity::read(&file), Ok(None));
    std::fs::write(&file, "an older one").unwrap();
    measured().write(&file).unwrap();
    assert_eq!(Capacity::read(&file), Ok(Some(measured())));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the service may be another user");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nowhere").join(FILE);
    let error = measured().write(&file).unwrap_err().to_string();
    assert!(error.contains("nowhere/capacity.toml: it cannot be written"), "{error}");
}

fn check(text: &str, says: &str) {
    let error = Capacity::parse(text).unwrap_err();
    assert!(error.contains(says), "{error} does not say {says}");
}

#[test]
fn what_is_wrong_is_named() {
    check("", "`events_per_second`");
    check("cores = 2\n", "missing field `events_per_second`");
    check("events_per_second = 0\n", "`events_per_second` is 0");
    check("events_per_second = 1\ncorse = 2\n", "line 2: unknown field `corse`");
    check("events_per_second = 1\ncores = \"two\"\n", "line 2: `cores`: ");
    check("# by hand\nevents_per_second = -4\n", "line 2: `events_per_second`: ");
    check("events_per_second = 2_000_000_000\n", "it must be 1 to 1000000000");
    check("events_per_second = \n", "line 1: ");
}

#[test]
fn one_line_is_enough() {
    let capacity = Capacity::parse("events_per_second = 50_000\n").unwrap();
    assert_eq!(capacity.to_string(), "50000 events/s");
    assert_eq!(Capacity::parse(&capacity.text()), Ok(capacity));
}

#[test]
fn it_is_told_in_one_line() {
    let told = "412000 events/s with p99 of acks 18.2 ms; a burst of 60000 in 0.125 s; p99 of syncs 2300 us; measured 2026-11-30T07:00:00Z";
    assert_eq!(measured().to_string(), told);
}
