//! Retention: what is too old or too much goes, block by block; files go when nothing in them is
//! kept.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use tidings_event::TopicPartition;

use super::journal::{Core, JournalStore};
use super::partitions::BlockRef;
use super::segment::Segment;
use super::trims::{self, Shelf, Trims, partitions_of};
use super::wall::Now;
use crate::partition_log::TopicSpec;

impl JournalStore {
    /// Where retention puts the trim points of a journal's topics.
    pub(crate) fn plan_trim(&self, topics: &[TopicSpec], now: &Now) -> Trims {
        let core = self.core();
        let mut trims = trims::plan(topics, now, |id| {
            let known = core.partitions.get(&id)?;
            let blocks = known.blocks.iter().map(BlockRef::shelved);
            Some(Shelf { trim: known.trim, floor: known.floor(), blocks })
        });
        self.by_cap(&core, &mut trims);
        trims
    }

    /// The physical cap: the oldest segments go.
    fn by_cap(&self, core: &Core, trims: &mut Trims) {
        let mut bytes: u64 = core.segments.values().map(|segment| segment.bytes).sum();
        let mut last_gone = None;
        for segment in core.segments.values().take(core.segments.len().saturating_sub(1)) {
            if bytes <= self.context.options.journal_bytes_max {
                break;
            }
            bytes -= segment.bytes;
            last_gone = Some(segment.header.number);
        }
        let Some(last_gone) = last_gone else { return };
        for (id, partition) in &core.partitions {
            let gone = partition.blocks.iter().take_while(|block| block.segment <= last_gone);
            let floor = partition.floor();
            if let Some(end) = gone.map(|b| b.end()).take_while(|end| *end <= floor).last() {
                let trim = trims.entry(*id).or_default();
                *trim = end.max(*trim);
            }
        }
    }

    /// Applies trim points that are durable; returns how many events each partition lost.
    pub(crate) fn apply_trims(&self, trims: &Trims) -> Vec<(TopicPartition, u64)> {
        let mut core = self.core();
        let mut freed: HashMap<u32, usize> = HashMap::new();
        let mut lost = vec![];
        for (id, trim) in trims {
            let Some(partition) = core.partitions.get_mut(id) else { continue };
            if *trim <= partition.trim {
                continue;
            }
            lost.push((*id, *trim - partition.trim));
            partition.trim = *trim;
            while let Some(block) = partition.blocks.pop_front_if(|b| b.end() <= *trim) {
                partition.bytes -= u64::from(block.bytes);
                *freed.entry(block.segment).or_default() += 1;
            }
            while partition.ring.front().is_some_and(|(base, _)| *base < *trim) {
                partition.ring.pop_front();
            }
            partition.damaged.retain(|_, to| *to >= *trim);
        }
        core.free(&freed);
        lost
    }

    /// Forgets a dropped topic's partitions.
    pub(crate) fn forget(&self, spec: &TopicSpec) {
        let mut core = self.core();
        let mut freed: HashMap<u32, usize> = HashMap::new();
        for partition in partitions_of(spec) {
            let blocks = core.partitions.remove(&partition).map(|p| p.blocks).unwrap_or_default();
            for block in blocks {
                *freed.entry(block.segment).or_default() += 1;
            }
        }
        core.free(&freed);
    }

    /// Removes the oldest sealed segments that nobody needs, one after the other, so that the chain of
    /// accepted ends stays whole: one that cannot be removed, or whose index is still to be written, stays
    /// the first, and is tried again.
    pub(crate) fn remove_segments(&self, unneeded: impl Fn(&Segment) -> bool) -> io::Result<()> {
        while let Some((number, path)) = self.oldest_segment(&unneeded) {
            self.context.remove(&super::index::path(&path))?;
            let retired = self.context.retire(self.kind, &path)?;
            let segment = self.core().forget_segment(number);
            self.context.reuse(retired, segment);
        }
        Ok(())
    }

    fn oldest_segment(&self, unneeded: impl Fn(&Segment) -> bool) -> Option<(u32, PathBuf)> {
        let core = self.core();
        let (number, segment) = core.segments.first_key_value()?;
        let may_go = core.segments.len() > 1 && segment.indexed && unneeded(segment);
        may_go.then(|| (*number, segment.path.clone()))
    }
}

impl Core {
    fn forget_segment(&mut self, number: u32) -> Option<Segment> {
        let forgotten = self.segments.remove(&number);
        let first = self.segments.keys().next().copied();
        for partition in self.partitions.values_mut() {
            while partition.blocks.front().is_some_and(|b| first > Some(b.segment)) {
                partition.blocks.pop_front();
            }
        }
        forgotten
    }

    fn free(&mut self, freed: &HashMap<u32, usize>) {
        for (number, blocks) in freed {
            if let Some(segment) = self.segments.get_mut(number) {
                segment.live = segment.live.saturating_sub(*blocks);
            }
        }
    }
}
