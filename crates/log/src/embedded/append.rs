//! Taking appends and commits: everything is checked before anything is queued.

use std::sync::{Arc, MutexGuard};

use tidings_event::block::{Block, BlockHeader, Flags, HEADER_BYTES_MAX, crc32c};
use tidings_event::{JournalSeq, Offset, Term, TopicPartition};

use super::EmbeddedLog;
use super::ack::Ack;
use super::journal::{Core, JournalStore};
use super::recovery::STATE;
use super::tables::{self, INTERNAL};
use crate::partition_log::{AppendError, CommitError, Journal, PartitionLog, Pending, TableChange};

/// Most bytes of keys and values of one commit.
const COMMIT_BYTES_MAX: usize = 900 << 10;
const KEY_BYTES_MAX: usize = 1 << 10;

/// One journal's part of an append, with its mutex held.
struct Part<'a> {
    journal: &'a Arc<JournalStore>,
    core: MutexGuard<'a, Core>,
    blocks: Vec<Block>,
    bytes: u64,
}

impl EmbeddedLog {
    pub(super) fn append_blocks(&self, blocks: Vec<Block>) -> Result<Pending, AppendError> {
        let mut by_journal: [Vec<Block>; 4] = Default::default();
        let asked: u64 = blocks.iter().map(stored_bytes).sum();
        for block in blocks {
            let id = block.header.topic_partition;
            let journal = self.journal_of(id).filter(|j| j.kind != Journal::State);
            let journal = journal.ok_or(AppendError::UnknownPartition(id))?;
            self.validate(&block)?;
            by_journal[journal.kind as usize].push(block);
        }
        if self.context.is_full(asked) {
            return Err(AppendError::StorageFull);
        }
        // Always in the same order, so that two appends cannot wait for each other.
        let parts = by_journal.into_iter().zip(&self.journals).filter(|(b, _)| !b.is_empty());
        let mut parts: Vec<Part<'_>> = parts
            .map(|(blocks, journal)| {
                let bytes = blocks.iter().map(stored_bytes).sum();
                Part { journal, core: journal.core(), blocks, bytes }
            })
            .collect();
        for part in &parts {
            part.journal.admit(&part.core, part.bytes)?;
        }
        advance_all(&mut parts)?;
        let (sender, pending) = Pending::channel();
        if parts.is_empty() {
            // Nothing to store is stored at once.
            let _waiting = sender.send(JournalSeq(0));
            return Ok(pending);
        }
        let ack = Ack::new(parts.len(), sender);
        for mut part in parts {
            part.journal.enqueue(&mut part.core, part.blocks, part.bytes, Arc::clone(&ack));
        }
        Ok(pending)
    }

    fn validate(&self, block: &Block) -> Result<(), AppendError> {
        let header = &block.header;
        if header.term != self.term {
            return Err(AppendError::Fenced { given: header.term, current: self.term });
        }
        let reason = if header.epoch != self.epoch {
            "its epoch is not the log's"
        } else if header.count == 0 {
            "it has no events"
        } else if header.body_bytes as usize != block.body.len() {
            "its header contradicts its body's length"
        } else if header.encoded_bytes() > HEADER_BYTES_MAX {
            "its header is too large"
        } else if header.encoded_bytes() + block.body.len() > self.caps().block_bytes_max {
            "it is too large"
        } else {
            return Ok(());
        };
        Err(AppendError::InvalidBlock { partition: header.topic_partition, reason })
    }

    pub(super) fn commit_changes(
        &self,
        token: Term,
        changes: &[TableChange],
    ) -> Result<Pending, CommitError> {
        let current = self.term;
        if token != current && !self.leases.has(token) {
            return Err(CommitError::Fenced { given: token, current });
        }
        let size = |c: &TableChange| c.key.len() + c.value.as_ref().map_or(0, |v| v.len());
        let bytes = changes.iter().map(size).sum();
        if bytes > COMMIT_BYTES_MAX {
            return Err(CommitError::TooLarge { bytes, max: COMMIT_BYTES_MAX });
        }
        if let Some(long) = changes.iter().map(|c| c.key.len()).find(|len| *len > KEY_BYTES_MAX) {
            return Err(CommitError::TooLarge { bytes: long, max: KEY_BYTES_MAX });
        }
        if changes.iter().any(|change| change.table.0 >= INTERNAL) {
            let reason = "tables from 1000 on are the engine's own";
            return Err(AppendError::InvalidBlock { partition: STATE, reason }.into());
        }
        Ok(self.commit_records(changes)?)
    }

    /// Appends records to the state journal, whoever's they are.
    pub(super) fn commit_records(&self, changes: &[TableChange]) -> Result<Pending, AppendError> {
        let (sender, pending) = Pending::channel();
        let journal = self.journal(Journal::State);
        let reason = "it has too many changes";
        let (body, count) = tables::encode(changes)
            .ok_or(AppendError::InvalidBlock { partition: STATE, reason })?;
        if count == 0 {
            // Nothing to store: as durable as it will ever be.
            let _waiting = sender.send(*journal.durable.borrow());
            return Ok(pending);
        }
        let mut core = journal.core();
        let base_offset = Offset(core.partitions.entry(STATE).or_default().tail);
        let header = BlockHeader {
            flags: Flags::INTERNAL,
            topic_partition: STATE,
            epoch: self.epoch,
            term: self.term,
            base_offset,
            count,
            codec: 0,
            body_bytes: super::fields::short(body.len()),
            body_crc: crc32c(&body),
            ingested_at: self.context.clock.wall(),
            producer: None,
            extensions: bytes::Bytes::new(),
        };
        let block = Block { header, body };
        let bytes = stored_bytes(&block);
        journal.admit(&core, bytes)?;
        core.partitions.entry(STATE).or_default().tail = block.header.end_offset().0;
        journal.enqueue(&mut core, vec![block], bytes, Ack::new(1, sender));
        Ok(pending)
    }
}

fn stored_bytes(block: &Block) -> u64 {
    (block.header.encoded_bytes() + block.body.len()) as u64
}

/// Moves the tails over all blocks, or none of them.
fn advance_all(parts: &mut [Part<'_>]) -> Result<(), AppendError> {
    let mut undo: Vec<(usize, TopicPartition, u64)> = vec![];
    let mut refused = None;
    'parts: for (at, part) in parts.iter_mut().enumerate() {
        for block in &part.blocks {
            let partition = block.header.topic_partition;
            let base = block.header.base_offset;
            let known = part.core.partitions.entry(partition).or_default();
            if base.0 != known.tail {
                refused =
                    Some(AppendError::NotAtTail { partition, base, tail: Offset(known.tail) });
                break 'parts;
            }
            undo.push((at, partition, known.tail));
            known.tail = block.header.end_offset().0;
        }
    }
    let Some(refused) = refused else { return Ok(()) };
    for (at, partition, tail) in undo.into_iter().rev() {
        if let Some(known) = parts[at].core.partitions.get_mut(&partition) {
            known.tail = tail;
        }
    }
    Err(refused)
}
