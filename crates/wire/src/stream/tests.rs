//! What is written is JSON with these members; what is read is exactly these frames.

use serde_json::{Value, json};
use tidings_event::{Code, Offset, Refusal, Timestamp};

use super::{BatchHead, EventLine, Frame, RunLine, StreamRequest};
use crate::ProblemDocument;

fn value(frame: Frame) -> Value {
    serde_json::from_str(&frame.into_text()).unwrap()
}

fn run(from: u64, to: u64) -> RunLine<'static> {
    RunLine { topic: "a/b", partition: 3, epoch: 1, from, to }
}

#[test]
fn what_is_written_is_json() {
    let head = BatchHead { topic: "a/b", partition: 3, epoch: 1, ingested_at: "T" };
    let first = EventLine {
        offset: 7,
        ack_id: Some("x"),
        attempt: 1,
        redelivered: false,
        redriven: false,
        ingested_at: None,
        skipped: &[],
        digest: None,
        event: "{}",
    };
    let second = EventLine::<&str> {
        offset: 8,
        ack_id: None,
        attempt: 2,
        redelivered: true,
        redriven: true,
        ingested_at: Some(Timestamp(0)),
        skipped: &[Offset(5), Offset(6)],
        digest: Some(r#"{"count":2}"#),
        event: r#"{"a":1}"#,
    };
    let mut frame = Frame::batch(&head, 0);
    frame.event(&first);
    frame.event(&second);
    frame.end_batch();
    assert_eq!(
        value(frame),
        json!({"type": "events", "topic": "a/b", "partition": 3, "epoch": 1, "ingested_at": "T",
            "events": [{"offset": 7, "ack_id": "x", "event": {}},
                {"offset": 8, "ingested_at": "1970-01-01T00:00:00Z", "attempt": 2, "redelivered": true, "redriven": true,
                 "skipped_to_dead_letter": [5, 6], "digest": {"count": 2}, "event": {"a": 1}}]})
    );
    let mut frame = Frame::default();
    frame.single(&head, &second);
    assert_eq!(
        value(frame),
        json!({"topic": "a/b", "partition": 3, "epoch": 1, "offset": 8,
            "ingested_at": "1970-01-01T00:00:00Z",
            "attempt": 2, "redelivered": true, "redriven": true,
                 "skipped_to_dead_letter": [5, 6], "digest": {"count": 2}, "event": {"a": 1}})
    );
    let place = json!({"topic": "a/b", "partition": 3, "epoch": 1, "from": 1, "to": 2});
    let frame = Frame::confirmed([run(1, 2), run(1, 2)].into_iter(), [].into_iter());
    assert_eq!(value(frame), json!({"type": "confirmed", "runs": [place, place], "stale": []}));
    let frame = Frame::extended([].into_iter(), [run(1, 2)].into_iter());
    assert_eq!(value(frame), json!({"type": "extended", "runs": [], "stale": [place]}));
    let frame = Frame::heartbeat([run(0, 9)].into_iter(), 4);
    assert_eq!(
        value(frame),
        json!({"type": "heartbeat", "lag_events": 4,
            "last_sent": [{"topic": "a/b", "partition": 3, "epoch": 1, "offset": 9}]})
    );
    let gap = value(Frame::gap(&run(1, 2), 2, "RETENTION"));
    assert_eq!((&gap["type"], &gap["to"]), (&json!("gap"), &json!(2)));
    assert_eq!(value(Frame::opened("1f", 5, 6))["max_in_flight_bytes"], 6);
    assert_eq!(value(Frame::window("pause", 6)), json!({"type": "pause", "in_flight": 6}));
    let problem = ProblemDocument::new(&Refusal::new(Code::Internal, "\"x\"\n"), "r");
    assert_eq!(value(Frame::error(&problem))["problem"]["detail"], "\"x\"\n");
}

#[test]
fn what_is_read_is_exactly_these_frames() {
    let read = |text: &str| StreamRequest::read(text.as_bytes());
    let ids = || vec!["a".to_owned()];
    for (text, frame) in [
        (
            r#"{"type":"open","subscription":"s"}"#,
            StreamRequest::Open {
                subscription: "s".into(),
                consumer: String::new(),
                compression: None,
                ack_deadline_ms: None,
            },
        ),
        (
            r#"{"type":"extend","ack_ids":["a"],"by_ms":5}"#,
            StreamRequest::Extend { ack_ids: ids(), by_ms: 5 },
        ),
        (r#"{"events":1,"type":"credit"}"#, StreamRequest::Credit { events: 1, bytes: None }),
        (r#"{"type":"ack","ack_ids":["a"]}"#, StreamRequest::Ack { up_to: vec![], ack_ids: ids() }),
        (
            r#"{"type":"nack","ack_ids":["a"],"delay_ms":5}"#,
            StreamRequest::Nack { ack_ids: ids(), delay_ms: Some(5), detail: String::new() },
        ),
        (
            r#"{"type":"nack","ack_ids":["a"],"detail":"no room"}"#,
            StreamRequest::Nack { ack_ids: ids(), delay_ms: None, detail: "no room".into() },
        ),
    ] {
        assert_eq!(read(text).unwrap(), frame, "{text}");
    }
    for (text, code) in [
        (r#"{"type":"open"}"#, Code::FieldMissing),
        (r#"{"type":"nonsense"}"#, Code::FieldInvalid),
        (r#"{"subscription":"s"}"#, Code::FieldMissing),
        (r#"{"type":"credit","events":-1}"#, Code::FieldInvalid),
        (r#"{"type":"credit","events":1,"more":2}"#, Code::FieldUnknown),
        ("[]", Code::FieldInvalid),
        ("", Code::JsonMalformed),
        (&"[".repeat(100), Code::DepthExceeded),
    ] {
        assert_eq!(read(text).unwrap_err().code, code, "{text}");
    }
}
