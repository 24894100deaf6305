//! What the command line refuses, and how it ends.

use std::process::Command;

use tidings_e2e::{Server, executable, indicator_json, run, run_with_input};

#[test]
fn an_unknown_key_is_named_with_line_and_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tidings.toml"), "[topics]\npartitons = 4\n").unwrap();
    let ended = run(dir.path(), &["serve"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("tidings.toml:2: unknown key `partitons`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `partitions`?"), "{}", ended.stderr);
}

#[test]
fn an_open_address_needs_insecure() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &["serve", "--addr", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--insecure"), "{}", ended.stderr);
}

#[test]
fn an_unreachable_service_is_exit_code_4() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &["topic", "list", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
}

#[test]
fn usage_mistakes_are_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), &["nonsense"]).code, Some(2));
    assert_eq!(run(dir.path(), &["check", "."]).code, Some(2));
}

#[test]
fn a_second_process_and_a_taken_port_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let second = run(dir.path(), &["serve", "--addr", "127.0.0.1:0", "--data-dir", "data"]);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    let addr = server.url().trim_start_matches("http://").to_owned();
    let taken = run(dir.path(), &["serve", "--addr", &addr, "--data-dir", "other"]);
    assert_eq!(taken.code, Some(1));
    assert!(taken.stderr.contains("cannot listen on"), "{}", taken.stderr);
}

#[test]
fn a_start_that_waits_for_room_is_told_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut limited = Command::new("bash");
    limited.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(executable());
    // A coverage profile cut off at the limit could not be read.
    limited.env("LLVM_PROFILE_FILE", "/dev/null");
    let waiting = Server::starting(limited, &data);
    waiting.until_it_logs("no room: the log waits until there is");
    let ended = waiting.terminate();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Nothing stands in the way of a start with room.
    assert_eq!(Server::start(&data).terminate().code, Some(0));
}

#[test]
fn a_file_of_events_goes_in_and_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let good = indicator_json("AAPL", 0, 32.7);
    let published = run_with_input(dir.path(), &["publish", "--server", server.url()], &good);
    assert_eq!(published.code, Some(0), "{}", published.stderr);
    assert_eq!(published.stdout, "1 stored, 0 duplicates, 0 refused\n");
    let lines = format!("{}\n{{}}\n", indicator_json("AAPL", 5, 33.5));
    let published = run_with_input(dir.path(), &["publish", "--server", server.url()], &lines);
    assert_eq!(published.code, Some(1), "{}", published.stderr);
    assert_eq!(published.stdout, "1 stored, 0 duplicates, 1 refused\n");
    assert!(published.stderr.contains("line 2: "), "{}", published.stderr);
    let arguments = ["subscribe", "s", "--create", "--start", "earliest", "--max", "2", "--server"];
    let seen = run(dir.path(), &[&arguments[..], &[server.url()]].concat());
    assert_eq!(seen.code, Some(0), "{}", seen.stderr);
    assert_eq!(seen.stdout.matches("\"rsi_14\"").count(), 2, "{}", seen.stdout);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let checked = run(dir.path(), &["check", "data"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.ends_with("sound\n"), "{}", checked.stdout);
}

#[test]
fn what_a_subscriber_printed_is_settled_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let with_server = |args: &[&str]| {
        let ended = run(dir.path(), &[args, &["--server", server.url()]].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    };
    with_server(&["subscription", "create", "screen", "--topics", "analysis/**"]);
    // Each in a partition of its own where the hash has it so: many deliveries, an ack each.
    let events = |round: u64| {
        let event = |n| format!("{}\n", indicator_json(&format!("I{n}"), round * 5, 1.0));
        (0..100).map(event).collect::<String>()
    };
    for round in 0..5 {
        let args = ["publish", "--server", server.url()];
        let published = run_with_input(dir.path(), &args, &events(round));
        assert_eq!(published.code, Some(0), "{}", published.stderr);
        let printed = with_server(&["subscribe", "screen", "--max", "100"]);
        assert_eq!(printed.lines().count(), 100);
        let shown = with_server(&["subscription", "show", "screen"]);
        assert!(shown.contains(": lag 0 events, 0.0 s, 0 in flight"), "round {round}: {shown}");
    }
}
