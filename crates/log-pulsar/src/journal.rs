//! A journal in memory: the queue of appends, what is under way, the partitions, the newest blocks. One mutex guards
//! it, held for work on blocks, never while the broker is asked.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Term, TopicPartition};
use tidings_log::parts::{Ack, Tables};
use tidings_log::{AppendError, Journal, Pressure};
use tidings_telemetry::{Counter, Gauge, Latency, Recorder};
use tokio::sync::{Notify, watch};

use crate::index::{BlockAt, Partitions};
use crate::link::Locator;
use crate::rate::Rate;

/// The partition of the tables' records in the state journal.
pub(crate) const STATE: TopicPartition = TopicPartition::new(0, 0);

/// Who waits for an append, and since when.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) ack: Arc<Ack>,
    pub(crate) since: Duration,
}

/// Blocks that go into one group, and who waits for them.
pub(crate) struct Queued {
    pub(crate) blocks: Vec<Block>,
    pub(crate) bytes: u64,
    /// None but with the last part of an append that was cut.
    pub(crate) waiting: Option<Waiting>,
    /// The sequence that it had in the log that it is copied from: it is a group of its own.
    pub(crate) copied: Option<u64>,
}

/// A group that was sent and is not known to be stored.
pub(crate) struct Sent {
    pub(crate) seq: u64,
    pub(crate) parts: Vec<Queued>,
    pub(crate) bytes: u64,
}

impl Sent {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.parts.iter().flat_map(|part| part.blocks.iter().cloned()).collect()
    }
}

/// A group of which something is kept: where it is stored, and how many blocks that are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupAt {
    pub(crate) seq: u64,
    pub(crate) at: Locator,
    pub(crate) live: u32,
}

/// Why nothing more is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was closed, and what waited did not get through.
    Closed,
    /// Another owner has it.
    Fenced(Term),
    /// What was sent cannot be told from what was not.
    Failed(String),
}

/// What the mutex guards.
pub(crate) struct Core {
    pub(crate) queue: VecDeque<Queued>,
    /// Of the queue and of what is under way.
    pub(crate) queued_bytes: u64,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) partitions: Partitions,
    /// In the order of their sequences, of which some may be missing.
    pub(crate) groups: VecDeque<GroupAt>,
    /// Last group that is stored.
    pub(crate) last_seq: u64,
    pub(crate) ring: VecDeque<(u64, Vec<Committed>)>,
    ring_bytes: usize,
    pub(crate) ended: Option<Ended>,
    /// Nothing more is taken; what was is still sent.
    pub(crate) closing: bool,
    /// Why the broker cannot be reached.
    pub(crate) trouble: Option<String>,
    pub(crate) rate: Rate,
}

/// A journal.
pub(crate) struct JournalStore {
    pub(crate) kind: Journal,
    pub(crate) topic: String,
    pub(crate) queue_bytes_max: u64,
    pub(crate) ring_bytes_max: usize,
    pub(crate) tables: Arc<Tables>,
    /// Term of an owner that came after this one; 0 for none.
    pub(crate) fenced_by: Arc<AtomicU64>,
    pub(crate) recorder: Arc<Recorder>,
    core: Mutex<Core>,
    pub(crate) wake: Notify,
    pub(crate) durable: watch::Sender<JournalSeq>,
}

/// What opening found in a topic.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) partitions: Partitions,
    pub(crate) groups: VecDeque<GroupAt>,
    pub(crate) last_seq: u64,
}

impl JournalStore {
    pub(crate) fn new(
        (kind, topic): (Journal, String),
        (queue_bytes_max, ring_bytes_max): (u64, usize),
        tables: &Arc<Tables>,
        fenced_by: &Arc<AtomicU64>,
        recorder: &Arc<Recorder>,
        found: Found,
    ) -> Self {
        let core = Core {
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent: VecDeque::new(),
            partitions: found.partitions,
            groups: found.groups,
            last_seq: found.last_seq,
            ring: VecDeque::new(),
            ring_bytes: 0,
            ended: None,
            closing: false,
            trouble: None,
            rate: Rate::default(),
        };
        Self {
            kind,
            topic,
            queue_bytes_max,
            ring_bytes_max,
            tables: Arc::clone(tables),
            fenced_by: Arc::clone(fenced_by),
            recorder: Arc::clone(recorder),
            durable: watch::Sender::new(JournalSeq(core.last_seq)),
            core: Mutex::new(core),
            wake: Notify::new(),
        }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes may be appended.
    pub(crate) fn admit(&self, core: &Core, bytes: u64) -> Result<(), AppendError> {
        if core.closing {
            return Err(AppendError::Closed);
        }
        if core.ended.is_some() {
            return Err(AppendError::ReadOnly);
        }
        // One append is always taken by an empty queue.
        if core.queued_bytes > 0 && core.queued_bytes + bytes > self.queue_bytes_max {
            return Err(AppendError::Full { retry_after: core.rate.drain(core.queued_bytes) });
        }
        Ok(())
    }

    /// Queues what was admitted, in parts that each fit into a group.
    pub(crate) fn enqueue(&self, core: &mut Core, parts: Vec<Vec<Block>>, waiting: &Waiting) {
        let last = parts.len().saturating_sub(1);
        for (at, blocks) in parts.into_iter().enumerate() {
            let bytes = blocks.iter().map(stored_bytes).sum();
            core.queued_bytes += bytes;
            self.queue_grew(bytes, 1);
            let waiting = (at == last).then(|| waiting.clone());
            core.queue.push_back(Queued { blocks, bytes, waiting, copied: None });
        }
        self.wake.notify_one();
    }

    /// Queues a group of another log that was admitted, under its sequence.
    pub(crate) fn enqueue_copied(
        &self,
        core: &mut Core,
        (seq, blocks): (u64, Vec<Block>),
        waiting: Waiting,
    ) {
        let bytes = blocks.iter().map(stored_bytes).sum();
        core.queued_bytes += bytes;
        self.queue_grew(bytes, 1);
        core.queue.push_back(Queued { blocks, bytes, waiting: Some(waiting), copied: Some(seq) });
        self.wake.notify_one();
    }

    fn queue_grew(&self, bytes: u64, sign: i64) {
        self.recorder.shift(Gauge::LogQueuedBytes, sign * i64::try_from(bytes).unwrap_or(0));
    }

    pub(crate) fn pressure(&self) -> Pressure {
        let core = self.core();
        Pressure {
            queued_bytes: core.queued_bytes,
            limit_bytes: self.queue_bytes_max,
            drain: core.rate.drain(core.queued_bytes),
        }
    }

    /// The oldest group that was sent is stored at a place. Its sequence.
    pub(crate) fn stored(&self, at: Locator, now: Duration) -> Option<u64> {
        let mut core = self.core();
        let sent = core.sent.pop_front()?;
        let seq = JournalSeq(sent.seq);
        let blocks = sent.blocks();
        if self.kind == Journal::State {
            self.tables.apply(blocks.iter().map(|block| (sent.seq, block)));
        }
        let mut live = 0;
        for block in &blocks {
            let id = block.header.topic_partition;
            // Nothing is kept of a topic that was dropped while its block was under way.
            let kept = self.kind != Journal::State && self.tables.is_kept(id.topic);
            if id == STATE
                && let Some(state) = core.partitions.get_mut(&STATE)
            {
                state.durable = block.header.end_offset().0;
            }
            if let Some(partition) = core.partitions.get_mut(&id).filter(|_| kept) {
                partition.push(BlockAt::new(&block.header, sent.seq));
                live += 1;
            }
        }
        if live > 0 {
            core.groups.push_back(GroupAt { seq: sent.seq, at, live });
        }
        core.last_seq = sent.seq;
        core.queued_bytes = core.queued_bytes.saturating_sub(sent.bytes);
        core.rate.drained(sent.bytes, now);
        if self.kind != Journal::State {
            let committed = blocks.into_iter().map(|block| Committed { seq, block });
            core.remember(sent.seq, committed.collect(), self.ring_bytes_max);
        }
        drop(core);
        self.queue_grew(sent.bytes, -1);
        self.recorder.count(Counter::LogGroups, 1);
        self.recorder.count(Counter::LogBytes, sent.bytes);
        self.durable.send_replace(seq);
        for waiting in sent.parts.iter().filter_map(|part| part.waiting.as_ref()) {
            if waiting.ack.settle(seq) {
                self.recorder.time(Latency::LogAppend, now.saturating_sub(waiting.since));
            }
        }
        Some(sent.seq)
    }

    /// Takes nothing more, and fails what waits.
    pub(crate) fn end(&self, why: Ended) {
        let mut core = self.core();
        let tails: Vec<_> = core.partitions.iter().map(|(id, p)| (*id, p.durable)).collect();
        if matches!(why, Ended::Fenced(_)) {
            let sent = core.sent.iter().flat_map(|sent| &sent.parts);
            let waiting = sent.chain(&core.queue).filter(|part| part.waiting.is_some()).count();
            self.recorder.count(Counter::LogFenced, waiting as u64);
        }
        core.queue.clear();
        core.sent.clear();
        self.queue_grew(std::mem::take(&mut core.queued_bytes), -1);
        if matches!(why, Ended::Failed(_)) {
            self.recorder.count(Counter::LogErrors, 1);
            self.recorder.shift(Gauge::LogReadOnly, 1);
        }
        core.ended = Some(why);
        for (id, durable) in tails {
            if let Some(partition) = core.partitions.get_mut(&id) {
                partition.tail = durable;
            }
        }
    }

    /// Lets go of the newest blocks.
    pub(crate) fn shed(&self) -> u64 {
        let mut core = self.core();
        core.ring.clear();
        std::mem::take(&mut core.ring_bytes) as u64
    }
}

impl Core {
    /// Keeps the newest groups, so that who keeps up is not read for.
    fn remember(&mut self, seq: u64, blocks: Vec<Committed>, max: usize) {
        self.ring_bytes += bytes_of(&blocks);
        self.ring.push_back((seq, blocks));
        while self.ring_bytes > max && self.ring.len() > 1 {
            let gone = self.ring.pop_front().map_or(0, |(_, blocks)| bytes_of(&blocks));
            self.ring_bytes = self.ring_bytes.saturating_sub(gone);
        }
    }

    /// A group that is in memory.
    pub(crate) fn recent(&self, seq: u64) -> Option<&[Committed]> {
        let first = self.ring.front()?.0;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.ring.get(at).filter(|(found, _)| *found == seq).map(|(_, blocks)| &blocks[..])
    }

    /// The groups after a sequence of which something was kept, in their order.
    pub(crate) fn groups_after(&self, seq: u64) -> impl Iterator<Item = &GroupAt> {
        self.groups.range(self.groups.partition_point(|group| group.seq <= seq)..)
    }

    /// Blocks of groups are not kept any more.
    pub(crate) fn free(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            if let Ok(at) = self.groups.binary_search_by_key(&seq, |group| group.seq) {
                self.groups[at].live = self.groups[at].live.saturating_sub(1);
            }
        }
        while self.groups.pop_front_if(|group| group.live == 0).is_some() {}
    }
}

fn bytes_of(blocks: &[Committed]) -> usize {
    blocks.iter().map(|committed| committed.block.body.len() + 256).sum()
}

/// Header and body.
pub(crate) fn stored_bytes(block: &Block) -> u64 {
    (block.header.encoded_bytes() + block.body.len()) as u64
}
