//! An event of which a delivery failed, and what is known of its attempts.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::key::KeyHash;

use crate::dead_letter::{AttemptOutcome, Reason};
use crate::window::{Due, Flight};

/// Most attempts that are remembered of one event; of more, the last ones.
const HISTORY_MAX: usize = 32;

/// One attempt that did not settle the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedAttempt {
    /// When it ended, on the monotonic clock.
    pub(crate) at: Duration,
    /// Who had the event.
    pub(crate) consumer: Arc<str>,
    pub(crate) outcome: AttemptOutcome,
    /// What the consumer said.
    pub(crate) detail: Arc<str>,
}

/// Where a failing event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It waits until then, and behind earlier failing events of its key.
    Parked(Duration),
    /// Due, or in flight.
    Out,
    /// On its way to the dead letters.
    Burying(Reason),
    /// A dead letter that was redriven: it waits behind what was sent before.
    Behind,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Failing {
    /// Not known before the event was read, and in parallel mode.
    pub(crate) key: Option<KeyHash>,
    /// Attempts that failed.
    pub(crate) failures: u32,
    /// Number of its next delivery.
    pub(crate) attempt: u32,
    /// Who had it last.
    pub(crate) last_session: u64,
    pub(crate) first_sent: Duration,
    pub(crate) place: Place,
    pub(crate) history: Vec<FailedAttempt>,
}

impl Failing {
    pub(super) fn new(flight: &Flight) -> Self {
        Self {
            key: None,
            failures: 0,
            attempt: flight.attempt,
            last_session: flight.session,
            first_sent: flight.first_sent,
            place: Place::Out,
            history: Vec::new(),
        }
    }

    /// A dead letter that comes back; its failures count anew, its attempts go on.
    pub(super) fn redriven(key: Option<KeyHash>, now: Duration, attempt: u32) -> Self {
        Self {
            key,
            failures: 0,
            attempt,
            last_session: 0,
            first_sent: now,
            place: Place::Behind,
            history: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, attempt: FailedAttempt) {
        if self.history.len() == HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(attempt);
    }

    /// Why it is not tried again, what it was last, and who had it.
    pub(crate) fn ended(&self) -> Option<(Reason, Due, Arc<str>)> {
        let Place::Burying(reason) = self.place else { return None };
        let last = self.history.last()?;
        Some((reason, self.due(), Arc::clone(&last.consumer)))
    }

    /// What it is when it goes out again.
    pub(super) fn due(&self) -> Due {
        Due {
            end: 0,
            attempt: self.attempt,
            last_session: self.last_session,
            redelivered: true,
            first_sent: Some(self.first_sent),
        }
    }
}
