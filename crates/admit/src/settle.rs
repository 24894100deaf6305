//! Answers that wait for durability.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Clock, Refusal};
use tidings_telemetry::{Counter, Latency, Recorder};

use crate::batch::{BlockPlaced, Outcome, Rejected};
use crate::cells::Durable;
use crate::refuse;

/// What a settled answer reports to.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) started: Duration,
}

impl Watch {
    fn settled(&self, failed: bool) {
        let took = self.clock.monotonic().saturating_sub(self.started);
        self.recorder.time(Latency::AdmitPublish, took);
        if failed {
            self.recorder.count(Counter::AdmitErrors, 1);
        }
    }
}

/// A batch whose events have their places, durable or not yet.
#[must_use = "events are acknowledged only once they are settled"]
pub struct Submitted {
    pub(crate) outcomes: Vec<Outcome>,
    /// For each outcome, the place in `appends` of what makes it durable.
    pub(crate) waits: Vec<Option<u32>>,
    pub(crate) appends: Vec<Durable>,
    pub(crate) watch: Watch,
}

impl Submitted {
    /// Waits for durability; one outcome per event, in input order.
    pub async fn settled(mut self) -> Vec<Outcome> {
        let mut failed = vec![false; self.appends.len()];
        for (append, failed) in self.appends.iter().zip(&mut failed) {
            *failed = append.clone().await.is_err();
        }
        let any = failed.contains(&true);
        if any {
            for (outcome, wait) in self.outcomes.iter_mut().zip(&self.waits) {
                let lost = wait.is_some_and(|at| failed.get(at as usize) == Some(&true));
                if lost && let Ok(placed) = outcome {
                    let id = Some(placed.id);
                    *outcome = Err(Rejected { id, refusal: refuse::unknown_outcome() });
                }
            }
        }
        self.watch.settled(any);
        self.outcomes
    }
}

/// A producer's block that has its place, durable or not yet.
#[must_use = "a block is acknowledged only once it is settled"]
pub struct SubmittedBlock {
    pub(crate) placed: BlockPlaced,
    pub(crate) append: Option<Durable>,
    pub(crate) watch: Watch,
}

impl SubmittedBlock {
    /// Waits for durability.
    ///
    /// # Errors
    /// `UNKNOWN_OUTCOME` when the log failed first.
    pub async fn settled(self) -> Result<BlockPlaced, Refusal> {
        let failed = match self.append {
            Some(append) => append.await.is_err(),
            None => false,
        };
        self.watch.settled(failed);
        if failed { Err(refuse::unknown_outcome()) } else { Ok(self.placed) }
    }
}
