//! What became of one event in one subscription, as far as its cursor says.

use tidings_event::{Position, Refusal, Timestamp};

use super::Deliver;
use crate::dead_letter::Attempt;
use crate::gates::{FailedAttempt, Place};

/// Where an event stands in a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// Acknowledged, or passed for another reason that ended it.
    Settled,
    /// Sent, not acknowledged yet.
    InFlight,
    /// To be sent, or to be sent again.
    Pending,
    /// It failed so far, and waits for its next attempt, or for its place among the dead letters.
    Retrying(Vec<Attempt>),
    /// It waits behind an event of its key that fails.
    Held,
    /// No pattern of the subscription takes its topic.
    NotMatched,
    /// The subscription starts after it.
    BeforeStart,
}

impl Deliver {
    /// Where an event stands in a subscription now.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `SHUTTING_DOWN`.
    pub fn outcome(
        &self,
        tenant: &str,
        subscription: &str,
        position: &Position,
    ) -> Result<EventOutcome, Refusal> {
        let live = self.live(tenant, subscription)?;
        let (place, offset) = (position.topic_partition(), position.offset);
        let mut state = live.lock();
        state.expire(self.stage.clock.monotonic());
        let start = state.subscription.boundary.get(place);
        let Some(slot) = state.slots.get_mut(&place) else { return Ok(EventOutcome::NotMatched) };
        let window = &slot.window;
        let waits = slot.gates.get(offset.0).filter(|event| event.place != Place::Out);
        if let Some(event) = waits {
            return Ok(EventOutcome::Retrying(self.attempts(&event.history)));
        }
        let is_settled =
            offset.0 < window.low() || window.settled().overlap(offset.0, offset.0 + 1) > 0;
        Ok(if is_settled && start.is_some_and(|start| offset < start) {
            EventOutcome::BeforeStart
        } else if is_settled {
            EventOutcome::Settled
        } else if window.is_out(offset.0) {
            EventOutcome::InFlight
        } else if slot.gates.is_held(offset.0) {
            EventOutcome::Held
        } else {
            EventOutcome::Pending
        })
    }

    /// Attempts as people read them: how long ago each was on one clock, told on the other.
    fn attempts(&self, history: &[FailedAttempt]) -> Vec<Attempt> {
        let (wall, now) = (self.stage.clock.wall().0, self.stage.clock.monotonic());
        let attempts = history.iter().map(|attempt| {
            let ago = u64::try_from(now.saturating_sub(attempt.at).as_nanos()).unwrap_or(u64::MAX);
            Attempt {
                at: Timestamp(wall.saturating_sub(ago)),
                consumer: attempt.consumer.as_ref().into(),
                outcome: attempt.outcome,
                detail: attempt.detail.as_ref().into(),
            }
        });
        attempts.collect()
    }
}
