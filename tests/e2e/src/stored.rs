//! A log as a stopped service left it on its disk, read without the service.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Catalog, CatalogSettings};
use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_event::{PartitionId, SystemClock, TopicPartition, block};
use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, SystemDisk};
use tidings_telemetry::{Recorder, Timer};

use crate::Chronicle;

/// How often a lock is tried that may be let go soon.
const LOCKED_TRIES: u32 = 500;

/// Most bytes read at once.
pub(crate) const READ_BYTES: usize = 4 << 20;

/// Opens a data directory that nobody serves.
pub(crate) async fn open(data: &Path) -> (Arc<dyn PartitionLog>, Arc<Catalog>) {
    let log = open_embedded(data).await;
    let catalog = open_catalog(&log).await;
    (log, catalog)
}

/// The definitions in a log.
pub(crate) async fn open_catalog(log: &Arc<dyn PartitionLog>) -> Arc<Catalog> {
    let (settings, clock) = (CatalogSettings::default(), Arc::new(SystemClock::new()));
    let catalog = Catalog::open(Arc::clone(log), settings, clock).await;
    catalog.expect("the catalog can be read")
}

async fn open_embedded(data: &Path) -> Arc<dyn PartitionLog> {
    let clock = Arc::new(SystemClock::new());
    let mut tries = 0;
    loop {
        let (disk, options) = (Arc::new(SystemDisk), EmbeddedOptions::default());
        match EmbeddedLog::open(disk, data, options, clock.clone(), Recorder::new()) {
            // A process that another thread starts has the files of this one, a lock that was just
            // let go among them, until it runs its own program.
            Err(OpenError::Locked(_)) if tries < LOCKED_TRIES => {
                tries += 1;
                Timer.after(Duration::from_millis(10)).await;
            }
            log => break log.expect("the log can be opened"),
        }
    }
}

/// Writes down every event of every topic, as if a subscription of this name had been given each
/// once, so that the checker compares all that lies there with all that was acknowledged.
///
/// # Panics
/// When it cannot be read.
pub async fn record_stored(data: &Path, chronicle: &Chronicle, reader: &str) {
    record_log(open(data).await, chronicle, reader).await;
}

pub(crate) async fn record_log(
    (log, catalog): (Arc<dyn PartitionLog>, Arc<Catalog>),
    chronicle: &Chronicle,
    reader: &str,
) {
    chronicle.subscription(reader, &["**"]);
    for topic in catalog.snapshot().topics(DEFAULT_TENANT) {
        let name = topic.name.path();
        for partition in 0..topic.partitions {
            let at = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
            record_partition(&*log, at, chronicle, (reader, name)).await;
        }
    }
    log.close().await;
}

/// How many events retention took of each topic.
///
/// # Panics
/// When it cannot be read.
pub async fn trims(data: &Path) -> BTreeMap<String, u64> {
    let (log, catalog) = open(data).await;
    let mut trims = BTreeMap::new();
    for topic in catalog.snapshot().topics(DEFAULT_TENANT) {
        let partition = |n| TopicPartition { topic: topic.id, partition: PartitionId(n) };
        let trim = |n| log.bounds(partition(n)).expect("the topic is there").trim.0;
        trims.insert(topic.name.path().to_owned(), (0..topic.partitions).map(trim).sum());
    }
    log.close().await;
    trims
}

async fn record_partition(
    log: &dyn PartitionLog,
    at: TopicPartition,
    chronicle: &Chronicle,
    (reader, name): (&str, &str),
) {
    let place = (name, at.partition.0);
    let mut from = log.bounds(at).expect("the topic is there").trim;
    if from.0 > 0 {
        chronicle.stored_gap(reader, place, 0, from.0 - 1);
    }
    loop {
        let blocks = log.read(at, from, READ_BYTES).await.expect("the log can be read");
        let Some(last) = blocks.last() else { return };
        for committed in &blocks {
            let offsets = committed.block.header.base_offset.0..;
            for (offset, event) in offsets.zip(block::events(&committed.block.body)) {
                if offset >= from.0 {
                    chronicle.stored(reader, place, offset, event.expect("a body is whole"));
                }
            }
        }
        from = last.end_offset();
    }
}
