//! A session's turns: what it is sent next, for a task of its own or for one that serves many.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_event::TopicPartition;
use tidings_telemetry::Counter;

use super::Session;
use crate::live::Live;
use crate::outgoing::{Delivery, Outgoing};
use crate::sent::Sent;
use crate::slot::{Budget, ReadFor};
use crate::stage::{Ready, Stage};
use crate::state::Ahead;
use crate::watch::{Watch, Watched};

/// What a session's turn comes to.
#[derive(Debug)]
pub enum Turn {
    /// To be sent. There may be more.
    Out(Outgoing),
    /// The log has to be read before the next turn.
    Read(Reading),
    /// Nothing before this time of the monotonic clock, or before something changes.
    Wait(Option<Duration>),
    /// Nothing any more: [`Outgoing::Closed`] was the last.
    Over,
}

/// A read of the log on behalf of a session.
pub struct Reading {
    stage: Arc<Stage>,
    live: Arc<Live>,
    place: (TopicPartition, u64, ReadFor),
}

impl Reading {
    /// Reads; the session's next turn has what was read. Dropping the future loses nothing.
    pub async fn run(self) {
        self.stage.read(&self.live, self.place).await;
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Session {
    /// What to send next; `None` after [`Outgoing::Closed`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Outgoing> {
        let (stage, live) = (Arc::clone(&self.stage), Arc::clone(&self.live));
        loop {
            let mut notified = std::pin::pin!(live.changed.notified());
            // From here on a change is not missed, even one that comes before the wait.
            notified.as_mut().enable();
            match self.turn() {
                Turn::Out(outgoing) => {
                    self.read_ahead();
                    return Some(outgoing);
                }
                Turn::Read(reading) => {
                    match self.ahead.as_mut().filter(|ahead| !ahead.is_empty()) {
                        // What it brings may be what is wanted.
                        Some(ahead) => {
                            tokio::select! {
                                _ended = ahead.join_next() => {}
                                () = notified => {}
                            }
                        }
                        None => {
                            self.is_behind = true;
                            reading.run().await;
                        }
                    }
                }
                Turn::Wait(until) => stage.wait(notified, until).await,
                Turn::Over => return None,
            }
        }
    }

    /// Has what comes later read while it is busy with what it was sent.
    fn read_ahead(&mut self) {
        if !self.is_behind {
            return;
        }
        let reads = self.ahead.get_or_insert_default();
        // A failure is told when what was to be read is wanted.
        while reads.try_join_next().is_some() {}
        if !reads.is_empty() {
            return;
        }
        let ahead = self.live.lock().ahead(self.number, self.stage.settings.read_ahead_events);
        self.is_behind = ahead != Ahead::Nothing;
        let Ahead::Read(partition, from) = ahead else { return };
        let (stage, live) = (Arc::clone(&self.stage), Arc::clone(&self.live));
        reads.spawn(async move { stage.read_ahead(&live, (partition, from)).await });
    }

    /// What can be sent without waiting for anything, not even for the log to be read.
    pub fn at_once(&mut self) -> Option<Outgoing> {
        match self.turn() {
            Turn::Out(outgoing) => Some(outgoing),
            Turn::Read(_) | Turn::Wait(_) | Turn::Over => None,
        }
    }

    /// Has its changes listed in a watch, under a number; it is listed now.
    pub fn watch(&mut self, watch: &Arc<Watch>, number: u32) {
        let watched = Watched::new(watch, number);
        self.live.changed.watch(&watched);
        watched.list();
        if let Some(before) = self.watched.replace(watched) {
            self.live.changed.unwatch(&before);
        }
    }

    /// Takes its turn; never waits. What changes from its beginning on is listed in its watch.
    pub fn turn(&mut self) -> Turn {
        if let Some(watched) = &self.watched {
            watched.attend();
        }
        if self.is_over {
            return Turn::Over;
        }
        match self.stage.at_once(&self.live, self.number, self.budget(), self.ack_deadline) {
            Ready::Out(outgoing) => Turn::Out(self.given(outgoing)),
            Ready::Sent(sent) => Turn::Out(Outgoing::Delivery(self.spend(sent))),
            Ready::Unread(partition, from, why) => {
                let (stage, live) = (Arc::clone(&self.stage), Arc::clone(&self.live));
                Turn::Read(Reading { stage, live, place: (partition, from, why) })
            }
            Ready::Nothing(until) => Turn::Wait(until),
        }
    }

    fn budget(&self) -> Budget {
        Budget {
            events: self.events.load(Ordering::SeqCst),
            bytes: self.bytes.load(Ordering::SeqCst),
        }
    }

    fn given(&mut self, outgoing: Outgoing) -> Outgoing {
        if matches!(outgoing, Outgoing::Closed(_)) {
            self.stage.recorder.count(Counter::DeliverErrors, 1);
            self.is_over = true;
        }
        outgoing
    }

    fn spend(&self, sent: Sent) -> Delivery {
        let delivery = sent.delivery;
        let take = |credit: &AtomicU64, used: u64| {
            // The closure never declines.
            let _before = credit
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |c| Some(c.saturating_sub(used)));
        };
        take(&self.events, u64::from(delivery.count));
        take(&self.bytes, delivery.body.len() as u64);
        delivery
    }
}
