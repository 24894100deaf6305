//! Whether a damaged log tells what it lost, serves nothing else, and goes on.

use std::path::Path;

use tidings_event::{JournalSeq, Offset, TopicPartition};

use super::Tally;
use super::damage::{Damage, Files};
use super::stored::{Place, Stored};
use crate::conformance::fixture::block;
use crate::crash_states::{DIR, keys, ready};
use crate::fake_disk::FakeDisk;
use crate::partition_log::{Journal, PartitionLog, ReadError};
use crate::{CheckReport, StillLog, check};

/// Checks, opens and reads a damaged log.
pub(crate) fn judge(
    disk: &FakeDisk,
    stored: &Stored,
    (damage, files): (&Damage, &Files),
    goes_on: bool,
) -> Result<Tally, String> {
    let report = check(disk, Path::new(DIR)).map_err(|error| format!("check: {error}"))?;
    let mut still = stored.setup.open(disk).map_err(|error| format!("open: {error}"))?;
    let mut tally = damage.tally();
    for partition in stored.blocks.keys() {
        tally += Reading { still: &still, stored, partition: *partition, report: &report }
            .all(|place| damage.hits(place, files))?;
    }
    by_journal(&still, stored)?;
    let told = !report.is_sound() || stored.killed && damage.touches(&stored.last_state, files);
    if keys(&**still.log()) != stored.keys && !told {
        return Err("the tables differ, and the check finds nothing".to_owned());
    }
    if goes_on {
        grow(&mut still, stored)?;
        let told = tails(&still, stored);
        still.close();
        let again = stored.setup.open(disk).map_err(|error| format!("open again: {error}"))?;
        if tails(&again, stored) != told {
            return Err("it ends elsewhere after the next start".to_owned());
        }
    }
    Ok(tally)
}

/// One partition of a damaged log.
struct Reading<'a> {
    still: &'a StillLog,
    stored: &'a Stored,
    partition: TopicPartition,
    report: &'a CheckReport,
}

impl Reading<'_> {
    fn all(&self, is_hit: impl Fn(&Place) -> bool) -> Result<Tally, String> {
        let (log, id) = (self.still.log(), self.partition);
        let blocks = &self.stored.blocks[&id];
        let end = blocks.last_key_value().map_or(Offset(0), |(_, (b, _))| b.header.end_offset());
        let mut tally = Tally::default();
        let bounds = match log.bounds(id) {
            Ok(bounds) => bounds,
            Err(_) if !self.report.is_sound() => return Ok(Tally { shorter: 1, ..tally }),
            Err(error) => return Err(format!("{id}: {error}, and the check finds nothing")),
        };
        // What a crash may have cut off looks like what damage cut off.
        let told = !self.report.is_sound() || self.stored.killed && self.is_end_hit(&is_hit);
        if bounds.tail > end || (bounds.tail < end && !told) {
            return Err(format!("{id} ends at {} instead of {end}", bounds.tail));
        }
        tally.shorter += u64::from(bounds.tail < end);
        let mut next = bounds.trim;
        while next < bounds.tail {
            match ready(log.read(id, next, 1 << 16))? {
                Ok(read) if read.is_empty() => return Err(format!("{id}: nothing at {next}")),
                Ok(read) => {
                    for committed in read {
                        let base = committed.block.header.base_offset.0;
                        if blocks.get(&base).map(|(b, _)| b) != Some(&committed.block) {
                            return Err(format!("{id}: what was never stored is at {base}"));
                        }
                        tally.served += u64::from(committed.block.header.count);
                        next = committed.end_offset();
                    }
                }
                Err(ReadError::DataLoss { from, to, .. }) => {
                    self.named(from, to)?;
                    next = to.plus(1);
                }
                Err(other) => return Err(format!("{id}@{next}: {other}")),
            }
        }
        let total: u64 = blocks.values().map(|(b, _)| u64::from(b.header.count)).sum();
        tally.lost = total.saturating_sub(tally.served);
        if tally.lost > 0 {
            let hit = blocks.values().filter(|(_, place)| is_hit(place));
            let hit: u64 = hit.map(|(b, _)| u64::from(b.header.count)).sum();
            tally.hidden = tally.lost.saturating_sub(hit);
        }
        Ok(tally)
    }

    /// Whether the segment that a killed log ended in was hit.
    fn is_end_hit(&self, is_hit: impl Fn(&Place) -> bool) -> bool {
        let blocks = &self.stored.blocks[&self.partition];
        let last = blocks.last_key_value().map(|(_, (_, place))| &place.file);
        blocks.values().any(|(_, place)| Some(&place.file) == last && is_hit(place))
    }

    /// Whether the check told of a loss.
    fn named(&self, from: Offset, to: Offset) -> Result<(), String> {
        let named =
            self.report.damaged.iter().any(|range| {
                range.partition == self.partition && range.from <= from && to <= range.to
            });
        let told = named || self.report.missing_groups > 0 || !self.report.unreadable.is_empty();
        if told {
            return Ok(());
        }
        let id = self.partition;
        Err(format!("{id}: {from}..={to} are lost, and the check finds {:?}", self.report))
    }
}

/// Whether the journals, read as a whole, hold nothing else.
fn by_journal(still: &StillLog, stored: &Stored) -> Result<(), String> {
    for journal in Journal::TOPICS {
        let mut after = JournalSeq(0);
        loop {
            let more = ready(still.log().read_journal(journal, after, 1 << 16))?;
            let more = more.map_err(|error| format!("{}: {error}", journal.name()))?;
            let Some(last) = more.last() else { break };
            after = last.seq;
            for committed in more {
                let base = committed.block.header.base_offset.0;
                let known = stored.blocks.get(&committed.topic_partition());
                if known.and_then(|blocks| blocks.get(&base)).map(|(b, _)| b)
                    != Some(&committed.block)
                {
                    return Err(format!("{}: never stored: {after}", journal.name()));
                }
            }
        }
    }
    Ok(())
}

/// Appends to every partition, and commits.
fn grow(still: &mut StillLog, stored: &Stored) -> Result<(), String> {
    for &partition in stored.blocks.keys() {
        let log = still.log();
        let Ok(bounds) = log.bounds(partition) else { continue };
        let next = block(&**log, partition, bounds.tail.0, (1, 50));
        let appended = log.append(vec![next.clone()]).map_err(|error| error.to_string())?;
        while still.step() {}
        ready(appended)?.map_err(|error| error.to_string())?;
        let read = ready(still.log().read(partition, bounds.tail, 1))?;
        if read.ok().and_then(|mut read| read.pop()).map(|c| c.block) != Some(next) {
            return Err(format!("{partition}: what was appended is not there"));
        }
    }
    Ok(())
}

/// Where partitions end, and the tables.
fn tails(still: &StillLog, stored: &Stored) -> (Vec<Option<Offset>>, crate::crash_states::Keys) {
    let log = still.log();
    let tails = stored.blocks.keys().map(|id| log.bounds(*id).ok().map(|bounds| bounds.tail));
    (tails.collect(), keys(&**log))
}
