//! What an edge is told.

use std::time::Duration;

use tidings_catalog::{Filter, Start, SubscriptionSpec, TopicPattern};

use crate::target::Target;

/// What the name of an edge's subscription begins with.
const PREFIX: &str = "edge.";

/// One edge.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// Its name: that of its subscription, after `edge.`, and part of its producers' names.
    pub name: String,
    /// Which topics, now and later.
    pub topics: Vec<TopicPattern>,
    /// Which of their events; absent: all of them.
    pub filter: Option<Filter>,
    /// Where it starts when its subscription is made.
    pub start: Start,
    /// What its messages are.
    pub form: Form,
    /// Where they go.
    pub target: Target,
    /// Most events that are not confirmed.
    pub window: u32,
    /// How long a receipt may be waited for, while none comes, before the connection is given up.
    pub answer_max: Duration,
}

/// What messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON with one type a field, described by an Avro record.
    Json,
    /// The event's own bytes: `tidings.v1.Event`.
    Protobuf,
}

impl EdgeSettings {
    /// The name of its subscription.
    #[must_use]
    pub fn subscription(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// What its subscription asks for.
    #[must_use]
    pub fn spec(&self) -> SubscriptionSpec {
        let spec = SubscriptionSpec::new(self.subscription(), self.topics.clone());
        SubscriptionSpec {
            filter: self.filter.clone(),
            start: self.start.clone(),
            max_in_flight: self.window,
            owner: "edges.mirrored of the configuration".to_owned(),
            ..spec
        }
    }

    /// Whether the offsets of a partition come without holes, but for what is lost or fails: then they can number
    /// messages, and a system that drops repeats knows them.
    pub(crate) fn is_dense(&self) -> bool {
        self.filter.is_none()
    }
}
