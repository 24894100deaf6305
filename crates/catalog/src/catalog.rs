//! The catalog: opening it, reading it, and the calls that change it.

use std::sync::Arc;

use tidings_event::{Clock, Code, Refusal, TopicName};
use tidings_log::PartitionLog;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::beginning::Beginnings;
use crate::definitions::{Definition, DefinitionMap, Definitions, NewDefinition};
use crate::error::CatalogError;
use crate::ledger::{Ledger, check_settings};
use crate::past::{self, PastSubscription};
use crate::precondition::Precondition;
use crate::progress::Progress;
use crate::settings::CatalogSettings;
use crate::snapshot::Snapshot;
use crate::subscription::{Subscription, SubscriptionSpec};
use crate::topic::{Topic, TopicRequest};

/// What became of a request for something to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied<T> {
    /// It was not there.
    Created(T),
    /// It was there, just so.
    Same(T),
    /// It was there and has changed.
    Updated(T),
}

impl<T> Applied<T> {
    /// The thing itself.
    pub fn into_inner(self) -> T {
        match self {
            Self::Created(thing) | Self::Same(thing) | Self::Updated(thing) => thing,
        }
    }
}

/// Desired state: topics, templates, subscriptions.
pub struct Catalog {
    ledger: Arc<Ledger>,
    definitions: Arc<Definitions>,
    // A change runs to its end even when its caller goes away: half of one would let a number be
    // given twice.
    changes: TaskTracker,
}

impl Catalog {
    /// Restores what the log holds, makes every topic exist in it, and finishes deletions that a
    /// crash cut short. A log without a catalog gets the default templates.
    ///
    /// # Errors
    /// When a setting is impossible, a record cannot be read, or the log refuses.
    pub async fn open(
        log: Arc<dyn PartitionLog>,
        settings: CatalogSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, CatalogError> {
        let definitions = Definitions::restore(Arc::clone(&log), Arc::clone(&clock))?;
        let ledger = Arc::new(Ledger::restore(log, settings, clock).await?);
        let definitions = Arc::new(definitions);
        Ok(Arc::new(Self { ledger, definitions, changes: TaskTracker::new() }))
    }

    /// Replaces the settings: they count for every topic and subscription made from here on, and
    /// change none that is there.
    ///
    /// # Errors
    /// When a setting is impossible; the ones in force then stay.
    pub fn configure(&self, settings: CatalogSettings) -> Result<(), CatalogError> {
        self.ledger.configure(settings)
    }

    /// Whether these settings could be in force.
    ///
    /// # Errors
    /// The first that is impossible.
    pub fn check(settings: &CatalogSettings) -> Result<(), CatalogError> {
        check_settings(settings)
    }

    /// The catalog now. Takes no lock.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.ledger.snapshot()
    }

    /// The version, whenever it changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.ledger.versions()
    }

    /// Whether a topic is there, or a template would make it, or why neither.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`, naming the value that is not configured where that is the reason.
    pub fn find(&self, name: &TopicName) -> Result<Option<Arc<Topic>>, Refusal> {
        self.ledger.find(name)
    }

    /// An existing topic, or one made from a template for configured values.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`; `TOPIC_LIMIT`; what the log refuses.
    pub async fn topic_or_template(&self, name: &TopicName) -> Result<Arc<Topic>, Refusal> {
        if let Some(topic) = self.ledger.find(name)? {
            return Ok(topic);
        }
        let (ledger, name) = (Arc::clone(&self.ledger), name.clone());
        self.run(async move {
            ledger.put_topic(name, TopicRequest::default(), Precondition::None).await
        })
        .await
        .map(Applied::into_inner)
    }

    /// Makes a topic be as asked.
    ///
    /// # Errors
    /// `TOPIC_EXISTS` with the difference, when it cannot become so; `TOPIC_LIMIT`;
    /// `FIELD_INVALID`; what the log refuses.
    pub async fn put_topic(
        &self,
        name: TopicName,
        request: TopicRequest,
    ) -> Result<Applied<Arc<Topic>>, Refusal> {
        self.put_topic_if(name, request, Precondition::None).await
    }

    /// Makes a topic be as asked, if what is there is what the caller expects.
    ///
    /// # Errors
    /// `ETAG_MISMATCH`, and those of [`put_topic`](Self::put_topic).
    pub async fn put_topic_if(
        &self,
        name: TopicName,
        request: TopicRequest,
        expected: Precondition,
    ) -> Result<Applied<Arc<Topic>>, Refusal> {
        let ledger = Arc::clone(&self.ledger);
        self.run(async move { ledger.put_topic(name, request, expected).await }).await
    }

    /// Deletes a topic and its events.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`; what the log refuses.
    pub async fn delete_topic(&self, name: &TopicName) -> Result<(), Refusal> {
        self.delete_topic_if(name, Precondition::None).await
    }

    /// Deletes a topic and its events, if it is what the caller expects.
    ///
    /// # Errors
    /// `ETAG_MISMATCH`, and those of [`delete_topic`](Self::delete_topic).
    pub async fn delete_topic_if(
        &self,
        name: &TopicName,
        expected: Precondition,
    ) -> Result<(), Refusal> {
        let (ledger, name) = (Arc::clone(&self.ledger), name.clone());
        self.run(async move { ledger.delete_topic(&name, expected).await }).await
    }

    /// Makes a subscription, or finds that it is there.
    ///
    /// # Errors
    /// `SUBSCRIPTION_EXISTS` with the difference; what is wrong with the spec; what the log
    /// refuses.
    pub async fn create_subscription(
        &self,
        tenant: &str,
        spec: SubscriptionSpec,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        let (ledger, tenant) = (Arc::clone(&self.ledger), tenant.to_owned());
        self.run(async move { ledger.create_subscription(tenant, spec).await }).await
    }

    /// Deletes a subscription.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; what the log refuses.
    pub async fn delete_subscription(&self, tenant: &str, name: &str) -> Result<(), Refusal> {
        self.delete_subscription_if(tenant, name, Precondition::None).await
    }

    /// Deletes a subscription, if it is what the caller expects.
    ///
    /// # Errors
    /// `ETAG_MISMATCH`, and those of [`delete_subscription`](Self::delete_subscription).
    pub async fn delete_subscription_if(
        &self,
        tenant: &str,
        name: &str,
        expected: Precondition,
    ) -> Result<(), Refusal> {
        let (ledger, tenant, name) = (Arc::clone(&self.ledger), tenant.to_owned(), name.to_owned());
        self.run(async move { ledger.delete_subscription(&tenant, &name, expected).await }).await
    }

    /// Makes a subscription ask for what `change` makes of what it asks for; no other change comes
    /// between. Name, start, delivery and sharing stay. Other topics or another filter are a new
    /// revision, in force from the durable tails on: its boundary.
    ///
    /// The oldest revisions are let go of when there are more than 64, or more bytes than a record
    /// takes, but only those that judge no event that is both kept and not settled.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `ETAG_MISMATCH`; what `change` refuses; `FIELD_INVALID` naming what
    /// cannot be changed; `RESOURCE_EXHAUSTED` when every revision is needed and there is no room
    /// for another; what the log refuses.
    pub async fn update_subscription(
        &self,
        tenant: &str,
        name: &str,
        change: impl FnOnce(&SubscriptionSpec) -> Result<SubscriptionSpec, Refusal> + Send + 'static,
        expected: Precondition,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        let (ledger, tenant, name) = (Arc::clone(&self.ledger), tenant.to_owned(), name.to_owned());
        self.run(async move { ledger.update_subscription(&tenant, &name, change, expected).await })
            .await
    }

    /// Stops a subscription from sending, or lets it send again.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `ETAG_MISMATCH`; what the log refuses.
    pub async fn set_paused(
        &self,
        tenant: &str,
        name: &str,
        is_paused: bool,
        expected: Precondition,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        let (ledger, tenant, name) = (Arc::clone(&self.ledger), tenant.to_owned(), name.to_owned());
        self.run(async move { ledger.set_paused(&tenant, &name, is_paused, expected).await }).await
    }

    /// Whom to ask how far subscriptions are, and to hold them while they change. Without one, events count as settled when they are no
    /// longer kept.
    pub fn ask(&self, progress: Arc<dyn Progress>) {
        self.ledger.ask(progress);
    }

    /// Whom to have subscriptions begin that start with last values; the first one stays. Without
    /// one they are refused.
    pub fn begin_with(&self, beginnings: Arc<dyn Beginnings>) {
        let _first_stays = self.ledger.beginnings.set(beginnings);
    }

    /// A tenant's subscriptions that were deleted within the last 30 days, in order of their numbers.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn past_subscriptions(&self, tenant: &str) -> Result<Vec<PastSubscription>, CatalogError> {
        past::of(&*self.ledger.log, tenant)
    }

    /// What each indicator name of a tenant stands for. Takes no lock.
    #[must_use]
    pub fn definitions(&self, tenant: &str) -> Arc<DefinitionMap> {
        self.definitions.of(tenant)
    }

    /// Registers definitions, durably; a name that has one keeps it.
    ///
    /// # Errors
    /// `DEFINITION_LIMIT` when some found no room; what the log refuses.
    pub async fn define(&self, tenant: &str, wanted: Vec<NewDefinition>) -> Result<(), Refusal> {
        let (definitions, tenant) = (Arc::clone(&self.definitions), tenant.to_owned());
        let most = self.ledger.settings().definitions_max;
        self.run(async move { definitions.define(&tenant, wanted, most).await }).await
    }

    /// Forgets what an indicator name stands for, so that another definition may be registered.
    ///
    /// # Errors
    /// `DEFINITION_UNKNOWN`; what the log refuses.
    pub async fn release_definition(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Arc<Definition>, Refusal> {
        let definitions = Arc::clone(&self.definitions);
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.run(async move { definitions.release(&tenant, &name).await }).await
    }

    /// Runs a change as a task of its own.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.changes.spawn(change).await.unwrap_or_else(|error| {
            Err(Refusal::new(Code::Internal, format!("the change ended early: {error}")))
        })
    }
}

#[cfg(test)]
mod tests;
