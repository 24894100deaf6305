//! What became of one event in one subscription, as far as its cursor says.

use tidings_event::{Position, Refusal};

use super::Deliver;

/// Where an event stands in a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// Acknowledged, or passed for another reason that ended it.
    Settled,
    /// Sent, not acknowledged yet.
    InFlight,
    /// To be sent, or to be sent again.
    Pending,
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
        let Some(slot) = state.slots.get(&place) else { return Ok(EventOutcome::NotMatched) };
        let window = &slot.window;
        let start = state.subscription.boundary.get(&place);
        Ok(if start.is_some_and(|start| offset < *start) {
            EventOutcome::BeforeStart
        } else if offset.0 < window.low() || window.settled().overlap(offset.0, offset.0 + 1) > 0 {
            EventOutcome::Settled
        } else if window.is_out(offset.0) {
            EventOutcome::InFlight
        } else {
            EventOutcome::Pending
        })
    }
}
