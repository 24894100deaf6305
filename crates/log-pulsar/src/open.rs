//! Opening: takes the topics from whoever has them, then reads what they hold.
//!
//! The state journal comes first: its last hold gives the term, its records the tables. A topic is read up to the
//! start of the own hold: what is before it and counts is all that there will ever be of earlier owners.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures::stream::FuturesOrdered;
use tidings_event::block::{Block, BlockHeader};
use tidings_event::{Clock, Epoch, Term};
use tidings_log::Journal;
use tidings_log::parts::Tables;
use tidings_telemetry::{Recorder, Timer};

use crate::index::BlockAt;
use crate::journal::{Found, GroupAt, JournalStore, STATE};
use crate::judge::{Judge, Verdict};
use crate::link::{Broker, LinkError, Locator, Tail, Writing};
use crate::message::{self, Hold, MessageError};
use crate::options::{OpenError, PulsarOptions};
use crate::patience::Patience;
use crate::writer::Writer;

/// The only epoch of a log that was never restored.
pub(crate) const EPOCH: Epoch = Epoch(1);

/// Everything that opening makes.
pub(crate) struct Opened {
    pub(crate) term: Term,
    pub(crate) tables: Arc<Tables>,
    /// In the order of [`Journal`].
    pub(crate) writers: Vec<Writer>,
}

/// The name of a journal's topic.
fn topic(options: &PulsarOptions, journal: Journal) -> String {
    let PulsarOptions { tenant, namespace, .. } = options;
    format!("persistent://{tenant}/{namespace}/{}-partition-0", journal.name())
}

/// One block of a group; without a body where that is damaged.
type Part = (BlockHeader, Option<Bytes>);

/// What stops an attempt to open.
enum Stop {
    Link(LinkError),
    For(OpenError),
}

impl From<LinkError> for Stop {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Opens, and tries again while the broker does not answer.
pub(crate) async fn open(
    options: &PulsarOptions,
    broker: &Arc<Broker>,
    clock: &Arc<dyn Clock>,
    recorder: &Arc<Recorder>,
) -> Result<Opened, OpenError> {
    let opening = Opening { options, broker, clock, recorder };
    let mut patience = Patience::of(options.start_max);
    loop {
        let error = match opening.all().await {
            Ok(opened) => return Ok(opened),
            Err(Stop::For(error)) => return Err(error),
            Err(Stop::Link(error)) => error,
        };
        if let Some(error) = error.lasts(&options.url) {
            return Err(error);
        }
        if !patience.is_left().await {
            return Err(OpenError::Unreachable {
                url: options.url.clone(),
                reason: error.to_string(),
            });
        }
        tracing::warn!(%error, "cannot open the log yet");
    }
}

struct Opening<'a> {
    options: &'a PulsarOptions,
    broker: &'a Arc<Broker>,
    clock: &'a Arc<dyn Clock>,
    recorder: &'a Arc<Recorder>,
}

/// A topic that was taken, as far as it was read.
struct Taken {
    journal: Journal,
    topic: String,
    writing: Writing,
    judge: Judge,
    last: Option<Locator>,
}

impl Opening<'_> {
    async fn all(&self) -> Result<Opened, Stop> {
        let tables = Arc::new(Tables::default());
        let mut state = self.take(Journal::State).await?;
        let mut found = Found::default();
        // Of no hold: it says where the topic ends, and never counts.
        let end = self.send(&state, Hold::default()).await?;
        let apply = |seq, _: Locator, blocks: Vec<Part>| -> Result<(), OpenError> {
            (found.first_seq, found.last_seq) = (seq, seq);
            let whole =
                blocks.into_iter().map(|(header, body)| Some(Block { header, body: body? }));
            let whole: Option<Vec<Block>> = whole.collect();
            // The tables would miss a change, and nothing would say which.
            let damaged = || OpenError::Unreadable {
                topic: topic(self.options, Journal::State),
                reason: format!("group {seq} is damaged: restore the tables from a backup"),
            };
            let whole = whole.ok_or_else(damaged)?;
            found.state_tail(&whole);
            tables.apply(whole.iter().map(|block| (seq, block)));
            Ok(())
        };
        self.read(&mut state, end, apply).await?;
        let term = Term(state.judge.hold.term.0 + 1);
        let hold = Hold { term, number: 0 };
        let start = self.send(&state, hold).await?;
        self.read(&mut state, start, |_, _, _| Err(OpenError::Taken)).await?;
        self.is_mine(&state, hold)?;
        let mut writers = vec![];
        let fenced_by = Arc::new(AtomicU64::new(0));
        for journal in Journal::TOPICS {
            let mut taken = self.take(journal).await?;
            let start = self.send(&taken, hold).await?;
            let mut found = Found::trimmed(&tables, journal);
            let take_in = |seq, at, blocks| {
                found.take_in(&tables, seq, at, blocks);
                Ok(())
            };
            self.read(&mut taken, start, take_in).await?;
            self.is_mine(&taken, hold)?;
            found.settle();
            writers.push(self.writer(taken, hold, (&tables, &fenced_by), found));
        }
        writers.push(self.writer(state, hold, (&tables, &fenced_by), found));
        Ok(Opened { term, tables, writers })
    }

    async fn take(&self, journal: Journal) -> Result<Taken, Stop> {
        let topic = topic(self.options, journal);
        let writing = self.broker.take(&topic).await?;
        Ok(Taken { journal, topic, writing, judge: Judge::default(), last: None })
    }

    /// Sends the start of a hold, and says where it is.
    async fn send(&self, taken: &Taken, hold: Hold) -> Result<Locator, Stop> {
        let sending = taken.writing.producer.send_bytes(message::start(EPOCH, hold));
        let sent = Timer.limit(self.options.answer_max, sending).await;
        let id = sent.map_err(|_| LinkError::Silent)?.map_err(LinkError::from)?;
        Ok(Locator::of(&id))
    }

    /// Reads a topic up to a message, and hands on the groups that count.
    async fn read(
        &self,
        taken: &mut Taken,
        until: Locator,
        mut each: impl FnMut(u64, Locator, Vec<Part>) -> Result<(), OpenError>,
    ) -> Result<(), Stop> {
        let mut tail = Tail::after(self.broker, &taken.topic, taken.last);
        while taken.last.is_none_or(|last| last < until) {
            let (at, message) = tail.next().await?;
            taken.last = Some(at);
            let (front, blocks) = match message::decode(&message) {
                Ok(decoded) => decoded,
                Err(error @ MessageError::Version(_)) => {
                    let (topic, reason) = (taken.topic.clone(), format!("a message: {error}"));
                    return Err(Stop::For(OpenError::Unreadable { topic, reason }));
                }
                Err(error) => {
                    tracing::warn!(topic = %taken.topic, ?at, %error, "ignored a message");
                    continue;
                }
            };
            match (taken.judge.judge(&front), front.seq) {
                (Verdict::Counts { lost }, Some(seq)) => {
                    if lost > 0 {
                        tracing::error!(topic = %taken.topic, seq, lost, "groups before it are lost");
                    }
                    each(seq, at, blocks).map_err(Stop::For)?;
                }
                (verdict, _) => tracing::debug!(?verdict, ?front, "does not count"),
            }
        }
        Ok(())
    }

    fn is_mine(&self, taken: &Taken, hold: Hold) -> Result<(), Stop> {
        if taken.judge.hold == hold { Ok(()) } else { Err(Stop::For(OpenError::Taken)) }
    }

    fn writer(
        &self,
        taken: Taken,
        hold: Hold,
        (tables, fenced_by): (&Arc<Tables>, &Arc<AtomicU64>),
        found: Found,
    ) -> Writer {
        let limits = (self.options.queue_bytes_max, self.options.ring_bytes);
        let place = (taken.journal, taken.topic);
        let journal = JournalStore::new(place, limits, tables, fenced_by, self.recorder, found);
        Writer {
            journal: Arc::new(journal),
            broker: Arc::clone(self.broker),
            clock: Arc::clone(self.clock),
            epoch: EPOCH,
            group_bytes: self.options.group_bytes as u64,
            window: self.options.window.max(1),
            answer_max: self.options.answer_max,
            judge: taken.judge,
            // It was read up to its own start.
            last: taken.last.unwrap_or(Locator { ledger: 0, entry: 0 }),
            writing: Some(taken.writing),
            receipts: FuturesOrdered::new(),
            heard: self.clock.monotonic(),
            hold,
        }
    }
}

impl Found {
    /// Nothing yet, but what was trimmed before.
    fn trimmed(tables: &Tables, journal: Journal) -> Self {
        let mut found = Self::default();
        for (id, trim) in tables.trims(journal) {
            let partition = found.partitions.entry(id).or_default();
            (partition.trim, partition.durable, partition.tail) = (trim, trim, trim);
        }
        found
    }

    /// Where the next record of the state journal goes.
    fn state_tail(&mut self, blocks: &[Block]) {
        if let Some(end) = blocks.last().map(|block| block.header.end_offset().0) {
            let state = self.partitions.entry(STATE).or_default();
            (state.durable, state.tail) = (end, end);
        }
    }

    fn take_in(&mut self, tables: &Tables, seq: u64, at: Locator, blocks: Vec<Part>) {
        if self.groups.is_empty() {
            self.first_seq = seq;
        }
        while self.first_seq + (self.groups.len() as u64) < seq {
            self.groups.push_back(None);
        }
        let mut live = 0;
        for (header, body) in blocks {
            if !tables.is_kept(header.topic_partition.topic) {
                continue;
            }
            let partition = self.partitions.entry(header.topic_partition).or_default();
            let kept = partition.restore(BlockAt::new(&header, seq), body.is_none());
            live += u32::from(kept);
        }
        self.groups.push_back(Some(GroupAt { at, live }));
        self.last_seq = seq;
    }

    /// Forgets the groups of which nothing is kept.
    fn settle(&mut self) {
        while self.groups.len() > 1 && self.groups[0].is_none_or(|group| group.live == 0) {
            self.groups.pop_front();
            self.first_seq += 1;
        }
    }
}
