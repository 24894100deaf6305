//! The second look: both logs are read from their beginnings, and every block, table, bound and end has to be equal.

use std::collections::VecDeque;

use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, TopicPartition};

use super::{Difference, MigrationError, Progress, READ_BYTES, Target, size};
use crate::embedded::ClosedLog;
use crate::partition_log::{Journal, ReadError, Table};

/// What was found equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Blocks, with header and body.
    pub blocks: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Partitions, with what is kept of each.
    pub partitions: u64,
    /// Keys of tables, with their values.
    pub records: u64,
}

/// Compares a target, opened after the copy, with its source.
///
/// # Errors
/// The first difference, or that one of the two cannot be read.
pub async fn compare(
    source: &ClosedLog,
    target: &dyn Target,
    progress: &Progress,
) -> Result<Compared, MigrationError> {
    let records = compare_records(source, target)?;
    let mut partitions = 0;
    for journal in Journal::TOPICS {
        partitions += compare_bounds(source, target, journal)?;
    }
    let journal = |journal| compare_journal(source, target, journal, progress);
    let (short, medium, long) = tokio::try_join!(
        journal(Journal::Short),
        journal(Journal::Medium),
        journal(Journal::Long)
    )?;
    let (blocks, bytes) = (short.0 + medium.0 + long.0, short.1 + medium.1 + long.1);
    Ok(Compared { blocks, bytes, partitions, records })
}

fn compare_records(source: &ClosedLog, target: &dyn Target) -> Result<u64, Difference> {
    let (wanted, mut found) = (source.records(), target.records());
    let differs = |(table, key): &(Table, bytes::Bytes), what| Difference::Record {
        table: table.0,
        key: String::from_utf8_lossy(key).into_owned(),
        what,
    };
    for (place, value) in &wanted {
        match found.remove(place) {
            None => return Err(differs(place, "it is not there")),
            Some(other) if other != *value => return Err(differs(place, "its value differs")),
            Some(_) => {}
        }
    }
    match found.first_key_value() {
        Some((place, _)) => Err(differs(place, "the source does not have it")),
        None => Ok(wanted.len() as u64),
    }
}

fn compare_bounds(
    source: &ClosedLog,
    target: &dyn Target,
    journal: Journal,
) -> Result<u64, Difference> {
    let (seq, source_seq) = (target.reached(journal), source.last_seq(journal));
    if seq != source_seq {
        return Err(Difference::End { journal, target: seq, source_seq });
    }
    let partitions = source.partitions(journal);
    for (partition, source_bounds) in &partitions {
        let (partition, source_bounds) = (*partition, *source_bounds);
        let target = target.bounds(partition).map_err(|_| Difference::Partition(partition))?;
        if target != source_bounds {
            return Err(Difference::Bounds { partition, target, source_bounds });
        }
    }
    Ok(partitions.len() as u64)
}

/// Blocks and bytes of a journal.
async fn compare_journal(
    source: &ClosedLog,
    target: &dyn Target,
    journal: Journal,
    progress: &Progress,
) -> Result<(u64, u64), MigrationError> {
    let (mut of_source, mut of_target) = (Ahead::default(), Ahead::default());
    let mut total = (0, 0);
    loop {
        // Either has read whole groups, of which the other may have read more or fewer.
        let (one, other) = tokio::join!(
            of_source.fill(|after| source.groups(journal, after, READ_BYTES)),
            of_target.fill(|after| target.groups(journal, after, READ_BYTES)),
        );
        one.map_err(|(after, error)| MigrationError::Source { journal, after, error })?;
        other.map_err(|(after, error)| MigrationError::Target { journal, after, error })?;
        let (source, target) = (&mut of_source.blocks, &mut of_target.blocks);
        match (source.front(), target.front()) {
            (Some(_), Some(_)) => {}
            (Some(one), None) => return Err(differs(journal, one, "it is not there").into()),
            (None, Some(other)) => {
                return Err(differs(journal, other, "the source does not have it").into());
            }
            (None, None) => return Ok(total),
        }
        let here = match_blocks(journal, source, target)?;
        progress.add(here);
        total = (total.0 + here.0, total.1 + here.1);
    }
}

/// What was read of one side, and is not compared yet.
#[derive(Default)]
struct Ahead {
    blocks: VecDeque<Committed>,
    after: JournalSeq,
}

impl Ahead {
    /// Reads on when nothing is left; leaves it empty at the end.
    async fn fill<R>(
        &mut self,
        read: impl FnOnce(JournalSeq) -> R,
    ) -> Result<(), (JournalSeq, ReadError)>
    where
        R: Future<Output = Result<Vec<Committed>, ReadError>>,
    {
        if self.blocks.is_empty() {
            let read = read(self.after).await.map_err(|error| (self.after, error))?;
            self.after = read.last().map_or(self.after, |last| last.seq);
            self.blocks.extend(read);
        }
        Ok(())
    }
}

/// Takes off what both have, until one of them is to be read on; blocks and bytes of that.
fn match_blocks(
    journal: Journal,
    source: &mut VecDeque<Committed>,
    target: &mut VecDeque<Committed>,
) -> Result<(u64, u64), Difference> {
    let mut total = (0, 0);
    while let (Some(one), Some(other)) = (source.front(), target.front()) {
        if let Some(what) = difference(one, other) {
            return Err(differs(journal, one, what));
        }
        let (blocks, bytes) = size([&one.block].into_iter());
        total = (total.0 + blocks, total.1 + bytes);
        source.pop_front();
        target.pop_front();
    }
    Ok(total)
}

fn differs(journal: Journal, here: &Committed, what: &'static str) -> Difference {
    let header = &here.block.header;
    let (partition, offset) = (header.topic_partition, header.base_offset);
    Difference::Block { journal, seq: here.seq, partition, offset, what }
}

/// What is not equal of two blocks that should be one.
fn difference(source: &Committed, target: &Committed) -> Option<&'static str> {
    let place = |it: &Committed| -> (JournalSeq, TopicPartition, u64) {
        (it.seq, it.topic_partition(), it.block.header.base_offset.0)
    };
    if place(source) != place(target) {
        return Some("another one stands in its place");
    }
    if source.block.header != target.block.header {
        return Some("its header differs");
    }
    (source.block.body != target.block.body).then_some("its body differs")
}
