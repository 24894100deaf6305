//! What outlives the service: random numbers, the history, time, and what was counted.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_checker::history::{Delivery, Fault, Mark, Name, Phase, Placed};
use tidings_checker::{History, Op, Record};
use tidings_telemetry::Timer;
use tokio::time::Instant;

use crate::clock::SimClock;

/// 2026-01-05 14:30 UTC: a Monday on which markets are open.
const BEGIN: u64 = 1_767_623_400_000_000_000;

struct Inner {
    random: StdRng,
    records: Vec<Record>,
    counts: BTreeMap<&'static str, u64>,
    /// Time that passed in lives that ended.
    passed: Duration,
    life: Option<Instant>,
}

/// See the module. Everybody in a simulation has it.
pub(crate) struct World {
    inner: Mutex<Inner>,
    wall: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner {
            random: StdRng::seed_from_u64(seed),
            records: Vec::new(),
            counts: BTreeMap::new(),
            passed: Duration::ZERO,
            life: None,
        };
        Arc::new(Self { inner: Mutex::new(inner), wall: Arc::new(AtomicU64::new(BEGIN)) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws something.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.inner().random)
    }

    /// A number of a range.
    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        self.draw(|random| random.random_range(range))
    }

    /// True one time in so many.
    pub(crate) fn one_in(&self, times: u64) -> bool {
        self.number(0..times) == 0
    }

    /// Waits some microseconds of a range.
    pub(crate) async fn pause(&self, micros: Range<u64>) {
        Timer.after(Duration::from_micros(self.number(micros))).await;
    }

    /// The clock of a life that begins now.
    pub(crate) fn begin_life(&self) -> Arc<SimClock> {
        let mut inner = self.inner();
        inner.life = Some(Instant::now());
        Arc::new(SimClock::new(Arc::clone(&self.wall), inner.passed))
    }

    /// The time since the life began counts as passed. To be called within it.
    pub(crate) fn end_life(&self) {
        let mut inner = self.inner();
        let life = inner.life.take().map_or(Duration::ZERO, |life| life.elapsed());
        inner.passed += life;
    }

    /// Moves the wall clock.
    pub(crate) fn jump(&self, by: i64) {
        let moved = self.wall.load(Ordering::Relaxed).saturating_add_signed(by);
        self.wall.store(moved, Ordering::Relaxed);
    }

    /// Writes down what somebody saw.
    pub(crate) fn record(&self, process: &str, op: Op) {
        let mut inner = self.inner();
        let now = inner.passed + inner.life.map_or(Duration::ZERO, |life| life.elapsed());
        let at = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        inner.records.push(Record { at, process: process.into(), op });
    }

    /// Sets a mark, of one subscription or of all.
    pub(crate) fn mark(&self, what: &str, subscription: Option<&str>) {
        let subscription = subscription.map(Into::into);
        self.record("world", Op::Mark(Mark { what: what.into(), subscription }));
    }

    /// Says what became of a fault.
    pub(crate) fn fault(&self, what: &str, phase: Phase, silences: &[&str]) {
        let silences = silences.iter().map(|&topic| topic.into()).collect();
        self.record("world", Op::Fault(Fault { what: what.into(), phase, silences }));
    }

    pub(crate) fn count(&self, what: &'static str, by: u64) {
        *self.inner().counts.entry(what).or_default() += by;
    }

    /// Every event that is known to have lain somewhere: id, key, topic, partition, offset.
    pub(crate) fn placed(&self) -> Vec<(Name, Name, Name, u32, u64)> {
        let inner = self.inner();
        let mut keys: BTreeMap<&str, &Name> = BTreeMap::new();
        let mut placed = BTreeMap::new();
        for record in &inner.records {
            match &record.op {
                Op::Invoke(invoke) => {
                    keys.insert(&invoke.event, &invoke.key);
                }
                Op::Ok(Placed { event, topic, partition, offset: Some(offset), .. })
                | Op::Delivery(Delivery { event, topic, partition, offset, .. }) => {
                    placed.insert((topic, *partition, *offset), event);
                }
                _ => {}
            }
        }
        let known = placed.into_iter().filter_map(|((topic, partition, offset), event)| {
            let key = *keys.get(event.as_str())?;
            Some((event.clone(), key.clone(), topic.clone(), partition, offset))
        });
        known.collect()
    }

    /// What everybody saw, and what was counted.
    pub(crate) fn end(&self) -> (History, BTreeMap<&'static str, u64>) {
        let mut inner = self.inner();
        let records = std::mem::take(&mut inner.records);
        (History { records }, std::mem::take(&mut inner.counts))
    }
}
