//! What a subscription costs that nobody consumes: its record in the log's tables, its place in the
//! catalog, and its state. Counted as the system's allocator hands it out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use bytes::Bytes;
use tidings_catalog::{Catalog, CatalogSettings, SubscriptionSpec, TopicPattern, TopicRequest};
use tidings_deliver::{Attach, Deliver, DeliverSettings, Turn, Watch};
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{
    Clock, Offset, PartitionId, SystemClock, Timestamp, TopicId, TopicName, TopicPartition,
};
use tidings_log::{EmbeddedLog, EmbeddedOptions, PartitionLog, SystemDisk};
use tidings_telemetry::Recorder;

const PARTITIONS: u32 = 16;
/// Made before anything is counted: buffers and pools are full then.
const WARM_UP: usize = 1_088;
const COUNTED: usize = 1_024;

/// What the catalog and the log's table keep of one.
const DEFINITION_BYTES_MAX: isize = 900;
/// What the stage adds to that.
const STATE_BYTES_MAX: isize = 816;
/// What a consumer adds that is one of many of a stream.
const SESSION_BYTES_MAX: isize = 500;

static HELD: AtomicIsize = AtomicIsize::new(0);

/// The system's memory, and how much of it is held.
struct Counting;

/// Bytes that glibc takes for a request: eight in front of it, in steps of sixteen, at least 32.
fn taken(layout: Layout) -> isize {
    isize::try_from((layout.size() + 8).next_multiple_of(16).max(32)).unwrap_or(isize::MAX)
}

#[expect(unsafe_code, reason = "an allocator is unsafe to be; it only counts")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(taken(layout), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(taken(layout), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Appends events to partitions, a different number to each: no two start at the same offset.
async fn publish(log: &dyn PartitionLog, topic: TopicId) {
    for partition in 0..PARTITIONS {
        let mut body = BodyBuilder::default();
        for _ in 0..=partition * 40 {
            assert!(body.push(b"event"));
        }
        let (body, count): (Bytes, u32) = body.take();
        let header = BlockHeader {
            flags: Flags::default(),
            topic_partition: TopicPartition { topic, partition: PartitionId(partition) },
            epoch: log.epoch(),
            term: log.term(),
            base_offset: Offset(0),
            count,
            codec: 0,
            body_bytes: u32::try_from(body.len()).unwrap(),
            body_crc: crc32c(&body),
            ingested_at: Timestamp(1),
            producer: None,
            extensions: Bytes::new(),
        };
        log.append(vec![Block { header, body }]).unwrap().await.unwrap();
    }
}

async fn subscribe(catalog: &Catalog, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let topics = vec![TopicPattern::parse("analysis/**").unwrap()];
        let spec = SubscriptionSpec::new(format!("s-{number}"), topics);
        catalog.create_subscription("default", spec).await.unwrap();
    }
}

/// Bytes that are held more, for each that was made since.
fn each(before: isize) -> isize {
    (HELD.load(Ordering::Relaxed) - before) / isize::try_from(COUNTED).unwrap()
}

#[tokio::test]
async fn an_idle_subscription_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, recorder) = (Arc::new(SystemClock::new()), Recorder::new());
    let log: Arc<dyn PartitionLog> = EmbeddedLog::open(
        Arc::new(SystemDisk),
        folder.path(),
        EmbeddedOptions::default(),
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::clone(&recorder),
    )
    .unwrap();
    let settings =
        CatalogSettings { subscriptions_max: WARM_UP + 2 * COUNTED, ..Default::default() };
    let time = Arc::clone(&clock) as Arc<dyn Clock>;
    let catalog = Catalog::open(Arc::clone(&log), settings, Arc::clone(&time)).await.unwrap();
    let name = TopicName::default_tenant("analysis/indicators/5m").unwrap();
    let request = TopicRequest { partitions: Some(PARTITIONS), ..TopicRequest::default() };
    let topic = catalog.put_topic(name, request).await.unwrap().into_inner();
    publish(log.as_ref(), topic.id).await;

    subscribe(&catalog, 0..WARM_UP).await;
    let before = HELD.load(Ordering::Relaxed);
    subscribe(&catalog, WARM_UP..WARM_UP + COUNTED).await;
    let definition = each(before);

    let deliver =
        Deliver::open(log, Arc::clone(&catalog), time, recorder, DeliverSettings::default());
    let deliver = deliver.await.unwrap();
    let before = HELD.load(Ordering::Relaxed);
    subscribe(&catalog, WARM_UP + COUNTED..WARM_UP + 2 * COUNTED).await;
    assert!(deliver.status("default", "s-0").is_ok(), "all are taken up by now");
    let state = each(before) - definition;
    println!("a subscription: {definition} bytes of definition, {state} of state");
    assert!(definition <= DEFINITION_BYTES_MAX, "{definition}");
    assert!(state <= STATE_BYTES_MAX, "{state}");

    let watch = Arc::new(Watch::default());
    let mut sessions = Vec::with_capacity(COUNTED);
    let before = HELD.load(Ordering::Relaxed);
    for number in 0..COUNTED {
        let attach = Attach { consumer: "desk".to_owned(), ..Attach::default() };
        let name = format!("s-{}", WARM_UP + number);
        let mut session = deliver.attach_with("default", &name, attach).unwrap();
        session.grant(1_000, 1 << 20);
        session.watch(&watch, u32::try_from(number).unwrap());
        sessions.push(session);
    }
    sessions.iter_mut().for_each(|session| assert!(matches!(session.turn(), Turn::Wait(None))));
    watch.take(&mut Vec::new());
    let session = each(before);
    println!("a session of it: {session} bytes");
    assert!(session <= SESSION_BYTES_MAX, "{session}");
    drop(sessions);
    deliver.close().await;
}
