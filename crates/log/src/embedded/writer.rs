//! The one thread that writes a journal: take what is queued, write, sync, publish.

use std::io::{self, IoSlice};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidings_event::block::Block;
use tidings_telemetry::{Counter, Latency};

use super::echo::Echo;
use super::group::{self, GROUP_BYTES_MAX, PAGE, Stamp};
use super::indexer::Indexer;
use super::journal::{Core, JournalStore, Queued, Stop, Written};
use super::leftover::Leftover;
use super::options::Sabotage;
use super::segment::{self, End, SegmentHeader};
use crate::disk::DiskFile;
use crate::partition_log::Journal;

/// Most bytes one write and its sync carry.
const WRITE_BYTES_MAX: u64 = 2 << 20;
/// Where a journal writes more than this, what a spare costs would be missed.
const CALM_BYTES_PER_SECOND: f64 = 64e6;
const ZEROS: [u8; PAGE] = [0; PAGE];

pub(crate) struct Writer {
    journal: Arc<JournalStore>,
    active: Option<Active>,
    /// Where the last segment ends.
    previous: End,
    /// Highest segment number in use.
    highest: u32,
    /// What there was no room to store once more when this started.
    leftovers: Vec<Leftover>,
    echo: Echo,
    marked: bool,
    segment_bytes: u64,
    /// Who writes the indexes of full segments; nobody where this does it.
    indexer: Option<Indexer>,
}

struct Active {
    number: u32,
    file: Arc<dyn DiskFile>,
    generation: u64,
    crc: u32,
    /// Whether no group is in it.
    empty: bool,
    at: u64,
    /// Where it is full.
    limit: u64,
    /// When it was begun.
    begun: Duration,
}

enum Next {
    Write(Vec<Queued>),
    Mark,
    Stop(Stop),
}

impl Writer {
    pub(crate) fn new(
        journal: Arc<JournalStore>,
        previous: End,
        highest: u32,
        leftovers: Vec<Leftover>,
    ) -> Self {
        let segment_bytes = journal.context.options.segment_bytes_min;
        let echo = Echo::new(journal.ends());
        Self {
            journal,
            active: None,
            previous,
            highest,
            leftovers,
            echo,
            marked: true,
            segment_bytes,
            indexer: None,
        }
    }

    pub(crate) fn journal(&self) -> &Arc<JournalStore> {
        &self.journal
    }

    /// Works in a thread of its own until the journal stops or fails.
    pub(crate) fn spawn(mut self, indexer: Indexer) -> io::Result<JoinHandle<()>> {
        if self.active.is_some() {
            indexer.spare(&self.journal, self.spare_bytes());
        }
        self.indexer = Some(indexer);
        let name = format!("log-{}", self.journal.kind.name());
        thread::Builder::new().name(name).spawn(move || {
            loop {
                let next = self.next();
                if !self.turn(next) {
                    return;
                }
            }
        })
    }

    /// Does what is next; `false` when nothing will be.
    fn turn(&mut self, next: Next) -> bool {
        let mut batch = vec![];
        let done = match next {
            Next::Write(taken) => {
                batch = taken;
                self.write(&mut batch).map(|()| true)
            }
            Next::Mark => self.mark().map(|()| true),
            Next::Stop(Stop::Clean) => self.mark().map(|()| self.give_back()).map(|()| false),
            Next::Stop(Stop::Abrupt) => Ok(false),
        };
        done.unwrap_or_else(|error| {
            self.journal.fail(error.to_string());
            // Not before: whoever learns of it finds the journal read-only.
            drop(batch);
            false
        })
    }

    /// Does what is next if there is anything, as if the journal had rested; `false` when not.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn step(&mut self) -> bool {
        let mut core = self.journal.core();
        let marks = self.journal.context.options.mark_after.is_some() && !self.marked;
        let next = take(&mut core).or(marks.then_some(Next::Mark));
        let next = next.filter(|_| core.failed.is_none());
        drop(core);
        next.is_some_and(|next| self.turn(next))
    }

    /// Begins a segment, so that the end of the one before is on record before anything is served.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.roll()?;
        self.journal.give_back(self.previous.segment);
        Ok(())
    }

    /// Nothing more is written: what the segment has room for is given back.
    fn give_back(&self) {
        self.active.iter().for_each(|active| self.journal.give_back(active.number));
    }

    fn next(&mut self) -> Next {
        let mut core = self.journal.core();
        loop {
            if let Some(next) = take(&mut core) {
                return next;
            }
            let wake = &self.journal.wake;
            core = match self.journal.context.options.mark_after.filter(|_| !self.marked) {
                Some(rest) => {
                    let (guard, waited) =
                        wake.wait_timeout(core, rest).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && guard.queue.is_empty() && guard.stop.is_none() {
                        return Next::Mark;
                    }
                    guard
                }
                None => wake.wait(core).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn write(&mut self, batch: &mut Vec<Queued>) -> io::Result<()> {
        let queued_bytes: u64 = batch.iter().map(|q| q.bytes).sum();
        let started = self.journal.context.clock.monotonic();
        if self.active.as_ref().is_none_or(|a| a.at + queued_bytes > a.limit) {
            let journal = Arc::clone(&self.journal);
            journal.when_there_is_room(|| self.roll())?;
        }
        let groups = split(batch, self.journal.context.options.group_bytes_max);
        let early = self.journal.context.options.sabotaged(Sabotage::AckBeforeFsync);
        let mut written = self.write_groups(groups)?;
        if early {
            let copies = written.iter().map(Written::share).collect();
            self.journal.publish(copies, std::mem::take(batch));
            written.clear();
        }
        self.sync()?;
        self.marked = false;
        let took = self.journal.context.clock.monotonic().saturating_sub(started).as_secs_f64();
        if took > 0.0 {
            let mut core = self.journal.core();
            let rate = queued_bytes as f64 / took;
            core.bytes_per_second = (core.bytes_per_second * 0.9 + rate * 0.1).max(1e6);
        }
        self.journal.publish(written, std::mem::take(batch));
        if self.journal.kind == Journal::State {
            self.journal.snapshot_when_due()?;
        }
        Ok(())
    }

    /// Encodes groups and writes all of them at once, without a copy of any body.
    fn write_groups(&mut self, groups: Vec<Vec<Block>>) -> io::Result<Vec<Written>> {
        let Some(active) = &mut self.active else { return Err(io::Error::other("no segment")) };
        let durable = self.journal.core().last_seq;
        let (start, mut at, mut fronts, mut written) = (active.at, active.at, vec![], vec![]);
        for (seq, blocks) in (durable + 1..).zip(groups) {
            let stamp =
                Stamp { generation: active.generation, seq, durable, previous_crc: active.crc };
            let ends = self.echo.before(seq, active.empty);
            let front = group::encode(&stamp, blocks.iter(), &ends);
            self.echo.take_in(seq, &blocks);
            (active.crc, active.empty) = (front.crc, false);
            let page = u32::try_from(at / PAGE as u64).map_err(io::Error::other)?;
            at += front.total as u64;
            fronts.push(front);
            written.push(Written { seq, segment: active.number, page, blocks });
        }
        let slices: Vec<IoSlice<'_>> = fronts
            .iter()
            .zip(&written)
            .flat_map(|(front, group)| {
                let bodies = group.blocks.iter().map(|b| IoSlice::new(&b.body));
                let padding = IoSlice::new(&ZEROS[..front.padding]);
                std::iter::once(IoSlice::new(&front.bytes)).chain(bodies).chain([padding])
            })
            .collect();
        self.journal.when_there_is_room(|| active.file.write_all_at(&slices, start))?;
        active.at = at;
        let mut core = self.journal.core();
        if let Some(segment) = core.segments.get_mut(&active.number) {
            segment.bytes = at;
        }
        drop(core);
        let recorder = &self.journal.context.recorder;
        recorder.count(Counter::LogGroups, written.len() as u64);
        recorder.count(Counter::LogBytes, at - start);
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        let context = &self.journal.context;
        let started = context.clock.monotonic();
        context.sync(&*active.file)?;
        context.recorder.count(Counter::LogSyncs, 1);
        context.recorder.time(Latency::LogSync, context.clock.monotonic().saturating_sub(started));
        Ok(())
    }

    /// Puts on record that everything written so far is durable.
    fn mark(&mut self) -> io::Result<()> {
        if self.marked {
            return Ok(());
        }
        self.marked = true;
        let Some(active) = &mut self.active else { return Ok(()) };
        let mut core = self.journal.core();
        let seq = core.last_seq;
        let stamp =
            Stamp { generation: active.generation, seq, durable: seq, previous_crc: active.crc };
        let front = group::encode(&stamp, [].iter(), &self.echo.at_mark(seq));
        active.at += front.total as u64;
        active.crc = front.crc;
        if let Some(segment) = core.segments.get_mut(&active.number) {
            segment.bytes = active.at;
        }
        drop(core);
        let slices = [IoSlice::new(&front.bytes), IoSlice::new(&ZEROS[..front.padding])];
        let start = active.at - front.total as u64;
        self.journal.when_there_is_room(|| active.file.write_all_at(&slices, start))?;
        self.sync()
    }

    fn roll(&mut self) -> io::Result<()> {
        while let Some(leftover) = self.leftovers.last() {
            leftover.store()?;
            self.leftovers.pop();
        }
        let journal = &self.journal;
        let options = &journal.context.options;
        let now = journal.context.clock.monotonic();
        let mut is_calm = true;
        if let Some(active) = self.active.take() {
            let took = now.saturating_sub(active.begun).as_secs_f64();
            is_calm = active.at as f64 <= took * CALM_BYTES_PER_SECOND;
            let seq = journal.core().last_seq;
            self.previous = End { segment: active.number, position: active.at, seq };
            match &self.indexer {
                Some(indexer) => indexer.index(journal, active.number),
                None => journal.index(active.number),
            }
            self.segment_bytes = (self.segment_bytes * 2).min(options.segment_bytes_max);
        } else {
            journal.context.disk.create_dir_all(&journal.dir)?;
        }
        let header = SegmentHeader {
            incompatible: 0,
            journal: journal.kind as u32,
            number: self.highest + 1,
            epoch: journal.identity.epoch.0,
            term: journal.identity.term,
            generation: 0,
            first_seq: self.previous.seq + 1,
            previous: self.previous,
            log: journal.identity.log,
            written_before: 0,
            crc: 0,
        };
        let least = self.segment_bytes.min(options.spare_bytes_max) / 2;
        let spare = journal.context.take_spare(journal.kind, least);
        let limit = spare.as_ref().map_or(self.segment_bytes, |spare| spare.bytes);
        let segment = segment::create(&journal.context, &journal.dir, header, spare.as_ref());
        if spare.is_some() {
            journal.context.spare_is_used(journal.kind);
        }
        let segment = segment?;
        self.highest = segment.header.number;
        self.active = Some(Active {
            number: segment.header.number,
            file: Arc::clone(&segment.file),
            generation: segment.header.generation,
            crc: segment.header.crc,
            empty: true,
            at: segment.bytes,
            limit,
            begun: now,
        });
        journal.core().segments.insert(segment.header.number, segment);
        if let Some(indexer) = self.indexer.as_ref().filter(|_| is_calm) {
            indexer.spare(journal, self.spare_bytes());
        }
        Ok(())
    }

    /// Makes the next segment's spare at once.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn spare(&self) {
        if self.active.is_some() {
            self.journal.context.make_spare(self.journal.kind, self.spare_bytes(), || true);
        }
    }

    /// Bytes that the spare of the next segment is to have.
    fn spare_bytes(&self) -> u64 {
        let options = &self.journal.context.options;
        (self.segment_bytes * 2).min(options.segment_bytes_max).min(options.spare_bytes_max)
    }
}

impl Written {
    fn share(&self) -> Self {
        Self { seq: self.seq, segment: self.segment, page: self.page, blocks: self.blocks.clone() }
    }
}

/// What the queue has for a writer; `None` when it is to wait.
fn take(core: &mut Core) -> Option<Next> {
    if core.stop == Some(Stop::Abrupt) {
        core.queue.clear();
        return Some(Next::Stop(Stop::Abrupt));
    }
    let (mut batch, mut bytes) = (vec![], 0);
    while let Some(queued) =
        core.queue.pop_front_if(|q| bytes == 0 || bytes + q.bytes <= WRITE_BYTES_MAX)
    {
        bytes += queued.bytes;
        batch.push(queued);
    }
    if batch.is_empty() { core.stop.map(Next::Stop) } else { Some(Next::Write(batch)) }
}

/// Cuts a batch into groups: an append that fits into one group stays in one.
fn split(batch: &mut [Queued], shared: usize) -> Vec<Vec<Block>> {
    let mut groups: Vec<Vec<Block>> = vec![];
    let mut room = 0;
    for queued in batch {
        let whole = usize::try_from(queued.bytes).unwrap_or(usize::MAX);
        let blocks = std::mem::take(&mut queued.blocks);
        if whole > room {
            room = 0;
        }
        for block in blocks {
            let bytes = block.header.encoded_bytes() + block.body.len();
            match groups.last_mut() {
                Some(group) if bytes <= room => group.push(block),
                _ => {
                    room = shared.max(whole).min(GROUP_BYTES_MAX);
                    groups.push(vec![block]);
                }
            }
            room = room.saturating_sub(bytes);
        }
    }
    groups
}

#[cfg(test)]
mod tests;
