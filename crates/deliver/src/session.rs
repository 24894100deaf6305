//! A stream consumer's session: credit and acks in, what it is sent out.

mod turn;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_catalog::Compression;
use tidings_event::{Code, Offset, Position, Refusal};
use tidings_telemetry::{Counter, Gauge};
use tokio::task::JoinSet;

use crate::ack_id::AckId;
use crate::live::Live;
use crate::nack::Nack;
use crate::outgoing::{Outgoing, Run};
use crate::pull::{EXTENSION_MAX, is_held, is_of_before};
use crate::registry::Registry;
use crate::stage::Stage;
use crate::state::State;
use crate::watch::Watched;

pub use turn::{Reading, Turn};

/// How a stream consumer attaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attach {
    /// Its name, for health and logs.
    pub consumer: String,
    /// Most events in flight, where fewer than the subscription allows.
    pub max_in_flight: Option<u32>,
    /// What it is sent fails when it is not settled in so much time; without one it stays in flight as
    /// long as the session.
    pub ack_deadline: Option<Duration>,
    /// Whether [`Outgoing::Paused`] and [`Outgoing::Resumed`] are wanted.
    pub hears_pauses: bool,
    /// The session of the same consumer that this one goes on after. When that is still attached
    /// its connection is taken for dead: it ends with `SESSION_TAKEN`.
    pub follows: Option<SessionId>,
}

/// Names a session of this service; no two share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let read = u64::from_str_radix(text, 16).ok().map(Self);
        // One id, one text.
        read.filter(|id| id.to_string() == text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let detail = format!("`{shown}` is not a session of this service");
            Refusal::new(Code::PositionInvalid, detail)
        })
    }
}

/// One attached stream. Dropping it gives everything in flight back.
pub struct Session {
    stage: Arc<Stage>,
    live: Arc<Live>,
    number: u64,
    /// Where an ephemeral reader has to be signed off.
    registry: Option<Arc<Registry>>,
    /// What is left of the credit.
    events: AtomicU64,
    bytes: AtomicU64,
    ack_deadline: Option<Duration>,
    /// Where its changes are listed.
    watched: Option<Arc<Watched>>,
    /// A read of what it will be sent later; nothing before the first.
    ahead: Option<JoinSet<()>>,
    /// Whether the log was read for it, and there may be more to read.
    is_behind: bool,
    is_over: bool,
}

impl Session {
    pub(crate) fn new(
        stage: Arc<Stage>,
        live: Arc<Live>,
        number: u64,
        registry: Option<Arc<Registry>>,
    ) -> Self {
        stage.recorder.shift(Gauge::DeliverConsumers, 1);
        let (events, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            stage,
            live,
            number,
            registry,
            events,
            bytes,
            ack_deadline: None,
            watched: None,
            ahead: None,
            is_behind: false,
            is_over: false,
        }
    }

    /// With a deadline for each event that it is sent.
    pub(crate) fn with_deadline(mut self, ack_deadline: Option<Duration>) -> Self {
        self.ack_deadline = ack_deadline;
        self
    }

    /// Names this session, also in acks and logs.
    #[must_use]
    pub fn number(&self) -> SessionId {
        SessionId(self.number)
    }

    /// Whether it has no cursor: what it sends is settled, and acks settle nothing.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.registry.is_some()
    }

    /// The next offset of every partition that has one above 0: an ephemeral reader that starts at
    /// these positions goes on exactly here.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        let state = self.live.lock();
        let epoch = state.epoch;
        let next = state.slots.places().into_iter().map(|(at, _, next)| Position {
            topic: at.topic,
            epoch,
            partition: at.partition,
            offset: Offset(next),
        });
        next.filter(|position| position.offset.0 > 0).collect()
    }

    /// The id that acknowledges one delivered event in text.
    #[must_use]
    pub fn ack_id(&self, position: Position, attempt: u32) -> AckId {
        AckId::new(position, attempt, self.number)
    }

    /// Most events and bytes in flight.
    #[must_use]
    pub fn max_in_flight(&self) -> (u32, u64) {
        let limits = self.live.lock().limits;
        (u32::try_from(limits.events).unwrap_or(u32::MAX), limits.bytes)
    }

    /// How its subscription wants batches packed, now.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.live.lock().subscription.spec.batching.compression
    }

    /// Adds credit. Nothing is sent unless both are positive.
    pub fn grant(&self, events: u64, bytes: u64) {
        let add = |credit: &AtomicU64, more| {
            // The closure never declines.
            let _before = credit
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |c| Some(c.saturating_add(more)));
        };
        add(&self.events, events);
        add(&self.bytes, bytes);
        self.live.changed.tell();
    }

    /// As [`Self::ack`], by ids. One that was given to another session counts, as a late one does,
    /// while the event is not settled and nobody else had it since; it is reported as stale. One of
    /// before a seek or a redrive counts for nothing.
    pub fn ack_ids(&self, up_to: &[AckId], ids: &[AckId]) {
        let (mut positions, mut runs) = (Vec::new(), Vec::new());
        let (mut late, mut stale) = (Vec::new(), Vec::new());
        let state = self.live.lock();
        for (at, id) in up_to.iter().chain(ids).enumerate() {
            if is_of_before(&state, *id) {
                stale.push(Run::of(id.position()));
            } else if id.session() != self.number {
                late.push(*id);
            } else if at < up_to.len() {
                positions.push(id.position());
            } else {
                runs.push(Run::of(id.position()));
            }
        }
        drop(state);
        late.into_iter().for_each(|id| self.ack_late(id));
        if !stale.is_empty() {
            self.stage.recorder.count(Counter::SettleStale, stale.len() as u64);
            let told = Outgoing::Confirmed { runs: Vec::new(), stale };
            self.live.lock().tell(self.number, told);
            self.live.changed.tell();
        }
        if !positions.is_empty() || !runs.is_empty() {
            self.ack(positions, runs);
        }
    }

    fn ack_late(&self, id: AckId) {
        let mut state = self.live.lock();
        let run = Run::of(id.position());
        let late = state.ack_late(id.session(), run, self.stage.clock.monotonic());
        self.stage.recorder.count(Counter::SettleAcked, late);
        self.stage.recorder.count(Counter::SettleStale, 1);
        if late > 0 {
            state.confirm(self.number, Vec::new(), vec![run]);
            drop(state);
            self.stage.saver.mark(&self.live);
        } else {
            let (runs, stale) = (Vec::new(), vec![run]);
            state.tell(self.number, Outgoing::Confirmed { runs, stale });
        }
    }

    /// Settles, per position of `up_to`, everything sent to this session, still in flight, at or
    /// below it in its own partition; and exactly `runs`. [`Outgoing::Confirmed`] follows when the
    /// cursor is durable.
    pub fn ack(&self, up_to: Vec<Position>, runs: Vec<Run>) {
        let now = self.stage.clock.monotonic();
        let mut state = self.live.lock();
        let (mut done, mut stale, mut late) = (Vec::new(), Vec::new(), 0);
        for position in up_to {
            let acked = state.ack(self.number, Run::of(position), true, now);
            if acked.is_empty() {
                stale.push(Run::of(position));
            }
            done.extend(acked);
        }
        for run in runs {
            let acked = state.ack(self.number, run, false, now);
            let gone = missing(run, &acked);
            // Later than its deadline, which this consumer has not been told of.
            if self.ack_deadline.is_some() {
                late += gone.iter().map(|g| state.ack_late(self.number, *g, now)).sum::<u64>();
            }
            stale.extend(gone);
            done.extend(acked);
        }
        let settled = done.iter().map(Run::count).sum::<u64>() + late;
        self.stage.recorder.count(Counter::SettleAcked, settled);
        self.stage.report(&mut state);
        self.stage.recorder.count(Counter::SettleStale, stale.len() as u64);
        if settled == 0 {
            if !stale.is_empty() {
                state.tell(self.number, Outgoing::Confirmed { runs: done, stale });
            }
            drop(state);
        } else {
            state.confirm(self.number, done, stale);
            drop(state);
            self.stage.saver.mark(&self.live);
        }
        self.live.changed.tell();
    }

    /// Gives runs back: these attempts failed. What is not dead-lettered is sent again after its
    /// back-off, or after the nack's delay where that is longer.
    pub fn nack(&self, runs: Vec<Run>, nack: impl Into<Nack>) {
        let nack = nack.into();
        let now = self.stage.clock.monotonic();
        let mut state = self.live.lock();
        for run in runs {
            let given = state.nack(self.number, run, now, &nack);
            self.stage.recorder.count(Counter::SettleNacked, given.iter().map(Run::count).sum());
        }
        self.stage.report(&mut state);
        drop(state);
        self.stage.bury(&self.live);
        self.live.changed.tell();
    }

    /// Gives runs more time: their deadline is so far from now, at most 24 h.
    /// [`Outgoing::Extended`] follows.
    ///
    /// # Errors
    /// `FIELD_INVALID` when this session has no deadlines.
    pub fn extend(&self, runs: Vec<Run>, by: Duration) -> Result<(), Refusal> {
        self.extend_those(by, |_| (runs, Vec::new()))
    }

    /// As [`Self::extend`], by ids: those of other deliveries are stale.
    ///
    /// # Errors
    /// As [`Self::extend`].
    pub fn extend_ids(&self, ids: &[AckId], by: Duration) -> Result<(), Refusal> {
        self.extend_those(by, |state| {
            let mine = |id: &&AckId| id.session() == self.number && is_held(state, **id);
            let (held, stale): (Vec<_>, Vec<_>) = ids.iter().partition(mine);
            let run = |id: &AckId| Run::of(id.position());
            (held.into_iter().map(run).collect(), stale.into_iter().map(run).collect())
        })
    }

    fn extend_those(
        &self,
        by: Duration,
        those: impl FnOnce(&State) -> (Vec<Run>, Vec<Run>),
    ) -> Result<(), Refusal> {
        if self.ack_deadline.is_none() {
            let refusal = Refusal::new(Code::FieldInvalid, "this stream has no ack deadline");
            return Err(refusal.with_hint("open it with `ack_deadline_ms`"));
        }
        let now = self.stage.clock.monotonic();
        let deadline = now.saturating_add(by.min(EXTENSION_MAX));
        let mut state = self.live.lock();
        state.expire(now);
        let (asked, mut stale) = those(&state);
        let mut runs = Vec::with_capacity(asked.len());
        for run in asked {
            let moved = state.extend(self.number, run, deadline);
            stale.extend(missing(run, &moved));
            runs.extend(moved);
        }
        self.stage.recorder.count(Counter::SettleStale, stale.len() as u64);
        self.stage.report(&mut state);
        state.tell(self.number, Outgoing::Extended { runs, stale });
        drop(state);
        self.live.changed.tell();
        Ok(())
    }

    /// Durable events of this subscription that are not settled.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let state = self.live.lock();
        state.slots.awake().map(|(_, slot)| slot.window.unsettled(slot.tail)).sum()
    }
}

/// The parts of a run that are not in `found`, which lie in it in order.
fn missing(run: Run, found: &[Run]) -> Vec<Run> {
    let mut left = Vec::new();
    let mut at = run.first.0;
    for part in found {
        if at < part.first.0 {
            left.push(Run { first: Offset(at), last: Offset(part.first.0 - 1), ..run });
        }
        at = part.last.0.saturating_add(1);
    }
    if at <= run.last.0 {
        left.push(Run { first: Offset(at), ..run });
    }
    left
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(watched) = &self.watched {
            self.live.changed.unwatch(watched);
        }
        self.live.detach(self.number, self.stage.clock.monotonic());
        if let Some(registry) = &self.registry {
            registry.sign_off(self.number);
        }
        self.stage.report(&mut self.live.lock());
        self.stage.recorder.shift(Gauge::DeliverConsumers, -1);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("number", &self.number).finish_non_exhaustive()
    }
}
