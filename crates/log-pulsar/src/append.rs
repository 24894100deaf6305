//! Taking appends and commits: everything is checked before anything is queued.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use tidings_event::block::{BODY_BYTES_MAX, Block, BlockHeader, Flags, HEADER_BYTES_MAX, crc32c};
use tidings_event::{JournalSeq, Offset, Term, TopicPartition};
use tidings_log::parts::{Ack, INTERNAL, encode};
use tidings_log::{AppendError, CommitError, Journal, Pending, TableChange};

use crate::PulsarLog;
use crate::journal::{Core, JournalStore, STATE, Waiting, stored_bytes};

/// Most bytes of one block.
pub(crate) const BLOCK_BYTES_MAX: usize = BODY_BYTES_MAX + HEADER_BYTES_MAX;
/// What goes to one journal by one call and is no more than this is stored whole or not at all.
const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of keys and values of one commit.
const COMMIT_BYTES_MAX: usize = 900 << 10;
const KEY_BYTES_MAX: usize = 1 << 10;

/// One journal's part of an append, with its mutex held.
struct Part<'a> {
    journal: &'a Arc<JournalStore>,
    core: MutexGuard<'a, Core>,
    blocks: Vec<Block>,
}

impl PulsarLog {
    pub(crate) fn append_blocks(&self, blocks: Vec<Block>) -> Result<Pending, AppendError> {
        let mut by_journal: [Vec<Block>; 4] = Default::default();
        for block in blocks {
            let id = block.header.topic_partition;
            let journal = self.journal_of(id).ok_or(AppendError::UnknownPartition(id))?;
            self.validate(&block)?;
            by_journal[journal.kind as usize].push(block);
        }
        // Always in the same order, so that two appends cannot wait for each other.
        let parts = by_journal.into_iter().zip(&self.journals).filter(|(b, _)| !b.is_empty());
        let mut parts: Vec<Part<'_>> =
            parts.map(|(blocks, journal)| Part { journal, core: journal.core(), blocks }).collect();
        for part in &parts {
            part.journal.admit(&part.core, part.blocks.iter().map(stored_bytes).sum())?;
        }
        advance_all(&mut parts)?;
        let (sender, pending) = Pending::channel();
        if parts.is_empty() {
            // Nothing to store is stored at once.
            let _waiting = sender.send(JournalSeq(0));
            return Ok(pending);
        }
        let (ack, since) = (Ack::new(parts.len(), sender), self.clock.monotonic());
        let waiting = Waiting { ack, since };
        for mut part in parts {
            part.journal.enqueue(&mut part.core, cut(part.blocks), &waiting);
        }
        Ok(pending)
    }

    fn validate(&self, block: &Block) -> Result<(), AppendError> {
        let header = &block.header;
        let current = self.current_term();
        if header.term != current {
            return Err(AppendError::Fenced { given: header.term, current });
        }
        self.fits(header, block.body.len())
    }

    /// Whether a header is one of this log's, and is true of a body of so many bytes.
    pub(crate) fn fits(&self, header: &BlockHeader, body_bytes: usize) -> Result<(), AppendError> {
        let reason = if header.epoch != self.epoch {
            "its epoch is not the log's"
        } else if header.count == 0 {
            "it has no events"
        } else if header.body_bytes as usize != body_bytes {
            "its header contradicts its body's length"
        } else if header.encoded_bytes() > HEADER_BYTES_MAX {
            "its header is too large"
        } else if header.encoded_bytes() + body_bytes > BLOCK_BYTES_MAX {
            "it is too large"
        } else {
            return Ok(());
        };
        Err(AppendError::InvalidBlock { partition: header.topic_partition, reason })
    }

    /// The log's, or that of who took it over.
    fn current_term(&self) -> Term {
        match self.fenced_by.load(Ordering::Acquire) {
            0 => self.term,
            by => Term(by),
        }
    }

    pub(crate) fn commit_changes(
        &self,
        token: Term,
        changes: &[TableChange],
    ) -> Result<Pending, CommitError> {
        let current = self.current_term();
        let is_held = || self.leases.has(token);
        if current != self.term || token != current && !is_held() {
            return Err(CommitError::Fenced { given: token, current });
        }
        let size = |c: &TableChange| c.key.len() + c.value.as_ref().map_or(0, Bytes::len);
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
    pub(crate) fn commit_records(&self, changes: &[TableChange]) -> Result<Pending, AppendError> {
        let (sender, pending) = Pending::channel();
        let journal = self.journal(Journal::State);
        let reason = "it has too many changes";
        let (body, count) =
            encode(changes).ok_or(AppendError::InvalidBlock { partition: STATE, reason })?;
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
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body_crc: crc32c(&body),
            ingested_at: self.clock.wall(),
            producer: None,
            extensions: Bytes::new(),
        };
        let block = Block { header, body };
        journal.admit(&core, stored_bytes(&block))?;
        core.partitions.entry(STATE).or_default().tail = block.header.end_offset().0;
        let waiting = Waiting { ack: Ack::new(1, sender), since: self.clock.monotonic() };
        journal.enqueue(&mut core, vec![vec![block]], &waiting);
        Ok(pending)
    }
}

/// One part when that fits, else several.
fn cut(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let mut parts: Vec<Vec<Block>> = vec![];
    let mut bytes = 0;
    for block in blocks {
        let size = stored_bytes(&block);
        bytes += size;
        match parts.last_mut().filter(|_| bytes <= WHOLE_BYTES_MAX) {
            Some(part) => part.push(block),
            None => {
                parts.push(vec![block]);
                bytes = size;
            }
        }
    }
    parts
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
                let tail = Offset(known.tail);
                refused = Some(AppendError::NotAtTail { partition, base, tail });
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
