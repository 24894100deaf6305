//! Pull consumers: they ask for events, and settle them by ack ids.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::block::events;
use tidings_event::{Offset, Position, Refusal};
use tidings_telemetry::Counter;

use crate::ack_id::{AckId, AckState};
use crate::live::Live;
use crate::nack::Nack;
use crate::outgoing::{Outgoing, Pulled, PulledEvent, Run};
use crate::sent::Sent;
use crate::slot::Budget;
use crate::stage::{Ready, Stage};
use crate::state::{Consumer, State};

/// Most events of one pull.
const EVENTS_MAX: u32 = 10_000;
/// Most bytes of one pull.
const BYTES_MAX: u64 = 4 << 20;
/// Longest wait of one pull.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest extension of an ack deadline.
pub(crate) const EXTENSION_MAX: Duration = Duration::from_secs(86_400);

/// What a pull asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Most events; at most 10,000 are given.
    pub max: u32,
    /// How long to wait for the first event; at most 60 s.
    pub wait: Duration,
    /// Who asks.
    pub consumer: String,
}

/// What an ack settles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckRequest {
    /// Each settles what its consumer has in flight at or below it in its own partition.
    pub up_to: Vec<AckId>,
    /// Exactly these.
    pub ack_ids: Vec<AckId>,
}

/// Ends a pull however it ends; what was taken and not given is due again.
struct Guard<'a> {
    stage: &'a Stage,
    live: &'a Arc<Live>,
    session: u64,
    taken: Vec<Pulled>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut state = self.live.lock();
        for pulled in self.taken.drain(..) {
            match pulled {
                Pulled::Event(event) => {
                    state.give_back(self.session, Run::of(event.position));
                }
                Pulled::Gap(notice) => state.outbox.push_front(Outgoing::Gap(notice)),
            }
        }
        self.stage.report(&mut state);
        drop(state);
        self.live.end_pull(self.session, self.stage.clock.monotonic());
        self.live.changed.tell();
    }
}

impl Stage {
    /// Gives a pull consumer what there is, or waits for the first.
    pub(crate) async fn pull(
        &self,
        live: &Arc<Live>,
        session: u64,
        request: PullRequest,
    ) -> Result<Vec<Pulled>, Refusal> {
        let consumer = Consumer {
            name: request.consumer.into(),
            session,
            is_stream: false,
            window: u64::MAX,
            hears_pauses: false,
        };
        let session = live.claim(consumer, None, self.log.as_ref(), self.clock.as_ref())?;
        let mut guard = Guard { stage: self, live, session, taken: Vec::new() };
        let until = self.clock.monotonic().saturating_add(request.wait.min(WAIT_MAX));
        let ack_deadline = live.lock().subscription.spec.ack_deadline;
        let max = u64::from(request.max.clamp(1, EVENTS_MAX));
        let mut bytes = 0;
        loop {
            let mut notified = std::pin::pin!(live.changed.notified());
            notified.as_mut().enable();
            let left = max.saturating_sub(guard.taken.len() as u64);
            let budget = || Budget { events: left, bytes: BYTES_MAX.saturating_sub(bytes) };
            match self.ready(live, session, budget, Some(ack_deadline)).await {
                Ready::Out(Outgoing::Gap(notice)) => guard.taken.push(Pulled::Gap(notice)),
                Ready::Out(Outgoing::Closed(refusal)) => return Err(refusal),
                Ready::Out(_) => {}
                Ready::Sent(sent) => {
                    bytes += sent.delivery.body.len() as u64;
                    split(sent, session, &mut guard.taken);
                }
                Ready::Unread(..) => {}
                Ready::Nothing(timer) => {
                    if !guard.taken.is_empty() || self.clock.monotonic() >= until {
                        return Ok(std::mem::take(&mut guard.taken));
                    }
                    let timer = timer.map_or(until, |timer| timer.min(until));
                    self.wait(notified, Some(timer)).await;
                }
            }
        }
    }

    /// Settles ack ids; resolves when the cursors are durable.
    pub(crate) async fn ack(
        &self,
        live: &Arc<Live>,
        request: AckRequest,
    ) -> Result<Vec<(AckId, AckState)>, Refusal> {
        self.settle(live, |acks| {
            let mut answers: Vec<_> =
                request.up_to.into_iter().map(|id| (id, acks.up_to(id))).collect();
            answers.extend(request.ack_ids.into_iter().map(|id| (id, acks.one(id))));
            answers
        })
        .await
    }

    /// Settles runs that were sent to a session, which may have ended since; one answer for each
    /// list. Resolves when the cursors are durable.
    pub(crate) async fn ack_sent(
        &self,
        live: &Arc<Live>,
        session: u64,
        sent: Vec<Vec<Run>>,
    ) -> Result<Vec<AckState>, Refusal> {
        let answer =
            |acks: &mut Acks<'_>| sent.into_iter().map(|runs| acks.runs(session, &runs)).collect();
        self.settle(live, answer).await
    }

    async fn settle<T>(
        &self,
        live: &Arc<Live>,
        act: impl FnOnce(&mut Acks<'_>) -> T,
    ) -> Result<T, Refusal> {
        let (answers, counted, saves, generation) = {
            let mut state = live.lock();
            let now = self.clock.monotonic();
            state.expire(now);
            let mut acks = Acks { stage: self, state: &mut state, now, counted: 0 };
            let answers = act(&mut acks);
            let counted = acks.counted;
            self.report(&mut state);
            (answers, counted, state.saves.count(), state.generation)
        };
        if counted == 0 {
            return Ok(answers);
        }
        live.changed.tell();
        self.until_saved(live, saves, generation).await?;
        Ok(answers)
    }

    /// Resolves when everything up to a generation is durable, by a save after so many.
    pub(crate) async fn until_saved(
        &self,
        live: &Arc<Live>,
        saves: u64,
        generation: u64,
    ) -> Result<(), Refusal> {
        self.saver.mark(live);
        loop {
            let mut saved = pin!(live.saved.notified());
            saved.as_mut().enable();
            let ended = live.lock().saves.since(saves);
            if ended.transpose()?.is_some_and(|durable| durable >= generation) {
                return Ok(());
            }
            saved.await;
        }
    }

    /// Gives events back.
    pub(crate) fn nack(
        &self,
        live: &Arc<Live>,
        ids: Vec<AckId>,
        nack: &Nack,
    ) -> Vec<(AckId, AckState)> {
        let now = self.clock.monotonic();
        let mut state = live.lock();
        state.expire(now);
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let position = id.position();
            let held = is_held(&state, id);
            if held {
                let given = state.nack(id.session(), Run::of(position), now, nack);
                self.recorder.count(Counter::SettleNacked, given.len() as u64);
            } else {
                self.recorder.count(Counter::SettleStale, 1);
            }
            answers.push((id, if held { AckState::Confirmed } else { AckState::Stale }));
        }
        self.report(&mut state);
        drop(state);
        self.bury(live);
        live.changed.tell();
        answers
    }

    /// Moves the deadlines of events that are in flight.
    pub(crate) fn extend(
        &self,
        live: &Live,
        ids: Vec<AckId>,
        by: Duration,
    ) -> Vec<(AckId, AckState)> {
        let now = self.clock.monotonic();
        let deadline = now.saturating_add(by.min(EXTENSION_MAX));
        let mut state = live.lock();
        state.expire(now);
        let mut extend = |id: AckId| {
            let held = is_held(&state, id)
                && !state.extend(id.session(), Run::of(id.position()), deadline).is_empty();
            (id, if held { AckState::Confirmed } else { AckState::Stale })
        };
        let answers = ids.into_iter().map(&mut extend).collect();
        drop(state);
        live.changed.tell();
        answers
    }

    /// Gives back what a session was sent; one answer for each run.
    pub(crate) fn nack_sent(
        &self,
        live: &Arc<Live>,
        session: u64,
        runs: &[Run],
        nack: &Nack,
    ) -> Vec<AckState> {
        let now = self.clock.monotonic();
        let mut state = live.lock();
        let answers = runs.iter().map(|&run| {
            let given = state.nack(session, run, now, nack);
            let count = given.iter().map(Run::count).sum::<u64>();
            self.recorder.count(Counter::SettleNacked, count);
            if count > 0 { AckState::Confirmed } else { AckState::Stale }
        });
        let answers = answers.collect();
        self.report(&mut state);
        drop(state);
        self.bury(live);
        live.changed.tell();
        answers
    }
}

/// Acks under one lock.
struct Acks<'a> {
    stage: &'a Stage,
    state: &'a mut State,
    now: Duration,
    counted: u64,
}

impl Acks<'_> {
    fn up_to(&mut self, id: AckId) -> AckState {
        if is_of_before(self.state, id) {
            return self.count(0);
        }
        let runs = self.state.ack(id.session(), Run::of(id.position()), true, self.now);
        self.count(runs.iter().map(Run::count).sum())
    }

    fn one(&mut self, id: AckId) -> AckState {
        let position = id.position();
        if is_of_before(self.state, id) {
            return self.count(0);
        }
        let held = is_held(self.state, id);
        let runs = self.state.ack(id.session(), Run::of(position), false, self.now);
        if held && !runs.is_empty() {
            return self.count(1);
        }
        // Too late for this attempt; it counts all the same while nobody else has the event.
        if !runs.is_empty() {
            self.count(1);
        } else {
            let late = self.state.ack_late(id.session(), Run::of(position), self.now);
            self.counted += late;
            self.stage.recorder.count(Counter::SettleAcked, late);
        }
        self.stage.recorder.count(Counter::SettleStale, 1);
        AckState::Stale
    }

    /// What a session was sent counts while it has it, and afterwards while nobody else had it.
    fn runs(&mut self, session: u64, runs: &[Run]) -> AckState {
        let mut events = 0;
        for &run in runs {
            let acked = self.state.ack(session, run, false, self.now);
            events += acked.iter().map(Run::count).sum::<u64>();
            events += self.state.ack_late(session, run, self.now);
        }
        self.count(events)
    }

    fn count(&mut self, events: u64) -> AckState {
        self.counted += events;
        self.stage.recorder.count(Counter::SettleAcked, events);
        if events > 0 {
            return AckState::Confirmed;
        }
        self.stage.recorder.count(Counter::SettleStale, 1);
        AckState::Stale
    }
}

/// Whether a delivery was before its event began anew, by a seek or a redrive.
pub(crate) fn is_of_before(state: &State, id: AckId) -> bool {
    let position = id.position();
    let slot = state.slots.get(&position.topic_partition());
    slot.is_some_and(|slot| id.attempt() < slot.window.first_attempt(position.offset.0))
}

/// Whether a delivery is in flight.
pub(crate) fn is_held(state: &State, id: AckId) -> bool {
    let position = id.position();
    position.epoch == state.epoch
        && state.slots.get(&position.topic_partition()).is_some_and(|slot| {
            slot.window.is_in_flight(position.offset.0, id.attempt(), id.session())
        })
}

/// One answer per event, sharing the block's bytes.
fn split(sent: Sent, session: u64, into: &mut Vec<Pulled>) {
    let Sent { delivery, skipped, .. } = sent;
    let runs = delivery.offsets.iter();
    let offsets = runs.flat_map(|&(first, count)| first.0..first.0 + u64::from(count));
    let holds = |first: Offset, count: u32, offset: u64| {
        (first.0..first.0 + u64::from(count)).contains(&offset)
    };
    for (offset, event) in offsets.zip(events(&delivery.body).map_while(Result::ok)) {
        let position = Position {
            topic: delivery.topic.id,
            epoch: delivery.epoch,
            partition: delivery.partition,
            offset: Offset(offset),
        };
        let attempts = delivery.attempts.iter();
        let attempt = attempts.copied().find(|&(first, count, _)| holds(first, count, offset));
        let attempt = attempt.map_or(1, |(_, _, attempt)| attempt);
        let mut again = delivery.redelivered.iter();
        let digests = delivery.digests.iter().filter(|(at, _)| at.0 == offset);
        let mut redriven = delivery.redriven.iter();
        let letters = skipped.iter().filter(|(at, _)| *at == offset);
        into.push(Pulled::Event(PulledEvent {
            ack_id: AckId::new(position, attempt, session),
            position,
            topic: Arc::clone(&delivery.topic),
            attempt,
            redelivered: again.any(|&(first, count)| holds(first, count, offset)),
            redriven: redriven.any(|&(first, count)| holds(first, count, offset)),
            skipped_to_dead_letter: letters.map(|&(_, letter)| Offset(letter)).collect(),
            digest: digests.map(|(_, digest)| Arc::clone(digest)).next(),
            ingested_at: delivery.ingested_at(offset),
            event: delivery.body.slice_ref(event),
        }));
    }
}
