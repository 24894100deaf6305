//! The live reader: one for each journal, shared by every subscription.

use std::sync::Arc;

use tidings_event::JournalSeq;
use tidings_event::hop::Committed;
use tidings_log::{Journal, PartitionLog};
use tidings_match::Matches;
use tidings_telemetry::{Counter, Latency, Recorder, Timer};
use tokio_util::sync::CancellationToken;

use crate::last_value::LastValues;
use crate::registry::Registry;

/// What one read takes at most.
const READ_BYTES: usize = 256 << 10;

/// How long a journal that cannot be read is left alone.
const RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// See the module.
pub(crate) struct Reader {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) values: Arc<LastValues>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) journal: Journal,
}

impl Reader {
    /// Follows the journal from a group on until stopped.
    pub(crate) async fn run(&self, after: JournalSeq, stop: CancellationToken) {
        let mut durable = self.log.durable(self.journal);
        let mut after = after;
        let mut matches = Matches::new();
        loop {
            let reached = *durable.borrow_and_update();
            while after < reached && !stop.is_cancelled() {
                match self.log.read_journal(self.journal, after, READ_BYTES).await {
                    Ok(blocks) => {
                        // Groups without a readable block are passed over.
                        after = blocks.last().map_or(reached, |block| block.seq);
                        self.hand_out(&blocks, &mut matches);
                    }
                    Err(error) => {
                        tracing::error!(journal = self.journal.name(), %error, "cannot follow the journal");
                        Timer.after(RETRY).await;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = durable.changed() => if changed.is_err() { return },
            }
        }
    }

    fn hand_out(&self, blocks: &[Committed], matches: &mut Matches<u64>) {
        let clock = self.registry.clock();
        let started = clock.monotonic();
        self.registry.ends.read(blocks);
        let routes = self.registry.routes();
        for block in blocks {
            let route = routes.get(&block.topic_partition().topic);
            let offered = route.map_or(0, |route| route.hand_out(block, matches));
            let events = u64::from(block.block.header.count);
            self.recorder.count(Counter::MatchEvents, offered * events);
        }
        self.registry.ends.offered(blocks);
        self.recorder.time(Latency::MatchBatch, clock.monotonic().saturating_sub(started));
        self.values.feed(self.journal, blocks);
    }
}
