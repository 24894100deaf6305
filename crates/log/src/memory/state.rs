//! Everything a log in memory knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, Term, Timestamp, TopicId, TopicPartition};
use tokio::sync::{oneshot, watch};

use super::partition::{Partition, stored_bytes};
use crate::{
    AppendError, CommitError, Journal, Pending, Pressure, ReadError, Retention, Table, TableChange,
    TopicError, TopicSpec,
};

const KEY_BYTES_MAX: usize = 1024;
const COMMIT_BYTES_MAX: usize = 900 * 1024;
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// Whether it can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    #[default]
    Open,
    ReadOnly,
    Closed,
}

#[derive(Debug)]
struct Topic {
    retention: Retention,
    partitions: Vec<Partition>,
}

/// One journal's durable groups, and how far it is written.
#[derive(Debug)]
pub(super) struct Groups {
    written: JournalSeq,
    queued_bytes: u64,
    groups: VecDeque<Vec<Committed>>,
    pub(super) durable: watch::Sender<JournalSeq>,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            written: JournalSeq(0),
            queued_bytes: 0,
            groups: VecDeque::new(),
            durable: watch::Sender::new(JournalSeq(0)),
        }
    }
}

/// An accepted append or commit that is not durable yet.
#[derive(Debug)]
struct Waiting {
    blocks: Vec<(Journal, Committed)>,
    changes: Vec<TableChange>,
    journals: Vec<(Journal, JournalSeq)>,
    sender: oneshot::Sender<JournalSeq>,
}

#[derive(Debug)]
pub(super) struct State {
    topics: BTreeMap<TopicId, Topic>,
    dropped: BTreeSet<TopicId>,
    journals: [Groups; 4],
    waiting: VecDeque<Waiting>,
    pub(super) tables: BTreeMap<Table, BTreeMap<Bytes, Bytes>>,
    pub(super) leases: BTreeMap<String, Term>,
    pub(super) granted: u64,
    pub(super) condition: Condition,
    pub(super) held: bool,
    pub(super) full: bool,
    pub(super) limit_bytes: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            dropped: BTreeSet::new(),
            journals: Default::default(),
            waiting: VecDeque::new(),
            tables: BTreeMap::new(),
            leases: BTreeMap::new(),
            granted: 0,
            condition: Condition::Open,
            held: false,
            full: false,
            limit_bytes: QUEUE_BYTES_MAX,
        }
    }
}

impl State {
    /// What a restart after a crash finds.
    pub(super) fn recovered(&self) -> Self {
        let recover_topic = |topic: &Topic| Topic {
            retention: topic.retention,
            partitions: topic.partitions.iter().map(recover_partition).collect(),
        };
        Self {
            topics: self.topics.iter().map(|(id, topic)| (*id, recover_topic(topic))).collect(),
            dropped: self.dropped.clone(),
            journals: self.journals.each_ref().map(recover_groups),
            tables: self.tables.clone(),
            ..Self::default()
        }
    }

    pub(super) fn journal(&self, journal: Journal) -> &Groups {
        &self.journals[journal as usize]
    }

    fn journal_mut(&mut self, journal: Journal) -> &mut Groups {
        &mut self.journals[journal as usize]
    }

    pub(super) fn partition(&self, id: TopicPartition) -> Result<&Partition, ReadError> {
        let topic = self.topics.get(&id.topic);
        let partition = topic.and_then(|topic| topic.partitions.get(id.partition.0 as usize));
        partition.ok_or(ReadError::UnknownPartition(id))
    }

    pub(super) fn partition_mut(&mut self, id: TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&id.topic)?.partitions.get_mut(id.partition.0 as usize)
    }

    /// Refuses after a failure and after the close.
    pub(super) fn unbroken(&self) -> Result<(), AppendError> {
        match self.condition {
            Condition::Open => Ok(()),
            Condition::ReadOnly => Err(AppendError::ReadOnly),
            Condition::Closed => Err(AppendError::Closed),
        }
    }

    /// Refuses when events cannot be stored; tables have the reserve.
    pub(super) fn writable(&self) -> Result<(), AppendError> {
        self.unbroken()?;
        if self.full { Err(AppendError::StorageFull) } else { Ok(()) }
    }

    pub(super) fn ensure_topic(&mut self, spec: &TopicSpec) -> Result<(), TopicError> {
        self.unbroken()?;
        if self.dropped.contains(&spec.id) {
            return Err(TopicError::Dropped(spec.id));
        }
        let Some(topic) = self.topics.get_mut(&spec.id) else {
            let id = |partition| Partition::new(TopicPartition::new(spec.id.0, partition));
            let partitions = (0..spec.partitions).map(id).collect();
            self.topics.insert(spec.id, Topic { retention: spec.retention, partitions });
            return Ok(());
        };
        let journal = topic.retention.journal();
        if topic.partitions.len() != spec.partitions as usize || journal != spec.retention.journal()
        {
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            return Err(TopicError::Mismatch { id: spec.id, partitions, journal: journal.name() });
        }
        topic.retention = spec.retention;
        Ok(())
    }

    pub(super) fn drop_topic(&mut self, id: TopicId) -> Result<(), TopicError> {
        self.unbroken()?;
        if self.dropped.contains(&id) {
            return Err(TopicError::Dropped(id));
        }
        self.topics.remove(&id).ok_or(TopicError::Unknown(id))?;
        self.dropped.insert(id);
        self.forget();
        Ok(())
    }

    /// Takes blocks whose headers are fine by themselves; each has to start at its tail.
    pub(super) fn append(&mut self, blocks: Vec<Block>) -> Result<Pending, AppendError> {
        let mut tails: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        let mut sizes: BTreeMap<Journal, u64> = BTreeMap::new();
        for Block { header, body } in &blocks {
            let id = header.topic_partition;
            let partition = self.partition(id).map_err(|_| AppendError::UnknownPartition(id))?;
            let tail = tails.entry(id).or_insert(partition.tail);
            if header.base_offset != *tail {
                let base = header.base_offset;
                return Err(AppendError::NotAtTail { partition: id, base, tail: *tail });
            }
            *tail = header.end_offset();
            let journal = self.journal_of(id.topic);
            *sizes.entry(journal).or_default() += (header.encoded_bytes() + body.len()) as u64;
        }
        for (&journal, &bytes) in &sizes {
            if self.journal(journal).queued_bytes + bytes > self.limit_bytes {
                return Err(AppendError::Full { retry_after: self.pressure(journal).drain });
            }
        }
        for (id, tail) in tails {
            if let Some(partition) = self.partition_mut(id) {
                partition.tail = tail;
            }
        }
        let journals: Vec<_> =
            sizes.iter().map(|(&journal, &bytes)| (journal, self.accept(journal, bytes))).collect();
        let seq_of =
            |journal| journals.iter().find(|j| j.0 == journal).map_or(JournalSeq(0), |j| j.1);
        let commit = |block: Block| {
            let journal = self.journal_of(block.header.topic_partition.topic);
            (journal, Committed { seq: seq_of(journal), block })
        };
        let blocks = blocks.into_iter().map(commit).collect();
        Ok(self.wait(blocks, Vec::new(), journals))
    }

    pub(super) fn commit(&mut self, changes: Vec<TableChange>) -> Result<Pending, CommitError> {
        self.unbroken()?;
        let size = |c: &TableChange| c.key.len() + c.value.as_ref().map_or(0, Bytes::len);
        if let Some(change) = changes.iter().find(|c| c.key.len() > KEY_BYTES_MAX) {
            return Err(CommitError::TooLarge { bytes: change.key.len(), max: KEY_BYTES_MAX });
        }
        let bytes = changes.iter().map(size).sum();
        if bytes > COMMIT_BYTES_MAX {
            return Err(CommitError::TooLarge { bytes, max: COMMIT_BYTES_MAX });
        }
        let seq = self.accept(Journal::State, bytes as u64);
        Ok(self.wait(Vec::new(), changes, vec![(Journal::State, seq)]))
    }

    fn accept(&mut self, journal: Journal, bytes: u64) -> JournalSeq {
        let groups = self.journal_mut(journal);
        groups.queued_bytes += bytes;
        groups.written.0 += 1;
        groups.written
    }

    fn wait(
        &mut self,
        blocks: Vec<(Journal, Committed)>,
        changes: Vec<TableChange>,
        journals: Vec<(Journal, JournalSeq)>,
    ) -> Pending {
        let (sender, pending) = Pending::channel();
        self.waiting.push_back(Waiting { blocks, changes, journals, sender });
        if !self.held {
            self.settle();
        }
        pending
    }

    /// Makes everything that waits durable, in order.
    pub(super) fn settle(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            for (journal, committed) in waiting.blocks {
                self.store(journal, committed);
            }
            for change in waiting.changes {
                let table = self.tables.entry(change.table).or_default();
                match change.value {
                    Some(value) => table.insert(change.key, value),
                    None => table.remove(&change.key),
                };
            }
            for &(journal, seq) in &waiting.journals {
                let groups = self.journal_mut(journal);
                groups.queued_bytes = 0;
                groups.durable.send_replace(seq);
            }
            let seq = waiting.journals.last().map_or(JournalSeq(0), |&(_, seq)| seq);
            // The caller may have stopped waiting.
            waiting.sender.send(seq).ok();
        }
    }

    fn store(&mut self, journal: Journal, committed: Committed) {
        // Nothing is kept of a topic that was dropped while its block waited.
        let Some(partition) = self.partition_mut(committed.topic_partition()) else { return };
        partition.durable_tail = committed.end_offset();
        partition.blocks.push_back(committed.clone());
        let groups = &mut self.journal_mut(journal).groups;
        match groups.back_mut() {
            Some(group) if group.iter().all(|block| block.seq == committed.seq) => {
                group.push(committed)
            }
            _ => groups.push_back(vec![committed]),
        }
    }

    /// Drops what waits, and refuses what comes.
    pub(super) fn fail(&mut self) {
        self.condition = Condition::ReadOnly;
        self.waiting.clear();
    }

    pub(super) fn read_journal(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Vec<Committed> {
        let groups = &self.journal(journal).groups;
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for group in groups.iter().filter(|group| group.iter().all(|block| block.seq > after)) {
            bytes += group.iter().map(stored_bytes).sum::<usize>();
            if !blocks.is_empty() && bytes > max_bytes {
                break;
            }
            blocks.extend(group.iter().filter(|block| self.is_kept(block)).cloned());
        }
        blocks
    }

    pub(super) fn pressure(&self, journal: Journal) -> Pressure {
        let queued_bytes = self.journal(journal).queued_bytes;
        // Memory drains at once: any wait will do, as long as there is one.
        let drain = Duration::from_millis(u64::from(queued_bytes > 0));
        Pressure { queued_bytes, limit_bytes: self.limit_bytes, drain }
    }

    pub(super) fn trim(&mut self, now: Timestamp) -> Vec<(TopicPartition, u64)> {
        let mut lost: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        for topic in self.topics.values_mut() {
            let oldest = now.minus(topic.retention.age);
            for partition in &mut topic.partitions {
                let end = partition.end_before(oldest);
                *lost.entry(partition.id).or_default() += partition.trim_to(end);
            }
            if let Some(cap) = topic.retention.bytes {
                trim_bytes(&mut topic.partitions, cap, &mut lost);
            }
        }
        self.forget();
        lost.into_iter().filter(|&(_, events)| events > 0).collect()
    }

    /// Frees the groups of which no block is kept.
    fn forget(&mut self) {
        for journal in Journal::TOPICS {
            let mut groups = std::mem::take(&mut self.journal_mut(journal).groups);
            groups.retain(|group| group.iter().any(|block| self.is_kept(block)));
            self.journal_mut(journal).groups = groups;
        }
    }

    fn is_kept(&self, block: &Committed) -> bool {
        let partition = self.partition(block.topic_partition());
        partition.is_ok_and(|partition| block.end_offset() > partition.trim)
    }

    fn journal_of(&self, topic: TopicId) -> Journal {
        self.topics.get(&topic).map_or(Journal::Short, |topic| topic.retention.journal())
    }
}

/// Trims a topic's oldest blocks until it has at most `cap` bytes.
fn trim_bytes(partitions: &mut [Partition], cap: u64, lost: &mut BTreeMap<TopicPartition, u64>) {
    let mut bytes: u64 = partitions.iter().map(Partition::bytes).sum();
    let mut kept: Vec<_> = (0..)
        .zip(&*partitions)
        .flat_map(|(at, partition)| partition.blocks.iter().map(move |block| (at, block)))
        .map(|(at, block)| (block.seq, at, block.end_offset(), stored_bytes(block) as u64))
        .collect();
    kept.sort_unstable();
    for (_, at, end, size) in kept {
        if bytes <= cap {
            return;
        }
        // Nothing else goes for what is pinned.
        bytes -= size;
        let partition: &mut Partition = &mut partitions[at];
        if partition.pins.values().all(|&pin| pin >= end) {
            *lost.entry(partition.id).or_default() += partition.trim_to(end);
        }
    }
}

fn recover_partition(partition: &Partition) -> Partition {
    Partition { tail: partition.durable_tail, pins: BTreeMap::new(), ..partition.clone() }
}

fn recover_groups(groups: &Groups) -> Groups {
    let durable = *groups.durable.borrow();
    Groups {
        written: durable,
        queued_bytes: 0,
        groups: groups.groups.clone(),
        durable: watch::Sender::new(durable),
    }
}
