//! Retention: what is too old or too much goes, block by block.

use std::collections::BTreeMap;

use tidings_event::{PartitionId, TopicPartition};
use tidings_log::TopicSpec;
use tidings_log::parts::{Now, trim_change};

use crate::PulsarLog;
use crate::journal::{Core, JournalStore};

/// New trim points.
type Trims = BTreeMap<TopicPartition, u64>;

/// Trim points of one commit.
const AT_ONCE: usize = 4096;

impl PulsarLog {
    /// Trims one journal: plan, make durable, apply.
    pub(crate) async fn trim_journal(
        &self,
        journal: &JournalStore,
        now: &Now,
    ) -> Vec<(TopicPartition, u64)> {
        let trims = plan(&journal.core(), &self.tables.topics(journal.kind), now);
        let changes: Vec<_> = trims.iter().map(|(id, trim)| trim_change(*id, *trim)).collect();
        for some in changes.chunks(AT_ONCE) {
            // A trim point that was told is there after a restart.
            let Ok(pending) = self.commit_records(some) else { return vec![] };
            if pending.await.is_err() {
                return vec![];
            }
        }
        apply(&mut journal.core(), &trims)
    }
}

/// Where retention puts the trim points of a journal's topics.
fn plan(core: &Core, topics: &[TopicSpec], now: &Now) -> Trims {
    let mut trims = Trims::new();
    for spec in topics {
        by_age(core, spec, now, &mut trims);
        if let Some(bytes) = spec.retention.bytes {
            by_bytes(core, spec, bytes, &mut trims);
        }
    }
    trims
}

fn by_age(core: &Core, spec: &TopicSpec, now: &Now, trims: &mut Trims) {
    for id in partitions_of(spec) {
        let Some(partition) = core.partitions.get(&id) else { continue };
        let (floor, age) = (partition.floor(), spec.retention.age);
        let blocks = partition.blocks.iter();
        let expired = blocks.take_while(|b| now.is_older(b.ingested_at, age) && b.end() <= floor);
        if let Some(last) = expired.last() {
            trims.insert(id, last.end());
        }
    }
}

fn by_bytes(core: &Core, spec: &TopicSpec, max: u64, trims: &mut Trims) {
    let mut kept = vec![];
    for id in partitions_of(spec) {
        let Some(partition) = core.partitions.get(&id) else { continue };
        let trim = trims.get(&id).copied().unwrap_or(partition.trim);
        let floor = partition.floor();
        let blocks = partition.blocks.iter().filter(|block| block.end() > trim);
        kept.extend(blocks.map(|b| ((b.seq, b.base), id, b.end(), b.bytes, b.end() <= floor)));
    }
    // As they were written: their times say less, for clocks stand still.
    kept.sort_unstable_by_key(|block| (block.0.0, block.1, block.0.1));
    let mut bytes: u64 = kept.iter().map(|block| u64::from(block.3)).sum();
    for (_, id, end, size, may_go) in kept {
        if bytes <= max {
            break;
        }
        // Nothing else goes for what may not go yet.
        bytes -= u64::from(size);
        if may_go {
            let trim = trims.entry(id).or_default();
            *trim = end.max(*trim);
        }
    }
}

/// Applies trim points that are durable; returns how many events each partition lost.
fn apply(core: &mut Core, trims: &Trims) -> Vec<(TopicPartition, u64)> {
    let (mut freed, mut lost) = (vec![], vec![]);
    for (id, trim) in trims {
        let Some(partition) = core.partitions.get_mut(id) else { continue };
        if *trim <= partition.trim {
            continue;
        }
        lost.push((*id, *trim - partition.trim));
        partition.trim = *trim;
        while let Some(block) = partition.blocks.pop_front_if(|block| block.end() <= *trim) {
            freed.push(block.seq);
        }
        partition.damaged.retain(|_, to| *to >= *trim);
    }
    core.free(freed);
    lost
}

/// Forgets a dropped topic's partitions.
pub(crate) fn forget(core: &mut Core, spec: &TopicSpec) {
    let gone = partitions_of(spec).filter_map(|id| core.partitions.remove(&id));
    let freed: Vec<u64> = gone.flat_map(|partition| partition.blocks).map(|b| b.seq).collect();
    core.free(freed);
}

fn partitions_of(spec: &TopicSpec) -> impl Iterator<Item = TopicPartition> + use<> {
    let topic = spec.id;
    (0..spec.partitions).map(move |p| TopicPartition { topic, partition: PartitionId(p) })
}
