//! The tables of the state journal in memory: durable values only, changed as commits become
//! durable, and again in the same order when they are replayed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::{Block, BodyBuilder, events};
use tidings_event::{Offset, Timestamp, TopicId, TopicPartition};

use super::copied::COPIED;
use super::entries::Entries;
use super::fields::{Fields, Put, short};
use super::group::Ends;
use super::wall::{Leap, Now};
use crate::partition_log::{Journal, Retention, Table, TableChange, TopicError, TopicSpec};

/// First table that is the engine's own.
pub const INTERNAL: u32 = 1000;
/// Topics: id -> what it is.
const TOPICS: Table = Table(INTERNAL);
/// Trim points: topic and partition -> offset.
const TRIMS: Table = Table(INTERNAL + 1);
/// The time up to which retention has come, under one key.
const WALL: Table = Table(INTERNAL + 2);
const WALL_KEY: &[u8] = b"wall";
/// Journal -> where it ended at the last clean stop: sequence, then partitions and their ends.
const ENDS: Table = Table(INTERNAL + 3);
/// Partitions of one record of ends: below the most that a commit may hold.
const ENDS_MAX: usize = 40_000;

/// A topic as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// As it was ensured last.
    pub spec: TopicSpec,
    /// For ever.
    pub dropped: bool,
}

/// Everything that tables hold, by table and key.
pub type Records = BTreeMap<(Table, Bytes), Bytes>;

/// All tables.
#[derive(Debug, Default)]
pub struct Tables(RwLock<Inner>);

/// What is durable as of one group.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) maps: BTreeMap<Table, Entries>,
    topics: HashMap<TopicId, Topic>,
    pub(crate) seq: u64,
    pub(crate) tail: Offset,
    /// Bytes applied since the last snapshot.
    pub(crate) bytes: u64,
}

impl Tables {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces everything, by a snapshot.
    pub(crate) fn load(&self, seq: u64, tail: Offset, changes: Vec<TableChange>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { seq, tail, ..Inner::default() };
        changes.iter().for_each(|change| {
            inner.change((change.table, &change.key, change.value.as_deref()));
        });
    }

    /// Applies blocks of commits in order; those that a snapshot holds already are skipped.
    pub fn apply<'a>(&self, blocks: impl Iterator<Item = (u64, &'a Block)>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (seq, block) in blocks {
            if block.header.end_offset() <= inner.tail {
                continue;
            }
            let records = events(&block.body).map_while(Result::ok);
            records.filter_map(parts).for_each(|change| inner.change(change));
            (inner.seq, inner.tail) = (seq, block.header.end_offset());
            inner.bytes += block.body.len() as u64;
        }
    }

    pub(crate) fn snapshot_taken(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).bytes = 0;
    }

    /// What is known of a topic.
    #[must_use]
    pub fn topic(&self, id: TopicId) -> Option<Topic> {
        self.read().topics.get(&id).copied()
    }

    /// Whether a topic is there just so.
    ///
    /// # Errors
    /// It can never be.
    pub fn is_as_asked(&self, spec: &TopicSpec) -> Result<bool, TopicError> {
        let journal = spec.retention.journal();
        match self.topic(spec.id) {
            None => Ok(false),
            Some(Topic { dropped: true, .. }) => Err(TopicError::Dropped(spec.id)),
            Some(Topic { spec: known, .. }) => {
                let class = known.retention.journal();
                if known.partitions != spec.partitions || class != journal {
                    let (partitions, journal) = (known.partitions, class.name());
                    return Err(TopicError::Mismatch { id: spec.id, partitions, journal });
                }
                Ok(known == *spec)
            }
        }
    }

    /// A topic that is to be dropped.
    ///
    /// # Errors
    /// There is none, or not any more.
    pub fn still_there(&self, id: TopicId) -> Result<TopicSpec, TopicError> {
        let Topic { spec, dropped } = self.topic(id).ok_or(TopicError::Unknown(id))?;
        if dropped { Err(TopicError::Dropped(id)) } else { Ok(spec) }
    }

    /// Topics of a journal that are not dropped.
    #[must_use]
    pub fn topics(&self, journal: Journal) -> Vec<TopicSpec> {
        let inner = self.read();
        let live = inner.topics.values().filter(|t| !t.dropped).map(|t| t.spec);
        live.filter(|spec| spec.retention.journal() == journal).collect()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.read().maps.get(&table)?.get(key)?))
    }

    /// A copy of a table.
    #[must_use]
    pub fn map(&self, table: Table) -> BTreeMap<Bytes, Bytes> {
        self.read().maps.get(&table).map_or_else(BTreeMap::new, Entries::to_map)
    }

    /// A copy of everything that a log keeps when it moves to another place: all but where this one's journals ended at
    /// a stop, and what it was itself copied from.
    #[must_use]
    pub fn records(&self) -> Records {
        let inner = self.read();
        let moving = inner.maps.iter().filter(|(table, _)| ![ENDS, COPIED].contains(table));
        let copied = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        moving
            .flat_map(|(table, entries)| entries.iter().map(|entry| (*table, entry)))
            .map(|(table, (key, value))| ((table, copied(key)), copied(value)))
            .collect()
    }

    /// Whether a key has just this value.
    pub(crate) fn holds(&self, change: &TableChange) -> bool {
        let inner = self.read();
        let known = inner.maps.get(&change.table).and_then(|map| map.get(&change.key));
        known == change.value.as_deref()
    }

    /// Whether blocks of a topic are kept: all but those of dropped ones.
    #[must_use]
    pub fn is_kept(&self, id: TopicId) -> bool {
        self.topic(id).is_none_or(|topic| !topic.dropped)
    }

    /// The time up to which retention had come, and how the clock leapt before.
    #[must_use]
    pub fn wall(&self) -> Option<(Timestamp, Leap)> {
        let inner = self.read();
        let mut fields = Fields(inner.maps.get(&WALL)?.get(WALL_KEY)?);
        let time = Timestamp(fields.u64()?);
        // Older records end here.
        let leap = fields.u64().zip(fields.u64());
        let leap = leap.map(|(before, nanos)| Leap { before: Timestamp(before), nanos });
        Some((time, leap.unwrap_or_default()))
    }

    /// Where a journal ended at the last clean stop.
    pub(crate) fn ends(&self, journal: Journal) -> Option<(u64, Ends)> {
        let inner = self.read();
        let value = inner.maps.get(&ENDS)?.get(&(journal as u32).to_be_bytes()[..])?;
        let mut fields = Fields(value);
        let (seq, mut ends) = (fields.u64()?, vec![]);
        while !fields.0.is_empty() {
            let partition = TopicPartition::new(fields.u64()?, fields.u32()?);
            ends.push((partition, Offset(fields.u64()?)));
        }
        Some((seq, ends))
    }

    /// Durable trim points of a journal's partitions.
    #[must_use]
    pub fn trims(&self, journal: Journal) -> Vec<(TopicPartition, u64)> {
        let inner = self.read();
        let Some(trims) = inner.maps.get(&TRIMS) else { return vec![] };
        trims
            .iter()
            .filter_map(|(key, value)| {
                let partition = partition_of(key)?;
                let topic = inner.topics.get(&partition.topic)?;
                let here = !topic.dropped && topic.spec.retention.journal() == journal;
                here.then_some((partition, Fields(value).u64()?))
            })
            .collect()
    }
}

impl Inner {
    fn change(&mut self, (table, key, value): Parts<'_>) {
        if table == TOPICS {
            let decoded = value.and_then(|value| topic_of(key, value));
            let Some(topic) = decoded.filter(|topic| self.may_become(topic)) else { return };
            self.topics.insert(topic.spec.id, topic);
        }
        let entries = self.maps.entry(table).or_default();
        match value {
            Some(value) => entries.put(key, value),
            None => entries.remove(key),
        }
    }
}

impl Inner {
    /// Of two records that crossed the first one counts: dropped is for ever, so are partitions and
    /// class.
    fn may_become(&self, topic: &Topic) -> bool {
        self.topics.get(&topic.spec.id).is_none_or(|known| {
            let class = |topic: &Topic| (topic.spec.partitions, topic.spec.retention.journal());
            !known.dropped && class(known) == class(topic)
        })
    }
}

/// A record that creates, changes or drops a topic.
#[must_use]
pub fn topic_change(spec: &TopicSpec, dropped: bool) -> TableChange {
    let mut value = vec![];
    value.put_u32(spec.partitions);
    value.put_u32(u32::from(dropped));
    value.put_u64(spec.retention.age.as_secs());
    value.put_u32(spec.retention.age.subsec_nanos());
    value.put_u64(spec.retention.bytes.unwrap_or(u64::MAX));
    let key = Bytes::copy_from_slice(&spec.id.0.to_be_bytes());
    TableChange { table: TOPICS, key, value: Some(value.into()) }
}

/// A record of a trim point.
#[must_use]
pub fn trim_change(partition: TopicPartition, trim: u64) -> TableChange {
    let value = Bytes::copy_from_slice(&trim.to_le_bytes());
    TableChange { table: TRIMS, key: partition_key(partition), value: Some(value) }
}

/// What records of a partition are under.
pub(crate) fn partition_key(partition: TopicPartition) -> Bytes {
    let topic = partition.topic.0.to_be_bytes();
    [&topic[..], &partition.partition.0.to_be_bytes()].concat().into()
}

/// A record of where a journal ends.
pub(crate) fn ends_change(journal: Journal, seq: u64, ends: &Ends) -> TableChange {
    let mut value = seq.to_le_bytes().to_vec();
    for (partition, end) in ends.iter().take(ENDS_MAX) {
        value.put_u64(partition.topic.0);
        value.put_u32(partition.partition.0);
        value.put_u64(end.0);
    }
    let key = Bytes::copy_from_slice(&(journal as u32).to_be_bytes());
    TableChange { table: ENDS, key, value: Some(value.into()) }
}

/// A record of the time up to which retention has come.
#[must_use]
pub fn wall_change(now: &Now) -> TableChange {
    let mut value = vec![];
    for word in [now.time.0, now.leap.before.0, now.leap.nanos] {
        value.put_u64(word);
    }
    TableChange { table: WALL, key: Bytes::from_static(WALL_KEY), value: Some(value.into()) }
}

fn topic_of(key: &[u8], value: &[u8]) -> Option<Topic> {
    let id = TopicId(u64::from_be_bytes(*key.first_chunk()?));
    let mut fields = Fields(value);
    let (partitions, dropped) = (fields.u32()?, fields.u32()? != 0);
    let age = Duration::new(fields.u64()?, fields.u32()?);
    let bytes = Some(fields.u64()?).filter(|b| *b != u64::MAX);
    Some(Topic { spec: TopicSpec { id, partitions, retention: Retention { age, bytes } }, dropped })
}

pub(crate) fn partition_of(key: &[u8]) -> Option<TopicPartition> {
    let topic = u64::from_be_bytes(*key.first_chunk()?);
    let partition = u32::from_be_bytes(*key.get(8..)?.first_chunk()?);
    Some(TopicPartition::new(topic, partition))
}

/// One change as a record: table, whether it puts, key length, key, value.
pub(crate) fn encode_change(parts: Parts<'_>) -> Vec<u8> {
    let mut out = vec![];
    write_change(parts, &mut out);
    out
}

fn write_change((table, key, value): Parts<'_>, out: &mut Vec<u8>) {
    out.put_u32(table.0);
    out.push(u8::from(value.is_some()));
    out.put_u32(short(key.len()));
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// Table, key and value of a record; no value where it deletes.
pub(crate) type Parts<'a> = (Table, &'a [u8], Option<&'a [u8]>);

fn parts(record: &[u8]) -> Option<Parts<'_>> {
    let mut fields = Fields(record);
    let (table, puts, length) = (Table(fields.u32()?), fields.u8()? != 0, fields.u32()?);
    let key = fields.bytes(length as usize)?;
    Some((table, key, puts.then_some(fields.0)))
}

/// Reads a record back.
pub(crate) fn decode_change(record: &[u8]) -> Option<TableChange> {
    let (table, key, value) = parts(record)?;
    let (key, value) = (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
    Some(TableChange { table, key, value })
}

/// The body of a commit's block, and how many records it has; `None` when they do not fit.
#[must_use]
pub fn encode(changes: &[TableChange]) -> Option<(Bytes, u32)> {
    let (mut body, mut record) = (BodyBuilder::default(), vec![]);
    let mut push = |change: &TableChange| {
        record.clear();
        write_change((change.table, &change.key, change.value.as_deref()), &mut record);
        body.push(&record)
    };
    changes.iter().all(&mut push).then(|| body.take())
}

#[cfg(test)]
mod tests;
