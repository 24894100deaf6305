//! The shell of composing: follows the journals, keeps time, publishes summaries.

use std::cmp::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::Catalog;
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::key::NO_VENUE;
use tidings_event::topic_name::INTERNAL_TENANT;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{Clock, Code, Refusal, Timestamp, encode, foreign_event_id};
use tidings_log::PartitionLog;
use tidings_telemetry::{Counter, Recorder, Timer};
use tokio_util::sync::CancellationToken;

use super::Values;
use super::compose::{Parts, compose};
use super::due::{Bar, Due};
use crate::glance::glance;
use crate::journals::Journals;
use crate::publish::{SOURCE, Saying, Sender};

/// How long last values that are not there yet are left alone.
const RETRY: Duration = Duration::from_millis(200);

/// How long nothing is looked at, when nothing is due and nothing comes.
const IDLE: Duration = Duration::from_secs(60);

type Sending = Pin<Box<dyn Future<Output = Vec<(Composition, bool)>> + Send>>;

/// See the module.
pub(crate) struct Follower {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) values: Arc<dyn Values>,
    pub(crate) sender: Sender,
}

/// A summary, and what it is a summary of.
pub(crate) struct Composition {
    tenant: String,
    venue: String,
    timeframe: String,
    bar: Bar,
    summary: v1::Summary,
}

impl Follower {
    /// Composes until stopped.
    pub(crate) async fn run(self, mut due: Due, stop: CancellationToken) {
        let mut journals = Journals::open(Arc::clone(&self.log), None);
        let (mut waiting, mut ready): (Vec<Bar>, Vec<Composition>) = (Vec::new(), Vec::new());
        let mut sending: Option<Sending> = None;
        while !stop.is_cancelled() {
            let turn = journals.read(|blocks| self.take(&mut due, blocks)).await;
            waiting.extend(due.step(self.clock.monotonic()));
            self.recorder.count(Counter::InsightSummariesDropped, due.dropped());
            waiting = self.compose(&mut due, waiting, &mut ready);
            if sending.is_none() && !ready.is_empty() {
                sending = Some(Box::pin(self.sender.clone().send(std::mem::take(&mut ready))));
            }
            let now = self.clock.monotonic();
            let next = due.next_due().map_or(IDLE, |at| at.saturating_sub(now));
            let next = if waiting.is_empty() { next } else { next.min(RETRY) };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = settled(&mut sending) => sending = None,
                () = std::future::ready(()), if turn.is_behind => {}
                is_open = journals.changed() => if !is_open { return },
                () = Timer.after(next) => {}
            }
        }
    }

    fn take(&self, due: &mut Due, blocks: &[Committed]) {
        let catalog = self.catalog.snapshot();
        let now = self.clock.monotonic();
        for block in blocks {
            let header = &block.block.header;
            let Some(topic) = catalog.topic_by_id(header.topic_partition.topic) else { continue };
            let tenant = topic.name.tenant();
            if tenant == INTERNAL_TENANT {
                continue;
            }
            for event in events(&block.block.body).flatten() {
                if let Some(seen) = glance(event) {
                    due.take(tenant, &seen, header.ingested_at, now);
                }
            }
        }
    }

    /// Composes what is due; returns what has to wait for last values.
    fn compose(&self, due: &mut Due, bars: Vec<Bar>, into: &mut Vec<Composition>) -> Vec<Bar> {
        let mut again = Vec::new();
        for bar in bars {
            match self.composition(due, &bar) {
                Ok(Some(composition)) => into.push(composition),
                Ok(None) => {}
                Err(refusal) if refusal.retry_after_ms.is_some() => again.push(bar),
                Err(refusal) => {
                    self.recorder.count(Counter::InsightErrors, 1);
                    tracing::warn!(instrument = bar.instrument, %refusal, "no summary");
                }
            }
        }
        again
    }

    /// A bar's summary; none when there is one already, of it or of a later bar.
    fn composition(&self, due: &mut Due, bar: &Bar) -> Result<Option<Composition>, Refusal> {
        let Some(composed) = due.composed(bar).cloned() else { return Ok(None) };
        let (venue, frame) = (Some(composed.venue.as_str()), Some(composed.timeframe.as_str()));
        let last = |kind, at| self.values.last(&composed.tenant, kind, &bar.instrument, at);
        if let Some(bytes) = last(Kind::Summary, (venue, frame))?
            && let Ok(envelope) = tidings_event::scan(&bytes)
            && envelope.source == SOURCE
            && (envelope.interval_start.0, envelope.revision) >= (bar.start, bar.revision)
        {
            return Ok(None);
        }
        let indicators = last(Kind::Indicators, (venue, frame))?;
        if !is_of(indicators.as_deref(), bar)? {
            return Ok(None);
        }
        let matrices = composed.matrices.iter().map(|matrix| {
            self.values.last(&composed.tenant, Kind::Correlation, matrix, (None, None))
        });
        let (open_anomalies, last_anomaly) = due.open_anomalies(bar, self.clock.wall());
        let parts = Parts {
            indicators,
            patterns: last(Kind::Patterns, (venue, frame))?,
            matrices: matrices.filter_map(Result::transpose).collect::<Result<_, _>>()?,
            open_anomalies,
            last_anomaly,
        };
        let summary = compose(&bar.instrument, &parts)?;
        let (tenant, venue) = (composed.tenant, composed.venue);
        let timeframe = composed.timeframe;
        Ok(Some(Composition { tenant, venue, timeframe, bar: bar.clone(), summary }))
    }
}

impl Saying for Composition {
    fn tenant(&self) -> &str {
        &self.tenant
    }

    fn event(&self, now: Timestamp) -> Vec<u8> {
        let Self { tenant, venue, timeframe, bar, summary } = self;
        let Bar { instrument, start, end, revision, .. } = bar;
        let name = format!("summary/{tenant}/{venue}/{timeframe}/{instrument}/{start}/{revision}");
        encode(&v1::Event {
            id: foreign_event_id(SOURCE, &name).to_vec().into(),
            source: SOURCE.to_owned(),
            kind: Kind::Summary.into(),
            instrument: instrument.clone(),
            venue: if venue == NO_VENUE { String::new() } else { venue.clone() },
            timeframe: timeframe.clone(),
            interval_start: *start,
            interval_end: *end,
            produced_at: now.0,
            revision: u32::from(*revision),
            payload: Some(Payload::Summary(summary.clone())),
            ..v1::Event::default()
        })
    }

    fn stored(&self, recorder: &Recorder, _now: Timestamp) {
        recorder.count(Counter::InsightSummaries, 1);
    }

    fn subject(&self) -> String {
        format!("summary of {} at {}", self.bar.instrument, self.venue)
    }
}

/// Whether last indicators are a bar's; not, when they are a later bar's, which gets its own summary.
///
/// # Errors
/// When they are of an earlier one: the last values have not come as far as the log.
fn is_of(indicators: Option<&[u8]>, bar: &Bar) -> Result<bool, Refusal> {
    let envelope = indicators.map(tidings_event::scan).transpose()?;
    let last = envelope.map_or((0, 0), |e| (e.interval_start.0, e.revision));
    match last.cmp(&(bar.start, bar.revision)) {
        Ordering::Equal => Ok(true),
        Ordering::Greater => Ok(false),
        Ordering::Less => {
            Err(Refusal::new(Code::Rebuilding, "last values are behind the log")
                .retry_after_ms(100))
        }
    }
}

/// The end of what is being sent; never, while nothing is.
async fn settled(sending: &mut Option<Sending>) {
    match sending {
        Some(sending) => drop(sending.await),
        None => std::future::pending().await,
    }
}
