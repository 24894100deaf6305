//! What each check makes of what it sees, and that the report says it.

use std::path::PathBuf;
use std::time::Duration;

use tidings_event::Timestamp;

use super::finding::Verdict;
use super::*;

const MICRO: Duration = Duration::from_micros(1);
const MIB: u64 = 1 << 20;

fn check(finding: &Finding, verdict: Verdict, says: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.found.contains(says), "{finding:?} does not say `{says}`");
    let told = (finding.why.is_empty(), finding.remedy.is_empty());
    let well = verdict == Verdict::Ok;
    assert_eq!(told, (well, well), "what is not well says why and what to do: {finding:?}");
}

#[test]
fn the_mount_of_a_path_is_read_as_the_kernel_writes_it() {
    let line = r"36 35 98:0 /mnt1 /data\040dir rw,noatime shared:1 - ext4 /dev/sda1 rw,nobarrier";
    let mount = filesystem::parse(line).unwrap();
    assert_eq!(mount.point, PathBuf::from("/data dir"));
    assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext4", "/dev/sda1"));
    assert_eq!(mount.options, ["rw", "noatime", "rw", "nobarrier"]);
    check(&filesystem::judge(&mount), Verdict::Fail, "without barriers");
    assert_eq!(filesystem::parse("nonsense"), None);
}

#[test]
fn file_systems_that_do_not_keep_are_named() {
    let of = |kind: &str, options: &str| {
        let line = format!("1 0 0:1 / /d {options} - {kind} source rw");
        filesystem::judge(&filesystem::parse(&line).unwrap())
    };
    check(&of("ext4", "rw"), Verdict::Ok, "ext4 (source) at /d");
    check(&of("tmpfs", "rw"), Verdict::Fail, "tmpfs");
    check(&of("overlay", "rw"), Verdict::Warn, "overlay");
    check(&of("nfs4", "rw"), Verdict::Warn, "nfs4");
    check(&of("xfs", "ro"), Verdict::Fail, "read-only");
}

#[test]
fn the_reserve_must_be_free() {
    check(&space::judge(50_000 * MIB, 100_000 * MIB), Verdict::Ok, "50000 MiB of 100000 MiB");
    check(&space::judge(300 * MIB, 100_000 * MIB), Verdict::Warn, "300 MiB");
    check(&space::judge(64 * MIB, 100_000 * MIB), Verdict::Fail, "reserve 64 MiB");
    check(&space::judge(0, 16 * MIB), Verdict::Fail, "0 MiB");
}

#[test]
fn syncs_may_be_neither_slow_nor_impossible() {
    check(&sync_speed::judge(vec![300 * MICRO; 100]), Verdict::Ok, "p50 300.0µs, p99 300.0µs");
    check(&sync_speed::judge(vec![MICRO; 100]), Verdict::Warn, "p50 1.0µs");
    let mut slow = vec![300 * MICRO; 95];
    slow.extend([90_000 * MICRO; 5]);
    check(&sync_speed::judge(slow), Verdict::Warn, "p99 90.0ms");
    check(&sync_speed::judge(Vec::new()), Verdict::Fail, "more than 2 s");
    check(&sync_speed::judge(vec![300 * MICRO]), Verdict::Ok, "p99 300.0µs");
}

#[test]
fn limits_are_held_against_the_configuration() {
    check(&limits::open_files(Some(65_536), 4_096), Verdict::Ok, "limit 65536");
    check(&limits::open_files(None, 4_096), Verdict::Ok, "unlimited");
    check(&limits::open_files(Some(1_024), 4_096), Verdict::Warn, "limit 1024");
    check(&limits::open_files(Some(64), 4_096), Verdict::Fail, "limit 64");
    check(&limits::file_size(None, 256 * MIB), Verdict::Ok, "unlimited");
    check(&limits::file_size(Some(MIB), 256 * MIB), Verdict::Fail, "limit 1048576");
    check(&limits::file_size(Some(u64::MAX), 256 * MIB), Verdict::Ok, "segment");
}

#[test]
fn memory_is_read_in_kib() {
    let meminfo = "MemTotal:       100 kB\nMemAvailable:   2048 kB\n";
    assert_eq!(memory::available(meminfo), Some(2 * MIB));
    check(&memory::judge(Some(2 * MIB), MIB), Verdict::Ok, "2 MiB available");
    check(&memory::judge(Some(MIB), 2 * MIB), Verdict::Warn, "1 MiB available");
    check(&memory::judge(None, 2 * MIB), Verdict::Warn, "cannot be told");
}

#[test]
fn a_clock_that_is_wrong_or_moves_is_named() {
    let now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let second = Duration::from_secs(1);
    check(&clock::judge(now, second, second), Verdict::Ok, "2026-11-25");
    check(&clock::judge(now, 3 * second, second), Verdict::Warn, "moved by 2s");
    check(&clock::judge(Timestamp(0), second, second), Verdict::Fail, "1970");
    check(&clock::synchronised(Some(true)), Verdict::Ok, "synchronised");
    check(&clock::synchronised(Some(false)), Verdict::Warn, "not synchronised");
    check(&clock::synchronised(None), Verdict::Warn, "cannot be told");
}

#[test]
fn holders_of_ports_and_locks_are_found_in_the_kernels_tables() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 11 1\n   \
        1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n";
    assert_eq!(port::socket(table, 8080), Some(4711));
    assert_eq!(port::socket(table, 8081), None);
    let locks =
        "1: POSIX  ADVISORY  WRITE 1 fe:00:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 42 fe:00:77 0 EOF\n";
    assert_eq!(directory::holder_in(locks, 77), Some(42));
    assert_eq!(directory::holder_in(locks, 7), None);
}

#[test]
fn what_a_service_counts_is_judged() {
    let config = tidings_wire::rest::ConfigDocument::default();
    let verdicts = |metrics: &str| {
        let findings = online::measured(metrics, &config);
        findings.iter().map(|finding| finding.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("tidings_log_queued_bytes 5\n"), [Verdict::Ok, Verdict::Ok]);
    assert_eq!(verdicts("tidings_log_read_only_journals 1\n")[0], Verdict::Fail);
    assert_eq!(verdicts("tidings_log_damaged_blocks_total 1\n")[0], Verdict::Fail);
    assert_eq!(verdicts("tidings_log_wall_doubted 1\n")[2], Verdict::Warn);
}

#[test]
fn what_the_log_on_pulsar_needs_is_told_as_the_rest() {
    use tidings_log_pulsar::{Observation, Standing};
    let told = |standing, why, remedy: &str| {
        let (about, found, remedy) = ("retention", "an hour".to_owned(), remedy.to_owned());
        pulsar::finding(Observation { about, standing, found, why, remedy })
    };
    check(&told(Standing::Kept, "", ""), Verdict::Ok, "an hour");
    check(&told(Standing::Doubtful, "why", "do"), Verdict::Warn, "an hour");
    check(&told(Standing::Broken, "why", "do"), Verdict::Fail, "an hour");
}

#[test]
fn the_report_tells_what_why_and_what_to_do() {
    let mut report = Report::default();
    report.add(Finding::ok("port", "free"));
    report.add(Finding::fail("clock", "wrong", "it matters", "set it"));
    assert_eq!(report.failed(), 1);
    let lines = report.lines();
    assert_eq!(lines[0], "ok    port           free");
    assert_eq!(lines[1], "FAIL  clock          wrong");
    assert_eq!(lines[2].trim(), "why: it matters");
    assert_eq!(lines[3].trim(), "do:  set it");
    let document = report.document();
    assert_eq!(document["verdict"], "fail");
    assert_eq!(document["findings"][1]["do"], "set it");
    assert_eq!(document["findings"][0].as_object().unwrap().len(), 3);
}

#[test]
fn a_capacity_is_told_and_one_of_another_machine_doubted() {
    let measured =
        |cores| crate::capacity::Capacity::parse(&format!("events_per_second = 9\n{cores}"));
    let judge = |cores| capacity::judge(Ok(Some(measured(cores).unwrap())), Some(2));
    check(&capacity::judge(Ok(None), Some(2)), Verdict::Ok, "not measured");
    check(&judge(""), Verdict::Ok, "9 events/s");
    check(&judge("cores = 2\n"), Verdict::Ok, "9 events/s");
    check(&judge("cores = 64\n"), Verdict::Warn, "with 64 cores, this machine has 2");
}

#[test]
fn a_service_near_its_capacity_is_warned_of() {
    let used = |percent: i64| {
        let recorder = tidings_telemetry::Recorder::new();
        recorder.set(tidings_telemetry::Gauge::AdmitCapacity, 500);
        recorder.set(tidings_telemetry::Gauge::AdmitCapacityUsed, percent);
        capacity::used(&recorder.encode())
    };
    check(&used(79), Verdict::Ok, "79 % of 500 events/s");
    check(&used(80), Verdict::Warn, "80 % of 500 events/s");
    check(&capacity::used(""), Verdict::Ok, "not measured");
}

#[test]
fn a_log_that_was_moved_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let found = || directory::check(&SystemDisk, dir.path(), None);
    assert!(found().iter().all(|finding| finding.verdict == Verdict::Ok));
    crate::moved::Moved::leave(dir.path(), "pulsar://broker:6650".to_owned()).unwrap();
    let last = found().pop().unwrap();
    check(&last, Verdict::Fail, "was moved to pulsar://broker:6650");
}

#[tokio::test]
async fn an_edge_whose_broker_is_not_there_is_warned_of_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidings.toml");
    let text =
        "[[edges.mirrored]]\nname = \"desk\"\ntopics = [\"**\"]\nurl = \"pulsar://127.0.0.1:1\"";
    std::fs::write(&file, text).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let config = Config::load(&flags, std::iter::empty()).unwrap();
    let findings = edges::check(&config).await;
    check(&findings[0], Verdict::Warn, "desk: cannot reach Pulsar at pulsar://127.0.0.1:1");
}
