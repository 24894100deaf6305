//! What a look at a subscription sees: whether it gets on, and how old the oldest of its events is.

use std::time::Duration;

use tidings_event::{Timestamp, TopicPartition};

use super::State;
use crate::health::{Change, Health, Observation, Thresholds, Watch};

/// Most partitions of which one look has a block read to learn how old it is.
const READS_MAX: usize = 16;

/// What changes when anything does that a look could see.
type Marks = (u64, u64, u64, bool);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    watch: Watch,
    marks: Option<Marks>,
    /// As `marks`, when what has nothing to do was last looked for.
    rested: Option<Marks>,
    is_rested: bool,
    /// What the last look saw; of its age, the time that it counts from.
    seen: Observation,
    oldest: Option<Timestamp>,
    /// Where the age of the oldest event is not known.
    unknown: Vec<(TopicPartition, u64)>,
}

impl State {
    /// How it is doing, as of the last look.
    pub(crate) fn health(&self) -> Health {
        self.looks.watch.health()
    }

    /// How many events were not settled at the last look, and when the oldest was taken in.
    pub(crate) fn lag(&self) -> (u64, Option<Timestamp>) {
        (self.looks.seen.unsettled, self.looks.oldest)
    }

    /// Looks whether it gets on. One where nothing happened since costs next to nothing.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        wall: Timestamp,
        thresholds: &Thresholds,
    ) -> Option<Change> {
        let has_consumer = self.is_consumed();
        let marks = self.marks();
        if self.looks.marks != Some(marks) {
            self.looks.marks = Some(marks);
            self.count_lag();
        }
        let age = self.looks.oldest.map_or(0, |oldest| wall.0.saturating_sub(oldest.0));
        let mut seen = Observation { oldest: Duration::from_nanos(age), ..self.looks.seen };
        seen.has_consumer = has_consumer;
        seen.settled = self.generation;
        if self.is_held() {
            // It is not the consumer that nothing comes to.
            seen.unsettled = self.in_flight.events;
        }
        self.looks.watch.step(&seen, now, thresholds)
    }

    /// Lays partitions to rest that have nothing to do, once nothing has happened for a while.
    pub(crate) fn rest(&mut self) {
        let marks = self.marks();
        if self.looks.rested != Some(marks) {
            self.looks.rested = Some(marks);
            self.looks.is_rested = false;
        } else if !self.looks.is_rested && self.unconfirmed == 0 && !self.is_saving {
            self.looks.is_rested = true;
            self.slots.rest();
            self.timed.retain(|at| self.slots.get(at).is_some());
            self.members.iter_mut().for_each(|member| member.ready.tidy());
        }
    }

    fn marks(&self) -> Marks {
        (self.generation, self.news, self.in_flight.events, self.is_consumed())
    }

    /// Counts what is not settled, and finds out how old it is as far as that is known.
    pub(crate) fn count_lag(&mut self) {
        let (mut unsettled, mut oldest) = (0, None::<Timestamp>);
        self.looks.unknown.clear();
        for (partition, slot) in self.slots.awake_mut() {
            let count = slot.window.unsettled(slot.tail);
            if count == 0 {
                continue;
            }
            unsettled += count;
            let low = slot.window.low();
            match slot.ages.of(low) {
                Some(at) => oldest = Some(oldest.map_or(at, |oldest| oldest.min(at))),
                None if self.looks.unknown.len() < READS_MAX => {
                    self.looks.unknown.push((partition, low));
                }
                None => {}
            }
        }
        self.looks.seen.unsettled = unsettled;
        self.looks.oldest = oldest;
    }

    /// Blocks that have to be read to know how old the oldest event is.
    pub(crate) fn unknown_ages(&mut self) -> Vec<(TopicPartition, u64)> {
        std::mem::take(&mut self.looks.unknown)
    }

    /// Learns when a block of a partition was taken in.
    pub(crate) fn aged(&mut self, partition: TopicPartition, block: (u64, u64), at: Timestamp) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.ages.read(block.0, block.1, at);
            self.looks.marks = None;
        }
    }
}
