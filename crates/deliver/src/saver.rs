//! The saver: writes down what was settled, then the cursors of all subscriptions that changed,
//! together, and confirms acks once they are durable, never before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tidings_event::{Clock, Code, Refusal};
use tidings_log::{AppendError, CommitError, PartitionLog, Pending, Table, TableChange};
use tidings_telemetry::{Counter, Latency, Recorder, Timer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cursor;
use crate::dead_letter::DeadLetters;
use crate::live::Live;
use crate::settlement::{SettledOf, Settlements};
use crate::state::Ticket;

/// Most bytes of one commit.
const COMMIT_BYTES: usize = 512 << 10;

/// How long a full log is left alone before the next try.
const RETRY: Duration = Duration::from_millis(100);

/// How much less often each further subscription has all of them saved.
const SHARE: Duration = Duration::from_micros(100);

/// Most intervals between two saves.
const REST_MAX: u32 = 10;

/// After so many subscriptions others have their turn.
const TURN: usize = 32;

/// Subscriptions whose cursors changed, and cursors to be deleted.
#[derive(Debug, Default)]
struct Dirty {
    lives: Vec<Arc<Live>>,
    changes: Vec<TableChange>,
}

/// See the module.
pub(crate) struct Saver {
    log: Arc<dyn PartitionLog>,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    settlements: Arc<Settlements>,
    letters: Arc<DeadLetters>,
    interval: Duration,
    dirty: Mutex<Dirty>,
    wake: Notify,
    /// Told when a subscription is about to be held back by what is not saved.
    hurry: Notify,
}

impl Saver {
    pub(crate) fn new(
        log: Arc<dyn PartitionLog>,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        (settlements, letters): (Arc<Settlements>, Arc<DeadLetters>),
        interval: Duration,
    ) -> Self {
        let (dirty, wake, hurry) = (Mutex::default(), Notify::new(), Notify::new());
        Self { log, clock, recorder, settlements, letters, interval, dirty, wake, hurry }
    }

    /// Takes note that cursors of a subscription changed.
    pub(crate) fn mark(&self, live: &Arc<Live>) {
        {
            let mut state = live.lock();
            if state.is_ephemeral {
                return;
            }
            if state.is_pressed() {
                self.hurry.notify_one();
            }
            if std::mem::replace(&mut state.is_saving, true) {
                return;
            }
        }
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).lives.push(Arc::clone(live));
        self.wake.notify_one();
    }

    /// Deletes cursors that nobody will need again.
    pub(crate) fn forget(&self, keys: impl IntoIterator<Item = bytes::Bytes>) {
        let delete = |key| TableChange { table: Table::CURSORS, key, value: None };
        self.also(keys.into_iter().map(delete));
    }

    /// Makes further changes with the next save.
    pub(crate) fn also(&self, changes: impl IntoIterator<Item = TableChange>) {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).changes.extend(changes);
        self.wake.notify_one();
    }

    /// Saves until stopped, and once more then.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
            }
            let began = self.clock.monotonic();
            let saved = self.save().await;
            // Acks that keep coming share saves; the first after a pause is saved at once. What takes
            // long is done less often, and so is what many wait for: more of each is saved together.
            let took = self.clock.monotonic().saturating_sub(began);
            let least = took.max(SHARE.saturating_mul(saved));
            let rest = least.clamp(self.interval, self.interval.saturating_mul(REST_MAX));
            let hurried = async {
                Timer.after(least.min(rest)).await;
                self.hurry.notified().await;
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = Timer.after(rest) => {}
                () = hurried => {}
            }
        }
        self.save().await;
    }

    /// Saves what changed; says of how many subscriptions that was.
    async fn save(&self) -> u32 {
        let Dirty { lives, mut changes } =
            std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        if lives.is_empty() && changes.is_empty() {
            return 0;
        }
        let (mut tickets, mut settled) = (Vec::with_capacity(lives.len()), Vec::new());
        let mut room = BytesMut::with_capacity(lives.len() * cursor::USUAL_BYTES);
        for (number, live) in lives.into_iter().enumerate() {
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let mut state = live.lock();
            state.is_saving = false;
            let (cursors, mut ticket) = state.collect(&mut room);
            let (subscription, epoch) = (Arc::clone(&state.subscription), state.epoch);
            drop(state);
            let change =
                |(key, value)| TableChange { table: Table::CURSORS, key, value: Some(value) };
            changes.extend(cursors.into_iter().map(change));
            // A seek had brought them again: what was acknowledged is no letter any more.
            ticket.letters.extend(self.letters.among(subscription.id, &ticket.acked));
            // Behind the cursors that cover them.
            changes.extend(self.letters.settling(subscription.id, &ticket.letters));
            changes.extend(self.letters.unmarking(subscription.id, &ticket.buried));
            let runs = ticket.settled(self.clock.monotonic(), self.clock.wall());
            if !runs.is_empty() {
                settled.push(SettledOf { subscription, epoch, runs });
            }
            tickets.push((live, ticket));
        }
        // A cursor never covers what is not written down: a crash in between has it written again.
        let outcome = match self.settlements.record(settled).await {
            Ok(()) => self.commit(changes).await,
            Err(refusal) => Err(refusal),
        };
        let saved = u32::try_from(tickets.len()).unwrap_or(u32::MAX);
        for (number, (live, ticket)) in tickets.into_iter().enumerate() {
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            self.settle(&live, ticket, &outcome);
        }
        saved
    }

    fn settle(&self, live: &Live, mut ticket: Ticket, outcome: &Result<(), Refusal>) {
        let mut state = live.lock();
        match outcome {
            Ok(()) => {
                if ticket.count > 0 {
                    let took = self.clock.monotonic().saturating_sub(ticket.since);
                    self.recorder.time(Latency::SettleCursor, took);
                }
                let letters = std::mem::take(&mut ticket.letters);
                state.letters_saved(&letters);
                self.letters.settled(state.subscription.id, letters);
                state.saved(ticket);
            }
            Err(refusal) => {
                self.recorder.count(Counter::SettleErrors, 1);
                state.save_failed(ticket, refusal.clone());
            }
        }
        drop(state);
        live.saved.notify_waiters();
        live.changed.tell();
    }

    /// Commits changes, in parts that fit; resolves when all are durable.
    async fn commit(&self, changes: Vec<TableChange>) -> Result<(), Refusal> {
        let size = |c: &TableChange| c.key.len() + c.value.as_ref().map_or(0, bytes::Bytes::len);
        let mut pending = Vec::new();
        let (mut part, mut bytes) = (Vec::new(), 0);
        for change in changes {
            if bytes + size(&change) > COMMIT_BYTES && !part.is_empty() {
                pending.push(self.commit_part(std::mem::take(&mut part)).await?);
                bytes = 0;
            }
            bytes += size(&change);
            part.push(change);
        }
        if !part.is_empty() {
            pending.push(self.commit_part(part).await?);
        }
        for part in pending {
            part.await.map_err(|_| {
                Refusal::new(Code::UnknownOutcome, "whether the acks were stored is not known")
            })?;
        }
        Ok(())
    }

    async fn commit_part(&self, part: Vec<TableChange>) -> Result<Pending, Refusal> {
        loop {
            match self.log.commit(self.log.term(), part.clone()) {
                Ok(pending) => return Ok(pending),
                Err(CommitError::Append(AppendError::Full { retry_after })) => {
                    Timer.after(retry_after.max(Duration::from_millis(1))).await;
                }
                Err(CommitError::Append(AppendError::StorageFull)) => Timer.after(RETRY).await,
                Err(error) => {
                    let detail = format!("cursors cannot be saved: {error}");
                    tracing::error!(%error, "cursors cannot be saved");
                    return Err(Refusal::new(Code::LogReadOnly, detail));
                }
            }
        }
    }
}
