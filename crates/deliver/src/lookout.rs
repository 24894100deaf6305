//! Looks at every subscription each second: tells when one comes to do better or worse, lays to rest what
//! has nothing to do, and gives up what fails before retention takes it.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Clock, Offset};
use tidings_log::PartitionLog;
use tidings_telemetry::{Counter, Gauge, Recorder, Timer};
use tokio_util::sync::CancellationToken;

use crate::burying::Undertaker;
use crate::health::{Change, Health, Thresholds};
use crate::live::Live;
use crate::registry::Registry;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Most reads of the log in one look at all subscriptions.
const READS_MAX: usize = 256;

/// How long before the end of its retention a failing event is given up; a tenth of short ones.
const RESCUE_MAX: Duration = Duration::from_secs(60);

/// After so many subscriptions others have their turn.
const TURN: usize = 32;

/// See the module.
pub(crate) struct Lookout {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) thresholds: Thresholds,
    /// While more events are in flight, who holds many and settles none gets no more.
    pub(crate) in_flight_max: u64,
    pub(crate) undertaker: Arc<Undertaker>,
}

impl Lookout {
    /// Looks until stopped.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = Timer.after(INTERVAL) => {}
            }
            self.look().await;
        }
    }

    /// Looks at every subscription once.
    pub(crate) async fn look(&self) {
        let mut counts = [0; Health::ALL.len()];
        let (mut reads, mut full) = (READS_MAX, 0);
        let in_flight = self.recorder.gauge(Gauge::DeliverInFlight);
        let are_too_many = u64::try_from(in_flight).unwrap_or(0) > self.in_flight_max;
        for (number, live) in self.registry.all().into_iter().enumerate() {
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            live.lock().rest();
            if live.lock().is_ephemeral {
                continue;
            }
            self.registry.pass(&live);
            let (now, wall) = (self.clock.monotonic(), self.clock.wall());
            let (change, unknown) = {
                let mut state = live.lock();
                let change = state.look(now, wall, &self.thresholds);
                state.withhold_if(are_too_many, now);
                let unknown = if state.is_consumed() { state.unknown_ages() } else { Vec::new() };
                counts[state.health() as usize] += 1;
                full += i64::from(state.is_held_by_letters());
                (change, unknown)
            };
            if let Some(change) = change {
                self.recorder.count(Counter::DeliverHealthChanges, 1);
                tell(&live, change);
            }
            let unknown = unknown.into_iter().take(reads).collect::<Vec<_>>();
            reads -= unknown.len();
            learn_ages(self.log.as_ref(), &live, unknown).await;
            self.rescue(&live).await;
        }
        self.recorder.set(Gauge::SettleFullSubscriptions, full);
        for (health, count) in Health::ALL.into_iter().zip(counts) {
            self.recorder.set(gauge(health), count);
        }
    }

    /// Has what fails dead-lettered a while before its topic lets go of it; what it held back may go.
    async fn rescue(&self, live: &Arc<Live>) {
        let failing = live.lock().failing();
        for (partition, age) in failing {
            let kept = age - (age / 10).min(RESCUE_MAX);
            // Aged as retention does it, whatever the wall clock shows. What cannot be read is told to
            // the consumer.
            if let Ok(end) = self.log.resolve_age(partition, kept).await {
                live.lock().give_up_below(partition, end.0);
            }
        }
        let wants_burial = live.lock().wants_burial();
        if wants_burial {
            self.undertaker.mark(live);
        }
    }
}

/// Reads when blocks were taken in.
pub(crate) async fn learn_ages(
    log: &dyn PartitionLog,
    live: &Live,
    unknown: Vec<(tidings_event::TopicPartition, u64)>,
) {
    for (partition, low) in unknown {
        // What cannot be read is told to the consumer; here it only has no age.
        let Ok(blocks) = log.read(partition, Offset(low), 1).await else { continue };
        if let Some(block) = blocks.first() {
            let header = &block.block.header;
            let range = (header.base_offset.0, block.end_offset().0);
            live.lock().aged(partition, range, header.ingested_at);
        }
    }
}

const fn gauge(health: Health) -> Gauge {
    match health {
        Health::Gone => Gauge::DeliverGone,
        Health::Connected => Gauge::DeliverConnected,
        Health::Idle => Gauge::DeliverIdle,
        Health::Active => Gauge::DeliverActive,
        Health::Lagging => Gauge::DeliverLagging,
        Health::Stalled => Gauge::DeliverStalled,
    }
}

/// One line for a change; those between states that are well are of no interest.
fn tell(live: &Live, Change { from, to }: Change) {
    let state = live.lock();
    let (unsettled, _) = state.lag();
    let (tenant, name) = (&state.subscription.tenant, &state.subscription.spec.name);
    let (from, to_name) = (from, to.as_str());
    if to.is_bad() {
        tracing::warn!(%tenant, subscription = name, %from, lag = unsettled, "subscription {to_name}");
    } else if from.is_bad() || to == Health::Gone || from == Health::Gone {
        tracing::info!(%tenant, subscription = name, %from, lag = unsettled, "subscription {to_name}");
    } else {
        tracing::debug!(%tenant, subscription = name, %from, lag = unsettled, "subscription {to_name}");
    }
}
