//! What every consumer of this stage shares.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::hop::Committed;
use tidings_event::{Clock, Offset, TopicPartition};
use tidings_log::{PartitionLog, ReadError};
use tidings_telemetry::{Counter, Gauge, Latency, Recorder, Timer};

use crate::burying::Undertaker;
use crate::catch_up::CatchUp;
use crate::live::Live;
use crate::outgoing::Outgoing;
use crate::saver::Saver;
use crate::sent::Sent;
use crate::settings::DeliverSettings;
use crate::slot::{Budget, ReadFor};
use crate::state::{Counts, State, Step};

/// See the module.
pub(crate) struct Stage {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) catch_up: CatchUp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) saver: Arc<Saver>,
    pub(crate) undertaker: Arc<Undertaker>,
    pub(crate) settings: DeliverSettings,
}

/// What a consumer gets at once.
#[derive(Debug)]
pub(crate) enum Ready {
    /// Something else than events.
    Out(Outgoing),
    /// Events.
    Sent(Sent),
    /// The log has to be read from an offset on.
    Unread(TopicPartition, u64, ReadFor),
    /// Nothing before this time or the next change.
    Nothing(Option<Duration>),
}

impl Stage {
    /// The next thing for a session, reading the log as needed; never waits for anything else.
    pub(crate) async fn ready(
        &self,
        live: &Arc<Live>,
        session: u64,
        budget: impl Fn() -> Budget,
        deadline: Option<Duration>,
    ) -> Ready {
        loop {
            match self.at_once(live, session, budget(), deadline) {
                Ready::Unread(partition, from, why) => {
                    self.read(live, (partition, from, why)).await;
                }
                ready => return ready,
            }
        }
    }

    /// Reads the log as a step asked for it.
    pub(crate) async fn read(&self, live: &Arc<Live>, place: (TopicPartition, u64, ReadFor)) {
        let (partition, from, why) = place;
        if why == ReadFor::Fresh && self.catch_up.serve(live, partition, from).await {
            return;
        }
        self.recorder.count(Counter::DeliverCatchUpReads, 1);
        let is_lonely = live.lock().is_lonely(partition, from);
        let bytes = if is_lonely { 1 } else { self.settings.read_bytes };
        let answer = self.log.read(partition, Offset(from), bytes).await;
        if let Some(answer) = self.or_letter(live, (partition, from), answer).await {
            live.lock().filled(place, answer);
        }
    }

    /// Reads what follows what is here. What is lost or trimmed there is told when it is its turn.
    pub(crate) async fn read_ahead(&self, live: &Arc<Live>, place: (TopicPartition, u64)) {
        let (partition, from) = place;
        self.recorder.count(Counter::DeliverCatchUpReads, 1);
        let answer = self.log.read(partition, Offset(from), self.settings.read_bytes).await;
        let goes_on = |blocks: &Vec<Committed>| {
            blocks.first().is_some_and(|block| block.block.header.base_offset.0 <= from)
        };
        if let Some(blocks) = answer.ok().filter(goes_on) {
            live.lock().filled((partition, from, ReadFor::Fresh), Ok(blocks));
        }
    }

    /// What was read of the log; of a redriven letter, its copy where the log has it no more, and
    /// nothing when that is gone, too.
    async fn or_letter(
        &self,
        live: &Live,
        (partition, from): (TopicPartition, u64),
        answer: Result<Vec<Committed>, ReadError>,
    ) -> Option<Result<Vec<Committed>, ReadError>> {
        let id = {
            let state = live.lock();
            let keeps = answer.is_ok() || !state.is_redriven(partition, from);
            (!keeps).then_some(state.subscription.id)
        };
        let Some(id) = id else { return Some(answer) };
        let copy = self.undertaker.letters().stored(id, partition, from).await;
        if copy.is_none() {
            live.lock().letter_gone(partition, from);
        }
        copy.map(|block| Ok(vec![block]))
    }

    /// As [`Self::ready`], without reading the log.
    pub(crate) fn at_once(
        &self,
        live: &Arc<Live>,
        session: u64,
        budget: Budget,
        deadline: Option<Duration>,
    ) -> Ready {
        let now = self.clock.monotonic();
        let until = deadline.map(|after| now.saturating_add(after));
        let (step, wants_burial) = {
            let mut state = live.lock();
            let step = state.step(budget, session, (now, &|| self.log.time()), until);
            self.report(&mut state);
            (step, state.wants_burial())
        };
        if wants_burial {
            self.undertaker.mark(live);
        }
        match step {
            Step::Out(out) => {
                if matches!(out, Outgoing::Gap(_)) {
                    self.recorder.count(Counter::DeliverGaps, 1);
                    self.saver.mark(live);
                }
                Ready::Out(out)
            }
            Step::Send(sent) => {
                self.record(&sent);
                if !sent.traced.is_empty() {
                    self.trace(live, &sent);
                }
                Ready::Sent(sent)
            }
            Step::Read(partition, from, why) => Ready::Unread(partition, from, why),
            Step::Wait(until) => Ready::Nothing(until),
        }
    }

    /// Waits for a change, or until a time.
    pub(crate) async fn wait(&self, changed: impl Future<Output = ()>, until: Option<Duration>) {
        let Some(until) = until else { return changed.await };
        let left = until.saturating_sub(self.clock.monotonic());
        tokio::select! {
            () = changed => {}
            () = Timer.after(left.max(Duration::from_millis(1))) => {}
        }
    }

    fn record(&self, sent: &Sent) {
        let delivery = &sent.delivery;
        let again: u64 = delivery.redelivered.iter().map(|&(_, count)| u64::from(count)).sum();
        self.recorder.count(Counter::DeliverEvents, u64::from(delivery.count));
        if again > 0 {
            self.recorder.count(Counter::DeliverRedelivered, again);
        } else {
            let took = self.clock.wall().0.saturating_sub(delivery.ingested_at.0);
            self.recorder.time(Latency::DeliverEvent, Duration::from_nanos(took));
        }
    }

    /// Has what is not tried again taken to the dead letters.
    pub(crate) fn bury(&self, live: &Arc<Live>) {
        let wants_burial = live.lock().wants_burial();
        if wants_burial {
            self.undertaker.mark(live);
        }
    }

    /// Brings the metric to what a subscription has in flight.
    pub(crate) fn report(&self, state: &mut State) {
        let moved = i128::from(state.in_flight.events) - i128::from(state.reported);
        state.reported = state.in_flight.events;
        // Both are counts of events in a bounded window.
        self.recorder.shift(Gauge::DeliverInFlight, i64::try_from(moved).unwrap_or(0));
        let Counts { overdue, held, fenced, folded } = std::mem::take(&mut state.counts);
        self.recorder.count(Counter::SettleOverdue, overdue);
        self.recorder.count(Counter::DeliverHeld, held);
        self.recorder.count(Counter::DeliverFenced, fenced);
        self.recorder.count(Counter::SettleFolded, folded);
    }
}
