//! How letters go away without being delivered: on request, by age, with their subscription.

use std::sync::Arc;

use tidings_catalog::{InternalTopic, Snapshot, Subscription, SubscriptionId};
use tidings_event::{Refusal, Timestamp};

use super::dead_letters::{DeadLetters, refused};
use super::letter::{Chosen, LetterState, Selection};
use super::record::{self, Place, Record};
use super::redriving::Reach;
use crate::settlement::{Discard, Outcome, Settled, SettledOf};

impl DeadLetters {
    /// Removes letters for good; a settlement says so. Those that are being redriven stay.
    pub(crate) async fn discard(
        self: &Arc<Self>,
        subscription: Arc<Subscription>,
        selection: Selection,
        reach: Reach,
    ) -> Result<Chosen, Refusal> {
        let store = Arc::clone(self);
        self.run(async move {
            let _turn = store.changing.lock().await;
            let (found, mut missing) = store.graves().select(subscription.id, &selection);
            // One whose topic is gone is on no way that ends.
            let is_still = |(place, record): &(Place, Record)| {
                record.state == LetterState::Dead || !reach.contains(&place.partition)
            };
            let (dead, redriving): (Vec<_>, Vec<_>) = found.into_iter().partition(is_still);
            if matches!(selection, Selection::Positions(_)) {
                missing.extend(redriving.iter().map(|(place, record)| place.position(record)));
            }
            let letters = dead.len() as u64;
            store.remove(&subscription, dead, Discard::Requested).await?;
            let name = &subscription.spec.name;
            tracing::info!(subscription = %name, letters, "dead letters were discarded on request");
            Ok(Chosen { letters, missing })
        })
        .await
    }

    /// Removes the letters whose copies the log keeps no longer, and those of subscriptions that
    /// are gone; says how many of the first there were.
    pub(crate) async fn sweep(self: &Arc<Self>, catalog: Arc<Snapshot>) -> Result<u64, Refusal> {
        let store = Arc::clone(self);
        self.run(async move {
            let _turn = store.changing.lock().await;
            let known = store.graves().subscriptions();
            let mut expired = 0;
            for id in known {
                match catalog.subscriptions().find(|subscription| subscription.id == id) {
                    Some(subscription) => expired += store.expire(subscription).await?,
                    None => store.forget(id).await?,
                }
            }
            Ok(expired)
        })
        .await
    }

    async fn expire(&self, subscription: &Arc<Subscription>) -> Result<u64, Refusal> {
        let is_gone = |(place, record): &(Place, Record)| {
            let at = InternalTopic::DEAD_LETTERS.about(place.partition.partition);
            self.log.bounds(at).is_ok_and(|bounds| record.copy < bounds.trim)
        };
        let gone: Vec<_> = self.graves().after(subscription.id, None).filter(is_gone).collect();
        let letters = gone.len() as u64;
        if letters > 0 {
            self.remove(subscription, gone, Discard::ExpiredRetention).await?;
            let name = &subscription.spec.name;
            tracing::warn!(subscription = %name, letters, "dead letters reached their age and are gone");
        }
        Ok(letters)
    }

    async fn forget(&self, id: SubscriptionId) -> Result<(), Refusal> {
        let places: Vec<_> = self.graves().after(id, None).map(|(place, _)| place).collect();
        let changes = places
            .iter()
            .flat_map(|place| [record::delete(id, *place), record::unmark(id, *place)])
            .collect();
        self.commit(changes).await.map_err(|error| refused(&error))?;
        self.drop_all(id, places);
        Ok(())
    }

    /// Their settlements are durable first, then their records go.
    async fn remove(
        &self,
        subscription: &Arc<Subscription>,
        letters: Vec<(Place, Record)>,
        discard: Discard,
    ) -> Result<(), Refusal> {
        let id = subscription.id;
        let nobody: Arc<str> = "".into();
        let runs = letters.iter().map(|(place, _)| Settled {
            partition: place.partition,
            first: place.offset,
            end: place.offset + 1,
            count: 1,
            outcome: Outcome::Discarded(discard),
            first_sent: Timestamp::default(),
            attempts: 0,
            consumer: Arc::clone(&nobody),
        });
        let settled = SettledOf {
            subscription: Arc::clone(subscription),
            epoch: self.log.epoch(),
            runs: runs.collect(),
        };
        self.settlements.record(vec![settled]).await?;
        let changes = letters.iter().map(|(place, _)| record::delete(id, *place)).collect();
        self.commit(changes).await.map_err(|error| refused(&error))?;
        self.drop_all(id, letters.into_iter().map(|(place, _)| place));
        Ok(())
    }
}
