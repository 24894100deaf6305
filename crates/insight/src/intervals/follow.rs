//! The shell of the tracker: follows the journals, keeps time, publishes marks, saves checkpoints.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_catalog::{Catalog, Snapshot, Topic};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::topic_name::INTERNAL_TENANT;
use tidings_event::v1::Kind;
use tidings_event::{Clock, JournalSeq};
use tidings_log::PartitionLog;
use tidings_telemetry::{Counter, Recorder, Timer};
use tokio_util::sync::CancellationToken;

use super::checkpoint::Checkpoint;
use super::mark::Mark;
use super::tracker::{Now, Tracker};
use crate::glance::glance;
use crate::journals::{Journals, Turn};
use crate::publish::Sender;

type Sending = Pin<Box<dyn Future<Output = Vec<(Mark, bool)>> + Send>>;

/// See the module.
pub(crate) struct Follower {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) tracker: Arc<Mutex<Tracker>>,
    pub(crate) sender: Sender,
    pub(crate) checkpoint_every: Duration,
}

impl Follower {
    /// Reads what came since the checkpoint, then follows until stopped.
    pub(crate) async fn run(self, reach: Option<Vec<JournalSeq>>, stop: CancellationToken) {
        let mut journals = Journals::open(Arc::clone(&self.log), reach.as_deref());
        while self.read(&mut journals).await.is_behind && !stop.is_cancelled() {}
        self.tracker().release();
        self.follow(&mut journals, &stop).await;
        if self.tracker().follows_anything() {
            self.save(&journals).await;
        }
    }

    async fn follow(&self, journals: &mut Journals, stop: &CancellationToken) {
        let (mut waiting, mut sending): (Vec<Mark>, Option<Sending>) = (Vec::new(), None);
        let mut save_at = self.clock.monotonic() + self.checkpoint_every;
        let mut is_new = false;
        while !stop.is_cancelled() {
            let turn = self.read(journals).await;
            is_new |= turn.is_new;
            waiting.extend(self.step());
            if sending.is_none() && !waiting.is_empty() {
                sending = Some(Box::pin(self.sender.clone().send(std::mem::take(&mut waiting))));
            }
            let now = self.clock.monotonic();
            if now >= save_at {
                if std::mem::take(&mut is_new) && self.tracker().follows_anything() {
                    self.save(journals).await;
                }
                save_at = now + self.checkpoint_every;
            }
            let due = self.tracker().next_due().map_or(save_at, |due| due.min(save_at));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                sent = settled(&mut sending) => {
                    sending = None;
                    let mut tracker = self.tracker();
                    sent.iter().for_each(|(mark, stored)| tracker.sent(mark, *stored));
                }
                () = std::future::ready(()), if turn.is_behind => {}
                // A journal that is closed changes no more: the end is near.
                is_open = journals.changed() => if !is_open { return },
                () = Timer.after(due.saturating_sub(now)) => {}
            }
        }
    }

    /// A turn of reading; without anything to follow, nothing is read.
    async fn read(&self, journals: &mut Journals) -> Turn {
        if !self.tracker().follows_anything() {
            journals.skip();
            return Turn::default();
        }
        journals.read(|blocks| self.take(blocks)).await
    }

    fn take(&self, blocks: &[Committed]) {
        let catalog = self.catalog.snapshot();
        let now = self.now();
        let mut tracker = self.tracker();
        for block in blocks {
            let header = &block.block.header;
            let Some(topic) = catalog.topic_by_id(header.topic_partition.topic) else { continue };
            if !is_of_interest(topic, &catalog) {
                continue;
            }
            for event in events(&block.block.body).flatten() {
                if let Some(seen) = glance(event) {
                    tracker.take(topic.name.tenant(), &seen, header.ingested_at, now);
                }
            }
        }
    }

    fn step(&self) -> Vec<Mark> {
        let now = self.now();
        let mut tracker = self.tracker();
        let marks = tracker.step(now);
        let counts = tracker.counted();
        drop(tracker);
        for (counter, by) in [
            (Counter::InsightLate, counts.late),
            (Counter::InsightUntracked, counts.untracked),
            (Counter::InsightDropped, counts.dropped),
            (Counter::InsightIncomplete, counts.incomplete),
            (Counter::InsightMissing, counts.missing),
        ] {
            if by > 0 {
                self.recorder.count(counter, by);
            }
        }
        if counts.dropped > 0 {
            let intervals = counts.dropped;
            tracing::warn!(intervals, "too many intervals are open: the oldest were given up");
        }
        marks
    }

    async fn save(&self, journals: &Journals) {
        let reach = journals.reach();
        let checkpoint = Checkpoint::of(&mut self.tracker(), &reach, self.log.as_ref());
        if let Err(error) = checkpoint.save(self.log.as_ref()).await {
            self.recorder.count(Counter::InsightErrors, 1);
            tracing::warn!(%error, "intervals could not be saved; the next start reads more of the log");
            // What was to be saved is not: the next checkpoint takes everything.
            self.tracker().series.iter_mut().flatten().for_each(|series| series.is_changed = true);
        }
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.wall(), monotonic: self.clock.monotonic() }
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being sent; never, while nothing is.
async fn settled(sending: &mut Option<Sending>) -> Vec<(Mark, bool)> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Whether a topic may hold indicators or the service's own marks.
fn is_of_interest(topic: &Topic, catalog: &Snapshot) -> bool {
    if topic.name.tenant() == INTERNAL_TENANT {
        return false;
    }
    let template = topic.template.as_ref();
    let kind =
        template.and_then(|pattern| catalog.templates().iter().find(|t| t.pattern == *pattern));
    kind.is_none_or(|t| matches!(t.kind, Kind::Indicators | Kind::IntervalComplete))
}
