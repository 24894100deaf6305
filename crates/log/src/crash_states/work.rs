//! Work on a log over a fake disk, written down in a ledger.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidings_event::block::{Block, ProducerStamp};
use tidings_event::{ManualClock, TopicId, TopicPartition};
use tidings_telemetry::Recorder;

use super::ledger::{Ledger, Line, Span};
use crate::conformance::fixture::{NOW, block};
use crate::fake_disk::FakeDisk;
use crate::partition_log::{PartitionLog, Pending, TableChange, TopicSpec};
use crate::{EmbeddedLog, EmbeddedOptions, Noted, OpenError, StillLog};

pub(crate) const DIR: &str = "/data";

/// How logs are opened.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) options: EmbeddedOptions,
    /// One for all: nobody reads it.
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Setup {
    pub(crate) fn new(options: EmbeddedOptions) -> Self {
        Self { options, recorder: Recorder::new(), clock: Arc::new(ManualClock::at(NOW)) }
    }

    pub(crate) fn open(&self, disk: &FakeDisk) -> Result<StillLog, OpenError> {
        let (disk, clock) = (Arc::new(disk.clone()), Arc::clone(&self.clock));
        let (options, recorder) = (self.options.clone(), Arc::clone(&self.recorder));
        StillLog::open(disk, Path::new(DIR), options, clock, recorder)
    }
}

/// What was asked for and not yet seen confirmed.
struct Waiting {
    line: Line,
    pending: Pending,
    noted: Arc<Noted>,
}

/// A log at work.
pub(crate) struct Work {
    pub(crate) disk: FakeDisk,
    pub(crate) ledger: Ledger,
    setup: Setup,
    still: StillLog,
    waiting: Vec<Waiting>,
}

impl Work {
    pub(crate) fn open(disk: FakeDisk, mut ledger: Ledger, setup: Setup) -> Result<Self, String> {
        let still = setup.open(&disk).map_err(|error| format!("open: {error}"))?;
        ledger.terms.push((still.log().term(), disk.operations()));
        Ok(Self { disk, ledger, setup, still, waiting: Vec::new() })
    }

    pub(crate) fn log(&self) -> &EmbeddedLog {
        self.still.log()
    }

    pub(crate) fn still(&mut self) -> &mut StillLog {
        &mut self.still
    }

    /// Topics that are there.
    pub(crate) fn live(&self) -> Vec<TopicId> {
        let all = self.ledger.ensured.keys();
        all.filter(|id| !self.ledger.dropped.contains_key(id)).copied().collect()
    }

    /// Asks for an append of one block to each place, of so many events of so many bytes.
    pub(crate) fn append(
        &mut self,
        places: &[(TopicPartition, (u32, usize))],
        producer: Option<ProducerStamp>,
    ) -> Result<(), String> {
        let later = Duration::from_secs(self.ledger.appends.len() as u64);
        let later = u64::try_from(later.as_nanos()).map_err(|error| error.to_string())?;
        let mut blocks: Vec<Block> = Vec::new();
        for &(place, size) in places {
            let last = blocks.iter().rfind(|b| b.header.topic_partition == place);
            let base = match last {
                Some(block) => block.header.end_offset(),
                None => self.log().bounds(place).map_err(|error| error.to_string())?.tail,
            };
            let mut next = block(self.log(), place, base.0, size);
            next.header.ingested_at.0 += later;
            next.header.producer = producer;
            blocks.push(next);
        }
        let span = self.now();
        let pending = self.log().append(blocks.clone()).map_err(|error| error.to_string())?;
        self.ledger.appends.push((blocks, span));
        self.wait(Line::Append(self.ledger.appends.len() - 1), pending)
    }

    pub(crate) fn commit(&mut self, changes: Vec<TableChange>) -> Result<(), String> {
        let span = self.now();
        self.ledger.committed(&changes, span);
        let pending = self.log().commit(self.log().term(), changes);
        let pending = pending.map_err(|error| error.to_string())?;
        self.wait(Line::Commit(self.ledger.commits() - 1), pending)
    }

    pub(crate) fn ensure(&mut self, spec: TopicSpec) -> Result<(), String> {
        let log = Arc::clone(self.still.log());
        let span = self.through(async move { log.ensure_topic(&spec).await.is_ok() })?;
        self.ledger.ensured.insert(spec.id, (spec, span));
        Ok(())
    }

    pub(crate) fn drop_topic(&mut self, id: TopicId) -> Result<(), String> {
        let log = Arc::clone(self.still.log());
        let span = self.through(async move { log.drop_topic(id).await.is_ok() })?;
        self.ledger.dropped.insert(id, span);
        Ok(())
    }

    pub(crate) fn trim(&mut self) -> Result<(), String> {
        let log = Arc::clone(self.still.log());
        let mut span = self.now();
        self.through(async move {
            log.trim(NOW).await;
            true
        })?;
        span.confirmed = Some(self.disk.operations());
        for (id, (spec, _)) in &self.ledger.ensured {
            for partition in 0..spec.partitions {
                let id = TopicPartition::new(id.0, partition);
                if let Ok(bounds) = self.still.log().bounds(id) {
                    self.ledger.trims.push((id, bounds.trim.0, span));
                }
            }
        }
        Ok(())
    }

    /// Stops, cleanly or as when the process dies, and opens once more.
    pub(crate) fn reopen(self, cleanly: bool) -> Result<Self, String> {
        let Self { disk, mut ledger, setup, still, waiting } = self;
        if cleanly {
            still.close();
        } else {
            drop(still);
        }
        forget(&mut ledger, waiting);
        Self::open(disk, ledger, setup)
    }

    /// Lets the writers do all that they have to.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        while self.still.step() {}
        self.waiting = confirm(&mut self.ledger, std::mem::take(&mut self.waiting));
        if self.waiting.is_empty() { Ok(()) } else { Err("no fault, but unconfirmed".to_owned()) }
    }

    /// Ends the work where it is.
    pub(crate) fn end(self) -> (FakeDisk, Ledger) {
        let Self { disk, mut ledger, still, waiting, .. } = self;
        forget(&mut ledger, waiting);
        drop(still);
        (disk, ledger)
    }

    fn now(&self) -> Span {
        Span { asked: self.disk.operations(), confirmed: None }
    }

    /// Steps until something is done, which must be well.
    fn through(&mut self, work: impl Future<Output = bool>) -> Result<Span, String> {
        let noted = Noted::on(&self.disk);
        let mut span = self.now();
        match self.still.until(&noted, work) {
            Some(true) => span.confirmed = Some(noted.at()),
            Some(false) => {}
            None => return Err("no fault, but it waits for ever".to_owned()),
        }
        Ok(span)
    }

    fn wait(&mut self, line: Line, pending: Pending) -> Result<(), String> {
        let mut waiting = Waiting { line, pending, noted: Noted::on(&self.disk) };
        // Whoever polled is woken at the moment of the confirmation.
        match waiting.poll() {
            Poll::Pending => self.waiting.push(waiting),
            Poll::Ready(true) => self.ledger.confirm(line, self.disk.operations()),
            Poll::Ready(false) => return Err("no fault, but refused".to_owned()),
        }
        Ok(())
    }
}

/// Takes down what was confirmed meanwhile; returns the rest.
fn confirm(ledger: &mut Ledger, waiting: Vec<Waiting>) -> Vec<Waiting> {
    let mut left = Vec::new();
    for mut one in waiting {
        match one.poll() {
            Poll::Ready(true) => ledger.confirm(one.line, one.noted.at()),
            _ => left.push(one),
        }
    }
    left
}

/// Strikes out what no writer came to: its offsets are others' after the next start.
fn forget(ledger: &mut Ledger, waiting: Vec<Waiting>) {
    for one in confirm(ledger, waiting).iter().rev() {
        ledger.strike(one.line);
    }
}

impl Waiting {
    /// Whether it is confirmed, once it is decided.
    fn poll(&mut self) -> Poll<bool> {
        let waker = Waker::from(Arc::clone(&self.noted));
        let pending = Pin::new(&mut self.pending);
        pending.poll(&mut Context::from_waker(&waker)).map(|done| done.is_ok())
    }
}
