//! What a subscription would have matched: its filter run over the log of a time range.
//!
//! Partitions are read side by side in order of ingest time, so that a part of the answer that had
//! to end covers a range of its own: parts are added up, and the next one begins where the last one
//! ended. Pure matching over reads; nothing of it touches a subscription.

mod merge;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_catalog::{Filter, Snapshot, TopicPattern};
use tidings_event::hop::Committed;
use tidings_event::{Clock, Code, PartitionId, Refusal, Timestamp, TopicId, TopicPartition};
use tidings_log::PartitionLog;

use merge::Merge;
use tally::Tally;

pub use tally::{Compared, MatchedEvent, Peak, TopicCount, Volume};

/// Most partitions that are read side by side.
pub const BACKTEST_PARTITIONS_MAX: usize = 4_096;

/// Most samples of an answer.
pub const BACKTEST_SAMPLES_MAX: usize = 100;

/// What an answer may take before it ends at the next whole second; twice as much, and it ends
/// anywhere.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: u64,
    time: Duration,
}

const BOUNDS: Bounds = Bounds { bytes: 64 << 20, time: Duration::from_secs(2) };

const SECOND: u64 = 1_000_000_000;

/// What a subscription selects, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Which topics.
    pub topics: Vec<TopicPattern>,
    /// Which of their events; absent: all.
    pub filter: Option<Filter>,
}

/// What to find out.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// What is tried.
    pub selection: Selector,
    /// What it is compared with.
    pub in_force: Option<Selector>,
    /// Events taken in at or after this.
    pub from: Timestamp,
    /// Events taken in before this.
    pub to: Timestamp,
    /// How many matching events to show.
    pub samples: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct BacktestReport {
    /// Everything that was looked at.
    pub looked: Volume,
    /// What matched.
    pub matched: Volume,
    /// The second with most matches.
    pub peak: Option<Peak>,
    /// The first matching event, in order of ingest time.
    pub first: Option<MatchedEvent>,
    /// The last one.
    pub last: Option<MatchedEvent>,
    /// By topic, those without events left out.
    pub topics: BTreeMap<TopicId, TopicCount>,
    /// How it compares with what is in force.
    pub compared: Option<Compared>,
    /// Events in damaged ranges: nobody can tell whether they match.
    pub unreadable: u64,
    /// The first matching events.
    pub samples: Vec<MatchedEvent>,
    /// From where to go on: everything before it is in this answer. Absent at the end.
    pub next: Option<Timestamp>,
}

/// Runs a selection over what the log keeps of a time range.
///
/// # Errors
/// `FIELD_INVALID` for a range that ends before it begins, for too many samples or partitions; what
/// the log cannot read but for damaged ranges, which are counted.
pub async fn backtest(
    log: &dyn PartitionLog,
    snapshot: &Snapshot,
    clock: &dyn Clock,
    tenant: &str,
    asked: &Backtest,
) -> Result<BacktestReport, Refusal> {
    check(asked)?;
    let places = places(snapshot, tenant, asked)?;
    run(log, snapshot, clock, places, asked, BOUNDS).await
}

async fn run(
    log: &dyn PartitionLog,
    snapshot: &Snapshot,
    clock: &dyn Clock,
    places: Vec<TopicPartition>,
    asked: &Backtest,
    bounds: Bounds,
) -> Result<BacktestReport, Refusal> {
    let began = clock.monotonic();
    let mut tally = Tally::new(asked, snapshot);
    let mut merge = Merge::open(log, places, asked.from, asked.to).await?;
    let mut reached = asked.from;
    while let Some(at) = merge.next_at() {
        let spent = clock.monotonic().saturating_sub(began);
        if let Some(next) = bounds.end((tally.looked_bytes(), spent), reached, at) {
            return Ok(tally.report(merge.unreadable(), Some(next)));
        }
        reached = at;
        if let Some((block, first)) = merge.next().await? {
            tally.look(&block, first)?;
        }
    }
    Ok(tally.report(merge.unreadable(), None))
}

impl Bounds {
    /// Where the answer ends before a block of time `at`, if it has to: it has reached `reached`.
    fn end(
        self,
        (bytes, time): (u64, Duration),
        reached: Timestamp,
        at: Timestamp,
    ) -> Option<Timestamp> {
        if bytes < self.bytes && time < self.time {
            return None;
        }
        let second = at.0 - at.0 % SECOND;
        if second > reached.0 {
            return Some(Timestamp(second));
        }
        let is_over = bytes >= self.bytes * 2 || time >= self.time * 2;
        (is_over && at > reached).then_some(at)
    }
}

fn check(asked: &Backtest) -> Result<(), Refusal> {
    let invalid =
        |field: &str, detail: String| Err(Refusal::new(Code::FieldInvalid, detail).at_field(field));
    if asked.to < asked.from {
        return invalid("to", format!("{} is before {}", asked.to, asked.from));
    }
    if asked.samples > BACKTEST_SAMPLES_MAX {
        return invalid(
            "samples",
            format!("{} is more than {BACKTEST_SAMPLES_MAX}", asked.samples),
        );
    }
    Ok(())
}

/// The partitions of the topics that either selector covers.
fn places(
    snapshot: &Snapshot,
    tenant: &str,
    asked: &Backtest,
) -> Result<Vec<TopicPartition>, Refusal> {
    let mut places = Vec::new();
    for topic in snapshot.topics(tenant) {
        let path = topic.name.path();
        let covers = |selection: &Selector| selection.covers(path);
        if covers(&asked.selection) || asked.in_force.as_ref().is_some_and(covers) {
            let partitions = (0..topic.partitions).map(PartitionId);
            places
                .extend(partitions.map(|partition| TopicPartition { topic: topic.id, partition }));
        }
    }
    if places.len() > BACKTEST_PARTITIONS_MAX {
        let detail = format!("{} partitions, at most {BACKTEST_PARTITIONS_MAX}", places.len());
        let refusal = Refusal::new(Code::FieldInvalid, detail).at_field("topics");
        return Err(refusal.with_hint("name fewer topics"));
    }
    Ok(places)
}

impl Selector {
    /// Whether one of the patterns covers a topic's path.
    fn covers(&self, path: &str) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(path))
    }
}

#[cfg(test)]
mod tests;
