//! A live subscription: its state behind a lock, and the ways to be told that it changed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tidings_event::hop::Committed;
use tidings_event::{Clock, Refusal, TopicPartition};
use tidings_log::PartitionLog;
use tokio::sync::Notify;

use crate::catch_up::{Asker, Stretch};
use crate::changed::Changed;
use crate::matching::Selected;
use crate::state::{Consumer, State};

/// See the module. What is looked at for each block stands together, in this order: of a thousand subscriptions it
/// is fetched from memory each time.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Live {
    /// Whether the reader has to take the lock at all.
    active: AtomicBool,
    state: Mutex<State>,
    pub(crate) changed: Changed,
    /// Whenever a save has ended.
    pub(crate) saved: Notify,
}

impl Live {
    pub(crate) fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            active: AtomicBool::new(false),
            changed: Changed::default(),
            saved: Notify::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it wants live blocks.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst)
    }

    /// Live blocks of its partitions, in order. Says how many events of them it took notice of.
    pub(crate) fn push<'a>(
        &self,
        blocks: impl Iterator<Item = (&'a Committed, &'a Selected)>,
    ) -> u64 {
        if !self.is_active() {
            return 0;
        }
        let mut state = self.lock();
        let noticed = blocks.filter(|(block, selected)| state.push(block, selected));
        let noticed = noticed.map(|(block, selected)| selected.events(block)).sum();
        drop(state);
        if noticed > 0 {
            self.changed.tell();
        }
        noticed
    }

    /// Takes its share of a stretch of the past; says where it goes on with those who walk through it, if
    /// it does.
    pub(crate) fn caught_up(
        &self,
        place: TopicPartition,
        asker: Asker,
        stretch: &Stretch,
    ) -> Option<u64> {
        let walked = self.lock().caught_up(place, asker, stretch);
        if walked.has_more {
            self.changed.tell();
        }
        walked.goes_on
    }

    /// Takes a consumer in, or refuses it while another one consumes; as its subscription is shared.
    pub(crate) fn claim(
        &self,
        consumer: Consumer,
        follows: Option<u64>,
        log: &dyn PartitionLog,
        clock: &dyn Clock,
    ) -> Result<u64, Refusal> {
        let mut state = self.lock();
        let session = state.claim(consumer, follows, clock.monotonic())?;
        // First wanting live blocks, then asking for the tails: what becomes durable in between is
        // pushed, so that nothing falls between the two.
        self.active.store(true, Ordering::SeqCst);
        drop(state);
        self.catch_tails(log);
        Ok(session)
    }

    /// Asks the log how far each partition is durable, when someone consumes.
    pub(crate) fn catch_tails(&self, log: &dyn PartitionLog) {
        if !self.active.load(Ordering::SeqCst) {
            return;
        }
        let mut state = self.lock();
        for partition in state.slots.partitions() {
            if let Ok(bounds) = log.bounds(partition) {
                state.offered_from(partition, bounds.durable_tail.0);
            }
        }
        drop(state);
        self.changed.tell();
    }

    /// Ends a stream's session.
    pub(crate) fn detach(&self, session: u64, now: Duration) {
        let mut state = self.lock();
        state.detach(session, now);
        self.active.store(state.is_active(), Ordering::SeqCst);
        drop(state);
        self.changed.tell();
    }

    /// Ends one pull; its session stays, with what it has in flight.
    pub(crate) fn end_pull(&self, session: u64, now: Duration) {
        let mut state = self.lock();
        state.end_pull(session, now);
        self.active.store(state.is_active(), Ordering::SeqCst);
    }

    /// Ends every use of it.
    pub(crate) fn close(&self, refusal: Refusal) {
        self.lock().closed = Some(Box::new(refusal));
        self.changed.tell();
    }
}
