//! What a look at a subscription sees: whether it gets on, and how old the oldest of its events is.

use std::time::Duration;

use tidings_event::{Timestamp, TopicPartition};

use super::State;
use crate::health::{Change, Health, Observation, Thresholds, Watch};

/// Most partitions of which one look has a block read to learn how old it is.
const READS_MAX: usize = 16;

/// What changes when anything does that a look could see.
type Marks = (u64, u64, u64, bool);

/// How long nothing has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quiet {
    /// Something did since it was last asked.
    #[default]
    No,
    /// Nothing did since it was last asked.
    Since,
    /// What has nothing to do is at rest.
    Rested,
}

/// Events that are not settled.
#[derive(Debug, Default)]
struct Behind {
    unsettled: u64,
    /// When the oldest was taken in, as far as that is known.
    oldest: Option<Timestamp>,
    /// Where that is not known.
    unknown: Vec<(TopicPartition, u64)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    watch: Watch,
    marks: Option<Marks>,
    quiet: Quiet,
    /// Whether what is behind was counted since anything happened.
    is_counted: bool,
    /// As it was last counted; absent while there is nothing.
    behind: Option<Box<Behind>>,
}

impl Looks {
    /// Takes note of whether anything happened.
    fn notice(&mut self, marks: Marks) {
        if self.marks != Some(marks) {
            (self.marks, self.quiet, self.is_counted) = (Some(marks), Quiet::No, false);
        }
    }
}

impl State {
    /// How it is doing, as of the last look.
    pub(crate) fn health(&self) -> Health {
        self.looks.watch.health()
    }

    /// How many events were not settled at the last look, and when the oldest was taken in.
    pub(crate) fn lag(&self) -> (u64, Option<Timestamp>) {
        self.looks.behind.as_ref().map_or((0, None), |behind| (behind.unsettled, behind.oldest))
    }

    /// Looks whether it gets on. One where nothing happened since costs next to nothing.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        wall: Timestamp,
        thresholds: &Thresholds,
    ) -> Option<Change> {
        self.looks.notice(self.marks());
        if !self.looks.is_counted {
            self.looks.is_counted = true;
            self.count_lag();
        }
        let (unsettled, oldest) = self.lag();
        let age = oldest.map_or(0, |oldest| wall.0.saturating_sub(oldest.0));
        let seen = Observation {
            has_consumer: self.is_consumed(),
            // It is not the consumer that nothing comes to while it is held.
            unsettled: if self.is_held() { self.in_flight.events } else { unsettled },
            settled: self.generation,
            oldest: Duration::from_nanos(age),
        };
        self.looks.watch.step(&seen, now, thresholds)
    }

    /// Lays partitions to rest that have nothing to do, once nothing has happened for a while.
    pub(crate) fn rest(&mut self) {
        self.looks.notice(self.marks());
        match self.looks.quiet {
            Quiet::No => self.looks.quiet = Quiet::Since,
            Quiet::Since if self.unconfirmed == 0 && !self.is_saving => {
                self.looks.quiet = Quiet::Rested;
                self.slots.rest();
                self.timed.retain(|at| self.slots.get(at).is_some());
                self.members.iter_mut().for_each(|member| member.ready.tidy());
            }
            Quiet::Since | Quiet::Rested => {}
        }
    }

    fn marks(&self) -> Marks {
        (self.generation, self.news, self.in_flight.events, self.is_consumed())
    }

    /// Counts what is not settled, and finds out how old it is as far as that is known.
    pub(crate) fn count_lag(&mut self) {
        let mut behind = Behind::default();
        for (partition, slot) in self.slots.awake_mut() {
            let count = slot.window.unsettled(slot.tail);
            if count == 0 {
                continue;
            }
            behind.unsettled += count;
            let low = slot.window.low();
            match slot.ages.of(low) {
                Some(at) => behind.oldest = Some(behind.oldest.map_or(at, |oldest| oldest.min(at))),
                None if behind.unknown.len() < READS_MAX => behind.unknown.push((partition, low)),
                None => {}
            }
        }
        self.looks.behind = (behind.unsettled > 0).then(|| Box::new(behind));
    }

    /// Blocks that have to be read to know how old the oldest event is.
    pub(crate) fn unknown_ages(&mut self) -> Vec<(TopicPartition, u64)> {
        let behind = self.looks.behind.as_mut();
        behind.map_or_else(Vec::new, |behind| std::mem::take(&mut behind.unknown))
    }

    /// Learns when a block of a partition was taken in.
    pub(crate) fn aged(&mut self, partition: TopicPartition, block: (u64, u64), at: Timestamp) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.ages.read(block.0, block.1, at);
            self.looks.is_counted = false;
        }
    }
}
