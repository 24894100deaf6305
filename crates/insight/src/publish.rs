//! How events of the service itself are published: what insight needs of the way in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::BodyBuilder;
use tidings_event::{Clock, Code, Refusal, Timestamp};
use tidings_telemetry::{Counter, Recorder, Timer};

/// First and longest pause before one is published again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Source of the service's own events.
pub(crate) const SOURCE: &str = "tidings";

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

/// Something that the service says by an event of its own.
pub(crate) trait Saying {
    /// Whose event.
    fn tenant(&self) -> &str;
    /// Its canonical bytes; the same id whenever it is said again.
    fn event(&self, now: Timestamp) -> Vec<u8>;
    /// Takes note that it is stored.
    fn stored(&self, recorder: &Recorder, now: Timestamp);
    /// What it is about, for people.
    fn subject(&self) -> String;
}

/// Publishes sayings until each is stored or refused for good.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) publish: Arc<dyn Publish>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Sender {
    /// Each of them, and whether it is stored.
    pub(crate) async fn send<S: Saying>(self, mut sayings: Vec<S>) -> Vec<(S, bool)> {
        let mut settled = Vec::with_capacity(sayings.len());
        let mut pause = RETRY.0;
        loop {
            sayings = self.attempt(sayings, &mut settled).await;
            if sayings.is_empty() {
                return settled;
            }
            Timer.after(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Publishes each once; returns those to try again.
    async fn attempt<S: Saying>(&self, sayings: Vec<S>, settled: &mut Vec<(S, bool)>) -> Vec<S> {
        let mut by_tenant: BTreeMap<String, Vec<S>> = BTreeMap::new();
        for saying in sayings {
            by_tenant.entry(saying.tenant().to_owned()).or_default().push(saying);
        }
        let mut again = Vec::new();
        for (tenant, mut left) in by_tenant {
            while !left.is_empty() {
                let mut body = BodyBuilder::default();
                let now = self.clock.wall();
                // Each has less than a tenth of what a body takes.
                let fits = left.iter().take_while(|saying| body.push(&saying.event(now))).count();
                let rest = left.split_off(fits.max(1));
                let outcomes = self.publish.publish(&tenant, body.take().0).await;
                self.sort(std::mem::replace(&mut left, rest), outcomes, settled, &mut again);
            }
        }
        again
    }

    fn sort<S: Saying>(
        &self,
        sayings: Vec<S>,
        outcomes: Result<Vec<Result<(), Refusal>>, Refusal>,
        settled: &mut Vec<(S, bool)>,
        again: &mut Vec<S>,
    ) {
        let whole = outcomes.as_ref().err().cloned();
        let mut outcomes = outcomes.unwrap_or_default().into_iter();
        for saying in sayings {
            let missing = || Err(whole.clone().unwrap_or_else(unanswered));
            match outcomes.next().unwrap_or_else(missing) {
                Ok(()) => {
                    saying.stored(&self.recorder, self.clock.wall());
                    settled.push((saying, true));
                }
                Err(refusal) => {
                    self.recorder.count(Counter::InsightErrors, 1);
                    let subject = saying.subject();
                    if is_passing(&refusal) {
                        tracing::debug!(subject, %refusal, "an event of the service has to wait");
                        again.push(saying);
                    } else {
                        tracing::warn!(subject, %refusal, "an event of the service was refused");
                        settled.push((saying, false));
                    }
                }
            }
        }
    }
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Internal, "the event got no answer")
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
