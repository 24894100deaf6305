//! Calls that publish a hundred events each, on many connections: as fast as they are answered, or at a
//! rate that does not wait for answers. What is refused is not sent again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_client::v1::{PublishRequest, PublishResult};
use tidings_client::{Client, ClientError, Problem};
use tidings_event::{Clock, Code, SystemClock};
use tidings_market::{Load, LoadOptions};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use super::ledger::Ledger;
use crate::failure::TortureError;

/// Events of a call.
const CALL: usize = 100;
const CONNECTIONS: usize = 8;
/// Calls without an answer on a connection; the service allows 256.
const UNANSWERED: usize = 200;
/// Callers of a connection that wait for their answers.
const CALLERS: usize = 4;
const TICK: Duration = Duration::from_millis(2);
/// Its number in the ledger, and the timeframe of its events.
pub(super) const FLOOD: (usize, &str) = (0, "1m");

/// See the module.
pub(super) struct Flood {
    clients: Vec<Client>,
    calls: Calls,
}

/// Makes calls; cheap to clone.
#[derive(Clone)]
struct Calls {
    load: Arc<Mutex<Load>>,
    ledger: Arc<Ledger>,
    told: Arc<Mutex<Told>>,
}

/// What became of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Meant to be sent.
    pub(super) offered: u64,
    pub(super) acked: u64,
    /// With when to try again.
    pub(super) refused: u64,
    /// Not sent: too many calls had no answer.
    pub(super) held_back: u64,
    /// Perhaps stored.
    pub(super) unknown: u64,
    /// Refusals that are not to be, by their codes.
    pub(super) odd: BTreeMap<String, u64>,
}

impl Told {
    /// With what became of others.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.offered += other.offered;
        self.acked += other.acked;
        self.refused += other.refused;
        self.held_back += other.held_back;
        self.unknown += other.unknown;
        for (code, count) in other.odd {
            *self.odd.entry(code).or_default() += count;
        }
        self
    }
}

impl Flood {
    pub(super) async fn connect(
        url: &str,
        seed: u64,
        instruments: usize,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, TortureError> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(url).await?);
        }
        let load = Load::within(LoadOptions { seed, instruments, timeframes: 1 }, FLOOD.1);
        let (load, told) = (Arc::new(Mutex::new(load)), Arc::default());
        Ok(Self { clients, calls: Calls { load, ledger: Arc::clone(ledger), told } })
    }

    /// Publishes as fast as is answered.
    pub(super) async fn as_answered(&self, time: Duration) -> Told {
        let (clock, mut callers) = (SystemClock::new(), JoinSet::new());
        let end = clock.monotonic() + time;
        let clock = Arc::new(clock);
        for client in self.clients.iter().flat_map(|client| vec![client; CALLERS]) {
            let (client, calls, clock) = (client.clone(), self.calls.clone(), Arc::clone(&clock));
            callers.spawn(async move {
                while clock.monotonic() < end {
                    calls.meant(CALL as u64);
                    calls.call(&client).await;
                }
            });
        }
        callers.join_all().await;
        self.calls.take_told()
    }

    /// Publishes so many events a second, whatever is answered.
    pub(super) async fn at(&self, rate: u64, time: Duration) -> Told {
        let mut connections = JoinSet::new();
        for client in self.clients.clone() {
            let calls = self.calls.clone();
            let each = rate as f64 / (CONNECTIONS * CALL) as f64;
            connections.spawn(async move { calls.open_loop(&client, each, time).await });
        }
        connections.join_all().await;
        self.calls.take_told()
    }
}

impl Calls {
    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn meant(&self, events: u64) {
        self.tell(|told| told.offered += events);
    }

    fn take_told(&self) -> Told {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// So many calls a second.
    async fn open_loop(&self, client: &Client, rate: f64, time: Duration) {
        let (clock, mut under_way, mut meant) = (SystemClock::new(), JoinSet::new(), 0);
        let began = clock.monotonic();
        loop {
            let passed = clock.monotonic().saturating_sub(began);
            if passed >= time {
                break;
            }
            let due = (passed.as_secs_f64() * rate) as u64;
            while under_way.try_join_next().is_some() {}
            let room = (UNANSWERED - under_way.len()) as u64;
            let (more, sent) = (due - meant, room.min(due - meant));
            for _ in 0..sent {
                let (calls, client) = (self.clone(), client.clone());
                under_way.spawn(async move { calls.call(&client).await });
            }
            self.tell(|told| {
                told.offered += more * CALL as u64;
                told.held_back += (more - sent) * CALL as u64;
            });
            meant = due;
            Timer.after(TICK).await;
        }
        under_way.join_all().await;
    }

    /// The events of the next call, each with its instrument and number.
    fn next(&self) -> (Vec<Bytes>, Vec<(usize, u32)>) {
        let (mut whole, mut ends, mut names) = (BytesMut::new(), Vec::new(), Vec::new());
        let now = SystemClock::new().wall();
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..CALL {
            let event = load.next_event(now);
            whole.extend_from_slice(event.bytes);
            ends.push(whole.len());
            names.push((event.instrument, event.count));
        }
        drop(load);
        let (whole, mut from) = (whole.freeze(), 0);
        let events = ends.into_iter().map(|end| {
            let event = whole.slice(from..end);
            from = end;
            event
        });
        (events.collect(), names)
    }

    async fn call(&self, client: &Client) {
        let (events, names) = self.next();
        let request = PublishRequest { events, ..PublishRequest::default() };
        match client.publish(request).await {
            Ok(results) => {
                names.iter().zip(results).for_each(|(&name, result)| self.one(name, result));
            }
            Err(ClientError::Refused(problem)) => {
                names.iter().for_each(|&name| self.refused(name, &problem));
            }
            Err(_) => names.iter().for_each(|&name| self.unknown(name)),
        }
    }

    fn one(&self, (instrument, number): (usize, u32), result: PublishResult) {
        match (result.error, result.offset) {
            (Some(problem), _) => self.refused((instrument, number), &problem.into()),
            (None, Some(offset)) => {
                self.ledger.acked((FLOOD.0, instrument), number, offset);
                self.tell(|told| told.acked += 1);
            }
            (None, None) => self.ledger.broken(|| "an ack without an offset".to_owned()),
        }
    }

    fn refused(&self, name: (usize, u32), problem: &Problem) {
        if problem.is(Code::UnknownOutcome) {
            return self.unknown(name);
        }
        let is_told = problem.is(Code::ResourceExhausted) && problem.retry_after_ms.is_some();
        self.tell(|told| match is_told {
            true => told.refused += 1,
            false => *told.odd.entry(problem.code.clone()).or_default() += 1,
        });
    }

    fn unknown(&self, (instrument, number): (usize, u32)) {
        self.ledger.unknown((FLOOD.0, instrument), number);
        self.tell(|told| told.unknown += 1);
    }
}
