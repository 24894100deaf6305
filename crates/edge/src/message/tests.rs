//! What the message of an event says of it.

use bytes::Bytes;
use tidings_deliver::Run;
use tidings_event::v1::event::Payload;
use tidings_event::v1::{self, Kind};
use tidings_event::{Epoch, Offset, PartitionId, Timestamp, TopicId, encode};

use super::message;
use crate::cluster::Message;
use crate::lane::Waiting;
use crate::settings::Form;

const SECOND: u64 = 1_000_000_000;

fn bar() -> v1::Event {
    let value = v1::Value { value: Some(32.5), ..v1::Value::default() };
    let values = [("rsi_14".to_owned(), value)].into();
    v1::Event {
        id: vec![7; 16].into(),
        source: "ta".to_owned(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".to_owned(),
        venue: "XNAS".to_owned(),
        timeframe: "5m".to_owned(),
        interval_start: 300 * SECOND,
        interval_end: 600 * SECOND,
        produced_at: 601 * SECOND,
        payload: Some(Payload::Indicators(v1::Indicators { values, ..Default::default() })),
        ..v1::Event::default()
    }
}

fn made(form: Form, event: &v1::Event, flags: (bool, bool)) -> Message {
    let run = Run {
        topic: TopicId(3),
        epoch: Epoch(2),
        partition: PartitionId(5),
        first: Offset(41),
        last: Offset(41),
    };
    let event = Waiting {
        run,
        event: Bytes::from(encode(event)),
        framed: 0,
        ingested_at: Timestamp(0),
        is_redelivered: flags.0,
        is_redriven: flags.1,
    };
    message(form, "analysis/indicators/5m", &event).unwrap()
}

fn property(message: &Message, name: &str) -> Option<String> {
    let found = message.properties.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.clone())
}

#[test]
fn a_bar_is_keyed_by_its_instrument_and_timed_by_its_end() {
    let message = made(Form::Json, &bar(), (false, false));
    assert_eq!((message.key.as_str(), message.event_time), ("AAPL", 600_000));
    for (name, value) in [
        ("id", "07070707-0707-0707-0707-070707070707"),
        ("source", "ta"),
        ("kind", "INDICATORS"),
        ("schema_version", "1.0"),
        ("topic", "analysis/indicators/5m"),
        ("partition", "5"),
        ("offset", "41"),
        ("epoch", "2"),
        ("venue", "XNAS"),
    ] {
        assert_eq!(property(&message, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(message.properties.len(), 9, "nothing is said where there is nothing to say");
    let text = String::from_utf8(message.payload.to_vec()).unwrap();
    assert!(text.contains(r#""values":{"rsi_14":{"value":32.5}}"#), "{text}");
}

#[test]
fn protobuf_is_the_event_as_it_was_published() {
    let message = made(Form::Protobuf, &bar(), (false, false));
    assert_eq!(message.payload, encode(&bar()));
}

#[test]
fn whatever_may_have_come_before_says_so_and_a_trace_goes_on() {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let traced = v1::Event { traceparent: traceparent.clone(), ..bar() };
    let message = made(Form::Json, &traced, (true, true));
    assert_eq!(property(&message, "redelivered").as_deref(), Some("true"));
    assert_eq!(property(&message, "redriven").as_deref(), Some("true"));
    assert_eq!(property(&message, "traceparent"), Some(traceparent));
}

#[test]
fn what_has_no_instrument_has_another_key() {
    let matrix = v1::Correlation { matrix_id: "us-tech".to_owned(), ..Default::default() };
    let correlation = v1::Event {
        kind: Kind::Correlation.into(),
        instrument: String::new(),
        interval_start: 0,
        interval_end: 0,
        payload: Some(Payload::Correlation(matrix)),
        ..bar()
    };
    let message = made(Form::Json, &correlation, (false, false));
    assert_eq!((message.key.as_str(), message.event_time), ("us-tech", 601_000));
    let complete = v1::IntervalComplete { expected: 1, published: 1, ..Default::default() };
    let mark = v1::Event {
        kind: Kind::IntervalComplete.into(),
        instrument: String::new(),
        payload: Some(Payload::IntervalComplete(complete)),
        ..bar()
    };
    assert_eq!(made(Form::Json, &mark, (false, false)).key, "XNAS");
    let nowhere = v1::Event { venue: String::new(), ..mark };
    assert_eq!(made(Form::Json, &nowhere, (false, false)).key, "XXXX");
}

#[test]
fn what_is_no_event_is_no_message() {
    let run = Run {
        topic: TopicId(3),
        epoch: Epoch(2),
        partition: PartitionId(5),
        first: Offset(41),
        last: Offset(41),
    };
    let event = Waiting {
        run,
        event: Bytes::from_static(&[0x0B]),
        framed: 0,
        ingested_at: Timestamp(0),
        is_redelivered: false,
        is_redriven: false,
    };
    assert!(message(Form::Json, "t", &event).is_err());
    assert!(message(Form::Protobuf, "t", &event).is_err());
}
