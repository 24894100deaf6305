//! A journal in memory: the queue of appends, the partitions, the live ring. One mutex guards it,
//! held for work on blocks, never for I/O.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, Timestamp, TopicPartition};
use tidings_telemetry::{Counter, Gauge, Latency};
use tokio::sync::watch;

use super::ack::Ack;
use super::context::{Context, is_no_room};
use super::group::Ends;
use super::meta::Identity;
use super::partitions::{BlockRef, Partition, Partitions};
use super::segment::Segment;
use super::tables::Tables;
use crate::partition_log::{AppendError, Journal, Pressure};

/// Least the queue of a journal may hold, however slow the disk.
const QUEUE_BYTES_MIN: u64 = 4 << 20;
/// What the disk is taken to do until it was measured.
const ASSUMED_BYTES_PER_SECOND: f64 = 64e6;

/// The part of the live ring that stays when memory is short: who keeps up needs no more.
const SPARED_PART: usize = 8;

/// An append that waits for its turn.
pub(crate) struct Queued {
    pub(crate) blocks: Vec<Block>,
    pub(crate) bytes: u64,
    pub(crate) ack: Arc<Ack>,
    pub(crate) at: Duration,
}

/// A block that was written, for publishing.
pub(crate) struct Written {
    pub(crate) seq: u64,
    pub(crate) segment: u32,
    pub(crate) page: u32,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Write what is queued, then a mark.
    Clean,
    /// Stop where it is, as a crash would.
    Abrupt,
}

/// What the mutex guards.
pub(crate) struct Core {
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) queued_bytes: u64,
    pub(crate) partitions: Partitions,
    pub(crate) segments: BTreeMap<u32, Segment>,
    /// Last group that is written; durable unless a write is under way.
    pub(crate) last_seq: u64,
    pub(crate) stop: Option<Stop>,
    pub(crate) failed: Option<String>,
    /// A write waits for room on the disk.
    pub(crate) no_room: bool,
    pub(crate) bytes_per_second: f64,
    ring: VecDeque<Committed>,
    ring_first: u64,
    ring_bytes: usize,
}

/// A journal.
pub(crate) struct JournalStore {
    pub(crate) kind: Journal,
    pub(crate) dir: PathBuf,
    pub(crate) context: Arc<Context>,
    pub(crate) identity: Identity,
    pub(crate) tables: Arc<Tables>,
    core: Mutex<Core>,
    pub(crate) wake: Condvar,
    pub(crate) durable: watch::Sender<JournalSeq>,
}

impl JournalStore {
    pub(crate) fn new(
        kind: Journal,
        context: &Arc<Context>,
        identity: Identity,
        tables: &Arc<Tables>,
        recovered: super::recovery::Recovered,
    ) -> Self {
        let core = Core {
            queue: VecDeque::new(),
            queued_bytes: 0,
            partitions: recovered.partitions,
            segments: recovered.segments,
            last_seq: recovered.last_seq,
            stop: None,
            failed: None,
            no_room: false,
            bytes_per_second: ASSUMED_BYTES_PER_SECOND,
            ring: VecDeque::new(),
            ring_first: 0,
            ring_bytes: 0,
        };
        Self {
            kind,
            dir: context.dir.join(kind.name()),
            context: Arc::clone(context),
            identity,
            tables: Arc::clone(tables),
            durable: watch::Sender::new(JournalSeq(core.last_seq)),
            core: Mutex::new(core),
            wake: Condvar::new(),
        }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pressure(&self) -> Pressure {
        self.pressure_of(&self.core())
    }

    fn pressure_of(&self, core: &Core) -> Pressure {
        let max = self.context.options.queue_bytes_max;
        // Rates are far below 2^53 and never negative.
        let limit = (core.bytes_per_second / 4.0) as u64;
        let drain = core.queued_bytes as f64 / core.bytes_per_second;
        Pressure {
            queued_bytes: core.queued_bytes,
            limit_bytes: limit.clamp(QUEUE_BYTES_MIN.min(max), max),
            drain: Duration::try_from_secs_f64(drain).unwrap_or(Duration::from_secs(1)),
        }
    }

    /// Whether an append of so many bytes can be taken now.
    pub(crate) fn admit(&self, core: &Core, bytes: u64) -> Result<(), AppendError> {
        if core.failed.is_some() {
            return Err(AppendError::ReadOnly);
        }
        if core.stop.is_some() {
            return Err(AppendError::Closed);
        }
        // Progress may queue up: it is what goes on while the disk is full.
        if core.no_room && self.kind != Journal::State {
            return Err(AppendError::StorageFull);
        }
        let pressure = self.pressure_of(core);
        if core.queued_bytes > 0 && core.queued_bytes + bytes > pressure.limit_bytes {
            let least = Duration::from_millis(1);
            return Err(AppendError::Full { retry_after: pressure.drain.max(least) });
        }
        Ok(())
    }

    /// Takes an append that was admitted.
    pub(crate) fn enqueue(&self, core: &mut Core, blocks: Vec<Block>, bytes: u64, ack: Arc<Ack>) {
        core.queued_bytes += bytes;
        self.context.queued.fetch_add(bytes, Ordering::Relaxed);
        self.context.recorder.shift(Gauge::LogQueuedBytes, i64::try_from(bytes).unwrap_or(0));
        core.queue.push_back(Queued { blocks, bytes, ack, at: self.context.clock.monotonic() });
        self.wake.notify_one();
    }

    /// Makes written groups visible and resolves their appends.
    pub(crate) fn publish(&self, written: Vec<Written>, batch: Vec<Queued>) {
        let mut core = self.core();
        let Some(last) = written.last().map(|w| w.seq) else { return };
        let ring_max =
            if self.kind == Journal::State { 0 } else { self.context.options.ring_bytes };
        if self.kind == Journal::State {
            self.tables.apply(written.iter().flat_map(|w| w.blocks.iter().map(|b| (w.seq, b))));
        }
        for group in written {
            core.publish_group(group);
        }
        core.last_seq = last;
        core.shrink_ring(ring_max);
        let bytes: u64 = batch.iter().map(|queued| queued.bytes).sum();
        core.queued_bytes -= bytes;
        drop(core);
        let recorder = &self.context.recorder;
        recorder.shift(Gauge::LogQueuedBytes, -i64::try_from(bytes).unwrap_or(0));
        self.context.queued.fetch_sub(bytes, Ordering::Relaxed);
        let now = self.context.clock.monotonic();
        self.durable.send_replace(JournalSeq(last));
        for queued in batch {
            recorder.time(Latency::LogAppend, now.saturating_sub(queued.at));
            queued.ack.settle(JournalSeq(last));
        }
    }

    /// Lets go of what is in the live ring but for its newest part; says how many bytes that was.
    pub(crate) fn shed(&self) -> u64 {
        let mut core = self.core();
        let before = core.ring_bytes;
        core.shrink_ring(self.context.options.ring_bytes / SPARED_PART);
        (before - core.ring_bytes) as u64
    }

    /// Does something, and does it over from time to time while the disk is full: nothing of it was
    /// synced, so that nothing is in doubt. Meanwhile appends are refused.
    pub(crate) fn when_there_is_room(
        &self,
        mut work: impl FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut waited = false;
        loop {
            match work() {
                Err(error) if is_no_room(&error) && self.wait_for_room() => {
                    self.context.give_up_spares();
                    if !std::mem::replace(&mut waited, true) {
                        let journal = self.kind.name();
                        tracing::error!(journal, %error, "no room: the log waits until there is");
                    }
                }
                done => {
                    if waited {
                        self.core().no_room = false;
                        tracing::info!(
                            journal = self.kind.name(),
                            "the log waits for room no more"
                        );
                    }
                    return done;
                }
            }
        }
    }

    /// Waits a moment for room on the disk; `false` when the journal is to stop.
    fn wait_for_room(&self) -> bool {
        const LOOK: Duration = Duration::from_millis(100);
        let mut core = self.core();
        if core.stop.is_some() {
            return false;
        }
        core.no_room = true;
        let waited = self.wake.wait_timeout(core, LOOK).unwrap_or_else(PoisonError::into_inner);
        waited.0.stop.is_none()
    }

    /// Where the journal ends: its last sequence, and the partitions whose end no sealed segment
    /// shows.
    pub(crate) fn ends(&self) -> (u64, Ends) {
        let core = self.core();
        let last = core.segments.last_key_value().map(|(number, _)| *number);
        let shown = |known: &Partition| {
            let block = known.blocks.back();
            known.durable == 0
                || block.is_some_and(|b| Some(b.segment) != last && b.end() == known.durable)
        };
        let ends = core.partitions.iter().filter(|(_, known)| !shown(known));
        (core.last_seq, ends.map(|(id, known)| (*id, Offset(known.durable))).collect())
    }

    /// Stops writing for good: what was queued fails, what is durable stays readable.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(journal = self.kind.name(), %reason, "journal is read-only until restart");
        let mut core = self.core();
        core.failed = Some(reason);
        let bytes = std::mem::take(&mut core.queued_bytes);
        let queue = std::mem::take(&mut core.queue);
        drop(core);
        drop(queue);
        let recorder = &self.context.recorder;
        recorder.shift(Gauge::LogQueuedBytes, -i64::try_from(bytes).unwrap_or(0));
        self.context.queued.fetch_sub(bytes, Ordering::Relaxed);
        recorder.count(Counter::LogErrors, 1);
        recorder.shift(Gauge::LogReadOnly, 1);
    }
}

impl Core {
    /// When the oldest block was stored.
    pub(crate) fn oldest_block(&self) -> Option<Timestamp> {
        self.partitions.values().filter_map(|known| Some(known.blocks.front()?.ingested_at)).min()
    }

    fn publish_group(&mut self, group: Written) {
        let Some(segment) = self.segments.get_mut(&group.segment) else { return };
        segment.groups.push((group.seq, group.page));
        segment.last_seq = group.seq;
        for block in group.blocks {
            // A topic that was dropped meanwhile has no partition any more.
            let Some(partition) = self.partitions.get_mut(&block.header.topic_partition) else {
                continue;
            };
            let reference = BlockRef::new(&block.header, group.segment, group.page);
            partition.durable = reference.end();
            partition.bytes += u64::from(reference.bytes);
            partition.blocks.push_back(reference);
            segment.live += 1;
            partition.ring.push_back((reference.base, self.ring_first + self.ring.len() as u64));
            self.ring_bytes += reference.bytes as usize;
            self.ring.push_back(Committed { seq: JournalSeq(group.seq), block });
        }
    }

    /// Drops whole groups from the ring's old end.
    fn shrink_ring(&mut self, max: usize) {
        while self.ring_bytes > max {
            let Some(first) = self.ring.front().map(|c| c.seq) else { return };
            while let Some(old) = self.ring.pop_front_if(|c| c.seq == first) {
                let header = &old.block.header;
                self.ring_bytes -= header.encoded_bytes() + old.block.body.len();
                self.ring_first += 1;
                let number = self.ring_first;
                if let Some(partition) = self.partitions.get_mut(&header.topic_partition) {
                    while partition.ring.front().is_some_and(|(_, n)| *n < number) {
                        partition.ring.pop_front();
                    }
                }
            }
        }
    }

    /// Blocks of one partition from the ring; `None` when it does not reach back so far.
    pub(crate) fn ring_blocks(
        &self,
        partition: TopicPartition,
        from: u64,
        max: usize,
    ) -> Option<Vec<Committed>> {
        let ring = &self.partitions.get(&partition)?.ring;
        let first = ring.partition_point(|(base, _)| *base <= from).checked_sub(1)?;
        let (mut out, mut bytes) = (vec![], 0);
        for (_, number) in ring.range(first..) {
            let item = self.ring.get(usize::try_from(number - self.ring_first).ok()?)?;
            bytes += item.block.header.encoded_bytes() + item.block.body.len();
            if bytes > max && !out.is_empty() {
                break;
            }
            out.push(item.clone());
        }
        Some(out)
    }

    /// Groups after `after` from the ring; `None` when it does not reach back so far.
    pub(crate) fn ring_groups(&self, after: u64, max: usize) -> Option<Vec<Committed>> {
        if after >= self.last_seq {
            return Some(vec![]);
        }
        let reaches = self.ring.front().is_some_and(|c| c.seq.0 <= after + 1);
        let start = reaches.then(|| self.ring.partition_point(|c| c.seq.0 <= after))?;
        let (mut out, mut bytes, mut group) = (vec![], 0, JournalSeq(0));
        for item in self.ring.range(start..) {
            if item.seq != group && bytes >= max && !out.is_empty() {
                break;
            }
            group = item.seq;
            bytes += item.block.header.encoded_bytes() + item.block.body.len();
            if self.is_kept(item) {
                out.push(item.clone());
            }
        }
        Some(out)
    }

    /// Whether a block is neither trimmed nor of a dropped topic.
    pub(crate) fn is_kept(&self, item: &Committed) -> bool {
        self.partitions
            .get(&item.topic_partition())
            .is_some_and(|partition| item.end_offset().0 > partition.trim)
    }
}
