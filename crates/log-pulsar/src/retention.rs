//! Retention: what is too old or too much goes, block by block.

use tidings_event::TopicPartition;
use tidings_log::TopicSpec;
use tidings_log::parts::{self, Now, Shelf, Trims, partitions_of, trim_change};

use crate::PulsarLog;
use crate::index::BlockAt;
use crate::journal::{Core, JournalStore};

/// Trim points of one commit.
const AT_ONCE: usize = 4096;

impl PulsarLog {
    /// Trims one journal: plan, make durable, apply.
    pub(crate) async fn trim_journal(
        &self,
        journal: &JournalStore,
        now: &Now,
    ) -> Vec<(TopicPartition, u64)> {
        let trims = {
            let core = journal.core();
            parts::plan(&self.tables.topics(journal.kind), now, |id| {
                let known = core.partitions.get(&id)?;
                let blocks = known.blocks.iter().map(BlockAt::shelved);
                Some(Shelf { trim: known.trim, floor: known.floor(), blocks })
            })
        };
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
