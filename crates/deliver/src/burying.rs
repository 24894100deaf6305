//! What is not tried again is taken to the dead letters, whether or not anybody consumes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_catalog::SubscriptionId;
use tidings_event::block::events;
use tidings_event::key::KeyHash;
use tidings_event::{Clock, Epoch, Offset, Position, Timestamp};
use tidings_log::{PartitionLog, ReadError};
use tidings_telemetry::Timer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::dead_letter::{Attempt, Buried, BuryError, DeadLetters, LetterState};
use crate::live::Live;
use crate::outgoing::GapReason;
use crate::saver::Saver;
use crate::slot::key_of;
use crate::state::{BurialOutcome, Exhausted};

/// How long full dead letters, or a full log, are left alone before the next try.
const RETRY: Duration = Duration::from_secs(1);

/// Most letters of one burial.
const LETTERS_MAX: usize = 256;

/// See the module.
pub(crate) struct Undertaker {
    log: Arc<dyn PartitionLog>,
    clock: Arc<dyn Clock>,
    saver: Arc<Saver>,
    letters: Arc<DeadLetters>,
    waiting: Mutex<Vec<Arc<Live>>>,
    wake: Notify,
}

impl Undertaker {
    pub(crate) fn new(
        log: Arc<dyn PartitionLog>,
        clock: Arc<dyn Clock>,
        saver: Arc<Saver>,
        letters: Arc<DeadLetters>,
    ) -> Self {
        Self { log, clock, saver, letters, waiting: Mutex::default(), wake: Notify::new() }
    }

    /// Where they are taken.
    pub(crate) fn letters(&self) -> &DeadLetters {
        &self.letters
    }

    /// Takes note that a subscription has something to bury.
    pub(crate) fn mark(&self, live: &Arc<Live>) {
        if std::mem::replace(&mut live.lock().is_burying, true) {
            return;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(live));
        self.wake.notify_one();
    }

    /// Buries until stopped.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut refused = Vec::new();
        let mut freed = self.letters.freed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                Ok(()) = freed.changed(), if !refused.is_empty() => {}
                () = Timer.after(RETRY), if !refused.is_empty() => {}
            }
            let mut lives = std::mem::take(&mut refused);
            lives.append(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for live in lives {
                if !self.bury_all(&live).await {
                    refused.push(live);
                }
            }
        }
    }

    /// Buries what a subscription has; says whether all of it found its place.
    async fn bury_all(&self, live: &Arc<Live>) -> bool {
        let (subscription, epoch, exhausted) = {
            let mut state = live.lock();
            (Arc::clone(&state.subscription), state.epoch, state.exhausted())
        };
        let mut is_done = true;
        for part in exhausted.chunks(LETTERS_MAX) {
            let mut letters = Vec::with_capacity(part.len());
            let mut answers = Vec::with_capacity(part.len());
            for event in part {
                match self.letter(subscription.id, event).await {
                    Ok((letter, key)) => {
                        answers.push((event, BurialOutcome::Done(key)));
                        letters.push(letter);
                    }
                    Err(outcome) => answers.push((event, outcome)),
                }
            }
            if let Err(error) = self.letters.bury(subscription.id, letters).await {
                let name = subscription.spec.name.as_str();
                tracing::warn!(subscription = name, %error, "events cannot be dead-lettered");
                let outcome = match error {
                    BuryError::Full { .. } => BurialOutcome::Full,
                    BuryError::Later | BuryError::Refused(_) => BurialOutcome::Refused,
                };
                // Some of them may lie there.
                let lies = |event: &Exhausted| {
                    let found = self.letters.find(subscription.id, &position(event, epoch));
                    found.is_some_and(|record| record.state == LetterState::Dead)
                };
                let lost = answers.iter_mut().filter(|(event, _)| !lies(event));
                lost.for_each(|(_, answer)| *answer = outcome);
                is_done = false;
            }
            let mut state = live.lock();
            let now = self.clock.monotonic();
            for (event, answer) in answers {
                state.buried((event.partition, event.offset), answer, now);
            }
            drop(state);
            self.saver.mark(live);
            live.changed.tell();
        }
        let mut state = live.lock();
        if is_done {
            state.all_buried();
        }
        let wants_more = state.wants_burial();
        drop(state);
        if wants_more {
            self.mark(live);
        }
        is_done
    }

    /// Reads an event that is not tried again.
    async fn letter(
        &self,
        id: SubscriptionId,
        event: &Exhausted,
    ) -> Result<(Buried, KeyHash), BurialOutcome> {
        let Exhausted { partition, offset, .. } = *event;
        let blocks = match self.log.read(partition, Offset(offset), 1).await {
            Ok(blocks) => blocks,
            Err(ReadError::Io(_)) => return Err(BurialOutcome::Refused),
            Err(error) => {
                // One that was redriven has a copy where it lay.
                let copy = self.letters.stored(id, partition, offset).await;
                let gone = match error {
                    ReadError::DataLoss { .. } => GapReason::DataLoss,
                    _ => GapReason::Retention,
                };
                vec![copy.ok_or(BurialOutcome::Gone(gone))?]
            }
        };
        let gone = BurialOutcome::Gone(GapReason::DataLoss);
        let block = blocks.first().ok_or(gone)?;
        let at = offset.checked_sub(block.block.header.base_offset.0).ok_or(gone)?;
        let at = usize::try_from(at).map_err(|_| gone)?;
        let bytes = events(&block.block.body).nth(at).and_then(Result::ok).ok_or(gone)?;
        let position = position(event, block.block.header.epoch);
        let (wall, now) = (self.clock.wall().0, self.clock.monotonic());
        let attempts = event.attempts.iter().map(|attempt| {
            // How long ago it was on the one clock, told on the other.
            let ago = u64::try_from(now.saturating_sub(attempt.at).as_nanos()).unwrap_or(u64::MAX);
            Attempt {
                at: Timestamp(wall.saturating_sub(ago)),
                consumer: attempt.consumer.as_ref().into(),
                outcome: attempt.outcome,
                detail: attempt.detail.as_ref().into(),
            }
        });
        let (attempts, reason) = (attempts.collect(), event.reason);
        let stored = block.block.body.slice_ref(bytes);
        let sent = event.sent;
        Ok((Buried { position, event: stored, reason, attempts, sent }, key_of(bytes)))
    }
}

fn position(event: &Exhausted, epoch: Epoch) -> Position {
    let Exhausted { partition, offset, .. } = *event;
    let offset = Offset(offset);
    Position { topic: partition.topic, epoch, partition: partition.partition, offset }
}
