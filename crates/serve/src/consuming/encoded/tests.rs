//! What is kept is bounded, and made and held in memory once however many are sent it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{Durability, Topic};
use tidings_deliver::Delivery;
use tidings_event::v1::{Event, Indicators, Kind, Value, event::Payload};
use tidings_event::{
    Epoch, Offset, PartitionId, Timestamp, TopicId, TopicName, block, encode, packed,
};
use tidings_log::Retention;
use tidings_telemetry::{Counter, Recorder};

use super::{Encoded, EventTexts, KEPT_BYTES};

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's memory, and how much of it each thread asked for.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe to be; it only counts")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Nothing is counted while the thread ends.
        let _ended = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One event of about so many bytes of JSON, at an offset.
fn delivery(offset: u64, bytes: usize) -> Delivery {
    let one = Value { value: Some(1.5), ..Value::default() };
    let names = (0..bytes / 20).map(|n| (format!("indicator_{n:06}"), one.clone()));
    let event = encode(&Event {
        id: vec![7; 16].into(),
        source: "s".into(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".into(),
        timeframe: "1m".into(),
        payload: Some(Payload::Indicators(Indicators {
            values: names.collect(),
            ..Indicators::default()
        })),
        ..Event::default()
    });
    let mut body = block::BodyBuilder::default();
    assert!(body.push(&event));
    let (body, count): (Bytes, u32) = body.take();
    Delivery {
        topic: Arc::new(Topic {
            id: TopicId(1),
            name: TopicName::new("default", "desk/notes").unwrap(),
            partitions: 1,
            retention: Retention { age: Duration::from_secs(60), bytes: None },
            durability: Durability::Durable,
            template: None,
            created_at: Timestamp(0),
        }),
        partition: PartitionId(0),
        epoch: Epoch(1),
        offsets: vec![(Offset(offset), 1)],
        attempts: Vec::new(),
        redelivered: Vec::new(),
        redriven: Vec::new(),
        skipped_to_dead_letter: Vec::new(),
        digests: Vec::new(),
        ingested_at: Timestamp(0),
        later: Vec::new(),
        body,
        checksum: None,
        count,
    }
}

/// How often one form was made for so many readers, and what they allocated.
fn read<T>(
    (kept_bytes, readers): (usize, usize),
    form: impl Fn(&Encoded, &Delivery) -> T,
    is_same: impl Fn(&T, &T) -> bool,
) -> (u64, usize) {
    let recorder = Recorder::new();
    let encoded = Encoded::new(kept_bytes, Arc::clone(&recorder));
    let delivery = delivery(0, 20_000);
    let mut made: Vec<T> = Vec::with_capacity(readers);
    let before = ALLOCATED.get();
    made.extend((0..readers).map(|_| form(&encoded, &delivery)));
    let allocated = ALLOCATED.get() - before;
    assert!(made.iter().all(|one| is_same(one, &made[0])));
    (recorder.counted(Counter::ServeEncodings), allocated)
}

/// A thousand readers of one form cost what one does, and do not when nothing is kept for the next.
fn check<T>(form: impl Fn(&Encoded, &Delivery) -> T, is_same: impl Fn(&T, &T) -> bool) {
    let (once, one) = read((KEPT_BYTES, 1), &form, &is_same);
    let (shared, thousand) = read((KEPT_BYTES, 1_000), &form, &is_same);
    assert_eq!((once, shared), (1, 1));
    assert!(thousand * 100 < one * 105, "{one} bytes for one, {thousand} for a thousand");
    // The same without sharing: it is the sharing that is measured.
    let (apart, thousand) = read((0, 1_000), &form, &is_same);
    assert_eq!(apart, 1_000);
    assert!(thousand > one * 900, "{one} bytes for one, {thousand} for a thousand apart");
}

#[test]
fn a_thousand_readers_cost_the_memory_of_one() {
    check(|encoded, delivery| encoded.texts(delivery).unwrap(), |a, b| a.text == b.text);
    check(|encoded, delivery| encoded.packed(delivery).unwrap(), |a, b| a == b);
}

#[test]
fn a_body_is_packed_where_that_makes_it_shorter() {
    let encoded = Encoded::new(KEPT_BYTES, Recorder::new());
    let long = delivery(0, 20_000);
    let body = Bytes::from_static(b"abcdefgh");
    let short = Delivery { offsets: vec![(Offset(1), 1)], body, ..long.clone() };
    let (bytes, codec) = encoded.packed(&long).unwrap();
    assert!(codec == packed::LZ4 && bytes.len() * 2 < long.body.len(), "{}", bytes.len());
    assert_eq!(packed::unpack(bytes, codec).unwrap(), long.body);
    assert_eq!(encoded.packed(&short).unwrap(), (short.body, packed::PLAIN));
}

#[test]
fn the_same_runs_are_the_same_form_and_others_are_not() {
    let recorder = Recorder::new();
    let encoded = Encoded::new(KEPT_BYTES, Arc::clone(&recorder));
    let one = delivery(0, 2_000);
    let apart = Delivery { offsets: vec![(Offset(0), 1), (Offset(4), 2)], ..one.clone() };
    for delivery in [&one, &apart, &one, &apart] {
        encoded.packed(delivery).unwrap();
    }
    assert_eq!(recorder.counted(Counter::ServeEncodings), 2);
}

#[test]
fn those_who_come_at_the_same_time_wait_for_one() {
    let recorder = Recorder::new();
    let encoded = Encoded::new(KEPT_BYTES, Arc::clone(&recorder));
    let (delivery, start) = (delivery(0, 200_000), Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                encoded.texts(&delivery).unwrap();
            });
        }
    });
    assert_eq!(recorder.counted(Counter::ServeEncodings), 1);
}

#[test]
fn the_newest_texts_are_kept_up_to_a_bound() {
    let recorder = Recorder::new();
    let one = EventTexts::of(&delivery(0, 2_000)).unwrap().len();
    let encoded = Encoded::new(4 * one, Arc::clone(&recorder));
    for offset in 0..9 {
        for _ in 0..2 {
            encoded.texts(&delivery(offset, 2_000)).unwrap();
        }
    }
    encoded.texts(&delivery(99, 20_000)).unwrap();
    assert_eq!(recorder.counted(Counter::ServeEncodings), 10);
    assert_eq!(encoded.texts.kept(), (vec![5, 6, 7, 8], 4 * one));
}

#[test]
fn what_is_dropped_is_made_again() {
    let recorder = Recorder::new();
    let encoded = Encoded::new(KEPT_BYTES, Arc::clone(&recorder));
    let one = delivery(0, 2_000);
    let text = encoded.texts(&one).unwrap();
    let (packed, _) = encoded.packed(&one).unwrap();
    let bytes = encoded.clear();
    assert!(bytes >= text.len() + packed.len(), "{bytes}");
    assert_eq!((encoded.texts.kept(), encoded.clear()), ((vec![], 0), 0));
    assert_eq!(encoded.texts(&one).unwrap().text, text.text);
    assert_eq!(recorder.counted(Counter::ServeEncodings), 3);
}

#[test]
fn the_texts_of_a_delivery_are_its_events_one_by_one() {
    let texts = EventTexts { text: "xxx".to_owned(), ends: vec![1, 3], ingested_at: String::new() };
    assert_eq!(texts.iter().collect::<Vec<_>>(), ["x", "xx"]);
}
