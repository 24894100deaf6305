//! A subscription's dead letters, as those who ask see them.

use std::sync::Arc;

use tidings_catalog::{Catalog, Subscription, SubscriptionId};
use tidings_event::{Code, Position, Refusal};
use tidings_telemetry::Timer;
use tokio_util::sync::CancellationToken;

use super::Deliver;
use crate::dead_letter::{Chosen, DeadLetter, DeadLetterCounts, DeadLetters, Reach, Selection};

/// How often letters that reached their age are looked for.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(60);

impl Deliver {
    /// A subscription's dead letters after a position, in order of topic, partition and offset.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; what reading the log refuses.
    pub async fn dead_letters(
        &self,
        tenant: &str,
        subscription: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Refusal> {
        let subscription = self.subscription(tenant, subscription)?;
        self.letters.list(subscription.id, after, limit).await
    }

    /// The dead letter of a position.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `DEAD_LETTER_UNKNOWN`; what reading the log refuses.
    pub async fn dead_letter(
        &self,
        tenant: &str,
        subscription: &str,
        position: Position,
    ) -> Result<DeadLetter, Refusal> {
        let subscription = self.subscription(tenant, subscription)?;
        self.letters.get(subscription.id, position).await
    }

    /// How much lies in a subscription's dead letters.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub fn dead_letter_counts(
        &self,
        tenant: &str,
        subscription: &str,
    ) -> Result<DeadLetterCounts, Refusal> {
        Ok(self.letters.counts(self.subscription(tenant, subscription)?.id))
    }

    /// Sends dead letters on their way again, behind what of their keys is in flight and ahead of
    /// what was not sent yet when it resolves: then that is durable, and the first of them are handed
    /// over. Above 500, or 4 MiB, the others follow.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `STORAGE_FULL`, `LOG_READ_ONLY` when it could not be stored.
    pub async fn redrive(
        &self,
        tenant: &str,
        subscription: &str,
        selection: Selection,
    ) -> Result<Chosen, Refusal> {
        let live = self.live(tenant, subscription)?;
        let (id, reach) = self.places(tenant, subscription)?;
        let chosen = self.letters.redrive(id, selection, reach).await?;
        self.redriver.hand_over(&live).await;
        self.redriver.wake();
        Ok(chosen)
    }

    /// Removes dead letters for good; a settlement says so. Those on their way again stay.
    ///
    /// # Errors
    /// As [`Self::redrive`].
    pub async fn discard(
        &self,
        tenant: &str,
        subscription: &str,
        selection: Selection,
    ) -> Result<Chosen, Refusal> {
        let (_, reach) = self.places(tenant, subscription)?;
        self.letters.discard(self.subscription(tenant, subscription)?, selection, reach).await
    }

    /// A subscription's number, and where it can be delivered anything.
    fn places(&self, tenant: &str, name: &str) -> Result<(SubscriptionId, Reach), Refusal> {
        let live = self.live(tenant, name)?;
        let state = live.lock();
        Ok((state.subscription.id, state.slots.partitions().into_iter().collect()))
    }

    fn subscription(&self, tenant: &str, name: &str) -> Result<Arc<Subscription>, Refusal> {
        self.refuse_when_stopping()?;
        let snapshot = self.catalog.snapshot();
        snapshot.subscription(tenant, name).cloned().ok_or_else(|| {
            let detail = format!("there is no subscription `{name}`");
            Refusal::new(Code::SubscriptionUnknown, detail)
                .with_hint("create it, or correct the name")
        })
    }
}

/// Removes letters that reached their age, and those of deleted subscriptions, until stopped.
pub(super) async fn sweep(
    letters: Arc<DeadLetters>,
    catalog: Arc<Catalog>,
    stop: CancellationToken,
) {
    let mut changes = catalog.changes();
    loop {
        if let Err(refusal) = letters.sweep(catalog.snapshot()).await {
            tracing::warn!(%refusal, "dead letters cannot be swept; that is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = Timer.after(SWEEP) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}
