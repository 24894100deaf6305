//! The live reader: one for each journal, shared by every subscription.

use std::sync::Arc;

use tidings_catalog::SubscriptionId;
use tidings_event::JournalSeq;
use tidings_event::hop::Committed;
use tidings_log::{Journal, PartitionLog};
use tidings_match::Matches;
use tidings_telemetry::{Counter, Latency, Recorder, Timer};
use tokio_util::sync::CancellationToken;

use crate::last_value::LastValues;
use crate::registry::Registry;
use crate::routes::Concerned;

/// What one read takes at most.
const READ_BYTES: usize = 512 << 10;

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
        let mut hands = Hands::default();
        loop {
            let reached = *durable.borrow_and_update();
            while after < reached && !stop.is_cancelled() {
                match self.log.read_journal(self.journal, after, READ_BYTES).await {
                    Ok(blocks) => {
                        // Groups without a readable block are passed over.
                        after = blocks.last().map_or(reached, |block| block.seq);
                        self.hand_out(&blocks, &mut hands);
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

    /// Everybody is handed all that concerns it at once: with many subscriptions most of the work is to
    /// get at each.
    fn hand_out(&self, blocks: &[Committed], hands: &mut Hands) {
        let clock = self.registry.clock();
        let started = clock.monotonic();
        self.registry.ends.read(blocks);
        let routes = self.registry.routes();
        let Hands { matches, found, order } = hands;
        for (number, block) in blocks.iter().enumerate() {
            if let Some(route) = routes.get(&block.topic_partition().topic) {
                route.find((number, block), matches, found);
            }
        }
        // Blocks stay in order. By id first: the order of addresses is another one in each process.
        let place = |(at, one): (usize, &Concerned)| (one.id, Arc::as_ptr(&one.live).addr(), at);
        order.extend(found.iter().enumerate().map(place));
        order.sort_unstable();
        let mut events = 0;
        for theirs in order.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
            let theirs = theirs.iter().filter_map(|&(_, _, at)| found.get(at));
            let taken =
                theirs.clone().filter_map(|one| Some((blocks.get(one.number)?, &one.selected)));
            if let Some(first) = theirs.clone().next() {
                events += first.live.push(taken);
            }
        }
        order.clear();
        found.clear();
        self.registry.ends.offered(blocks);
        self.recorder.count(Counter::MatchEvents, events);
        self.recorder.time(Latency::MatchBatch, clock.monotonic().saturating_sub(started));
        self.values.feed(self.journal, blocks);
    }
}

/// What hands blocks out; its memory serves one read after the other.
#[derive(Default)]
struct Hands {
    matches: Matches<u64>,
    found: Vec<Concerned>,
    /// Places in `found`, by whom they concern: an id, and where its state is.
    order: Vec<(SubscriptionId, usize, usize)>,
}
