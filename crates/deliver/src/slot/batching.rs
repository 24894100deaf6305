//! Deliveries that hold more than one block, and wait for more where that is asked for.

use std::time::Duration;

use tidings_catalog::Batching;
use tidings_event::block::BODY_BYTES_MAX;

use super::{Next, Slot};
use crate::group::Group;
use crate::sent::Sent;
use crate::slot::Budget;
use crate::window::{Sendable, To};

/// What a filter takes of blocks that are here goes together, up to so many bytes.
const GATHERED_BYTES: u64 = 16 << 10;

/// How the deliveries of a partition are put together.
#[derive(Debug)]
pub(crate) struct Batch {
    terms: Batching,
    /// Since when the first event waits for more.
    since: Option<Duration>,
}

impl Batch {
    /// Nothing where each block goes as it comes.
    pub(crate) fn of(terms: Batching) -> Option<Box<Self>> {
        let is_plain =
            terms.max_events.is_none() && terms.max_bytes.is_none() && terms.max_delay.is_zero();
        (!is_plain).then(|| Box::new(Self { terms, since: None }))
    }

    /// When what waits goes, whatever came until then.
    fn until(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(self.terms.max_delay))
    }
}

impl Slot {
    /// What of a budget one delivery may use.
    pub(super) fn bounds(&self, budget: Budget) -> Budget {
        let Some(batch) = &self.batch else { return budget };
        let events = batch.terms.max_events.map_or(u64::MAX, u64::from);
        let bytes = batch.terms.max_bytes.unwrap_or(u64::MAX).min(BODY_BYTES_MAX as u64);
        Budget { events: budget.events.min(events), bytes: budget.bytes.min(bytes) }
    }

    /// Whether new events from here on wait for more to come. Only streams wait.
    pub(super) fn gathers(&mut self, run: Sendable, to: To<'_>) -> bool {
        let there = (self.tail.saturating_sub(run.first), self.fresh.bytes() as u64);
        let Some(batch) = self.batch.as_mut().filter(|batch| !batch.terms.max_delay.is_zero())
        else {
            return false;
        };
        batch.since.get_or_insert(to.now);
        let is_enough = batch.terms.max_events.is_some_and(|max| there.0 >= u64::from(max))
            || there.1 >= batch.terms.max_bytes.unwrap_or(BODY_BYTES_MAX as u64);
        let is_over = batch.until().is_none_or(|until| until <= to.now);
        !run.again && to.deadline.is_none() && !is_enough && !is_over
    }

    /// When what waits for more goes.
    pub(crate) fn next_batch(&self) -> Option<Duration> {
        self.batch.as_ref()?.until()
    }

    /// Adds what may go with a delivery that is on its way, in its bounds.
    pub(super) fn fill_up(
        &mut self,
        sent: &mut Sent,
        bounds: Budget,
        to: To<'_>,
        mut group: Option<&mut Group>,
    ) {
        let Some(batch) = self.batch.as_mut() else { return };
        batch.since = None;
        let mut bodies = vec![sent.delivery.body.clone()];
        let mut bytes = sent.delivery.body.len() as u64;
        loop {
            let rest = Budget {
                events: bounds.events.saturating_sub(u64::from(sent.delivery.count)),
                bytes: bounds.bytes.saturating_sub(bytes),
            };
            // A block that is cut has one event too many when no byte is left.
            if rest.events == 0 || rest.bytes == 0 {
                break;
            }
            let Some(Next::Run(run)) = self.next(to.session, group.as_deref()) else { break };
            if run.again || self.fresh.first_bytes(run.first).is_none_or(|first| first > rest.bytes)
            {
                break;
            }
            let Ok(Some(more)) = self.once(Next::Run(run), rest, to, group.as_deref_mut()) else {
                break;
            };
            bytes += more.delivery.body.len() as u64;
            bodies.push(more.delivery.body.clone());
            sent.join(more);
        }
        if bodies.len() > 1 {
            sent.delivery.body = bodies.concat().into();
        }
    }

    /// Adds what a filter takes of the blocks that follow, while they are here and it is little: many
    /// consumers with narrow filters are otherwise sent every event by itself.
    pub(super) fn gather(&mut self, sent: &mut Sent, bounds: Budget, to: To<'_>) {
        let mut bytes = sent.delivery.body.len() as u64;
        let is_plain = self.gates.are_open() && self.share.is_none() && self.folds.is_none();
        if self.judge.is_none() || !is_plain || bytes >= GATHERED_BYTES || !sent.traced.is_empty() {
            return;
        }
        let mut bodies = vec![sent.delivery.body.clone()];
        let most = bounds.bytes.min(GATHERED_BYTES);
        while let Some(run) = self.pass().filter(|run| !run.again && !run.redelivered) {
            let events = bounds.events.saturating_sub(u64::from(sent.delivery.count));
            let rest = (events, most.saturating_sub(bytes));
            if self.window.is_between() {
                break;
            }
            let Some(piece) = self.fresh.take_plain(run.first, rest) else { break };
            bytes += piece.body.len() as u64;
            self.goes(run, &piece, to);
            sent.join_first(&piece);
            bodies.push(piece.body);
        }
        if bodies.len() > 1 {
            sent.delivery.body = bodies.concat().into();
        }
    }
}
