//! Reading: what is recent from memory, the rest from the broker, some groups at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, TopicPartition};
use tidings_log::{Journal, ReadError};
use tidings_telemetry::Counter;

use crate::PulsarLog;
use crate::index::{BlockAt, data_loss};
use crate::journal::{Core, GroupAt, JournalStore};
use crate::link::Tail;
use crate::message;

/// Groups of one reading of the broker.
const GROUPS: usize = 64;
/// Bytes of one reading of the broker, and one group more.
const READ_BYTES: usize = 4 << 20;
/// Bytes of what was read and is kept, for those who read on.
const KEPT_BYTES: usize = 16 << 20;
/// Times that a reading is begun anew.
pub(crate) const TRIES: usize = 5;

/// A group, without the blocks of it that are damaged.
type Group = Arc<Vec<Committed>>;

/// Groups that were read of the broker, as far as there is room.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Groups>);

#[derive(Default)]
struct Groups {
    by_seq: HashMap<(Journal, u64), Group>,
    oldest: VecDeque<(Journal, u64, usize)>,
    bytes: usize,
}

impl Kept {
    fn get(&self, journal: Journal, seq: u64) -> Option<Group> {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.by_seq.get(&(journal, seq)).cloned()
    }

    fn put(&self, journal: Journal, seq: u64, bytes: usize, group: Group) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.by_seq.insert((journal, seq), group).is_none() {
            groups.oldest.push_back((journal, seq, bytes));
            groups.bytes += bytes;
        }
        while groups.bytes > KEPT_BYTES && groups.oldest.len() > 1 {
            let Some((journal, seq, bytes)) = groups.oldest.pop_front() else { return };
            groups.by_seq.remove(&(journal, seq));
            groups.bytes -= bytes;
        }
    }

    /// Lets go of all; says how much that was.
    pub(crate) fn shed(&self) -> u64 {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *groups).bytes as u64
    }
}

impl PulsarLog {
    pub(crate) async fn read_blocks(
        &self,
        id: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let journal = self.journal_of(id).ok_or(ReadError::UnknownPartition(id))?;
        let wanted = {
            let core = journal.core();
            let Some(partition) = core.partitions.get(&id) else {
                return crate::index::Partition::default().check(id, from).map(|()| vec![]);
            };
            partition.check(id, from)?;
            let wanted = partition.wanted(from.0, max_bytes);
            if let Some(found) = recent_blocks(&core, id, &wanted) {
                return Ok(found);
            }
            wanted
        };
        let mut found: Vec<Committed> = vec![];
        for block in wanted {
            // What takes another reading is left for the next call.
            let is_first = found.is_empty();
            let group = match self.at_hand(journal, block.seq) {
                Some(group) => group,
                None if is_first => self.fetch(journal, block.seq).await?,
                None => break,
            };
            match block_of(&group, id, block.base) {
                Some(committed) => found.push(committed),
                None if is_first => return Err(self.lost(journal, id, &block)),
                None => break,
            }
        }
        Ok(found)
    }

    /// What retention took while it was read is trimmed; what is not there is damaged.
    fn lost(&self, journal: &JournalStore, id: TopicPartition, block: &BlockAt) -> ReadError {
        let mut core = journal.core();
        let Some(partition) = core.partitions.get_mut(&id) else {
            return ReadError::UnknownPartition(id);
        };
        let asked = Offset(block.base);
        if let Err(trimmed @ ReadError::Trimmed { .. }) = partition.check(id, asked) {
            return trimmed;
        }
        let (from, to) = (block.base, block.end() - 1);
        partition.damaged.insert(from, to);
        data_loss(id, from, to)
    }

    pub(crate) async fn read_groups(
        &self,
        journal: &Arc<JournalStore>,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let (mut found, mut bytes, mut after) = (vec![], 0, after);
        loop {
            let next = next_live(&journal.core(), after);
            let Some(seq) = next else { break };
            let group = match self.at_hand(journal, seq) {
                Some(group) => group,
                None if found.is_empty() => self.fetch(journal, seq).await?,
                None => break,
            };
            let kept: Vec<Committed> = {
                let core = journal.core();
                group.iter().filter(|committed| is_kept(&core, committed)).cloned().collect()
            };
            bytes += kept.iter().map(size).sum::<usize>();
            if !found.is_empty() && bytes > max_bytes {
                break;
            }
            found.extend(kept);
            after = seq;
        }
        Ok(found)
    }

    /// A group that needs no reading.
    fn at_hand(&self, journal: &JournalStore, seq: u64) -> Option<Group> {
        let recent = journal.core().recent(seq).map(|blocks| Arc::new(blocks.to_vec()));
        recent.or_else(|| self.kept.get(journal.kind, seq))
    }

    /// Reads a group, and what follows it, off the broker.
    async fn fetch(&self, journal: &Arc<JournalStore>, seq: u64) -> Result<Group, ReadError> {
        // Nobody closes it.
        let _turn = self.reads.acquire().await.map_err(|error| ReadError::Io(error.to_string()))?;
        // Whoever had the turn before may have read it.
        if let Some(group) = self.at_hand(journal, seq) {
            return Ok(group);
        }
        let gone = || ReadError::Io(format!("group {seq} of {} is gone", journal.topic));
        let places: Vec<GroupAt> =
            journal.core().groups_after(seq.saturating_sub(1)).take(GROUPS).copied().collect();
        let first = places.first().filter(|first| first.seq == seq).ok_or_else(gone)?;
        journal.recorder.count(Counter::LogReads, 1);
        let mut tail = Tail::from(&self.broker, &journal.topic, first.at);
        let (mut bytes, mut messages, mut failed) = (0, 0, 0);
        let mut asked = None;
        let mut wanted = places.iter().peekable();
        // What lies in between, and is not kept any more, comes as well.
        while let Some(place) = wanted.peek().filter(|_| bytes < READ_BYTES && messages < GROUPS) {
            let (at, payload) = match tail.next().await {
                Ok(message) => message,
                Err(_) if asked.is_some() => break,
                Err(error) if failed == TRIES => return Err(ReadError::Io(error.to_string())),
                Err(error) => {
                    tracing::warn!(topic = %journal.topic, %error, "reads it again");
                    failed += 1;
                    continue;
                }
            };
            (bytes, messages) = (bytes + payload.len(), messages + 1);
            if at > place.at {
                // The message is not there any more.
                break;
            }
            if at < place.at {
                continue;
            }
            let group = decode(place.seq, &payload);
            self.kept.put(journal.kind, place.seq, payload.len(), Arc::clone(&group));
            asked.get_or_insert(group);
            wanted.next();
        }
        asked.ok_or_else(gone)
    }
}

/// The whole blocks of a message; none of one that is not as it was sent.
pub(crate) fn decode(seq: u64, payload: &bytes::Bytes) -> Group {
    let blocks = message::decode(payload).map(|(_, blocks)| blocks).unwrap_or_default();
    let whole = blocks.into_iter().filter_map(|(header, body)| {
        let block = Block { header, body: body? };
        Some(Committed { seq: JournalSeq(seq), block })
    });
    Arc::new(whole.collect())
}

/// All blocks that are wanted, when all are in memory.
fn recent_blocks(core: &Core, id: TopicPartition, wanted: &[BlockAt]) -> Option<Vec<Committed>> {
    wanted.iter().map(|block| block_of(core.recent(block.seq)?, id, block.base)).collect()
}

fn block_of(group: &[Committed], id: TopicPartition, base: u64) -> Option<Committed> {
    let is_meant = |committed: &&Committed| {
        committed.topic_partition() == id && committed.block.header.base_offset.0 == base
    };
    group.iter().find(is_meant).cloned()
}

/// The next stored group of which something is kept.
fn next_live(core: &Core, after: u64) -> Option<u64> {
    core.groups_after(after).find(|group| group.live > 0).map(|group| group.seq)
}

pub(crate) fn is_kept(core: &Core, committed: &Committed) -> bool {
    let partition = core.partitions.get(&committed.topic_partition());
    partition.is_some_and(|partition| committed.end_offset().0 > partition.trim)
}

fn size(committed: &Committed) -> usize {
    committed.block.header.encoded_bytes() + committed.block.body.len()
}
