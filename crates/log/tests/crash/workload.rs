//! Random work on a log over a fake disk, written down in a ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tidings_event::block::Block;
use tidings_event::{ManualClock, TopicId, TopicPartition};
use tidings_log::conformance::fixture::{DAY, NOW, block, delete, set};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{
    EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, Pending, Retention, Sabotage, TopicSpec,
};
use tidings_telemetry::Recorder;

use super::ledger::{Ledger, Span, TABLES};

pub(crate) const DIR: &str = "/data";

/// Small segments and snapshots, a group for each append: a little work reaches everything.
///
/// Some logs mark at once what is durable, some have a physical cap: by their seed.
fn options(setup: Setup) -> EmbeddedOptions {
    let default = EmbeddedOptions::default();
    EmbeddedOptions {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 64 << 10,
        ring_bytes: 24 << 10,
        queue_bytes_max: 4 << 20,
        snapshot_bytes: 600,
        mark_after: (setup.seed % 3 == 1).then_some(Duration::ZERO),
        journal_bytes_max: if setup.seed % 4 == 3 { 150 << 10 } else { default.journal_bytes_max },
        group_bytes_max: 1,
        sabotage: setup.sabotage,
        ..default
    }
}

/// How a log is set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
}

pub(crate) fn open(disk: &FakeDisk, setup: Setup) -> Result<Arc<EmbeddedLog>, OpenError> {
    let clock = Arc::new(ManualClock::at(NOW));
    let (disk, options) = (Arc::new(disk.clone()), options(setup));
    EmbeddedLog::open(disk, Path::new(DIR), options, clock, Recorder::new())
}

/// What was asked for and not yet waited for.
enum Waiting {
    Append(usize, Pending),
    Commit(usize, Pending),
}

pub(crate) struct Workload<'a> {
    pub(crate) disk: &'a FakeDisk,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) setup: Setup,
}

impl Workload<'_> {
    /// Does so many steps, then stops abruptly with some work unconfirmed.
    pub(crate) async fn run(&mut self, steps: usize) -> Result<(), String> {
        let mut log = self.open()?;
        let mut waiting = Vec::new();
        for _ in 0..steps {
            match self.rng.random_range(0..20) {
                0 => self.ensure(&log).await,
                1 => self.drop_one(&log).await,
                2 => self.trim(&log).await,
                3 => {
                    log.close().await;
                    self.confirm(waiting.drain(..)).await?;
                    drop(log);
                    log = self.open()?;
                }
                4..8 => waiting.push(self.commit(&log)),
                8..11 => self.confirm(waiting.drain(..)).await?,
                11..14 => waiting.extend(self.burst(&log)),
                _ => waiting.extend(self.append(&log)),
            }
        }
        if self.rng.random() {
            self.confirm(waiting.drain(..)).await?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Arc<EmbeddedLog>, String> {
        let log = open(self.disk, self.setup).map_err(|error| format!("open: {error}"))?;
        self.ledger.terms.push((log.term(), self.disk.operations()));
        Ok(log)
    }

    fn now(&self) -> Span {
        Span { asked: self.disk.operations(), confirmed: None }
    }

    /// Waits for what was asked for.
    async fn confirm(&mut self, all: impl Iterator<Item = Waiting>) -> Result<(), String> {
        for one in all {
            let (pending, span) = match one {
                Waiting::Append(number, pending) => (pending, &mut self.ledger.appends[number].1),
                Waiting::Commit(number, pending) => (pending, self.ledger.commit_at(number)),
            };
            pending.await.map_err(|error| format!("no fault, but {error}"))?;
            span.confirmed = Some(self.disk.operations());
        }
        Ok(())
    }

    async fn ensure(&mut self, log: &EmbeddedLog) {
        let number = self.rng.random_range(1..6);
        let id = TopicId(number);
        if self.ledger.ensured.contains_key(&id) {
            return;
        }
        // Topics 4 and 5 are of another journal; 1 is trimmed by bytes.
        let age = if number > 3 { 30 * DAY } else { DAY };
        let retention = Retention { age, bytes: (number % 3 == 1).then_some(15_000) };
        let spec = TopicSpec { id, partitions: 2, retention };
        let mut span = self.now();
        if log.ensure_topic(&spec).await.is_ok() {
            span.confirmed = Some(self.disk.operations());
        }
        self.ledger.ensured.insert(id, (spec, span));
    }

    async fn drop_one(&mut self, log: &EmbeddedLog) {
        let live = self.live();
        if live.len() < 3 {
            return;
        }
        let id = live[self.rng.random_range(0..live.len())];
        let mut span = self.now();
        if log.drop_topic(id).await.is_ok() {
            span.confirmed = Some(self.disk.operations());
        }
        self.ledger.dropped.insert(id, span);
    }

    async fn trim(&mut self, log: &EmbeddedLog) {
        let mut span = self.now();
        log.trim(NOW).await;
        span.confirmed = Some(self.disk.operations());
        for id in self.live() {
            for partition in [0, 1] {
                let id = TopicPartition::new(id.0, partition);
                if let Ok(bounds) = log.bounds(id) {
                    self.ledger.trims.push((id, bounds.trim.0, span));
                }
            }
        }
    }

    fn live(&self) -> Vec<TopicId> {
        let all = self.ledger.ensured.keys();
        all.filter(|id| !self.ledger.dropped.contains_key(id)).copied().collect()
    }

    fn append(&mut self, log: &EmbeddedLog) -> Option<Waiting> {
        let live = self.live();
        let mut blocks: Vec<Block> = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let topic = *live.get(self.rng.random_range(0..live.len().max(1)))?;
            let partition = TopicPartition::new(topic.0, self.rng.random_range(0..2));
            let last = blocks.iter().rfind(|b| b.header.topic_partition == partition);
            let tail = match last {
                Some(block) => block.header.end_offset(),
                None => log.bounds(partition).ok()?.tail,
            };
            let size = (self.rng.random_range(1..4), self.rng.random_range(1..1500));
            let mut next = block(log, partition, tail.0, size);
            let later = Duration::from_secs(self.ledger.appends.len() as u64);
            next.header.ingested_at.0 += u64::try_from(later.as_nanos()).ok()?;
            blocks.push(next);
        }
        let span = self.now();
        let pending = log.append(blocks.clone()).ok()?;
        self.ledger.appends.push((blocks, span));
        Some(Waiting::Append(self.ledger.appends.len() - 1, pending))
    }

    /// Appends that pile up behind a slow sync, to be written at once.
    fn burst(&mut self, log: &EmbeddedLog) -> Vec<Waiting> {
        self.disk.hold_syncs();
        let count = self.rng.random_range(2..7);
        let waiting = (0..count).filter_map(|_| self.append(log)).collect();
        self.disk.release_syncs();
        waiting
    }

    fn commit(&mut self, log: &EmbeddedLog) -> Waiting {
        let mut changes = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let table = TABLES[self.rng.random_range(0..2)];
            let key = format!("key-{}", self.rng.random_range(0..6));
            let value = vec![self.rng.random::<u8>(); self.rng.random_range(0..60)];
            let remove = self.rng.random_range(0..4) == 0;
            changes.push(if remove { delete(table, key) } else { set(table, key, value) });
        }
        let span = self.now();
        let pending = log.commit(log.term(), changes.clone()).unwrap();
        self.ledger.committed(&changes, span);
        Waiting::Commit(self.ledger.commits() - 1, pending)
    }
}
