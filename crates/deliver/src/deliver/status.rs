//! How a subscription is doing.

use std::time::Duration;

use tidings_event::{Offset, Position, Refusal, Timestamp};

use super::Deliver;
use crate::live::Live;
use crate::lookout::learn_ages;
use crate::outgoing::{MemberStatus, SubscriptionState, SubscriptionStatus};
use crate::session::SessionId;

impl Deliver {
    /// How a subscription is doing.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub fn status(&self, tenant: &str, subscription: &str) -> Result<SubscriptionStatus, Refusal> {
        let live = self.live(tenant, subscription)?;
        self.reach(&live);
        let mut state = live.lock();
        state.expire(self.stage.clock.monotonic());
        state.count_lag();
        let (lag_events, oldest) = state.lag();
        let wall = self.stage.clock.wall();
        let age = |at: Timestamp| Duration::from_nanos(wall.0.saturating_sub(at.0));
        let active: Vec<_> = state.active().map(|member| member.consumer.session).collect();
        let members = state.members.iter().map(|member| MemberStatus {
            consumer: member.consumer.name.to_string(),
            session: SessionId(member.consumer.session),
            is_active: active.contains(&member.consumer.session),
            in_flight: member.in_flight.events,
        });
        let members: Vec<_> = members.collect();
        let epoch = state.epoch;
        let is_stalled = state.slots.awake().any(|(_, slot)| slot.is_stalled());
        let counts = |of: fn((usize, usize)) -> usize| {
            state.slots.awake().map(|(_, slot)| of(slot.gates.counts()) as u64).sum()
        };
        let low_water = state.slots.places().into_iter().map(|(at, low, _)| Position {
            topic: at.topic,
            epoch,
            partition: at.partition,
            offset: Offset(low),
        });
        Ok(SubscriptionStatus {
            lag_events,
            lag: if lag_events == 0 { Some(Duration::ZERO) } else { oldest.map(age) },
            health: state.health(),
            in_flight: state.in_flight.events,
            consumer: members.first().map(|first| first.consumer.clone()),
            members,
            low_water: low_water.collect(),
            failing: counts(|(failing, _)| failing),
            held: counts(|(_, held)| held),
            folded: state.slots.awake().map(|(_, slot)| slot.folded() as u64).sum(),
            waiting: state.slots.awake().map(|(_, slot)| slot.waiting() as u64).sum(),
            state: match (is_stalled, !state.members.is_empty()) {
                _ if state.subscription.is_paused => SubscriptionState::Paused,
                _ if state.is_held_by_letters() => SubscriptionState::PausedByDeadLetters,
                (true, _) => SubscriptionState::Stalled,
                (false, true) => SubscriptionState::Active,
                (false, false) => SubscriptionState::Idle,
            },
        })
    }

    /// As [`Self::status`], with the age of the oldest event where that has to be read.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn examine(
        &self,
        tenant: &str,
        subscription: &str,
    ) -> Result<SubscriptionStatus, Refusal> {
        let live = self.live(tenant, subscription)?;
        self.reach(&live);
        let unknown = {
            let mut state = live.lock();
            state.count_lag();
            state.unknown_ages()
        };
        learn_ages(self.stage.log.as_ref(), &live, unknown).await;
        self.status(tenant, subscription)
    }

    /// Asks the log how far each partition is durable, whether or not anybody consumes.
    fn reach(&self, live: &Live) {
        let mut state = live.lock();
        for partition in state.slots.partitions() {
            if let Ok(bounds) = self.stage.log.bounds(partition) {
                state.reached(partition, bounds.durable_tail.0);
            }
            state.offered_to(partition, self.registry.ends.offered_to(partition));
        }
    }
}
