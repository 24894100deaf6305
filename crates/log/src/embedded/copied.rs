//! What a log knows of the one that it was copied from: records of its state journal.
//!
//! Its sequences and offsets go on where the other one's ended, also where the last of them hold nothing any more, and
//! nobody may serve it before all of it is there. `docs/spec/pulsar-log.md` says what the records hold.

use bytes::Bytes;
use tidings_event::{Epoch, JournalSeq, Offset, Term, TopicPartition};

use super::fields::{Fields, Put};
use super::tables::{INTERNAL, Tables, partition_key, partition_of};
use crate::partition_log::{Journal, Table, TableChange};

/// Under [`ORIGIN`], a journal's number or a partition: keys of different lengths.
pub(crate) const COPIED: Table = Table(INTERNAL + 5);
const ORIGIN: &[u8] = b"origin";

/// Which log another one is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Tells it from any other; 0 in logs that were made before there was one.
    pub log: u32,
    /// Identity of its life, and of the copy's.
    pub epoch: Epoch,
    /// Its last owner's; those of the copy's owners are above it.
    pub term: Term,
}

impl Origin {
    /// Whether both say the same log, whoever owned it when.
    #[must_use]
    pub fn is_same_log(&self, other: &Self) -> bool {
        (self.log, self.epoch) == (other.log, other.epoch)
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Of what.
    pub origin: Origin,
    /// Whether it may be served.
    pub finished: bool,
}

impl Copied {
    /// Its record.
    #[must_use]
    pub fn change(&self) -> TableChange {
        let mut value = vec![];
        value.put_u32(self.origin.log);
        value.put_u32(self.origin.epoch.0);
        value.put_u64(self.origin.term.0);
        value.put_u32(u32::from(self.finished));
        put(Bytes::from_static(ORIGIN), value)
    }
}

/// A record of the last sequence of a journal that was copied.
#[must_use]
pub fn seq_change(journal: Journal, seq: JournalSeq) -> TableChange {
    put(journal_key(journal), seq.0.to_le_bytes().to_vec())
}

/// A record of where a partition that was copied ended.
#[must_use]
pub fn end_change(partition: TopicPartition, end: Offset) -> TableChange {
    put(partition_key(partition), end.0.to_le_bytes().to_vec())
}

fn journal_key(journal: Journal) -> Bytes {
    Bytes::copy_from_slice(&(journal as u32).to_be_bytes())
}

fn put(key: Bytes, value: Vec<u8>) -> TableChange {
    TableChange { table: COPIED, key, value: Some(value.into()) }
}

impl Tables {
    /// What the log is a copy of, if it is one.
    #[must_use]
    pub fn copied(&self) -> Option<Copied> {
        let value = self.get(COPIED, ORIGIN)?;
        let mut fields = Fields(&value);
        let (log, epoch) = (fields.u32()?, Epoch(fields.u32()?));
        let origin = Origin { log, epoch, term: Term(fields.u64()?) };
        Some(Copied { origin, finished: fields.u32()? != 0 })
    }

    /// The last sequence of a journal that was copied; 0 when none was.
    #[must_use]
    pub fn copied_seq(&self, journal: Journal) -> JournalSeq {
        let value = self.get(COPIED, &journal_key(journal));
        JournalSeq(value.and_then(|value| Fields(&value).u64()).unwrap_or(0))
    }

    /// Where the partitions of a journal's topics ended that were copied.
    #[must_use]
    pub fn copied_ends(&self, journal: Journal) -> Vec<(TopicPartition, Offset)> {
        let ends = self.map(COPIED).into_iter().filter_map(|(key, value)| {
            let id = partition_of(&key)?;
            let topic = self.topic(id.topic).filter(|topic| !topic.dropped)?;
            let is_here = topic.spec.retention.journal() == journal;
            is_here.then_some((id, Offset(Fields(&value).u64()?)))
        });
        ends.collect()
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::block::{Block, BlockHeader, Flags, crc32c};
    use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicPartition};

    use super::{Copied, Origin, end_change, seq_change};
    use crate::conformance::fixture::{DAY, topic};
    use crate::embedded::tables::{Tables, encode, topic_change};
    use crate::partition_log::{Journal, TableChange};

    fn commit(tables: &Tables, changes: &[TableChange]) {
        let (body, count) = encode(changes).unwrap();
        let base = tables.read().tail;
        let header = BlockHeader {
            flags: Flags::INTERNAL,
            topic_partition: TopicPartition::new(0, 0),
            epoch: Epoch(1),
            term: Term(1),
            base_offset: base,
            count,
            codec: 0,
            body_bytes: u32::try_from(body.len()).unwrap(),
            body_crc: crc32c(&body),
            ingested_at: Timestamp(0),
            producer: None,
            extensions: bytes::Bytes::new(),
        };
        tables.apply([(base.0 + 1, &Block { header, body })].into_iter());
    }

    #[test]
    fn a_copy_says_of_what_and_how_far() {
        let tables = Tables::default();
        assert_eq!(tables.copied(), None);
        assert_eq!(tables.copied_seq(Journal::Short), JournalSeq(0));
        let origin = Origin { log: 7, epoch: Epoch(3), term: Term(9) };
        let copied = Copied { origin, finished: false };
        commit(&tables, &[copied.change(), seq_change(Journal::Medium, JournalSeq(5))]);
        assert_eq!(tables.copied(), Some(copied));
        let finished = Copied { finished: true, ..copied };
        commit(&tables, &[finished.change()]);
        assert_eq!(tables.copied(), Some(finished));
        assert_eq!(tables.copied_seq(Journal::Medium), JournalSeq(5));
        assert_eq!(tables.copied_seq(Journal::Long), JournalSeq(0));
        assert!(origin.is_same_log(&Origin { term: Term(10), ..origin }));
        assert!(!origin.is_same_log(&Origin { log: 8, ..origin }));
    }

    #[test]
    fn ends_are_those_of_topics_that_are_there() {
        let tables = Tables::default();
        let (short, long, gone) = (topic(1, 2, DAY), topic(2, 1, DAY * 100), topic(3, 1, DAY));
        let at = |topic, partition| TopicPartition::new(topic, partition);
        commit(
            &tables,
            &[
                topic_change(&short, false),
                topic_change(&long, false),
                topic_change(&gone, true),
                end_change(at(1, 1), Offset(10)),
                end_change(at(2, 0), Offset(20)),
                end_change(at(3, 0), Offset(30)),
            ],
        );
        assert_eq!(tables.copied_ends(Journal::Short), [(at(1, 1), Offset(10))]);
        assert_eq!(tables.copied_ends(Journal::Long), [(at(2, 0), Offset(20))]);
        assert_eq!(tables.copied_ends(Journal::Medium), []);
    }
}
