//! The durable form of the tracker: a record a series, and how far each journal was read.
//!
//! A series holds at least what the journals' record says was read: reading some of it again
//! changes nothing. What is on its way is not in it; whether it arrived is read back from the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use tidings_event::{JournalSeq, Timestamp};
use tidings_log::{CommitError, Journal, PartitionLog, PendingError, Table, TableChange};

use super::bits::Bits;
use super::series::{Interval, Said, Series};
use super::tracker::{Now, Tracker};

/// How far each journal was read. No series has a key without a separator.
const REACH: &[u8] = b"reach";
/// Most bytes of one commit, and so of one series.
const COMMIT_BYTES: usize = 768 << 10;

/// Why a checkpoint could not be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SaveError {
    /// The log refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The log failed.
    #[error(transparent)]
    Pending(#[from] PendingError),
}

#[derive(Clone, PartialEq, Message)]
struct ReachRecord {
    #[prost(uint64, repeated, tag = "1")]
    seqs: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeriesRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(string, tag = "2")]
    venue: String,
    #[prost(string, tag = "3")]
    timeframe: String,
    #[prost(uint64, optional, tag = "4")]
    floor: Option<u64>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    names: Vec<Bytes>,
    #[prost(message, repeated, tag = "6")]
    intervals: Vec<IntervalRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct IntervalRecord {
    #[prost(uint64, tag = "1")]
    start: u64,
    #[prost(uint64, tag = "2")]
    end: u64,
    #[prost(uint64, tag = "3")]
    first: u64,
    #[prost(uint64, tag = "4")]
    newest: u64,
    #[prost(uint32, repeated, tag = "5")]
    published: Vec<u32>,
    #[prost(bool, tag = "6")]
    is_settled: bool,
    #[prost(uint32, repeated, tag = "7")]
    expected: Vec<u32>,
    #[prost(uint32, optional, tag = "8")]
    revision: Option<u32>,
    #[prost(uint32, tag = "9")]
    said: u32,
    #[prost(bool, tag = "10")]
    is_silent: bool,
}

/// What a checkpoint changes; taken while the tracker is locked, saved while it is not.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    changes: Vec<TableChange>,
}

impl Checkpoint {
    /// What changed since the last one.
    pub(crate) fn of(tracker: &mut Tracker, reach: &[JournalSeq], log: &dyn PartitionLog) -> Self {
        let mut gone = log.table(Table::INTERVALS);
        gone.remove(REACH);
        let mut changes = Vec::new();
        for series in tracker.series.iter_mut().flatten() {
            let key = key(series);
            gone.remove(&key);
            if std::mem::take(&mut series.is_changed) {
                let value = record(series).encode_to_vec();
                if value.len() + key.len() <= COMMIT_BYTES {
                    changes.push(change(key, Some(value.into())));
                } else {
                    let (venue, timeframe) = (&*series.venue, &*series.timeframe);
                    tracing::warn!(venue, timeframe, "too many instruments for a checkpoint");
                }
            }
        }
        changes.extend(gone.into_keys().map(|key| change(key, None)));
        let reach = ReachRecord { seqs: reach.iter().map(|seq| seq.0).collect() };
        changes.push(change(Bytes::from_static(REACH), Some(reach.encode_to_vec().into())));
        Self { changes }
    }

    /// Saves it, in parts that fit; the journals' record comes last.
    pub(crate) async fn save(self, log: &dyn PartitionLog) -> Result<(), SaveError> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for change in self.changes {
            let size = change.key.len() + change.value.as_ref().map_or(0, Bytes::len);
            if bytes + size > COMMIT_BYTES {
                log.commit(log.term(), std::mem::take(&mut part))?.await?;
                bytes = 0;
            }
            bytes += size;
            part.push(change);
        }
        log.commit(log.term(), part)?.await?;
        Ok(())
    }
}

/// Gives the tracker what was saved; says how far each journal was read, `None` when nothing was.
///
/// # Errors
/// The key of a record that cannot be read: written by a later version, or damaged.
pub(crate) fn load(
    log: &dyn PartitionLog,
    tracker: &mut Tracker,
    now: Now,
) -> Result<Option<Vec<JournalSeq>>, String> {
    let mut reach = None;
    for (key, value) in log.table(Table::INTERVALS) {
        let damaged = |_| String::from_utf8_lossy(&key).into_owned();
        if key == REACH {
            let record = ReachRecord::decode(value).map_err(damaged)?;
            let seq = |at| JournalSeq(record.seqs.get(at).copied().unwrap_or(0));
            reach = Some((0..Journal::TOPICS.len()).map(seq).collect());
        } else {
            let record = SeriesRecord::decode(value).map_err(damaged)?;
            if !record.intervals.is_empty() {
                tracker.restore(series(record), now);
            }
        }
    }
    Ok(reach)
}

fn key(series: &Series) -> Bytes {
    let mut key = Vec::new();
    super::tracker::write_key(
        &mut key,
        [&series.tenant, &series.venue, &series.timeframe].map(|text| text.as_bytes()),
    );
    key.into()
}

fn change(key: Bytes, value: Option<Bytes>) -> TableChange {
    TableChange { table: Table::INTERVALS, key, value }
}

pub(crate) fn record(series: &Series) -> SeriesRecord {
    let intervals = series.intervals.iter().map(|(&start, interval)| IntervalRecord {
        start,
        end: interval.end,
        first: interval.first.0,
        newest: interval.newest.0,
        published: interval.published.iter().collect(),
        is_settled: interval.settled.is_some(),
        expected: interval.settled.iter().flat_map(Bits::iter).collect(),
        revision: interval.stored.map(|said| said.revision.into()),
        said: interval.stored.map_or(0, |said| said.published),
        is_silent: interval.is_silent,
    });
    SeriesRecord {
        tenant: series.tenant.clone(),
        venue: series.venue.clone(),
        timeframe: series.timeframe.clone(),
        floor: series.floor,
        names: series.names.all().map(Bytes::copy_from_slice).collect(),
        intervals: intervals.collect(),
    }
}

pub(crate) fn series(record: SeriesRecord) -> Series {
    let mut series = Series {
        tenant: record.tenant,
        venue: record.venue,
        timeframe: record.timeframe,
        floor: record.floor,
        ..Series::default()
    };
    for name in &record.names {
        series.names.number(name);
    }
    // Numbers of names that are not there would be read as names to come.
    let known = |numbers: Vec<u32>| -> Bits {
        numbers.into_iter().filter(|&n| (n as usize) < record.names.len()).collect()
    };
    let intervals = record.intervals.into_iter().map(|stored| {
        let said = stored.revision.and_then(|revision| u16::try_from(revision).ok());
        let interval = Interval {
            end: stored.end,
            first: Timestamp(stored.first),
            newest: Timestamp(stored.newest),
            published: known(stored.published),
            settled: stored.is_settled.then(|| known(stored.expected)),
            stored: said.map(|revision| Said { revision, published: stored.said }),
            is_silent: stored.is_silent,
            ..Interval::default()
        };
        (stored.start, interval)
    });
    series.intervals = intervals.collect::<BTreeMap<_, _>>();
    series
}
