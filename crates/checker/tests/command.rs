//! The program says of a history, read at once or while it is judged, what it is, and by which exit code.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tidings_checker::history::{Delivery, Invoke, Mark, Placed, Range, Subscription, Verdict};
use tidings_checker::{HistoryWriter, Op};
use tidings_event::{ManualClock, Timestamp};

const TOPIC: &str = "analysis/indicators/1m";

/// An event sent, placed at its offset, selected by one subscription, delivered and acknowledged there.
fn road(number: u64) -> Vec<Op> {
    let event = || format!("e{number}").as_str().into();
    let invoke = Invoke {
        event: event(),
        producer: "p".into(),
        key: "k".into(),
        seq: number,
        hash: "h".into(),
        topic: TOPIC.into(),
        ordered: true,
        producer_epoch: None,
        tenant: None,
    };
    let placed = Placed {
        event: event(),
        topic: TOPIC.into(),
        partition: 0,
        offset: Some(number),
        duplicate: false,
        epoch: None,
    };
    let said = Verdict { event: event(), selected_by: vec!["all".into()], left_out_by: Vec::new() };
    let delivery = Delivery {
        subscription: "all".into(),
        consumer: "c".into(),
        topic: TOPIC.into(),
        partition: 0,
        offset: number,
        event: event(),
        hash: "h".into(),
        key: "k".into(),
        attempt: 1,
        redelivered: false,
        tenant: None,
    };
    let acked = Range {
        subscription: "all".into(),
        topic: TOPIC.into(),
        partition: 0,
        first: number,
        last: number,
    };
    vec![
        Op::Invoke(invoke),
        Op::Ok(placed),
        Op::Verdict(said),
        Op::Delivery(delivery),
        Op::Ack(acked),
    ]
}

/// Runs the program over histories; what it printed, and its exit code.
fn run(arguments: &[&str], histories: &[&Path]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings-checker"));
    let output = command.args(arguments).args(histories).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

#[test]
fn both_ways_of_reading_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1)));
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = HistoryWriter::open(&one, "one", clock.clone()).unwrap();
    let second = HistoryWriter::open(&two, "two", clock.clone()).unwrap();
    let all = Subscription {
        subscription: "all".into(),
        topics: vec![TOPIC.into()],
        start: Vec::new(),
        ordered: true,
        tenant: None,
    };
    first.record([Op::Subscription(all)]).unwrap();
    for number in 0..500 {
        clock.set_wall(Timestamp(10 + number));
        let writer = if number % 2 == 0 { &first } else { &second };
        writer.record(road(number)).unwrap();
    }
    first.flush().unwrap();
    second.flush().unwrap();
    let both: &[&Path] = &[&one, &two];
    let windowed: &[&str] = &["--window", "20"];
    for arguments in [&[], windowed] {
        let (text, code) = run(arguments, both);
        assert!(text.contains("500 sent, 500 acknowledged, 500 delivered"), "{text}");
        assert!(text.ends_with("VALID\n") && code == 0, "{text}");
        let (text, code) = run(&[arguments, &["--expect", "crash"]].concat(), both);
        assert!(text.contains("VACUOUS") && code == 2, "{text}");
        // Half of the events of a partition are in no history: the others skip them.
        let (text, code) = run(arguments, &[&one]);
        assert!(text.contains("VIOLATED") && code == 1, "{text}");
        let (text, code) = run(&[arguments, &["--max-records", "100"]].concat(), both);
        assert!(text.contains("more than 100 records") && code == 3, "{text}");
    }
    clock.set_wall(Timestamp(1_000));
    let mark = Mark { what: "crash".into(), subscription: None };
    second.record([road(7).swap_remove(3), Op::Mark(mark)]).unwrap();
    second.flush().unwrap();
    for arguments in [&[], windowed] {
        let (text, code) = run(arguments, both);
        assert!(text.contains("I-10 lost-ack") && code == 1, "{text}");
    }
    assert_eq!(run(&["--window", "many"], both).1, 64);
    assert_eq!(run(&[], &[&folder.path().join("none")]).1, 3);
}
