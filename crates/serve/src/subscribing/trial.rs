//! Trying a selection over history, as every door asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_catalog::{Filter, Snapshot, Subscription};
use tidings_deliver::{Backtest, BacktestReport, Selector, TopicCount, backtest};
use tidings_event::{Code, Refusal, Timestamp, TopicId};

use super::{found, patterns};
use crate::doors::Doors;

const SAMPLES: usize = 10;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The subscription that it would be of.
    pub(crate) name: Option<String>,
    /// None: the subscription's.
    pub(crate) topics: Vec<String>,
    /// Absent: the subscription's, or none; empty: none.
    pub(crate) filter: Option<String>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) samples: Option<u32>,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) report: BacktestReport,
    pub(crate) notes: Vec<String>,
    snapshot: Arc<Snapshot>,
}

impl Found {
    /// What each topic has, by its name.
    pub(crate) fn counts(&self) -> BTreeMap<String, TopicCount> {
        let counts = self.report.topics.iter();
        counts.map(|(&topic, &count)| (self.path(topic), count)).collect()
    }

    /// A topic's name; empty when it is gone.
    pub(crate) fn path(&self, topic: TopicId) -> String {
        let topic = self.snapshot.topic_by_id(topic);
        topic.map_or_else(String::new, |topic| topic.name.path().to_owned())
    }
}

/// Runs it; those who search the log take turns.
pub(crate) async fn run(doors: &Doors, tenant: &str, asked: Asked) -> Result<Found, Refusal> {
    let name = asked.name.as_deref();
    let subscription = name.map(|name| found(doors, tenant, name)).transpose()?;
    let parts = &doors.parts;
    let (from, to) = (asked.from.unwrap_or(Timestamp(0)), asked.to);
    let to = to.unwrap_or_else(|| parts.clock.wall());
    let samples = asked.samples.map_or(SAMPLES, |samples| samples as usize);
    let selection = selection(asked, subscription.as_deref())?;
    let notes = selection.filter.as_ref().map(Filter::notes).unwrap_or_default();
    let in_force = subscription.as_deref().map(of);
    let backtested = Backtest { selection, in_force, from, to, samples };
    let _turn = tokio::select! {
        turn = doors.searches.acquire() => turn,
        () = doors.stop.cancelled() => return Err(crate::refusals::shutting_down()),
    };
    let snapshot = parts.catalog.snapshot();
    let (log, clock) = (parts.log.as_ref(), parts.clock.as_ref());
    let report = backtest(log, &snapshot, clock, tenant, &backtested).await?;
    Ok(Found { from, to, report, notes, snapshot })
}

/// What is tried.
fn selection(asked: Asked, of_subscription: Option<&Subscription>) -> Result<Selector, Refusal> {
    let in_force = of_subscription.map(of);
    let topics = match &in_force {
        Some(in_force) if asked.topics.is_empty() => in_force.topics.to_vec(),
        None if asked.topics.is_empty() => {
            let refusal = Refusal::new(Code::FieldMissing, "name a topic pattern");
            return Err(refusal.at_field("topics").with_hint("`**` selects every topic"));
        }
        _ => patterns(&asked.topics)?,
    };
    let filter = match asked.filter {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(Filter::compile(&text)?),
        None => in_force.and_then(|in_force| in_force.filter),
    };
    Ok(Selector { topics, filter })
}

fn of(subscription: &Subscription) -> Selector {
    let spec = &subscription.spec;
    Selector { topics: spec.topics.to_vec(), filter: spec.filter.clone() }
}
