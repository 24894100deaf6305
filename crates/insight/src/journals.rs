//! Following the journals of topics: what was read, what is there, waiting for more.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::JournalSeq;
use tidings_event::hop::Committed;
use tidings_log::{Journal, PartitionLog};
use tidings_telemetry::Timer;
use tokio::sync::watch;

/// What one read takes at most.
const READ_BYTES: usize = 1 << 20;

/// How long a journal that cannot be read is left alone.
const RETRY: Duration = Duration::from_millis(100);

/// Without a place to go on from, so many groups before the end of each journal are read.
const RECENT_GROUPS: u64 = 1_024;

/// See the module.
pub(crate) struct Journals {
    log: Arc<dyn PartitionLog>,
    tails: [Tail; 3],
}

/// One journal, and how far it was read.
struct Tail {
    journal: Journal,
    durable: watch::Receiver<JournalSeq>,
    after: JournalSeq,
}

/// What a turn of reading has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Something was read.
    pub(crate) is_new: bool,
    /// More is there at once.
    pub(crate) is_behind: bool,
}

impl Journals {
    /// Goes on after these groups, in the order of [`Journal::TOPICS`].
    pub(crate) fn open(log: Arc<dyn PartitionLog>, reach: Option<&[JournalSeq]>) -> Self {
        let mut at = 0;
        let tails = Journal::TOPICS.map(|journal| {
            let durable = log.durable(journal);
            let recent = JournalSeq(durable.borrow().0.saturating_sub(RECENT_GROUPS));
            let after = reach.map_or(recent, |reach| reach.get(at).copied().unwrap_or(recent));
            at += 1;
            Tail { journal, durable, after }
        });
        Self { log, tails }
    }

    /// One read of each journal that has something new.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[Committed])) -> Turn {
        let mut turn = Turn::default();
        for tail in &mut self.tails {
            let until = *tail.durable.borrow_and_update();
            if tail.after >= until {
                continue;
            }
            match self.log.read_journal(tail.journal, tail.after, READ_BYTES).await {
                Ok(blocks) => {
                    take(&blocks);
                    // Groups without a readable block are passed over.
                    tail.after = blocks.last().map_or(until, |block| block.seq);
                }
                Err(error) => {
                    let journal = tail.journal.name();
                    tracing::error!(journal, %error, "cannot follow the journal");
                    Timer.after(RETRY).await;
                }
            }
            turn.is_new = true;
            turn.is_behind |= tail.after < until;
        }
        turn
    }

    /// Passes over everything that is there.
    pub(crate) fn skip(&mut self) {
        for tail in &mut self.tails {
            tail.after = *tail.durable.borrow_and_update();
        }
    }

    /// Waits for more in any of them; false when there will be none, because the log is closed.
    pub(crate) async fn changed(&mut self) -> bool {
        let [short, medium, long] = &mut self.tails;
        let changed = tokio::select! {
            changed = short.durable.changed() => changed,
            changed = medium.durable.changed() => changed,
            changed = long.durable.changed() => changed,
        };
        changed.is_ok()
    }

    /// The last group that was read of each.
    pub(crate) fn reach(&self) -> Vec<JournalSeq> {
        self.tails.iter().map(|tail| tail.after).collect()
    }
}
