//! Room for large bodies: how many of their bytes the process holds, and how many it works on, at a
//! time. Who comes when there is none waits, and is refused when that takes too long.
//!
//! A refused event takes a thousand bytes in small pieces, however short it was, so that bodies with many
//! of them come one after the other, and what they took goes back to the system.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Refusal};
use tidings_telemetry::Timer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// A body of at most so many bytes needs no room and waits for nobody: the most connections bound
/// what such bodies take together, and none is read while memory is short.
pub(crate) const SMALL: usize = 256 << 10;

/// A body may have so many refused events without waiting for its turn.
pub(crate) const FEW_REFUSED: usize = 1_024;

/// When to try again after a refusal.
pub(crate) const RETRY_AFTER_MS: u64 = 1_000;

/// See the module.
pub(crate) struct Room {
    held: Arc<Semaphore>,
    worked_on: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    /// The most of each.
    most: (usize, usize),
    patience: Duration,
    timer: Timer,
    give_back: fn(),
}

/// Room that was given; it is given back when this is dropped.
pub(crate) struct Taken(OwnedSemaphorePermit);

impl Room {
    /// `give_back` returns freed memory to the system.
    pub(crate) fn new(limits: &Limits, timer: Timer, give_back: fn()) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            held: semaphore(limits.bodies_held),
            worked_on: semaphore(limits.bodies_worked_on),
            refusing: semaphore(1),
            most: (limits.bodies_held, limits.bodies_worked_on),
            patience: limits.body_read,
            timer,
            give_back,
        }
    }

    /// Room to hold a body that may get this large.
    pub(crate) async fn to_hold(&self, bytes: usize) -> Result<Taken, Refusal> {
        self.take(&self.held, bytes.min(self.most.0)).await
    }

    /// As [`Self::to_hold`]; none is needed for a small message.
    pub(crate) async fn to_hold_some(&self, bytes: usize) -> Result<Option<Taken>, Refusal> {
        if bytes <= SMALL {
            return Ok(None);
        }
        self.to_hold(bytes).await.map(Some)
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
            Ok(Err(_)) | Err(_) => {
                let detail = format!(
                    "other large bodies left no room for this one within {} s",
                    self.patience.as_secs()
                );
                Err(Refusal::new(Code::ResourceExhausted, detail)
                    .with_hint("send it again, or in smaller parts")
                    .retry_after_ms(RETRY_AFTER_MS))
            }
        }
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
