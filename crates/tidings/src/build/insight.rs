//! Interval completeness, published through admission.

use std::sync::Arc;
use std::time::Duration;

use tidings_admit::{Admission, Batch};
use tidings_catalog::Catalog;
use tidings_deliver::{Deliver, LastValueQuery};
use tidings_event::v1::Kind;
use tidings_event::{Code, Refusal};
use tidings_insight::{
    IntervalSettings, Intervals, IntervalsParts, Publish, Summaries, SummariesParts, Values,
};
use tidings_log::PartitionLog;

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// The way in, for events of the service itself.
struct Door(Arc<Admission>);

#[async_trait::async_trait]
impl Publish for Door {
    async fn publish(
        &self,
        tenant: &str,
        body: bytes::Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let outcomes = self.0.publish(tenant, Batch { body, ..Batch::default() }).await?;
        let stored = outcomes.into_iter().map(|outcome| outcome.map(drop).map_err(|r| r.refusal));
        Ok(stored.collect())
    }
}

pub(crate) fn intervals(
    config: &Config,
    (log, catalog): (&Arc<dyn PartitionLog>, &Arc<Catalog>),
    admission: &Arc<Admission>,
    shared: &Shared,
) -> Result<Arc<Intervals>, Failure> {
    let parts = IntervalsParts {
        log: Arc::clone(log),
        catalog: Arc::clone(catalog),
        clock: Arc::clone(&shared.clock),
        recorder: Arc::clone(&shared.recorder),
        publish: Arc::new(Door(Arc::clone(admission))),
    };
    let written = &config.intervals;
    let settings = IntervalSettings {
        declared: config.expected.clone(),
        learn_from: if written.learn { written.learn_from } else { 0 },
        learn_least: written.learn_least,
        deadline: Duration::from_millis(written.deadline_ms),
        intervals_max: written.intervals_max,
        instruments_max: written.instruments_max,
        ..IntervalSettings::default()
    };
    Intervals::open(parts, settings).map_err(|error| Failure::Damaged(error.to_string()))
}

/// The last values that delivery keeps.
struct LastOf(Arc<Deliver>);

impl Values for LastOf {
    fn last(
        &self,
        tenant: &str,
        kind: Kind,
        subject: &str,
        (venue, timeframe): (Option<&str>, Option<&str>),
    ) -> Result<Option<bytes::Bytes>, Refusal> {
        let query =
            LastValueQuery { kind, instrument: subject, timeframe, venue, final_only: true };
        match self.0.last_values().get(tenant, query) {
            Ok(value) => Ok(Some(value.event)),
            Err(refusal) if refusal.code == Code::ValueUnknown => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}

pub(crate) fn summaries(
    config: &Config,
    (log, catalog): (&Arc<dyn PartitionLog>, &Arc<Catalog>),
    (admission, deliver): (&Arc<Admission>, &Arc<Deliver>),
    shared: &Shared,
) -> Summaries {
    let parts = SummariesParts {
        log: Arc::clone(log),
        catalog: Arc::clone(catalog),
        clock: Arc::clone(&shared.clock),
        recorder: Arc::clone(&shared.recorder),
        publish: Arc::new(Door(Arc::clone(admission))),
        values: Arc::new(LastOf(Arc::clone(deliver))),
    };
    Summaries::open(parts, config.summaries.clone())
}
