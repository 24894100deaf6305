//! The disk of the running service fails, waits or fills up: what was acknowledged stays, nothing is
//! acknowledged that is not stored, everybody is told by its code, and who only reads goes on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_e2e::{
    Answer, Call, Desk, Fault, Server, Shim, Tmpfs, ask, executable, finish, heavy_indicator,
    indicator, run,
};
use tidings_event::{Clock, SystemClock};

const JSON: &str = "application/json";
/// Most bytes of a spare segment.
const SPARES: &str = "TIDINGS_LOG__SPARE_BYTES_MAX";
const TOPICS: &[&str] = &["analysis/**"];

fn publish(server: &Server, number: u64) -> Answer {
    publish_event(server, &indicator("AAPL", "1m", number))
}

/// An event of 6 KB.
fn publish_heavy(server: &Server, number: u64) -> Answer {
    publish_event(server, &heavy_indicator("AAPL", "1m", number, 16))
}

fn publish_event(server: &Server, event: &[u8]) -> Answer {
    let text = tidings_event::json::to_json(event).unwrap();
    ask(server, "POST /api/v1/events", JSON, text.as_bytes())
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// Everything a subscription is given, acknowledged.
fn drained(desk: &Desk<'_>, least: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < least {
        let pulled = desk.pull(1000);
        assert!(desk.ack(&pulled).iter().all(|state| state == "confirmed"));
        numbers.extend(pulled.iter().map(|event| event.number));
    }
    numbers
}

#[test]
fn a_failed_sync_is_unknown_once_then_read_only_and_a_restart_has_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    shim.only("/data/short/");
    shim.hit(Call::Sync, Fault::Broken, 0, 1);
    assert_eq!(code(&publish(&server, 5)), "UNKNOWN_OUTCOME");
    assert_eq!(shim.hits(Call::Sync), 1, "the fault fired");
    let syncs = shim.calls(Call::Sync);
    for number in 6..9 {
        assert_eq!(code(&publish(&server, number)), "LOG_READ_ONLY");
    }
    assert_eq!(shim.calls(Call::Sync), syncs, "no sync is tried again");
    let ready = ask(&server, "GET /readyz", "", b"");
    assert_eq!((ready.status, code(&ready)), (503, "NOT_READY".to_owned()), "{ready:?}");
    // Who reads and acknowledges goes on: that is another journal.
    assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
    assert_eq!(server.terminate().code, Some(0));
    shim.heal();
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 9).status, 200);
    let desk = Desk::of(&server, "desk", "desk");
    let rest = drained(&desk, 1);
    assert!(
        rest == [9] || rest == [5, 9],
        "the unknown one may be there, the refused never: {rest:?}"
    );
    assert_eq!(desk.letters(), [] as [Value; 0]);
}

#[test]
fn without_a_fault_the_shim_changes_nothing_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 0).status, 200);
    assert_eq!(server.terminate().code, Some(0));
    for call in [Call::Open, Call::Write, Call::Sync, Call::SyncDir, Call::Rename] {
        assert!(shim.calls(call) > 0, "{call:?} is seen");
    }
    // Syncs that do nothing are what a power cut must find.
    let synced = shim.calls(Call::Sync);
    shim.hit_all(Call::Sync, Fault::Skipped);
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 1).status, 200);
    drop(server);
    assert_eq!(shim.hits(Call::Sync), shim.calls(Call::Sync) - synced);
    assert!(Call::ALL.iter().all(|call| shim.waits(*call) == 0));
}

/// Publishes until a fault has hit or so many were answered; the numbers by outcome.
fn publish_through(server: &Server, shim: &Shim, call: Call, from: u64) -> (Vec<u64>, Vec<String>) {
    let (mut stored, mut codes) = (Vec::new(), Vec::new());
    for number in from..from + 400 {
        let answer = publish_heavy(server, number);
        match answer.status {
            200 => stored.push(number),
            _ => codes.push(code(&answer)),
        }
        if shim.hits(call) > 0 && codes.len() + stored.len() > 5 {
            break;
        }
    }
    (stored, codes)
}

#[test]
fn wherever_a_call_fails_what_was_acknowledged_is_there_and_no_refused_event_is() {
    // An index that cannot be written is not missed: of these, all fail.
    let all = u64::MAX;
    let faults = [
        (Call::Write, Fault::Broken, 2, 1),
        (Call::Sync, Fault::Broken, 3, 1),
        (Call::SyncDir, Fault::Broken, 0, all),
        (Call::Open, Fault::Broken, 0, all),
        (Call::Write, Fault::Short, 1, 1),
        (Call::Write, Fault::Interrupted, 1, 1),
        (Call::Sync, Fault::Interrupted, 1, 1),
        (Call::Open, Fault::Interrupted, 0, 1),
        (Call::SyncDir, Fault::Interrupted, 0, 1),
    ];
    let harmless = [Fault::Short, Fault::Interrupted];
    for (call, fault, after, times) in faults {
        let what = format!("{call:?} {fault:?} after {after}");
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let shim = Shim::over(&data);
        let command = || {
            let mut command = shim.command();
            // So that segments are begun again and again.
            command.env("TIDINGS_LOG__SEGMENT_BYTES_MIN", "1048576");
            command.env("TIDINGS_LOG__SEGMENT_BYTES_MAX", "1048576");
            // Who makes spares calls the disk when it likes, and is not harmed by its faults.
            command.env(SPARES, "0");
            command
        };
        let server = Server::start_by(command(), &data);
        let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
        assert_eq!(publish(&server, 0).status, 200, "{what}");
        shim.only("/data/short");
        shim.hit(call, fault, after, times);
        let (mut stored, codes) = publish_through(&server, &shim, call, 1);
        stored.insert(0, 0);
        assert!(shim.hits(call) > 0, "{what} fired");
        if harmless.contains(&fault) {
            assert_eq!(codes, [] as [String; 0], "{what}");
        } else {
            assert_eq!(codes[0], "UNKNOWN_OUTCOME", "{what}");
            assert!(codes[1..].iter().all(|code| code == "LOG_READ_ONLY"), "{what}: {codes:?}");
        }
        assert_eq!(drained(&desk, stored.len()), stored, "{what}: reading goes on");
        server.kill();
        shim.heal();
        let server = Server::start_by(command(), &data);
        assert_eq!(publish(&server, 1000).status, 200, "{what}");
        let all = Desk::open(&server, "all", TOPICS, &json!({}));
        let mut found = drained(&all, stored.len() + 1);
        let unknown = stored.last().map_or(0, |last| last + 1);
        assert_eq!(found.pop(), Some(1000), "{what}");
        found.retain(|number| harmless.contains(&fault) || *number != unknown);
        assert_eq!(found, stored, "{what}");
        assert_eq!(server.terminate().code, Some(0), "{what}");
    }
}

#[test]
fn a_failing_read_is_told_to_who_reads_and_ends_with_the_fault() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    assert_eq!(server.terminate().code, Some(0));
    // Nothing of it is in memory now.
    let server = Server::start_by(shim.command(), &data);
    let browse = "GET /api/v1/topics/analysis:indicators:1m/events?partition=";
    let found = |partition: u32| {
        let answer = ask(&server, &format!("{browse}{partition}&offset=0"), "", b"");
        (answer.status, answer.json()["events"].as_array().map_or(0, Vec::len))
    };
    let partition = (0..16).find(|partition| found(*partition).1 == 5).unwrap();
    shim.only("/data/short/");
    shim.hit_all(Call::Read, Fault::Broken);
    let refused = found(partition);
    assert!(refused.0 >= 500, "{refused:?}");
    assert!(shim.hits(Call::Read) > 0);
    assert_eq!(publish(&server, 5).status, 200, "who writes goes on");
    for fault in [Fault::Interrupted, Fault::Short] {
        shim.hit(Call::Read, fault, 0, 3);
        assert_eq!(found(partition), (200, 6), "{fault:?}");
    }
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    assert_eq!(drained(&desk, 6), [0, 1, 2, 3, 4, 5]);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn while_a_sync_is_slow_answers_wait_and_readers_do_not() {
    const SLOW: Duration = Duration::from_millis(800);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    let clock = SystemClock::new();
    shim.only("/data/short/");
    shim.slow(Call::Sync, SLOW);
    std::thread::scope(|scope| {
        let began = clock.monotonic();
        let publishing = scope.spawn(|| publish(&server, 5).status);
        while shim.waits(Call::Sync) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
        assert!(!publishing.is_finished(), "readers were done before the sync was");
        assert_eq!(publishing.join().unwrap(), 200);
        assert!(clock.monotonic() - began >= SLOW, "the answer waited for the sync");
    });
    shim.heal();
    assert_eq!(drained(&desk, 1), [5]);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn writes_that_find_no_room_are_refused_by_name_and_go_on_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    // As a quota does it: the file system says that there is room.
    shim.only("/data/short/");
    shim.hit_all(Call::Write, Fault::NoRoom);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| publish(&server, 5));
        while shim.hits(Call::Write) < 2 {
            std::thread::yield_now();
        }
        let refused = publish(&server, 6);
        assert_eq!((refused.status, &*code(&refused)), (507, "STORAGE_FULL"), "{refused:?}");
        assert!(refused.json()["retry_after_ms"].as_u64() > Some(0), "{refused:?}");
        while ask(&server, "GET /readyz", "", b"").status != 503 {}
        assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
        shim.heal();
        assert_eq!(waiting.join().unwrap().status, 200, "it was taken before there was none");
    });
    assert_eq!(publish(&server, 7).status, 200);
    // Readiness is looked at now and then.
    while ask(&server, "GET /readyz", "", b"").status != 200 {}
    assert_eq!(drained(&desk, 2), [5, 7]);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_data_directory_that_cannot_be_used_is_refused_with_its_name_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let serve = |what: &str| {
        let mut command = shim.command();
        command.args(["serve", "--addr", "127.0.0.1:0", "--data-dir"]).arg(&data);
        let ended = finish(command, "");
        assert_eq!(ended.code, Some(1), "{what}: {ended:?}");
        assert!(ended.stderr.contains(what) && ended.stderr.contains("data"), "{what}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    };
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 0).status, 200);
    serve("in use by another process");
    server.kill();
    // It fails at the fault or, when that did no harm, later: its address is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for call in [Call::Open, Call::Read, Call::Write, Call::Sync, Call::SyncDir, Call::Rename] {
        for after in 0..10 {
            let hits = shim.hits(call);
            shim.hit(call, Fault::Broken, after, 1);
            let mut command = shim.command();
            command.args(["serve", "--addr", &address, "--data-dir"]).arg(&data);
            let ended = finish(command, "");
            assert!(matches!(ended.code, Some(1..=3)), "{call:?} {after}: {ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{call:?} {after}: {ended:?}");
            if shim.hits(call) == hits {
                break;
            }
        }
    }
    shim.hit(Call::Open, Fault::Broken, 2, 1);
    serve("Input/output error");
    shim.heal();
    let server = Server::start_by(shim.command(), &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    assert_eq!(drained(&desk, 1), [0], "no failed start took anything away");
}

#[test]
fn a_service_without_file_handles_refuses_connections_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(executable());
    command.env("TIDINGS_LOG__SEGMENT_BYTES_MIN", "1048576");
    command.env("TIDINGS_LOG__SEGMENT_BYTES_MAX", "1048576");
    let server = Server::start_by(command, &data);
    assert_eq!(publish(&server, 0).status, 200);
    // One that is there already, to publish by while there is none for others.
    let mut open = TcpStream::connect(server.addr()).unwrap();
    open.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(server.addr()).unwrap()).collect();
    let mut statuses = Vec::new();
    for number in 1..400 {
        let event = heavy_indicator("AAPL", "1m", number, 16);
        let event = tidings_event::json::to_json(&event).unwrap();
        let length = event.len();
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nhost: e2e\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n"
        );
        open.write_all(format!("{head}{event}").as_bytes()).unwrap();
        statuses.push(status(&mut open));
    }
    // Segments began meanwhile; with no handle for one, its events wait.
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    drop(crowd);
    assert_eq!(publish(&server, 400).status, 200, "{statuses:?}");
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    assert_eq!(drained(&desk, 401), (0..401).collect::<Vec<_>>());
    assert_eq!(server.terminate().code, Some(0));
}

/// The status of the next answer on a connection that stays open.
fn status(stream: &mut TcpStream) -> u16 {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_disk_that_becomes_read_only_stops_publishes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("disk"), 64) else { return };
    let data = dir.path().join("disk/data");
    let server = Server::start(&data);
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    assert_eq!(server.terminate().code, Some(0));
    disk.read_only(true);
    let ended = run(dir.path(), &["serve", "--addr", "127.0.0.1:0", "--data-dir", "disk/data"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Read-only file system"), "{ended:?}");
    let checked = run(dir.path(), &["check", "disk/data"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    disk.read_only(false);
    let server = Server::start(&data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
}

#[test]
fn a_service_whose_log_lines_find_no_room_goes_on_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = Command::new("bash");
    command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]).arg(executable());
    command.env("TIDINGS_LOGGING__LEVEL", "debug");
    let server = Server::start_by(command, &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_start_on_a_full_disk_serves_what_is_stored_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("disk"), 64) else { return };
    // What the service says goes elsewhere.
    let data = dir.path().join("data");
    std::fs::create_dir(dir.path().join("disk/data")).unwrap();
    std::os::unix::fs::symlink("disk/data", &data).unwrap();
    let start = || {
        let mut command = Command::new(executable());
        // With one the service has room of its own to give up.
        command.env(SPARES, "0");
        Server::start_by(command, &data)
    };
    let server = start();
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    let first = desk.pull(1);
    assert!(desk.ack(&first).iter().all(|state| state == "confirmed"));
    server.kill();
    disk.fill();
    // Again and again: a start takes no room of its own.
    for _ in 0..3 {
        let server = start();
        let refused = publish(&server, 5);
        assert_eq!((refused.status, &*code(&refused)), (507, "STORAGE_FULL"), "{refused:?}");
        assert_eq!(ask(&server, "GET /readyz", "", b"").status, 503);
        let pulled = Desk::of(&server, "desk", "desk").pull(1000);
        let numbers: Vec<_> = pulled.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        server.kill();
    }
    let server = start();
    disk.empty();
    while ask(&server, "GET /readyz", "", b"").status != 200 {}
    assert_eq!(publish(&server, 5).status, 200);
    assert_eq!(drained(&Desk::of(&server, "desk", "desk"), 5), [1, 2, 3, 4, 5]);
    assert_eq!(server.terminate().code, Some(0));
}
