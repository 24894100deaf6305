//! Finds one event by its id: where it is said to be, else among what was taken in around the time
//! that its id tells, within a bound.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::Topic;
use tidings_event::block::{BlockHeader, events};
use tidings_event::hop::Committed;
use tidings_event::{
    Code, Offset, PartitionId, Position, Refusal, Timestamp, TopicName, TopicPartition,
};
use tidings_log::ReadError;

use crate::doors::Doors;
use crate::refusals::{of_read, topic_unknown};

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Most bytes of blocks that one search reads.
const SEARCH_BYTES_MAX: u64 = 256 << 20;

/// What looking into a partition costs, whatever is there.
const PARTITION_BYTES: u64 = 4 << 10;

/// An event is taken in this long before its id's time at most: clocks differ.
const BEFORE: Duration = Duration::from_secs(60);

/// And this long after it.
const AFTER: Duration = Duration::from_secs(600);

/// Where to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clues {
    /// Exactly here.
    pub(crate) position: Option<Position>,
    /// In this topic only.
    pub(crate) topic: Option<TopicName>,
    /// The event's source: with it the ids of late are searched.
    pub(crate) source: Option<String>,
    /// Taken in at or after this time, instead of what the id tells.
    pub(crate) from: Option<Timestamp>,
    /// Taken in at or before this time.
    pub(crate) to: Option<Timestamp>,
}

/// An event that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) topic: Arc<Topic>,
    pub(crate) position: Position,
    pub(crate) header: BlockHeader,
    /// Canonical bytes; shares the log's.
    pub(crate) event: Bytes,
    /// What led to it.
    pub(crate) by: &'static str,
    /// Blocks that were read.
    pub(crate) blocks: u64,
}

/// Finds an event of a tenant.
///
/// # Errors
/// `EVENT_UNKNOWN`, saying where it was looked for; what reading refuses at a position.
pub(crate) async fn find(
    doors: &Doors,
    tenant: &str,
    id: &[u8; 16],
    clues: &Clues,
) -> Result<Found, Refusal> {
    let mut search = Search { doors, id, blocks: 0, bytes: 0, skipped: 0 };
    if let Some(position) = clues.position {
        return search.at(tenant, position).await;
    }
    if let Some(source) = &clues.source
        && let Some((place, offset)) = doors.parts.admission.find(tenant, source, id)
    {
        let (topic, partition) = (place.topic, place.partition);
        let position = Position { topic, epoch: doors.parts.log.epoch(), partition, offset };
        if let Ok(found) = search.at(tenant, position).await {
            return Ok(Found { by: "window", ..found });
        }
    }
    search.by_time(tenant, clues).await
}

struct Search<'a> {
    doors: &'a Doors,
    id: &'a [u8; 16],
    blocks: u64,
    bytes: u64,
    /// Damaged ranges that were passed over.
    skipped: u64,
}

impl Search<'_> {
    async fn at(&mut self, tenant: &str, position: Position) -> Result<Found, Refusal> {
        let parts = &self.doors.parts;
        let snapshot = parts.catalog.snapshot();
        let topic = snapshot.topic_by_id(position.topic).filter(|t| t.name.tenant() == tenant);
        let Some(topic) = topic.filter(|_| position.epoch == parts.log.epoch()) else {
            let detail = "the position is of a topic or a log that is gone";
            return Err(Refusal::new(Code::PositionInvalid, detail).at_field("position"));
        };
        let (place, offset) = (position.topic_partition(), position.offset);
        let read = parts.log.read(place, offset, 1).await.map_err(|error| of_read(&error))?;
        let holds = |block: &&Committed| block.block.header.base_offset <= offset;
        let block = read.first().filter(holds).filter(|block| offset < block.end_offset());
        let found = block.and_then(|block| self.within(topic, block, "position", Some(offset)));
        found.ok_or_else(|| {
            Refusal::new(Code::EventUnknown, "another event, or none, is at that place")
                .with_hint("leave the place out: its id tells when it was made")
        })
    }

    async fn by_time(&mut self, tenant: &str, clues: &Clues) -> Result<Found, Refusal> {
        // Those who wait hold nothing but their connection. The semaphore is never closed.
        let _turn = self.doors.searches.acquire().await;
        let (from, to) = span(self.id, clues, self.doors.parts.clock.wall());
        let snapshot = self.doors.parts.catalog.snapshot();
        let topics: Vec<Arc<Topic>> = match &clues.topic {
            None => snapshot.topics(tenant).cloned().collect(),
            Some(name) => {
                vec![Arc::clone(snapshot.topic(name).ok_or_else(|| topic_unknown(name.path()))?)]
            }
        };
        for topic in &topics {
            for partition in (0..topic.partitions).map(PartitionId) {
                if self.bytes >= SEARCH_BYTES_MAX {
                    return Err(self.unknown(from, to));
                }
                if let Some(found) = self.in_partition(topic, partition, (from, to)).await? {
                    return Ok(found);
                }
            }
        }
        Err(self.unknown(from, to))
    }

    async fn in_partition(
        &mut self,
        topic: &Arc<Topic>,
        partition: PartitionId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Option<Found>, Refusal> {
        let log = &*self.doors.parts.log;
        let place = TopicPartition { topic: topic.id, partition };
        self.bytes += PARTITION_BYTES;
        // A topic that is deleted meanwhile holds nothing any more.
        let Ok(bounds) = log.bounds(place) else { return Ok(None) };
        if bounds.trim >= bounds.durable_tail {
            return Ok(None);
        }
        let Ok(mut next) = log.resolve_time(place, from).await else { return Ok(None) };
        while self.bytes < SEARCH_BYTES_MAX {
            let blocks = match log.read(place, next, READ_BYTES).await {
                Ok(blocks) => blocks,
                Err(ReadError::DataLoss { to, .. }) => {
                    self.skipped += 1;
                    next = to.plus(1);
                    continue;
                }
                Err(ReadError::Trimmed { trim, .. }) if trim > next => {
                    next = trim;
                    continue;
                }
                Err(ReadError::Io(reason)) => return Err(Refusal::new(Code::Internal, reason)),
                Err(_) => return Ok(None),
            };
            let Some(last) = blocks.last() else { return Ok(None) };
            next = last.end_offset();
            for block in &blocks {
                if block.block.header.ingested_at > to {
                    return Ok(None);
                }
                self.bytes += block.block.body.len() as u64;
                if let Some(found) = self.within(topic, block, "time", None) {
                    return Ok(Some(found));
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    /// The event in a block; only at an offset, where one is said.
    fn within(
        &mut self,
        topic: &Arc<Topic>,
        block: &Committed,
        by: &'static str,
        at: Option<Offset>,
    ) -> Option<Found> {
        self.blocks += 1;
        let (header, body) = (&block.block.header, &block.block.body);
        let whole = events(body).map_while(Result::ok);
        let mut placed = (header.base_offset.0..).zip(whole);
        let (offset, event) = placed.find(|(offset, event)| {
            at.is_none_or(|at| at.0 == *offset) && has_id(event, self.id)
        })?;
        let TopicPartition { topic: topic_id, partition } = header.topic_partition;
        let (epoch, offset) = (header.epoch, Offset(offset));
        Some(Found {
            topic: Arc::clone(topic),
            position: Position { topic: topic_id, epoch, partition, offset },
            header: header.clone(),
            event: body.slice_ref(event),
            by,
            blocks: self.blocks,
        })
    }

    fn unknown(&self, from: Timestamp, to: Timestamp) -> Refusal {
        let blocks = self.blocks;
        let mut detail = format!("no such event in {blocks} blocks taken in from {from} to {to}");
        if self.bytes >= SEARCH_BYTES_MAX {
            detail.push_str("; the search ended at its limit, before the end of that time");
        }
        if self.skipped > 0 {
            detail.push_str("; damaged blocks were passed over");
        }
        Refusal::new(Code::EventUnknown, detail).with_hint(
            "say when it was published (`from`, `to`), which `topic`, or its exact place \
             (`position`, or `topic`, `partition` and `offset`)",
        )
    }
}

/// Whether an event has an id. Encoders write it first; else the whole event is read.
fn has_id(event: &[u8], id: &[u8; 16]) -> bool {
    match event {
        [0x0A, 0x10, rest @ ..] => rest.starts_with(id),
        _ => tidings_event::scan(event).is_ok_and(|envelope| envelope.id == *id),
    }
}

/// Between which times the event was taken in: as asked, or as a version 7 id tells; else lately.
fn span(id: &[u8; 16], clues: &Clues, now: Timestamp) -> (Timestamp, Timestamp) {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let millis = id[..6].iter().fold(0u64, |millis, &byte| millis << 8 | u64::from(byte));
    let (from, to) = if id[6] >> 4 == 7 {
        let made = millis.saturating_mul(1_000_000);
        (made.saturating_sub(nanos(BEFORE)), made.saturating_add(nanos(AFTER)))
    } else {
        (now.0.saturating_sub(nanos(AFTER)), now.0)
    };
    (clues.from.unwrap_or(Timestamp(from)), clues.to.unwrap_or(Timestamp(to)))
}
