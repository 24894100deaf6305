//! The side that publishes: as fast as answers allow, or at the times of a schedule.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use tidings_client::{BlockPlaced, BlockReceipt, ClientError, Publisher, PublisherOptions};
use tidings_event::Timestamp;
use tidings_market::{Blocks, Load, LoadBlock, LoadOptions};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

use super::BenchError;
use super::bed::Bed;
use super::check::Sent;
use super::pace::{Schedule, Watch, later, since};

/// Events made at a time by who is not held to a schedule: some 300 a block.
const PORTION: u64 = 16_384;

/// Blocks without an answer: of who is not held to a schedule, and those that may wait to be counted.
const UNANSWERED: usize = 64;
const COUNTED_LATER: usize = 65_536;

/// Longest latency told apart, in microseconds: ten minutes.
const LATENCY_MAX: u64 = 600_000_000;

/// Latencies in microseconds.
#[expect(clippy::expect_used, reason = "bounds 1 and >= 2 and 3 digits are always accepted")]
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("legal bounds")
}

/// What became of one call to publish.
pub(super) struct Published {
    /// From the intended send time to the ack; nothing of who had none.
    pub(super) acks: Histogram<u64>,
    /// When the first was due, and when the last answer was here.
    pub(super) began: Timestamp,
    pub(super) answered: Timestamp,
    /// Share of the asked rate at which events really left, 0 to 1.
    pub(super) kept_up: f64,
}

/// The events of a whole run, and who publishes them.
pub(super) struct Feed {
    publisher: Publisher,
    blocks: Blocks,
    /// All so far.
    pub(super) sent: Sent,
    watch: Arc<Watch>,
    topic_prefix: String,
    partitions: u32,
}

impl Feed {
    /// Opens a publisher for events of this spread.
    pub(super) async fn open(
        bed: &Bed,
        options: LoadOptions,
        watch: Arc<Watch>,
    ) -> Result<Self, ClientError> {
        let publisher = bed.client.publisher(PublisherOptions::sequenced(&bed.name)).await?;
        Ok(Self {
            publisher,
            blocks: Blocks::new(Load::named(options, &bed.name), bed.partitions),
            sent: Sent::new(options),
            watch,
            topic_prefix: bed.topic(""),
            partitions: bed.partitions,
        })
    }

    fn next_blocks(&mut self, events: u64, now: Timestamp) -> Vec<LoadBlock> {
        let sent = &mut self.sent;
        self.blocks.next_events(events, now, |event| sent.add(event))
    }

    async fn send(&self, block: LoadBlock) -> Result<BlockReceipt, ClientError> {
        let LoadBlock { timeframe, partition, body, count } = block;
        let topic = format!("{}{timeframe}", self.topic_prefix);
        self.publisher.send_body_to(&topic, (partition, self.partitions), body, count).await
    }

    /// So many events, as fast as answers come.
    pub(super) async fn as_fast_as_it_goes(
        &mut self,
        events: u64,
    ) -> Result<Published, BenchError> {
        let began = self.watch.now();
        let mut answers = FuturesUnordered::new();
        let (mut left, mut stored) = (events, 0);
        while left > 0 {
            let portion = left.min(PORTION);
            left -= portion;
            let now = self.watch.now();
            for block in self.next_blocks(portion, now) {
                answers.push(self.send(block).await?);
                while answers.len() >= UNANSWERED {
                    stored += stored_by(answers.next().await)?;
                }
            }
        }
        while !answers.is_empty() {
            stored += stored_by(answers.next().await)?;
        }
        all_stored(stored, events)?;
        let answered = self.watch.now();
        Ok(Published { acks: histogram(), began, answered, kept_up: 1.0 })
    }

    /// The events of a schedule, each at its time or, when it cannot be sent then, as soon as it can:
    /// its time stays the intended one.
    pub(super) async fn at_their_times(
        &mut self,
        began: Timestamp,
        schedule: Schedule,
    ) -> Result<Published, BenchError> {
        let (hand_over, handed_over) = channel(COUNTED_LATER);
        let timed_from = later(began, schedule.timed_from());
        let mut counting = JoinSet::new();
        counting.spawn(count(handed_over, Arc::clone(&self.watch), timed_from));
        let mut last_due = Duration::ZERO;
        for (due, events) in schedule.ticks() {
            let intended = later(began, due);
            self.watch.until(intended).await;
            for block in self.next_blocks(events, intended) {
                let receipt = self.send(block).await?;
                if hand_over.send((intended, receipt)).await.is_err() {
                    break;
                }
            }
            last_due = due;
        }
        drop(hand_over);
        let left_in = since(began, self.watch.now());
        let counted = counting.join_next().await.ok_or(BenchError::Task("nobody".to_owned()))?;
        let (stored, acks) = counted.map_err(|error| BenchError::Task(error.to_string()))??;
        all_stored(stored, schedule.events())?;
        let answered = self.watch.now();
        Ok(Published { acks, began, answered, kept_up: kept_up(last_due, left_in) })
    }

    /// Ends the stream.
    pub(super) async fn close(self) -> Result<(), ClientError> {
        self.publisher.close().await
    }
}

/// What part of the rate was kept when all had left after so long and the last was due after `due`. A
/// delay of its last tick alone does not count against a short schedule.
fn kept_up(due: Duration, left_in: Duration) -> f64 {
    let grace = Duration::from_millis(20);
    let over = left_in.saturating_sub(due + grace);
    if due.is_zero() { 1.0 } else { due.as_secs_f64() / (due + over).as_secs_f64() }
}

/// Awaits the answers beside the sender; says how many events were stored, and how long each took.
async fn count(
    mut blocks: Receiver<(Timestamp, BlockReceipt)>,
    watch: Arc<Watch>,
    timed_from: Timestamp,
) -> Result<(u64, Histogram<u64>), BenchError> {
    let mut answers = FuturesUnordered::new();
    let (mut stored, mut acks, mut more) = (0, histogram(), true);
    while more || !answers.is_empty() {
        tokio::select! {
            biased;
            Some((intended, answer)) = answers.next(), if !answers.is_empty() => {
                let events = stored_by(Some(answer))?;
                stored += events;
                if intended >= timed_from {
                    let micros = since(intended, watch.now()).as_micros();
                    acks.saturating_record_n(u64::try_from(micros).unwrap_or(u64::MAX), events);
                }
            }
            block = blocks.recv(), if more => match block {
                Some((intended, receipt)) => {
                    answers.push(async move { (intended, receipt.await) });
                }
                None => more = false,
            },
        }
    }
    Ok((stored, acks))
}

/// Events that an answer says are stored, for the first time.
fn stored_by(answer: Option<Result<BlockPlaced, ClientError>>) -> Result<u64, BenchError> {
    match answer {
        Some(Ok(BlockPlaced::Run { first, count })) if !first.duplicate => Ok(u64::from(count)),
        Some(Ok(other)) => Err(BenchError::Check(format!("a block was answered {other:?}"))),
        Some(Err(error)) => Err(error.into()),
        None => Ok(0),
    }
}

fn all_stored(stored: u64, events: u64) -> Result<(), BenchError> {
    if stored == events {
        return Ok(());
    }
    Err(BenchError::Check(format!("{stored} events were acknowledged of {events}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_falls_behind_has_not_kept_up() {
        let second = Duration::from_secs(1);
        assert!((kept_up(second, second) - 1.0).abs() < 1e-9);
        assert!((kept_up(second, second + Duration::from_millis(20)) - 1.0).abs() < 1e-9);
        assert!((kept_up(second, second * 2 + Duration::from_millis(20)) - 0.5).abs() < 1e-9);
        // A burst has no rate to keep.
        assert!((kept_up(Duration::ZERO, second) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_missing_answer_fails() {
        assert!(all_stored(5, 5).is_ok());
        assert!(all_stored(4, 5).unwrap_err().to_string().contains("4 events"));
        assert_eq!(stored_by(None).unwrap(), 0);
    }
}
