//! Answers of streams are read, and batches say where they end.

use super::{batch, is_status, sequence, stalled};

#[test]
fn an_answer_tells_its_sequence_and_an_error_none() {
    assert_eq!(sequence(br#"{"stream":"s","seq":42}"#), Some(42));
    assert_eq!(sequence(br#"{"stream":"s", "seq": 1000,"batch":"b1","count":1000}"#), Some(1000));
    assert_eq!(sequence(br#"{"error":{"code":400},"stream":"s","seq":0}"#), None);
}

#[test]
fn the_last_event_of_a_batch_commits_it() {
    let bytes = batch("s", 7, &[b"one", b"two"]);
    let text = String::from_utf8(bytes).unwrap();
    let events: Vec<&str> = text.split("HPUB ").skip(1).collect();
    assert_eq!(events.len(), 2);
    assert!(events[0].contains("Sequence: 1\r\n") && !events[0].contains("Commit"));
    assert!(events[1].contains("Sequence: 2\r\n") && events[1].contains("Commit: 1\r\n"));
    assert!(events[1].starts_with("s _INBOX.bench.acks "));
}

#[test]
fn a_status_is_told_from_an_event_with_headers() {
    assert!(is_status(b"NATS/1.0 100 FlowControl Request\r\n\r\n"));
    assert!(!is_status(b"NATS/1.0\r\nNats-Batch-Id: b1\r\n\r\n"));
    let heartbeat = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: a.b\r\n\r\n";
    assert_eq!(stalled(heartbeat).as_deref(), Some("a.b"));
    assert_eq!(stalled(b"NATS/1.0 100 Idle Heartbeat\r\n\r\n"), None);
}
