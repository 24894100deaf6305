//! The side that consumes: takes all events of a round, checks and times each.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions};
use tidings_event::Timestamp;
use tidings_telemetry::Timer;

use super::BenchError;
use super::check::Got;
use super::pace::{Watch, since};
use super::publish::histogram;

/// Longest time without any event before what is missing counts as lost.
const STALLED: Duration = Duration::from_secs(20);

/// What one consumer got.
pub(super) struct Taken {
    pub(super) got: Got,
    /// From the intended send time to receipt, of those due at or after `timed_from`.
    pub(super) latency: Histogram<u64>,
    /// When the last of them came.
    pub(super) last: Timestamp,
}

/// Attaches. A broken connection ends it: what would come again then is no fault of anybody's.
pub(super) async fn attach(client: &Client, subscription: &str) -> Result<Consumer, BenchError> {
    let options = ConsumerOptions::new(subscription, "tidings-bench");
    Ok(client.consumer(ConsumerOptions { reconnect: false, ..options }).await?)
}

/// Takes everything that is due, or as much as comes.
pub(super) async fn take(
    mut consumer: Consumer,
    mut got: Got,
    (watch, timed_from): (Arc<Watch>, Timestamp),
) -> Result<Taken, BenchError> {
    let mut latency = histogram();
    let mut last = watch.now();
    while !got.is_complete() {
        let next = match Timer.limit(STALLED, consumer.next()).await {
            Ok(Some(next)) => next?,
            // The verdict tells what has not come.
            Ok(None) | Err(_) => break,
        };
        let delivered = match next {
            ConsumerEvent::Events(delivered) => delivered,
            ConsumerEvent::Gap(gap) => {
                got.gap(gap.count);
                continue;
            }
            ConsumerEvent::Confirmed(_)
            | ConsumerEvent::Extended(_)
            | ConsumerEvent::Reconnected => continue,
        };
        let now = watch.now();
        for event in delivered.events() {
            let produced_at = got.take(event?.event);
            if let Some(intended) = produced_at.filter(|at| *at >= timed_from) {
                let micros = since(intended, now).as_micros();
                latency.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
            }
        }
        last = now;
        consumer.ack_up_to(delivered.last_position()).await?;
    }
    consumer.close().await;
    Ok(Taken { got, latency, last })
}
