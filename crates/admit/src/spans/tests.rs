//! Which events of a block are followed, and what its header says of them.

use bytes::Bytes;
use tidings_event::block::{
    Block, BlockHeader, BodyBuilder, Flags, TRACE_NOTES_MAX, TraceNote, crc32c,
};
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{Epoch, Offset, Term, Timestamp, TopicPartition, encode};
use tidings_telemetry::{TraceContext, TraceSettings, Traces};

use super::sample;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traces(sample_ratio: f64) -> Traces {
    // Nobody listens there, and nothing is sent.
    let endpoint = "http://127.0.0.1:1".to_owned();
    Traces::start(&TraceSettings { endpoint, sample_ratio }).unwrap().0
}

/// A block with an event for each text: its `traceparent`.
fn block(traceparents: &[String]) -> Block {
    let mut builder = BodyBuilder::default();
    for traceparent in traceparents {
        let event = encode(&v1::Event {
            id: vec![1; 16].into(),
            source: "test".into(),
            kind: Kind::Summary.into(),
            instrument: "AAPL".into(),
            produced_at: 1,
            traceparent: traceparent.clone(),
            payload: Some(Payload::Summary(v1::Summary::default())),
            ..v1::Event::default()
        });
        assert!(builder.push(&event));
    }
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(1, 2),
        epoch: Epoch(1),
        term: Term(1),
        base_offset: Offset(9),
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: Timestamp(1),
        producer: None,
        extensions: Bytes::new(),
    };
    Block { header, body }
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-{flags}")
}

/// Indexes of the followed events.
fn check(ratio: f64, traceparents: &[String], wanted: &[u32]) {
    let mut blocks = [block(traceparents)];
    let sampled = sample(&traces(ratio), &mut blocks, 5);
    let notes: Vec<TraceNote> = TraceNote::read(&TraceNote::bytes_of(&blocks[0].header)).collect();
    assert!(notes.iter().map(|note| note.index).eq(wanted.iter().copied()), "{notes:?}");
    let admitted = sampled.iter().map(|event| (event.admit.trace_id, event.admit.span_id));
    assert!(admitted.eq(notes.iter().map(|note| (note.trace_id, note.span_id))));
}

#[tokio::test]
async fn sampled_events_are_noted_in_their_block() {
    let (none, yes, no) = (String::new(), parent("01"), parent("00"));
    check(0.0, &[none.clone(), none.clone()], &[]);
    check(0.0, &[none.clone(), yes.clone(), no.clone(), yes.clone()], &[1, 3]);
    check(1.0, &[none.clone(), none.clone(), yes.clone()], &[0, 2]);
    check(1.0, &[no, none], &[]);
    let wanted: Vec<u32> = (0..32).collect();
    assert_eq!(wanted.len(), TRACE_NOTES_MAX);
    check(0.0, &vec![yes; 50], &wanted);
}

#[tokio::test]
async fn the_first_event_of_a_block_stands_for_its_request() {
    let traces = traces(0.0);
    let request = TraceContext { trace_id: [7; 16], span_id: [8; 8] };
    let mut blocks = [block(&vec![String::new(); 3])];
    let sampled = Traces::scope(request, 3, async { sample(&traces, &mut blocks, 5) }).await;
    assert_eq!(sampled.len(), 1);
    assert_eq!((sampled[0].publish, sampled[0].started, sampled[0].own), (request, 3, None));
    assert_eq!(sampled[0].admit.trace_id, request.trace_id);
}
