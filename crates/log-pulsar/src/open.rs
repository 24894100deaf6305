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
use tidings_log::parts::{Copied, Tables};
use tidings_log::{Journal, Origin};
use tidings_telemetry::{Recorder, Timer};

use crate::granted;
use crate::index::BlockAt;
use crate::journal::{Found, GroupAt, JournalStore, STATE};
use crate::judge::{Judge, Verdict};
use crate::link::{Broker, LinkError, Locator, Tail, Writing};
use crate::message::{self, Hold, MessageError};
use crate::options::{OpenError, PulsarOptions};
use crate::patience::Patience;
use crate::writer::Writer;

/// The epoch of a log that is not a copy of one with another.
const EPOCH: Epoch = Epoch(1);

/// Everything that opening makes.
pub(crate) struct Opened {
    pub(crate) epoch: Epoch,
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

/// What a log is opened for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// To be served.
    Serve,
    /// To take in a copy of another log.
    Copy(Origin),
}

impl Purpose {
    /// Whether a log may be opened for this, by what its tables say and whether it holds anything.
    fn check(
        self,
        options: &PulsarOptions,
        tables: &Tables,
        is_empty: bool,
    ) -> Result<(), OpenError> {
        let namespace = || format!("{}/{}", options.tenant, options.namespace);
        let occupied = |holds| OpenError::Occupied { namespace: namespace(), holds };
        match (self, tables.copied()) {
            (Self::Serve, Some(Copied { finished: false, .. })) => {
                Err(OpenError::Unfinished { namespace: namespace() })
            }
            (Self::Serve, _) => Ok(()),
            (Self::Copy(origin), Some(copied)) if copied.origin.is_same_log(&origin) => {
                match copied {
                    Copied { finished: false, .. } => Ok(()),
                    Copied { origin: before, .. } if before == origin => {
                        Err(OpenError::Finished { namespace: namespace() })
                    }
                    _ => Err(occupied("a finished copy of this log, which was served since")),
                }
            }
            (Self::Copy(_), Some(_)) => Err(occupied("a copy of another log")),
            (Self::Copy(_), None) if is_empty => Ok(()),
            (Self::Copy(_), None) => Err(occupied("a log of its own")),
        }
    }
}

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
    purpose: Purpose,
) -> Result<Opened, OpenError> {
    let opening = Opening { options, broker, clock, recorder, purpose };
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
    purpose: Purpose,
}

/// A topic, as far as it was read.
struct Reading {
    journal: Journal,
    topic: String,
    judge: Judge,
    last: Option<Locator>,
    /// The last sequence that was copied: those up to it that are missing were left out.
    copied: u64,
}

/// Who the owner is that is being made.
#[derive(Clone, Copy)]
struct Owner {
    epoch: Epoch,
    hold: Hold,
}

impl Opening<'_> {
    async fn all(&self) -> Result<Opened, Stop> {
        self.look().await?;
        let tables = Arc::new(Tables::default());
        let mut state = self.reading(Journal::State, 0);
        let of_state = self.broker.take(&state.topic).await?;
        // Of no hold: it says where the topic ends, and never counts.
        let nobody = Owner { epoch: EPOCH, hold: Hold::default() };
        let end = self.send(&of_state, nobody).await?;
        let found = self.read_state(&mut state, end, &tables).await?;
        self.check(&tables, &found)?;
        let owner = self.owner(&state, &tables)?;
        let start = self.send(&of_state, owner).await?;
        self.read(&mut state, start, |_, _, _| Err(OpenError::Taken)).await?;
        self.is_mine(&state, owner)?;
        let mut writers = vec![];
        let fenced_by = Arc::new(AtomicU64::new(0));
        for journal in Journal::TOPICS {
            let mut reading = self.reading(journal, tables.copied_seq(journal).0);
            let writing = self.broker.take(&reading.topic).await?;
            let start = self.send(&writing, owner).await?;
            let mut found = Found::trimmed(&tables, journal);
            let take_in = |seq, at, blocks| {
                found.take_in(&tables, seq, at, blocks);
                Ok(())
            };
            self.read(&mut reading, start, take_in).await?;
            self.is_mine(&reading, owner)?;
            self.check(&tables, &found)?;
            found.reach(&tables, journal);
            writers.push(self.writer((reading, writing), owner, (&tables, &fenced_by), found));
        }
        writers.push(self.writer((state, of_state), owner, (&tables, &fenced_by), found));
        Ok(Opened { epoch: owner.epoch, term: owner.hold.term, tables, writers })
    }

    /// Before the topic is taken: what the state topic has, without taking it from anybody, who may have a log there. By a
    /// granted term its end is enough, before a copy all of it is read.
    async fn look(&self) -> Result<(), Stop> {
        if matches!(self.purpose, Purpose::Serve) {
            let Some(granted) = self.options.term else { return Ok(()) };
            let topic = topic(self.options, Journal::State);
            let newest = granted::newest(self.broker, &topic).await?;
            return granted::check(granted, newest).map_err(Stop::For);
        }
        let (tables, mut state) = (Arc::new(Tables::default()), self.reading(Journal::State, 0));
        let end = Tail::after(self.broker, &state.topic, None).end().await?;
        let found = match end {
            Some(end) => self.read_state(&mut state, end, &tables).await?,
            None => Found::default(),
        };
        self.check(&tables, &found)
    }

    /// Whether what was found may be opened for this.
    fn check(&self, tables: &Tables, found: &Found) -> Result<(), Stop> {
        let is_empty = found.last_seq == 0;
        self.purpose.check(self.options, tables, is_empty).map_err(Stop::For)
    }

    /// The next owner: its term is above all before it, those of the log that this is a copy of as well.
    fn owner(&self, state: &Reading, tables: &Tables) -> Result<Owner, Stop> {
        let origins = tables.copied().map(|copied| copied.origin);
        let of_this_copy = match self.purpose {
            Purpose::Serve => None,
            Purpose::Copy(origin) => Some(origin),
        };
        let origin = of_this_copy.or(origins);
        let before = origin.map_or(Term(0), |origin| origin.term).max(state.judge.hold.term);
        let epoch = origin.map_or(EPOCH, |origin| origin.epoch);
        let granted = self.options.term.filter(|_| matches!(self.purpose, Purpose::Serve));
        let term = match granted {
            Some(granted) => {
                granted::check(granted, before).map(|()| granted).map_err(Stop::For)?
            }
            None => Term(before.0 + 1),
        };
        Ok(Owner { epoch, hold: Hold { term, number: 0 } })
    }

    fn reading(&self, journal: Journal, copied: u64) -> Reading {
        let (topic, judge) = (topic(self.options, journal), Judge::default());
        Reading { journal, topic, judge, last: None, copied }
    }

    /// Sends the start of a hold, and says where it is.
    async fn send(&self, writing: &Writing, owner: Owner) -> Result<Locator, Stop> {
        let sending = writing.producer.send_bytes(message::start(owner.epoch, owner.hold));
        let sent = Timer.limit(self.options.answer_max, sending).await;
        let id = sent.map_err(|_| LinkError::Silent)?.map_err(LinkError::from)?;
        Ok(Locator::of(&id))
    }

    /// Reads the state topic up to a message, and makes the tables what its records say.
    async fn read_state(
        &self,
        state: &mut Reading,
        until: Locator,
        tables: &Tables,
    ) -> Result<Found, Stop> {
        let mut found = Found::default();
        let apply = |seq, _: Locator, blocks: Vec<Part>| -> Result<(), OpenError> {
            found.last_seq = seq;
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
        self.read(state, until, apply).await?;
        Ok(found)
    }

    /// Reads a topic up to a message, and hands on the groups that count.
    async fn read(
        &self,
        reading: &mut Reading,
        until: Locator,
        mut each: impl FnMut(u64, Locator, Vec<Part>) -> Result<(), OpenError>,
    ) -> Result<(), Stop> {
        let mut tail = Tail::after(self.broker, &reading.topic, reading.last);
        while reading.last.is_none_or(|last| last < until) {
            let (at, message) = tail.next().await?;
            reading.last = Some(at);
            let (front, blocks) = match message::decode(&message) {
                Ok(decoded) => decoded,
                Err(error @ MessageError::Version(_)) => {
                    let (topic, reason) = (reading.topic.clone(), format!("a message: {error}"));
                    return Err(Stop::For(OpenError::Unreadable { topic, reason }));
                }
                Err(error) => {
                    tracing::warn!(topic = %reading.topic, ?at, %error, "ignored a message");
                    continue;
                }
            };
            match (reading.judge.judge(&front), front.seq) {
                (Verdict::Counts { lost }, Some(seq)) => {
                    self.tell(reading, seq, lost);
                    each(seq, at, blocks).map_err(Stop::For)?;
                }
                (verdict, _) => tracing::debug!(?verdict, ?front, "does not count"),
            }
        }
        Ok(())
    }

    /// Says that groups before one are missing, but where a copy left them out.
    fn tell(&self, reading: &Reading, seq: u64, lost: u64) {
        let lost = lost.min(seq.saturating_sub(reading.copied + 1));
        if lost > 0 && matches!(self.purpose, Purpose::Serve) {
            tracing::error!(topic = %reading.topic, seq, lost, "groups before it are lost");
        }
    }

    fn is_mine(&self, reading: &Reading, owner: Owner) -> Result<(), Stop> {
        let found = reading.judge.hold;
        match self.options.term {
            _ if found == owner.hold => Ok(()),
            Some(granted) if found > owner.hold => {
                Err(Stop::For(OpenError::Outdated { granted, newest: found.term }))
            }
            _ => Err(Stop::For(OpenError::Taken)),
        }
    }

    fn writer(
        &self,
        (reading, writing): (Reading, Writing),
        owner: Owner,
        (tables, fenced_by): (&Arc<Tables>, &Arc<AtomicU64>),
        found: Found,
    ) -> Writer {
        let limits = (self.options.queue_bytes_max, self.options.ring_bytes);
        let judge = Judge { last: reading.judge.last.max(found.last_seq), ..reading.judge };
        let place = (reading.journal, reading.topic);
        let journal = JournalStore::new(place, limits, tables, fenced_by, self.recorder, found);
        Writer {
            journal: Arc::new(journal),
            broker: Arc::clone(self.broker),
            clock: Arc::clone(self.clock),
            epoch: owner.epoch,
            group_bytes: self.options.group_bytes as u64,
            window: self.options.window.max(1),
            answer_max: self.options.answer_max,
            judge,
            // It was read up to its own start.
            last: reading.last.unwrap_or(Locator { ledger: 0, entry: 0 }),
            writing: Some(writing),
            receipts: FuturesOrdered::new(),
            heard: self.clock.monotonic(),
            hold: owner.hold,
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
        let mut live = 0;
        for (header, body) in blocks {
            if !tables.is_kept(header.topic_partition.topic) {
                continue;
            }
            let partition = self.partitions.entry(header.topic_partition).or_default();
            let kept = partition.restore(BlockAt::new(&header, seq), body.is_none());
            live += u32::from(kept);
        }
        if live > 0 {
            self.groups.push_back(GroupAt { seq, at, live });
        }
        self.last_seq = seq;
    }

    /// Ends no earlier than what was copied: where nothing is stored up to there, it was trimmed or is lost.
    fn reach(&mut self, tables: &Tables, journal: Journal) {
        for (id, end) in tables.copied_ends(journal) {
            self.partitions.entry(id).or_default().lose_up_to(end.0);
        }
        self.last_seq = self.last_seq.max(tables.copied_seq(journal).0);
    }
}
