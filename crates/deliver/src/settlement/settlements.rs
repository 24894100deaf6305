//! The topic `_tidings/settlements`: appends what was settled, and says when it is durable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{InternalTopic, Subscription};
use tidings_event::{Clock, Code, Epoch, PartitionId, Refusal};
use tidings_log::{AppendError, PartitionLog};
use tidings_telemetry::{Counter, Recorder, Timer};

use super::{Outcome, Settled, coalesce, message};
use crate::internal_writer::InternalWriter;

/// Most settlements that wait for room on a full disk.
const PARKED_MAX: usize = 10_000;

/// What was settled of one subscription.
#[derive(Clone, Debug)]
pub(crate) struct SettledOf {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) epoch: Epoch,
    pub(crate) runs: Vec<Settled>,
}

/// A message, and the partition that it is about.
type Item = (PartitionId, Bytes);

/// See the module.
pub(crate) struct Settlements {
    writer: InternalWriter,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    /// What a full disk kept from being written: acks go on, and this is written when there is room.
    parked: Mutex<Vec<Item>>,
}

impl Settlements {
    pub(crate) fn new(
        log: Arc<dyn PartitionLog>,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let writer = InternalWriter::new(log, InternalTopic::SETTLEMENTS);
        Self { writer, clock, recorder, parked: Mutex::default() }
    }

    /// Writes down what was settled; resolves when it is durable, or waits for room on a full disk.
    pub(crate) async fn record(&self, settled: Vec<SettledOf>) -> Result<(), Refusal> {
        let items = self.encode(settled);
        let mut all =
            std::mem::take(&mut *self.parked.lock().unwrap_or_else(PoisonError::into_inner));
        all.extend(items);
        if all.is_empty() {
            return Ok(());
        }
        loop {
            match self.writer.append(&all) {
                Ok(written) => {
                    written.pending.await.map_err(|_| {
                        let detail = "whether the settlements were stored is not known";
                        Refusal::new(Code::UnknownOutcome, detail)
                    })?;
                    self.recorder.count(Counter::SettleRecordBytes, written.bytes);
                    return Ok(());
                }
                Err(AppendError::Full { retry_after }) => {
                    Timer.after(retry_after.max(Duration::from_millis(1))).await;
                }
                Err(AppendError::StorageFull) => {
                    self.park(all);
                    return Ok(());
                }
                Err(error) => {
                    let detail = format!("settlements cannot be stored: {error}");
                    tracing::error!(%error, "settlements cannot be stored");
                    return Err(Refusal::new(Code::LogReadOnly, detail));
                }
            }
        }
    }

    fn encode(&self, settled: Vec<SettledOf>) -> Vec<Item> {
        let now = self.clock.wall();
        let (mut items, mut encoder) = (Vec::new(), message::Encoder::default());
        for SettledOf { subscription, epoch, runs } in settled {
            for run in coalesce::coalesce(runs) {
                self.recorder.count(counter(run.outcome), run.count);
                let about = run.partition.partition;
                encoder.encode(&subscription, epoch, &run, now, |message| {
                    items.push((about, message));
                });
            }
        }
        items
    }

    fn park(&self, mut items: Vec<Item>) {
        let over = items.len().saturating_sub(PARKED_MAX);
        if over > 0 {
            items.drain(..over);
            self.recorder.count(Counter::SettleRecordsLost, over as u64);
            tracing::error!(lost = over, "the disk is full: settlements are lost, events are not");
        }
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        items.append(&mut parked);
        *parked = items;
    }
}

fn counter(outcome: Outcome) -> Counter {
    match outcome {
        Outcome::Delivered => Counter::SettleDelivered,
        Outcome::Expired => Counter::SettleExpired,
        Outcome::Conflated => Counter::SettleConflated,
        Outcome::DeadLettered(_) => Counter::SettleDeadLettered,
        Outcome::Discarded(_) => Counter::SettleDiscarded,
        Outcome::Skipped(_) => Counter::SettleSkipped,
    }
}

#[cfg(test)]
mod tests;
