//! Reading blocks from segment files: every byte is checked before it is served.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, Timestamp, TopicPartition};
use tidings_telemetry::Counter;

use super::group::{self, Group, PAGE};
use super::journal::{Core, JournalStore};
use super::partitions::{BlockRef, Partition};
use super::wall::Now;
use crate::disk::DiskFile;
use crate::partition_log::ReadError;

/// Most groups that one look at the index takes.
const GROUPS_MAX: usize = 64;

type Place = (BlockRef, Arc<dyn DiskFile>);

impl JournalStore {
    /// What a read finds without the disk: an answer, or `None`.
    pub(crate) fn read_fast(
        &self,
        partition: TopicPartition,
        from: Offset,
        max: usize,
    ) -> Result<Option<Vec<Committed>>, ReadError> {
        let core = self.core();
        // A topic exists before its first block does.
        let empty = Partition::default();
        let known = core.partitions.get(&partition).unwrap_or(&empty);
        if from.0 < known.trim {
            return Err(ReadError::Trimmed { asked: from, trim: Offset(known.trim) });
        }
        if from.0 > known.durable {
            let durable_tail = Offset(known.durable);
            return Err(ReadError::OutOfRange { asked: from, durable_tail });
        }
        if from.0 == known.durable {
            return Ok(Some(vec![]));
        }
        if let Some((from, to)) = known.damage_at(from.0) {
            return Err(loss(partition, from, to));
        }
        Ok(core.ring_blocks(partition, from.0, max))
    }

    /// The same from disk. Blocks.
    pub(crate) fn read_disk(
        &self,
        partition: TopicPartition,
        from: Offset,
        max: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let places = self.places(partition, from.0, max)?;
        self.context.recorder.count(Counter::LogReads, 1);
        let mut out = vec![];
        let mut last: Option<(u32, u32, Option<Group>)> = None;
        for (place, file) in places {
            let at = u64::from(place.page) * PAGE as u64;
            if last.as_ref().is_none_or(|(s, p, _)| (*s, *p) != (place.segment, place.page)) {
                let group = group::read(&*file, at, u64::MAX - PAGE as u64).or_else(cut_off)?;
                last = Some((place.segment, place.page, group));
            }
            let group = last.as_ref().and_then(|(_, _, group)| group.as_ref());
            match read_block(&*file, at, group, partition, &place)? {
                Some(block) => out.push(block),
                None => {
                    self.damaged(partition, &place);
                    if out.is_empty() {
                        return Err(loss(partition, place.base, place.end() - 1));
                    }
                    break;
                }
            }
        }
        Ok(out)
    }

    fn places(
        &self,
        partition: TopicPartition,
        from: u64,
        max: usize,
    ) -> Result<Vec<Place>, ReadError> {
        let core = self.core();
        let known =
            core.partitions.get(&partition).ok_or(ReadError::UnknownPartition(partition))?;
        let first = known.find(from);
        let (mut places, mut bytes, mut next) = (vec![], 0, from);
        for block in known.blocks.range(first..) {
            bytes += block.bytes as usize;
            let stops = block.base > next || known.damage_at(block.base).is_some();
            if stops || (bytes > max && !places.is_empty()) {
                break;
            }
            next = block.end();
            let Some(segment) = core.segments.get(&block.segment) else { break };
            places.push((*block, Arc::clone(&segment.file)));
        }
        let trimmed = from < known.trim;
        if places.is_empty() && trimmed {
            return Err(ReadError::Trimmed { asked: Offset(from), trim: Offset(known.trim) });
        }
        if places.is_empty() {
            let to = known.blocks.get(first).map_or(known.durable, |block| block.base);
            return Err(loss(partition, from, to.max(from + 1) - 1));
        }
        Ok(places)
    }

    fn damaged(&self, partition: TopicPartition, place: &BlockRef) {
        tracing::error!(%partition, from = place.base, to = place.end() - 1, "block is damaged");
        self.context.recorder.count(Counter::LogDamaged, 1);
        if let Some(known) = self.core().partitions.get_mut(&partition) {
            known.damaged.insert(place.base, place.end() - 1);
        }
    }

    /// Blocks of the whole journal after a group, from disk.
    pub(crate) fn groups_disk(
        &self,
        mut after: u64,
        max: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        loop {
            let groups = groups_after(&self.core(), after);
            if groups.is_empty() {
                return Ok(vec![]);
            }
            self.context.recorder.count(Counter::LogReads, 1);
            let (mut found, mut bytes) = (vec![], 0);
            for (seq, page, file) in groups {
                if bytes >= max && !found.is_empty() {
                    break;
                }
                let at = u64::from(page) * PAGE as u64;
                after = seq;
                let group = group::read(&*file, at, u64::MAX - PAGE as u64).or_else(cut_off)?;
                for block in 0..group.as_ref().map_or(0, |g| g.headers.len()) {
                    let Some(group) = &group else { break };
                    let read = group::read_body(&*file, at, group, block).or_else(cut_off)?;
                    if let Some(block) = read {
                        bytes += block.header.encoded_bytes() + block.body.len();
                        found.push(Committed { seq: JournalSeq(seq), block });
                    }
                }
            }
            let core = self.core();
            found.retain(|item| core.is_kept(item));
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// First offset of the first block ingested at or after a time.
    pub(crate) fn resolve_time(&self, partition: TopicPartition, at: Timestamp) -> Offset {
        let core = self.core();
        let Some(known) = core.partitions.get(&partition) else { return Offset(0) };
        let block = known.blocks.iter().find(|block| block.ingested_at >= at);
        Offset(block.map_or(known.durable, |block| block.base))
    }

    /// First offset of the first block that is not older than this.
    pub(crate) fn first_younger(
        &self,
        partition: TopicPartition,
        age: Duration,
        now: &Now,
    ) -> Offset {
        let core = self.core();
        let Some(known) = core.partitions.get(&partition) else { return Offset(0) };
        let block = known.blocks.iter().find(|block| !now.is_older(block.ingested_at, age));
        Offset(block.map_or(known.durable, |block| block.base))
    }
}

fn groups_after(core: &Core, after: u64) -> Vec<(u64, u32, Arc<dyn DiskFile>)> {
    let segments = core.segments.values().filter(|segment| segment.last_seq > after);
    segments
        .flat_map(|segment| {
            let first = segment.groups.partition_point(|(seq, _)| *seq <= after);
            let file = &segment.file;
            segment.groups[first..].iter().map(move |(seq, page)| (*seq, *page, Arc::clone(file)))
        })
        .take(GROUPS_MAX)
        .collect()
}

fn read_block(
    file: &dyn DiskFile,
    at: u64,
    group: Option<&Group>,
    partition: TopicPartition,
    place: &BlockRef,
) -> Result<Option<Committed>, ReadError> {
    let Some(group) = group else { return Ok(None) };
    let Some(index) = group
        .headers
        .iter()
        .position(|h| h.topic_partition == partition && h.base_offset.0 == place.base)
    else {
        return Ok(None);
    };
    let block = group::read_body(file, at, group, index).or_else(cut_off)?;
    Ok(block.map(|block| Committed { seq: JournalSeq(group.seq), block }))
}

/// A file that is shorter than it was is damage; anything else is the system's trouble.
fn cut_off<T>(error: std::io::Error) -> Result<Option<T>, ReadError> {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Ok(None);
    }
    Err(ReadError::Io(error.to_string()))
}

fn loss(partition: TopicPartition, from: u64, to: u64) -> ReadError {
    ReadError::DataLoss { partition, from: Offset(from), to: Offset(to) }
}
