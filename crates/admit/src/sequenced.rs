//! A producer's blocks: checked as a whole, stored once, in the order of their sequences.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::FutureExt;
use tidings_catalog::Durability;
use tidings_event::block::{Block, BlockHeader, BodyError, Flags, ProducerStamp, crc32c, events};
use tidings_event::{Code, Offset, PartitionId, Refusal, Timestamp, TopicPartition};
use tidings_telemetry::Counter;

use crate::admit::Admission;
use crate::batch::{BlockPlaced, SequencedBlock};
use crate::cells::Cell;
use crate::connections::Producer;
use crate::defining::{Defining, Found as FoundDefinitions};
use crate::key_notes::{self, Noted};
use crate::key_sequences::KeyCount;
use crate::limits;
use crate::place::{Found, Route};
use crate::producers::Verdict;
use crate::settle::SubmittedBlock;
use crate::survey::mismatch;
use crate::window::tenant_seed;

/// A block whose events are sound and belong where it says.
struct Checked {
    block: SequencedBlock,
    /// Of the events that have one, index and number in their key's sequence.
    counts: Vec<(u32, KeyCount)>,
    /// Whether one of its events expires.
    expires: bool,
    definitions: FoundDefinitions,
    /// The last event whose definition is refused.
    undefined: Option<(u32, Refusal)>,
}

impl Admission {
    /// Takes a producer's block in, in call order.
    ///
    /// # Errors
    /// Nothing of the block was stored by this call; the code says why.
    pub async fn submit_block(
        &self,
        producer: &Producer,
        block: SequencedBlock,
    ) -> Result<SubmittedBlock, Refusal> {
        let count = u64::from(block.count);
        let submitted = self.take_block(producer, block).await;
        if submitted.is_err() {
            self.recorder.count(Counter::AdmitRefused, count);
        }
        submitted
    }

    async fn take_block(
        &self,
        producer: &Producer,
        block: SequencedBlock,
    ) -> Result<SubmittedBlock, Refusal> {
        self.check_open()?;
        producer.check()?;
        limits::check_block(block.body.len())?;
        let crc = crc32c(&block.body);
        if crc != block.body_crc {
            let detail = format!("its CRC-32C is {crc:#010x}, {:#010x} was said", block.body_crc);
            return Err(Refusal::new(Code::BlockCorrupt, detail).with_hint("send it again"));
        }
        if block.topic.tenant() != producer.tenant {
            return Err(Refusal::new(Code::TopicUnknown, "the topic is another tenant's"));
        }
        let route = match self.routes.by_name(&block.topic)? {
            Found::Route(route) => route,
            Found::Missing(name) => {
                self.catalog.topic_or_template(&name).await?;
                match self.routes.by_name(&name)? {
                    Found::Route(route) => route,
                    Found::Missing(_) => {
                        return Err(Refusal::new(Code::TopicUnknown, "the topic was just deleted"));
                    }
                }
            }
        };
        let mut failed = None;
        loop {
            let defining = Defining::new(self, &producer.tenant, failed.clone());
            let mut checked = check_events(&route, &producer.tenant, &block, defining)?;
            if checked.definitions.is_complete() || self.is_repeat(producer, &route, &block)? {
                return self.store_block(producer, &route, checked);
            }
            let found = std::mem::take(&mut checked.definitions);
            failed = self.define(&producer.tenant, found).await;
        }
    }

    /// Whether all of a block is there already: then it brings no definition.
    fn is_repeat(
        &self,
        producer: &Producer,
        route: &Route,
        block: &SequencedBlock,
    ) -> Result<bool, Refusal> {
        let stamp = stamp(producer, block)?;
        let partition = PartitionId(block.partition);
        let cell = route.cells.lock(&route.topic, partition, &*self.log, &self.seeds)?;
        let verdict = cell.producers.judge(&stamp, u64::from(block.count), producer.fresh)?;
        Ok(matches!(verdict, Verdict::Duplicate(_)))
    }

    fn store_block(
        &self,
        producer: &Producer,
        route: &Arc<Route>,
        checked: Checked,
    ) -> Result<SubmittedBlock, Refusal> {
        let (watch, block) = (self.watch(), &checked.block);
        let partition = PartitionId(block.partition);
        let count = u64::from(block.count);
        let stamp = stamp(producer, block)?;
        let cell = &mut *route.cells.lock(&route.topic, partition, &*self.log, &self.seeds)?;
        // Under the lock: a newer epoch that has stored anything here was granted before this.
        producer.check()?;
        let mut placed = BlockPlaced {
            topic: Arc::clone(&route.topic),
            partition,
            base_offset: None,
            count: block.count,
            repeated: block.count,
            epoch: self.log.epoch(),
            duplicate: true,
            durability: Durability::Durable,
        };
        let (repeated, repeated_at) = match cell.producers.judge(&stamp, count, producer.fresh)? {
            Verdict::Store { repeated, repeated_at } => (repeated, repeated_at),
            Verdict::Duplicate(base_offset) => {
                self.recorder.count(Counter::AdmitDuplicates, count);
                placed.base_offset = base_offset;
                let append = match base_offset {
                    Some(base) => cell.durable_below(base.plus(count)),
                    // Where it is is forgotten; below everything that may still be pending it is not.
                    None => cell.newest(),
                };
                return Ok(SubmittedBlock { placed, append, watch });
            }
        };
        self.tell_conflicts(checked.definitions.conflicts, checked.definitions.first.as_ref());
        if let Some((_, refusal)) =
            checked.undefined.as_ref().filter(|(at, _)| u64::from(*at) >= repeated)
        {
            return Err(refusal.clone());
        }
        let base = cell.tail;
        let append = self.append_block(cell, route, &stamp, checked, repeated)?;
        self.recorder.count(Counter::AdmitEvents, count - repeated);
        self.recorder.count(Counter::AdmitDuplicates, repeated);
        placed.duplicate = false;
        placed.repeated = u32::try_from(repeated).unwrap_or(u32::MAX);
        placed.base_offset = match (repeated, repeated_at) {
            (0, _) => Some(base),
            (_, Some(at)) if at.plus(repeated) == base => Some(at),
            _ => None,
        };
        Ok(SubmittedBlock { placed, append: Some(append), watch })
    }

    /// Appends a block without the events that are there already.
    fn append_block(
        &self,
        cell: &mut Cell,
        route: &Route,
        stamp: &ProducerStamp,
        checked: Checked,
        repeated: u64,
    ) -> Result<crate::cells::Durable, Refusal> {
        let Checked { block, counts, expires, .. } = checked;
        let now = self.clock.monotonic();
        let connected = |id: &[u8; 16]| *id != stamp.id && self.connections.holds(id);
        cell.producers.admit(&stamp.id, now, self.producer_limits(), connected)?;
        let place =
            TopicPartition { topic: route.topic.id, partition: PartitionId(block.partition) };
        let (body, body_crc) = if repeated == 0 {
            (block.body, block.body_crc)
        } else {
            let body = without_first(&block.body, repeated);
            let crc = crc32c(&body);
            (body, crc)
        };
        let left = u64::from(block.count) - repeated;
        let stamp = ProducerStamp { first_sequence: stamp.first_sequence + repeated, ..*stamp };
        let ingested_at = self.ingest_time().max(cell.last_ingest);
        let mut whole =
            self.block(place, cell.tail, (body, left, body_crc), ingested_at, Some(stamp));
        let (base, bytes) = (cell.tail, whole.body.len());
        let noted = self.noted(&counts, repeated, base);
        key_notes::note(&mut whole.header, &noted);
        if expires {
            whole.header.flags = whole.header.flags.with(Flags::EXPIRES);
        }
        // Before it may become durable, and be taken by retention.
        cell.producers.unsaved.keep(&*self.log, place, base);
        let pending = self.append(vec![whole]).map_err(|e| {
            self.undo_keys(&noted);
            self.refused(&e, left)
        })?;
        self.tell_keys(place, &noted);
        let durable = pending.shared();
        cell.appended(base.plus(left), ingested_at, &durable);
        cell.producers.store(&stamp, left, base, now);
        self.appended_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(durable)
    }

    /// What the numbers of a block's new events do to their keys' sequences.
    fn noted(&self, counts: &[(u32, KeyCount)], repeated: u64, base: Offset) -> Vec<Noted> {
        if counts.is_empty() {
            return Vec::new();
        }
        let mut keys = self.keys();
        let fresh = counts.iter().filter(|(at, _)| u64::from(*at) >= repeated);
        let noted = fresh.filter_map(|(at, count)| {
            let offset = base.plus(u64::from(*at) - repeated);
            Some(Noted { offset, step: keys.step(*count)? })
        });
        noted.collect()
    }

    /// A block with its header; `body` is bytes, count and checksum.
    pub(crate) fn block(
        &self,
        place: TopicPartition,
        base_offset: Offset,
        body: (Bytes, u64, u32),
        ingested_at: Timestamp,
        producer: Option<ProducerStamp>,
    ) -> Block {
        let (body, count, body_crc) = body;
        let header = BlockHeader {
            flags: Flags::default(),
            topic_partition: place,
            epoch: self.log.epoch(),
            term: self.log.term(),
            base_offset,
            // A body has at most 1 MiB: both fit.
            count: count as u32,
            codec: 0,
            body_bytes: body.len() as u32,
            body_crc,
            ingested_at,
            producer,
            extensions: Bytes::new(),
        };
        Block { header, body }
    }
}

/// The attempt that a block is.
fn stamp(producer: &Producer, block: &SequencedBlock) -> Result<ProducerStamp, Refusal> {
    if block.first_sequence.checked_add(u64::from(block.count)).is_none() {
        let detail = format!("sequence {} is impossible", block.first_sequence);
        return Err(Refusal::new(Code::SequenceGap, detail));
    }
    let (id, epoch) = (producer.id, producer.epoch());
    Ok(ProducerStamp { id, epoch, first_sequence: block.first_sequence })
}

/// The body from its n-th event on.
fn without_first(body: &Bytes, n: u64) -> Bytes {
    let mut walk = events(body);
    for _ in 0..n {
        let _event = walk.next();
    }
    body.slice(walk.offset()..)
}

/// Every event must be sound, and belong where the block says.
fn check_events(
    route: &Route,
    tenant: &str,
    block: &SequencedBlock,
    mut defining: Defining<'_>,
) -> Result<Checked, Refusal> {
    let partitions = route.topic.partitions;
    if block.partitions != partitions {
        let detail =
            format!("`{}` has {partitions} partitions, not {}", block.topic, block.partitions);
        return Err(Refusal::new(Code::PartitionsChanged, detail).with_hint("ask Describe again"));
    }
    if block.partition >= partitions {
        let detail = format!("partition {} of {partitions} does not exist", block.partition);
        return Err(Refusal::new(Code::PartitionMismatch, detail).at_field("partition"));
    }
    let seed = tenant_seed(tenant);
    let (mut count, mut counts, mut undefined, mut expires) = (0u32, Vec::new(), None, false);
    for event in events(&block.body) {
        let bytes = event.map_err(|BodyError { at }| limits::broken_body(&block.body, at))?;
        let envelope = tidings_event::scan(bytes).map_err(|refusal| within(count, refusal))?;
        if !route.takes(&envelope) {
            return Err(within(count, mismatch(route)));
        }
        let partition = envelope.key_hash().partition(partitions);
        if partition.0 != block.partition {
            let detail =
                format!("its key belongs to partition {partition}, not {}", block.partition);
            return Err(within(count, Refusal::new(Code::PartitionMismatch, detail)));
        }
        if let Err(refusal) = defining.check(bytes, &envelope) {
            undefined = Some((count, within(count, refusal)));
        }
        expires |= envelope.expires_at.0 != 0;
        counts.extend(KeyCount::of(seed, &envelope).map(|number| (count, number)));
        count += 1;
    }
    if count != block.count {
        let detail = format!("it holds {count} events, {} were said", block.count);
        return Err(Refusal::new(Code::BlockCorrupt, detail));
    }
    Ok(Checked { block: block.clone(), counts, expires, definitions: defining.end(), undefined })
}

/// Names the event in the refusal's field.
fn within(index: u32, mut refusal: Refusal) -> Refusal {
    let dot = if refusal.field.is_empty() { "" } else { "." };
    refusal.field = format!("events[{index}]{dot}{}", refusal.field);
    refusal
}
