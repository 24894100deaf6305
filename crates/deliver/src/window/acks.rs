//! What consumers say of what they were sent: done, failed, or taken back.

use super::{Due, Flight, Landed, Window};

impl Window {
    /// Settles what of `first..end` is in flight to a session. Returns what was settled.
    pub(crate) fn ack(&mut self, first: u64, end: u64, session: u64) -> Vec<Landed> {
        let taken = self.take_flights(first, end, session);
        self.settle_landed(taken)
    }

    /// Settles what a session has in flight at or below an offset and was sent no later than that. What
    /// goes out again, or was held back, may be on its way to a consumer that has not seen it yet.
    pub(crate) fn ack_up_to(&mut self, offset: u64, session: u64) -> Vec<Landed> {
        let last = self.flights.range(..=offset).next_back().map(|(_, flight)| *flight);
        let last = last.filter(|f| f.end > offset && f.session == session);
        let last = last.filter(|_| !self.filtered.covers(offset, offset + 1));
        // The others went out in order, and so before it, whoever had it and whatever became of it.
        let seen = |f: &Flight| !f.again || last.is_some_and(|last| f.sent <= last.sent);
        let taken = self
            .take_flights_that(0, offset.saturating_add(1), |f| f.session == session && seen(f));
        self.settle_landed(taken)
    }

    fn settle_landed(&mut self, taken: Vec<Landed>) -> Vec<Landed> {
        for run in &taken {
            self.settle(run.first, run.flight.end);
        }
        taken
    }

    /// Settles what of `first..end` is due again and this session was the last to have. Returns
    /// the runs and how many events they hold.
    pub(crate) fn ack_late(&mut self, first: u64, end: u64, session: u64) -> Vec<(u64, u64, Due)> {
        let late = self.take_due(first, end, |due| due.last_session == session);
        for &(start, _, due) in &late {
            self.settle(start, due.end);
        }
        late
    }

    /// Whether an offset is in flight to a session with this attempt.
    pub(crate) fn is_in_flight(&self, offset: u64, attempt: u32, session: u64) -> bool {
        let flight = self.flights.range(..=offset).next_back();
        flight.is_some_and(|(_, f)| f.end > offset && f.session == session && f.attempt == attempt)
    }

    /// Parks what of `first..end` is in flight to a session and failed.
    pub(crate) fn fail(&mut self, first: u64, end: u64, session: u64) -> Vec<Landed> {
        self.take_flights(first, end, session)
    }

    /// Gives back what of `first..end` is in flight to a session that could not have it: it is due
    /// again.
    pub(crate) fn give_back(&mut self, first: u64, end: u64, session: u64) -> Vec<Landed> {
        let taken = self.take_flights(first, end, session);
        for run in &taken {
            self.put_due(run.first, run.flight.end, Due::again(&run.flight));
        }
        taken
    }
}
