//! The load that goes on through everything: a producer that keeps its order and sends at fixed times.
//! What it must send later it sends as soon as it can; how long that took counts from when it was meant.

use std::sync::Arc;
use std::time::Duration;

use tidings_client::{Client, ClientError, PublisherOptions, Receipt};
use tidings_event::{Clock, SystemClock, Timestamp};
use tidings_market::{Load, LoadOptions};
use tidings_telemetry::Timer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::latencies::Latencies;
use super::ledger::Ledger;
use crate::failure::TortureError;

const TICK: Duration = Duration::from_millis(2);
/// Receipts on their way to who waits for them.
const RECEIPTS: usize = 1 << 16;
/// Its number in the ledger, and the timeframe of its events.
pub(super) const BASE: (usize, &str) = (1, "5m");

/// See the module.
pub(super) struct Base {
    over: watch::Sender<bool>,
    tasks: JoinSet<Result<(), ClientError>>,
}

/// What it sends, and whom it tells.
pub(super) struct Sending {
    pub(super) seed: u64,
    pub(super) instruments: usize,
    /// Events a second.
    pub(super) rate: u64,
    pub(super) ledger: Arc<Ledger>,
    pub(super) latencies: Arc<Latencies>,
    /// Whether somebody reads the events of an instrument at once.
    pub(super) is_read: fn(usize) -> bool,
}

impl Base {
    /// Begins to send.
    pub(super) async fn begin(url: &str, sending: Sending) -> Result<Self, TortureError> {
        let client = Client::connect(url).await?;
        let (over, is_over) = watch::channel(false);
        let (receipts, received) = mpsc::channel(RECEIPTS);
        let mut tasks = JoinSet::new();
        tasks.spawn(settle(received, Arc::clone(&sending.ledger)));
        tasks.spawn(send(client, sending, receipts, is_over));
        Ok(Self { over, tasks })
    }

    /// Sends no more, and waits until all of it has its outcome.
    pub(super) async fn end(mut self) -> Result<(), TortureError> {
        self.over.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(std::io::Error::other)??;
        }
        Ok(())
    }
}

type Sent = (usize, u32, Receipt);

async fn send(
    client: Client,
    sending: Sending,
    receipts: mpsc::Sender<Sent>,
    is_over: watch::Receiver<bool>,
) -> Result<(), ClientError> {
    let Sending { seed, instruments, rate, latencies, is_read, .. } = sending;
    let publisher = client.publisher(PublisherOptions::sequenced("base")).await?;
    let mut load = Load::within(LoadOptions { seed, instruments, timeframes: 1 }, BASE.1);
    let clock = SystemClock::new();
    let (began, wall, mut sent) = (clock.monotonic(), clock.wall(), 0);
    while !*is_over.borrow() {
        let passed = clock.monotonic().saturating_sub(began);
        let due = (passed.as_secs_f64() * rate as f64) as u64;
        while sent < due && !*is_over.borrow() {
            let meant = Timestamp(wall.0 + sent * 1_000_000_000 / rate.max(1));
            let event = load.next_event(meant);
            let (instrument, number) = (event.instrument, event.count);
            if is_read(instrument) {
                latencies.sent(meant);
            }
            let receipt = publisher.send(event.bytes).await?;
            // Who takes them ends after this.
            let _taken = receipts.send((instrument, number, receipt)).await;
            sent += 1;
        }
        Timer.after(TICK).await;
    }
    publisher.close().await
}

async fn settle(mut sent: mpsc::Receiver<Sent>, ledger: Arc<Ledger>) -> Result<(), ClientError> {
    while let Some((instrument, number, receipt)) = sent.recv().await {
        let placed = receipt.await?;
        match placed.offset {
            Some(offset) => ledger.acked((BASE.0, instrument), number, offset),
            None => ledger.broken(|| "an ack without an offset".to_owned()),
        }
    }
    Ok(())
}
