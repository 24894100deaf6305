//! Room for bodies: how many of their bytes the process holds, and how many it works on, at a time. A
//! large one that comes when there is none waits, and is refused when that takes too long. A small one
//! with events is refused at once: it has come already, and more of them would be held than there may
//! be. Streams of events have room of their own, their credit, so that calls do not take theirs.
//!
//! A refused event takes a thousand bytes in small pieces, however short it was, so that bodies with many
//! of them come one after the other, and what they took goes back to the system.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Refusal};
use tidings_telemetry::{Counter, Recorder, Timer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// A body of at most so many bytes waits for nobody.
pub(crate) const SMALL: usize = 256 << 10;

/// A body may have so many refused events without waiting for its turn.
pub(crate) const FEW_REFUSED: usize = 1_024;

/// When to try again after a refusal.
pub(crate) const RETRY_AFTER_MS: u64 = 1_000;

/// See the module.
pub(crate) struct Room {
    small: Arc<Semaphore>,
    held: Arc<Semaphore>,
    worked_on: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    /// The most of each.
    most: (usize, usize),
    patience: Duration,
    timer: Timer,
    give_back: fn(),
    recorder: Arc<Recorder>,
}

/// Room that was given; it is given back when this is dropped.
pub(crate) struct Taken(OwnedSemaphorePermit);

impl Room {
    /// `give_back` returns freed memory to the system.
    pub(crate) fn new(
        limits: &Limits,
        timer: Timer,
        give_back: fn(),
        recorder: Arc<Recorder>,
    ) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            small: semaphore(limits.bodies_small),
            held: semaphore(limits.bodies_held),
            worked_on: semaphore(limits.bodies_worked_on),
            refusing: semaphore(1),
            most: (limits.bodies_held, limits.bodies_worked_on),
            patience: limits.body_read,
            timer,
            give_back,
            recorder,
        }
    }

    /// Room to hold a body that may get this large.
    pub(crate) async fn to_hold(&self, bytes: usize) -> Result<Taken, Refusal> {
        self.take(&self.held, bytes.min(self.most.0)).await
    }

    /// Room to hold a small body of events.
    pub(crate) fn to_hold_small(&self, bytes: usize) -> Result<Taken, Refusal> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.small).try_acquire_many_owned(permits);
        taken.map(Taken).map_err(|_| self.none("bodies that came before left no room for this one"))
    }

    /// Room to hold events that have so many bytes, or may get to have them.
    pub(crate) async fn to_hold_events(&self, bytes: usize) -> Result<Taken, Refusal> {
        if bytes <= SMALL {
            return self.to_hold_small(bytes);
        }
        self.to_hold(bytes).await
    }

    /// Room to work on what so many bytes say; none is needed for a small body.
    pub(crate) async fn to_work_on(&self, bytes: usize) -> Result<Option<Taken>, Refusal> {
        if bytes <= SMALL {
            return Ok(None);
        }
        self.take(&self.worked_on, bytes.min(self.most.1)).await.map(Some)
    }

    /// The turn of a body with many refused events.
    pub(crate) async fn to_refuse_many(&self) -> Result<Turn, Refusal> {
        let Taken(permit) = self.take(&self.refusing, 1).await?;
        Ok(Turn { _permit: permit, give_back: self.give_back })
    }

    async fn take(&self, from: &Arc<Semaphore>, bytes: usize) -> Result<Taken, Refusal> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken =
            self.timer.limit(self.patience, Arc::clone(from).acquire_many_owned(bytes)).await;
        match taken {
            Ok(Ok(permit)) => Ok(Taken(permit)),
            // Nobody closes it, so that only time can have passed.
            Ok(Err(_)) | Err(_) => Err(self.none(&format!(
                "other large bodies left no room for this one within {} s",
                self.patience.as_secs()
            ))),
        }
    }

    fn none(&self, why: &str) -> Refusal {
        self.recorder.count(Counter::ServeMemoryRefused, 1);
        Refusal::new(Code::ResourceExhausted, why)
            .with_hint("send it again, or in smaller parts")
            .retry_after_ms(RETRY_AFTER_MS)
    }
}

/// The turn to refuse many events. To be dropped after them.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    give_back: fn(),
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.give_back)();
    }
}

impl Taken {
    /// Gives back all but so much.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        drop(self.0.split(self.0.num_permits().saturating_sub(bytes)));
    }
}

#[cfg(test)]
mod tests;
