//! Runs that were sent, and runs that have to be sent again.

use std::time::Duration;

/// A run that was sent and is not settled; keyed by its first offset. It begins and ends with an
/// event that was sent; those in between that the filter passed over do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) end: u64,
    pub(crate) attempt: u32,
    pub(crate) session: u64,
    pub(crate) bytes: u64,
    pub(crate) deadline: Option<Duration>,
    /// When its first attempt was sent.
    pub(crate) first_sent: Duration,
    /// Which of the window's sends it was; of several that were joined, the last.
    pub(crate) sent: u64,
    /// Whether it was due: it went out below others that had gone before.
    pub(crate) again: bool,
}

/// A run that has to be sent, and is below what was never looked at; keyed by its first offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) end: u64,
    pub(crate) attempt: u32,
    /// Who had it last; 0: nobody.
    pub(crate) last_session: u64,
    pub(crate) redelivered: bool,
    /// When its first attempt was sent; none before that.
    pub(crate) first_sent: Option<Duration>,
}

/// A run that was taken out of flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) first: u64,
    pub(crate) flight: Flight,
    /// Events in it, without those that the filter passed over.
    pub(crate) events: u64,
    /// The runs that the filter passed over.
    pub(crate) holes: Vec<(u64, u64)>,
}

impl Landed {
    /// The runs of its events.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let ends = self.holes.iter().map(|hole| hole.0).chain([self.flight.end]);
        let firsts = [self.first].into_iter().chain(self.holes.iter().map(|hole| hole.1));
        firsts.zip(ends)
    }
}

impl Flight {
    /// The parts of a run from `start` below and from `at` on; bytes go by count.
    pub(super) fn split(self, start: u64, at: u64) -> (Option<Self>, Self) {
        if at <= start {
            return (None, self);
        }
        let share =
            u128::from(self.bytes) * u128::from(at - start) / u128::from(self.end - start).max(1);
        // A part of a u64.
        let bytes = u64::try_from(share).unwrap_or(self.bytes);
        (Some(Self { end: at, bytes, ..self }), Self { bytes: self.bytes - bytes, ..self })
    }

    /// Whether what is sent next continues it. Nothing else was sent in between: what is joined was
    /// sent before or after anything else as a whole.
    pub(super) fn goes_on(&self, next: &Self) -> bool {
        (self.attempt, self.session, self.deadline, self.first_sent, self.again, self.sent + 1)
            == (next.attempt, next.session, next.deadline, next.first_sent, next.again, next.sent)
    }
}

impl Due {
    /// What was never sent.
    pub(crate) fn first(run: super::Sendable) -> Self {
        let (attempt, redelivered) = (run.attempt, run.redelivered);
        Self { end: run.end, attempt, last_session: 0, redelivered, first_sent: None }
    }

    /// What a flight becomes when its session is gone or gave it back unread.
    pub(super) fn again(flight: &Flight) -> Self {
        Self {
            end: flight.end,
            attempt: flight.attempt.saturating_add(1),
            last_session: flight.session,
            redelivered: true,
            first_sent: Some(flight.first_sent),
        }
    }
}
