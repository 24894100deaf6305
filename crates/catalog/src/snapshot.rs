//! The catalog as readers see it: immutable, shared.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidings_event::{TopicId, TopicName};

use crate::subscription::Subscription;
use crate::template::Template;
use crate::topic::Topic;

/// The whole catalog at one version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) version: u64,
    pub(crate) topics: BTreeMap<TopicName, Arc<Topic>>,
    pub(crate) by_id: HashMap<TopicId, Arc<Topic>>,
    /// By tenant and name. Names are shared: every change makes a snapshot.
    pub(crate) subscriptions: BTreeMap<String, BTreeMap<Arc<str>, Arc<Subscription>>>,
    pub(crate) templates: Arc<[Template]>,
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
        self.topics.get(name)
    }

    /// A topic by its number.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// A tenant's topics, in order of their names.
    pub fn topics(&self, tenant: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values().filter(move |topic| topic.name.tenant() == tenant)
    }

    /// Every topic of every tenant.
    pub fn all_topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// A subscription by its name.
    #[must_use]
    pub fn subscription(&self, tenant: &str, name: &str) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(tenant)?.get(name)
    }

    /// Every subscription of every tenant, in order of their names.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.subscriptions.values().flat_map(BTreeMap::values)
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
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.topics.insert(topic.name.clone(), topic);
    }

    pub(crate) fn remove_topic(&mut self, topic: &Topic) {
        self.by_id.remove(&topic.id);
        self.topics.remove(&topic.name);
    }

    pub(crate) fn insert_subscription(&mut self, subscription: Arc<Subscription>) {
        let tenant = self.subscriptions.entry(subscription.tenant.clone()).or_default();
        tenant.insert(subscription.spec.name.as_str().into(), subscription);
    }

    pub(crate) fn remove_subscription(&mut self, tenant: &str, name: &str) {
        if let Some(of_tenant) = self.subscriptions.get_mut(tenant) {
            of_tenant.remove(name);
        }
    }
}
