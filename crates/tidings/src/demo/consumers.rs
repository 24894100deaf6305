//! The consumers: each counts what it gets, checks its order, acknowledges, and ends when it has
//! everything.

mod pull;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_client::{Client, ClientError, Consumer, ConsumerEvent, ConsumerOptions, Delivered};
use tidings_event::{Code, Timestamp, scan, v1::Kind};

use super::board::{Board, Phase, Tally, locked};
use super::order::{OrderCheck, Seen, Sighting};
use super::plan::{ConsumerPlan, Manner};
use super::{DemoError, pause};

/// The slow one takes this many events, then rests.
const SLOW_EVENTS: u64 = 256;
const SLOW_REST: Duration = Duration::from_millis(25);

/// How long the restarting one is away.
const AWAY: Duration = Duration::from_millis(500);

/// Between attempts to attach while the service still holds the old session.
const BUSY_REST: Duration = Duration::from_millis(100);
const BUSY_ATTEMPTS: u32 = 100;

/// Runs one consumer until it has everything that was published for it.
pub(super) async fn run(
    client: Client,
    board: Arc<Board>,
    plan: ConsumerPlan,
    place: usize,
) -> Result<(), DemoError> {
    let seat = Seat { board, place, order: OrderCheck::default(), produced: Vec::new() };
    if plan.manner == Manner::Pull {
        return pull::run(&client, seat, &plan).await;
    }
    stream(&client, seat, &plan).await
}

async fn stream(client: &Client, mut seat: Seat, plan: &ConsumerPlan) -> Result<(), DemoError> {
    let mut phase = seat.board.phase();
    let mut consumer = attach(client, plan).await?;
    let mut restart = plan.manner == Manner::Restarting;
    let mut since_rest = 0;
    while !seat.finished() {
        let event = tokio::select! {
            event = consumer.next() => event,
            changed = phase.changed() => match changed {
                Ok(()) => continue,
                Err(_) => None,
            },
        };
        let Some(event) = event else { break };
        let delivered = match event? {
            ConsumerEvent::Events(delivered) => delivered,
            ConsumerEvent::Gap(gap) => {
                seat.order.gap(&gap.topic, gap.run.partition.0, gap.run.last.0);
                continue;
            }
            ConsumerEvent::Confirmed(_)
            | ConsumerEvent::Extended(_)
            | ConsumerEvent::Reconnected => continue,
        };
        seat.take(&delivered)?;
        if restart && *phase.borrow() >= Phase::Half {
            // Without acknowledging what just came: it must come again, flagged.
            restart = false;
            drop(consumer);
            pause(AWAY).await;
            consumer = attach(client, plan).await?;
            seat.tally().restarts.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        consumer.ack_up_to(delivered.last_position()).await?;
        since_rest += u64::from(delivered.count);
        if plan.manner == Manner::Slow && since_rest >= SLOW_EVENTS {
            since_rest = 0;
            seat.board.lag(seat.tally());
            if *phase.borrow() < Phase::Done {
                pause(SLOW_REST).await;
            }
        }
    }
    Ok(())
}

async fn attach(client: &Client, plan: &ConsumerPlan) -> Result<Consumer, ClientError> {
    let mut options = ConsumerOptions::new(&plan.name, plan.title);
    if plan.manner == Manner::Slow {
        options.credit_events = SLOW_EVENTS * 8;
    }
    let mut attempts = 0;
    loop {
        match client.consumer(options.clone()).await {
            Err(error) if error.is(Code::SubscriptionBusy) && attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                pause(BUSY_REST).await;
            }
            outcome => return outcome,
        }
    }
}

/// One consumer's place at the board.
struct Seat {
    board: Arc<Board>,
    place: usize,
    order: OrderCheck,
    produced: Vec<Timestamp>,
}

impl Seat {
    fn tally(&self) -> &Tally {
        &self.board.consumers[self.place]
    }

    /// Whether publishing has ended and everything is here.
    fn finished(&self) -> bool {
        let done = *self.board.phase().borrow() == Phase::Done;
        let received = || self.tally().received.load(Ordering::Relaxed);
        done && received() >= self.board.expected(self.tally())
    }

    /// Counts and checks the events of a delivery.
    fn take(&mut self, delivered: &Delivered) -> Result<(), DemoError> {
        let now = self.board.clock.wall();
        for event in delivered.events() {
            let event = event?;
            let envelope = scan(event.event).map_err(ClientError::from)?;
            let seen = Seen {
                partition: delivered.partition.0,
                offset: event.offset.0,
                key: envelope.key_hash(),
                key_seq: envelope.key_seq,
                redelivered: event.redelivered || event.attempt > 1,
            };
            self.see(&delivered.topic, seen, envelope.produced_at);
            let keep = self.place == 0 && self.board.keep_rows.load(Ordering::Relaxed);
            if keep && envelope.kind == Kind::Indicators {
                let names = [envelope.instrument, envelope.timeframe, envelope.venue];
                let [instrument, timeframe, venue] = names.map(str::to_owned);
                let mut rows = locked(&self.board.last_rows);
                rows.insert((instrument, timeframe, venue), event.event.to_vec());
            }
        }
        self.tell(now);
        Ok(())
    }

    fn see(&mut self, topic: &Arc<str>, seen: Seen, produced: Timestamp) {
        let sighting = self.order.see(topic, seen);
        let tally = &self.board.consumers[self.place];
        if sighting == Sighting::Violation {
            tally.violations.fetch_add(1, Ordering::Relaxed);
        }
        if sighting == Sighting::Repeat {
            tally.repeats.fetch_add(1, Ordering::Relaxed);
        } else {
            self.produced.push(produced);
        }
    }

    /// Adds what was new since the last call to the tally.
    fn tell(&mut self, now: Timestamp) {
        let tally = &self.board.consumers[self.place];
        tally.time(&self.produced, now);
        tally.received.fetch_add(self.produced.len() as u64, Ordering::Relaxed);
        self.produced.clear();
    }
}
