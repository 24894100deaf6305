//! The catalog as readers see it: immutable, shared.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidings_event::{TopicId, TopicName};

use crate::shelf::Shelf;
use crate::subscription::Subscription;
use crate::template::Template;
use crate::topic::Topic;

/// The whole catalog at one version. Versions share what did not change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) version: u64,
    topics: Arc<Topics>,
    /// By tenant.
    subscriptions: BTreeMap<Arc<str>, Shelf>,
    pub(crate) templates: Arc<[Template]>,
}

#[derive(Clone, Debug, Default)]
struct Topics {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

impl Snapshot {
    /// Grows with every change, from 1 at each open.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<&Arc<Topic>> {
        self.topics.by_name.get(name)
    }

    /// A topic by its number.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.by_id.get(&id)
    }

    /// A tenant's topics, in order of their names.
    pub fn topics(&self, tenant: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.by_name.values().filter(move |topic| topic.name.tenant() == tenant)
    }

    /// Every topic of every tenant.
    pub fn all_topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.by_name.values()
    }

    /// Whether another version has the same topics.
    #[must_use]
    pub fn shares_topics(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.topics, &other.topics)
    }

    /// A subscription by its name.
    #[must_use]
    pub fn subscription(&self, tenant: &str, name: &str) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(tenant)?.get(name)
    }

    /// Every subscription of every tenant, in order of their names.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.subscriptions.values().flat_map(Shelf::iter)
    }

    /// The subscriptions that another version has not, or has otherwise. What both share costs nothing.
    pub fn subscriptions_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = &'a Arc<Subscription>> {
        static NONE: Shelf = Shelf::NONE;
        let of_tenant = |(tenant, shelf): (&Arc<str>, &'a Shelf)| {
            shelf.since(before.subscriptions.get(tenant).unwrap_or(&NONE))
        };
        self.subscriptions.iter().flat_map(of_tenant)
    }

    /// How many subscriptions a tenant has.
    pub(crate) fn subscription_count(&self, tenant: &str) -> usize {
        self.subscriptions.get(tenant).map_or(0, Shelf::len)
    }

    /// The subscription of a tenant whose name is next to another.
    pub(crate) fn neighbour(&self, tenant: &str, name: &str) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(tenant)?.neighbour(name)
    }

    /// The templates.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The template whose shape a path has.
    #[must_use]
    pub fn template_of(&self, path: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.values(path).is_some())
    }

    pub(crate) fn insert_topic(&mut self, topic: Arc<Topic>) {
        let topics = Arc::make_mut(&mut self.topics);
        topics.by_id.insert(topic.id, Arc::clone(&topic));
        topics.by_name.insert(topic.name.clone(), topic);
    }

    pub(crate) fn remove_topic(&mut self, topic: &Topic) {
        let topics = Arc::make_mut(&mut self.topics);
        topics.by_id.remove(&topic.id);
        topics.by_name.remove(&topic.name);
    }

    pub(crate) fn insert_subscription(&mut self, subscription: Arc<Subscription>) {
        let of_tenant = self.subscriptions.entry(Arc::clone(&subscription.tenant)).or_default();
        of_tenant.insert(subscription);
    }

    pub(crate) fn remove_subscription(&mut self, tenant: &str, name: &str) {
        if let Some(of_tenant) = self.subscriptions.get_mut(tenant) {
            of_tenant.remove(name);
        }
    }
}
