//! What producer and consumers have counted so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_event::{Clock, Timestamp};
use tidings_match::TopicPattern;
use tokio::sync::watch;

use super::plan::{ConsumerPlan, Plan};
use super::table;

/// Longest latency told apart, in microseconds: ten minutes.
const LATENCY_MAX: u64 = 600_000_000;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// Half of the events are out: time to restart.
    Half,
    /// Every event has its outcome.
    Done,
}

/// Shared by all tasks of a run.
pub(super) struct Board {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) consumers: Vec<Tally>,
    /// Acknowledged events by topic.
    published: Mutex<BTreeMap<Arc<str>, u64>>,
    /// Last indicator event of each series as the first consumer got it: (instrument, timeframe,
    /// venue) to canonical bytes. Files only.
    pub(super) last_rows: Mutex<BTreeMap<(String, String, String), Vec<u8>>>,
    pub(super) keep_rows: AtomicBool,
    pub(super) refused: AtomicU64,
    phase: watch::Sender<Phase>,
}

/// What one consumer counted.
pub(super) struct Tally {
    pub(super) plan: ConsumerPlan,
    patterns: Vec<TopicPattern>,
    /// Distinct events.
    pub(super) received: AtomicU64,
    pub(super) repeats: AtomicU64,
    pub(super) violations: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) lag_max: AtomicU64,
    latency: Mutex<Histogram<u64>>,
}

impl Board {
    pub(super) fn new(plan: &Plan, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            consumers: plan.consumers.iter().cloned().map(Tally::new).collect(),
            published: Mutex::default(),
            last_rows: Mutex::default(),
            keep_rows: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            phase: watch::Sender::new(Phase::Running),
        })
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn count_published(&self, topic: &Arc<str>) {
        let mut published = locked(&self.published);
        match published.get_mut(topic) {
            Some(count) => *count += 1,
            None => {
                published.insert(Arc::clone(topic), 1);
            }
        }
    }

    pub(super) fn published(&self) -> u64 {
        locked(&self.published).values().sum()
    }

    /// Events a consumer should have by now.
    pub(super) fn expected(&self, tally: &Tally) -> u64 {
        let published = locked(&self.published);
        let mine = published.iter().filter(|(t, _)| tally.patterns.iter().any(|p| p.matches(t)));
        mine.map(|(_, count)| count).sum()
    }

    /// How many events a consumer is behind; remembers the most.
    pub(super) fn lag(&self, tally: &Tally) -> u64 {
        let received = tally.received.load(Ordering::Relaxed);
        let lag = self.expected(tally).saturating_sub(received);
        tally.lag_max.fetch_max(lag, Ordering::Relaxed);
        lag
    }

    /// Resolves when nothing has been received for as long as this.
    pub(super) async fn stalled(&self, limit: Duration) {
        let total =
            || self.consumers.iter().map(|t| t.received.load(Ordering::Relaxed)).sum::<u64>();
        let mut before = total();
        loop {
            super::pause(limit).await;
            let now = total();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Tally {
    fn new(plan: ConsumerPlan) -> Self {
        let patterns = plan.topics.iter().filter_map(|t| TopicPattern::parse(t).ok()).collect();
        Self {
            plan,
            patterns,
            received: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            lag_max: AtomicU64::new(0),
            latency: Mutex::new(table::histogram(LATENCY_MAX)),
        }
    }

    /// Adds latencies, taken from when the events were produced.
    pub(super) fn time(&self, produced: &[Timestamp], now: Timestamp) {
        let mut latency = locked(&self.latency);
        for at in produced {
            latency.saturating_record(now.0.saturating_sub(at.0) / 1_000);
        }
    }

    /// A quantile of the latency.
    pub(super) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(locked(&self.latency).value_at_quantile(quantile))
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
