//! How marks are published: what the tracker needs of the way in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::BodyBuilder;
use tidings_event::{Clock, Code, Refusal};
use tidings_telemetry::{Counter, Latency, Recorder, Timer};

use super::mark::Mark;

/// First and longest pause before a mark is published again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The way in for events of the service itself.
#[async_trait]
pub trait Publish: Send + Sync + 'static {
    /// Publishes the events of a body (a serialised `EventBatch`) for a tenant, where templates
    /// place them; one outcome an event, once it is durable. An event that was stored before is
    /// a success.
    ///
    /// # Errors
    /// The body as a whole was refused.
    async fn publish(&self, tenant: &str, body: Bytes)
    -> Result<Vec<Result<(), Refusal>>, Refusal>;
}

/// Publishes marks until each is stored or refused for good.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) publish: Arc<dyn Publish>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Sender {
    /// Each mark, and whether it is stored.
    pub(crate) async fn send(self, mut marks: Vec<Mark>) -> Vec<(Mark, bool)> {
        let mut settled = Vec::with_capacity(marks.len());
        let mut pause = RETRY.0;
        loop {
            marks = self.attempt(marks, &mut settled).await;
            if marks.is_empty() {
                return settled;
            }
            Timer.after(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Publishes each once; returns those to try again.
    async fn attempt(&self, marks: Vec<Mark>, settled: &mut Vec<(Mark, bool)>) -> Vec<Mark> {
        let mut by_tenant: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for mark in marks {
            by_tenant.entry(mark.key.tenant.clone()).or_default().push(mark);
        }
        let mut again = Vec::new();
        for (tenant, mut left) in by_tenant {
            while !left.is_empty() {
                let mut body = BodyBuilder::default();
                let now = self.clock.wall();
                // A mark has less than a tenth of what a body takes.
                let fits = left.iter().take_while(|mark| body.push(&mark.event(now))).count();
                let rest = left.split_off(fits.max(1));
                let outcomes = self.publish.publish(&tenant, body.take().0).await;
                self.sort(std::mem::replace(&mut left, rest), outcomes, settled, &mut again);
            }
        }
        again
    }

    fn sort(
        &self,
        marks: Vec<Mark>,
        outcomes: Result<Vec<Result<(), Refusal>>, Refusal>,
        settled: &mut Vec<(Mark, bool)>,
        again: &mut Vec<Mark>,
    ) {
        let whole = outcomes.as_ref().err().cloned();
        let mut outcomes = outcomes.unwrap_or_default().into_iter();
        for mark in marks {
            let missing = || Err(whole.clone().unwrap_or_else(unanswered));
            match outcomes.next().unwrap_or_else(missing) {
                Ok(()) => {
                    self.recorder.count(Counter::InsightMarks, 1);
                    let took = self.clock.wall().0.saturating_sub(mark.newest.0);
                    if mark.expected == mark.published {
                        self.recorder.time(Latency::InsightMark, Duration::from_nanos(took));
                    }
                    settled.push((mark, true));
                }
                Err(refusal) => {
                    self.recorder.count(Counter::InsightErrors, 1);
                    let (venue, timeframe) = (&*mark.key.venue, &*mark.key.timeframe);
                    if is_passing(&refusal) {
                        tracing::debug!(venue, timeframe, %refusal, "an interval mark has to wait");
                        again.push(mark);
                    } else {
                        tracing::warn!(venue, timeframe, %refusal, "an interval cannot be marked");
                        settled.push((mark, false));
                    }
                }
            }
        }
    }
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Internal, "the mark got no answer")
}

/// Whether the same again may be taken.
fn is_passing(refusal: &Refusal) -> bool {
    let passing = [
        Code::ResourceExhausted,
        Code::StorageFull,
        Code::UnknownOutcome,
        Code::LogReadOnly,
        Code::ShuttingDown,
        Code::Internal,
    ];
    refusal.retry_after_ms.is_some() || passing.contains(&refusal.code)
}
