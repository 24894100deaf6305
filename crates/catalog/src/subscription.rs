//! A subscription: what it asks for, and how two requests differ.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Offset, Position, Refusal, Timestamp, TopicPartition, glance};
use tidings_match::{Filter, TopicPattern};

use crate::boundary::Boundary;
use crate::terms::{Batching, Folding, Retry, Sharing};

/// A subscription's number; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// Where a subscription starts in the topics that exist when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// After everything that is durable.
    Latest,
    /// At the oldest event kept.
    Earliest,
    /// At the first block ingested at or after a time.
    Time(Timestamp),
    /// At these positions; a partition without one starts at the oldest event kept.
    Positions(Vec<Position>),
    /// With the last value of every key, then after everything that is durable.
    LastPerKey,
}

/// In what order a consumer gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In order per key: an event that fails holds back its key.
    Ordered,
    /// In any order: an event that fails holds back nothing.
    Parallel,
}

/// How events reach a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// It asks for them.
    Pull,
    /// They are sent as they come.
    Stream,
}

/// What a subscription asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSpec {
    /// Grammar of a topic segment; unique in its tenant.
    pub name: String,
    /// Which topics, now and later.
    pub topics: Arc<[TopicPattern]>,
    /// Which of their events; absent: all of them.
    pub filter: Option<Filter>,
    /// Where it starts.
    pub start: Start,
    /// Most events sent and not settled.
    pub max_in_flight: u32,
    /// Order.
    pub mode: Mode,
    /// How it is served.
    pub delivery: DeliveryKind,
    /// Who may consume at a time.
    pub sharing: Sharing,
    /// What becomes of events that fail.
    pub retry: Retry,
    /// How events are put together on their way out.
    pub batching: Batching,
    /// How bursts of look-alike anomalies are told; absent: event by event.
    pub folding: Option<Folding>,
    /// Deleted when nobody consumed for so long; absent: kept for ever.
    pub expires_after: Option<Duration>,
    /// For people: at most 16 of at most 200 bytes.
    pub labels: BTreeMap<String, String>,
    /// For people: who answers for it; at most 200 bytes.
    pub owner: String,
    /// When an unsettled event is sent again.
    pub ack_deadline: Duration,
}

/// A subscription as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its number.
    pub id: SubscriptionId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// What it asks for.
    pub spec: SubscriptionSpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where each partition that existed starts; a partition not listed starts at 0.
    pub boundary: Boundary,
    /// Whether it sends nothing until it is resumed.
    pub is_paused: bool,
    /// What it selected and since where, oldest first; the last is in force. Never empty.
    pub revisions: Vec<Revision>,
}

/// What a subscription selects from a place of the log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// From 1.
    pub number: u32,
    /// When it came into force.
    pub at: Timestamp,
    /// First offset of each partition that it selects from; a partition not listed: from 0.
    pub boundary: Boundary,
    /// Which topics.
    pub topics: Arc<[TopicPattern]>,
    /// Which of their events; absent: all.
    pub filter: Option<Filter>,
}

impl Revision {
    /// Whether one of the patterns covers a topic's path.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether an event of a covered topic is selected.
    #[must_use]
    pub fn selects(&self, event: &[u8]) -> bool {
        let Some(filter) = &self.filter else { return true };
        glance(event).is_some_and(|envelope| filter.matches(&envelope, event))
    }

    /// What a subscription selects from its start on.
    pub(crate) fn first(spec: &SubscriptionSpec, at: Timestamp, boundary: &Boundary) -> Self {
        Self {
            number: 1,
            at,
            boundary: boundary.clone(),
            topics: Arc::clone(&spec.topics),
            filter: spec.filter.clone(),
        }
    }
}

impl Subscription {
    /// Has in one piece with another what both have: those of a fleet differ in little but their names.
    pub(crate) fn share(&mut self, other: &Self) {
        same(&mut self.tenant, &other.tenant);
        same(&mut self.spec.topics, &other.spec.topics);
        same(&mut self.boundary, &other.boundary);
        same_filter(&mut self.spec.filter, other.spec.filter.as_ref());
        for revision in &mut self.revisions {
            same(&mut revision.topics, &self.spec.topics);
            same(&mut revision.boundary, &self.boundary);
            same_filter(&mut revision.filter, self.spec.filter.as_ref());
        }
    }

    /// What it selects now; absent only of a reader without a record.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// What decides on an event: the last revision that was in force at its place.
    #[must_use]
    pub fn revision_at(&self, place: TopicPartition, offset: Offset) -> Option<&Revision> {
        let in_force =
            |revision: &&Revision| revision.boundary.get(place).is_none_or(|first| first <= offset);
        self.revisions.iter().rev().find(in_force).or_else(|| self.revisions.first())
    }

    /// Whether one of its revisions selects from a topic of its tenant: events of it may be due,
    /// also when it is none of its topics any more.
    #[must_use]
    pub fn ever_covered(&self, path: &str) -> bool {
        self.spec.covers(path) || self.revisions.iter().any(|revision| revision.covers(path))
    }

    /// Whether a topic of this tenant is one of its topics.
    #[must_use]
    pub fn covers(&self, tenant: &str, path: &str) -> bool {
        *self.tenant == *tenant && self.spec.covers(path)
    }
}

/// Shares what is equal.
fn same<T: PartialEq + Clone>(own: &mut T, other: &T) {
    if own == other {
        own.clone_from(other);
    }
}

/// Shares what is written alike.
fn same_filter(own: &mut Option<Filter>, other: Option<&Filter>) {
    if let (Some(own), Some(other)) = (own, other)
        && own.text() == other.text()
    {
        own.clone_from(other);
    }
}

const PATTERNS_MAX: usize = 64;
const LABELS_MAX: usize = 16;
const TEXT_BYTES_MAX: usize = 200;
const IN_FLIGHT_MAX: u32 = 65_536;

impl SubscriptionSpec {
    /// What a stream is that asks for nothing but topics: from now on, in order, one consumer.
    #[must_use]
    pub fn new(name: impl Into<String>, topics: Vec<TopicPattern>) -> Self {
        Self {
            name: name.into(),
            topics: topics.into(),
            filter: None,
            start: Start::Latest,
            max_in_flight: IN_FLIGHT_MAX,
            mode: Mode::Ordered,
            delivery: DeliveryKind::Stream,
            sharing: Sharing::default(),
            retry: Retry::default(),
            batching: Batching::default(),
            folding: None,
            expires_after: None,
            labels: BTreeMap::new(),
            owner: String::new(),
            ack_deadline: Duration::from_secs(30),
        }
    }

    /// Whether one of the patterns covers a topic's path.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(path))
    }

    /// Refuses what no subscription may ask for.
    ///
    /// # Errors
    /// Naming the field, and what it may be.
    pub fn check(&self) -> Result<(), Refusal> {
        tidings_event::topic_name::check_segment(0, &self.name).map_err(|error| {
            Refusal::new(Code::SubscriptionNameInvalid, error.to_string()).at_field("name")
        })?;
        let invalid = |field: &str, detail: String| {
            Err(Refusal::new(Code::FieldInvalid, detail).at_field(field))
        };
        if self.topics.is_empty() {
            let refusal = Refusal::new(Code::FieldMissing, "a subscription needs a topic pattern");
            return Err(refusal.at_field("topics").with_hint("`**` selects every topic"));
        }
        if self.topics.len() > PATTERNS_MAX {
            return invalid(
                "topics",
                format!("{} patterns, at most {PATTERNS_MAX}", self.topics.len()),
            );
        }
        if !(1..=IN_FLIGHT_MAX).contains(&self.max_in_flight) {
            return invalid(
                "max_in_flight",
                format!("{} is not in 1..={IN_FLIGHT_MAX}", self.max_in_flight),
            );
        }
        if self.ack_deadline < Duration::from_secs(1)
            || self.ack_deadline > Duration::from_secs(86_400)
        {
            return invalid("ack_deadline", format!("{:?} is not in 1s..=24h", self.ack_deadline));
        }
        self.retry.check()?;
        self.batching.check()?;
        self.folding.map_or(Ok(()), Folding::check)?;
        if self.expires_after.is_some_and(|after| after < Duration::from_secs(60)) {
            return invalid("expires_after", "it is less than a minute".to_owned());
        }
        if self.owner.len() > TEXT_BYTES_MAX {
            return invalid(
                "owner",
                format!("{} bytes, at most {TEXT_BYTES_MAX}", self.owner.len()),
            );
        }
        let long = |text: &String| text.len() > TEXT_BYTES_MAX;
        if self.labels.len() > LABELS_MAX || self.labels.iter().any(|(k, v)| long(k) || long(v)) {
            return invalid(
                "labels",
                format!("at most {LABELS_MAX} labels of at most {TEXT_BYTES_MAX} bytes"),
            );
        }
        Ok(())
    }

    /// What changes from this body to another, `field: old -> new`; empty when they are the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> String {
        let mut text = Difference(String::new());
        text.field("topics", &self.topics, &other.topics);
        text.field("filter", &self.filter, &other.filter);
        text.field("start", &self.start, &other.start);
        text.field("max_in_flight", &self.max_in_flight, &other.max_in_flight);
        text.field("mode", &self.mode, &other.mode);
        text.field("delivery", &self.delivery, &other.delivery);
        text.field("sharing", &self.sharing, &other.sharing);
        text.field("retry", &self.retry, &other.retry);
        text.field("batching", &self.batching, &other.batching);
        text.field("folding", &self.folding, &other.folding);
        text.field("expires_after", &self.expires_after, &other.expires_after);
        text.field("labels", &self.labels, &other.labels);
        text.field("owner", &self.owner, &other.owner);
        text.field("ack_deadline", &self.ack_deadline, &other.ack_deadline);
        text.0
    }
}

/// Collects `field: old -> new`, separated by `; `.
pub(crate) struct Difference(pub(crate) String);

impl Difference {
    pub(crate) fn field<T: PartialEq + Debug>(&mut self, field: &str, old: &T, new: &T) {
        if old == new {
            return;
        }
        if !self.0.is_empty() {
            self.0.push_str("; ");
        }
        // Writing to a String cannot fail.
        let _infallible =
            fmt::Write::write_fmt(&mut self.0, format_args!("{field}: {old:?} -> {new:?}"));
    }
}
