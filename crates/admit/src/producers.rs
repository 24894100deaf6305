//! What one partition remembers of its producers: the next sequence, and where the last ones went.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tidings_event::block::ProducerStamp;
use tidings_event::{Code, Offset, Refusal};

use crate::unsaved::Unsaved;

/// Sequences whose exact offsets are remembered.
pub const REMEMBERED: u64 = 1_024;

/// Consecutive sequences at consecutive offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceRun {
    pub(crate) sequence: u64,
    pub(crate) offset: u64,
    pub(crate) count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) epoch: u32,
    pub(crate) next: u64,
    pub(crate) runs: VecDeque<SequenceRun>,
    pub(crate) active: Duration,
    /// Changed since the last checkpoint.
    pub(crate) dirty: bool,
}

impl ProducerState {
    /// Offset of the first of `count` sequences, when all of them are remembered side by side.
    fn offset_of(&self, first: u64, count: u64) -> Option<Offset> {
        let run = self
            .runs
            .iter()
            .find(|run| run.sequence <= first && first + count <= run.sequence + run.count)?;
        Some(Offset(run.offset + (first - run.sequence)))
    }

    fn store(&mut self, first: u64, count: u64, offset: Offset) {
        match self.runs.back_mut() {
            Some(last)
                if last.sequence + last.count == first && last.offset + last.count == offset.0 =>
            {
                last.count += count;
            }
            _ => self.runs.push_back(SequenceRun { sequence: first, offset: offset.0, count }),
        }
        self.next = first + count;
        // The newest block is always remembered whole, so that its own repeat finds it.
        let floor = self.next.saturating_sub(REMEMBERED.max(count));
        while let Some(oldest) = self.runs.front_mut()
            && oldest.sequence < floor
        {
            let cut = (floor - oldest.sequence).min(oldest.count);
            oldest.sequence += cut;
            oldest.offset += cut;
            oldest.count -= cut;
            if oldest.count == 0 {
                self.runs.pop_front();
            }
        }
    }
}

/// What is to be done with a sequenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Store it, without its first events, which are there already.
    Store {
        /// How many.
        repeated: u64,
        /// Where the first of them is.
        repeated_at: Option<Offset>,
    },
    /// All of it is there already.
    Duplicate(Option<Offset>),
}

/// How much a partition remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducerLimits {
    pub(crate) producers: usize,
    pub(crate) idle: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct ProducerTable {
    pub(crate) states: HashMap<[u8; 16], ProducerState>,
    pub(crate) unsaved: Unsaved,
}

impl ProducerTable {
    /// Judges a block. `fresh`: the epoch was granted on this connection, so that nothing of it
    /// can have been forgotten.
    pub(crate) fn judge(
        &self,
        stamp: &ProducerStamp,
        count: u64,
        fresh: bool,
    ) -> Result<Verdict, Refusal> {
        let first = stamp.first_sequence;
        let Some(state) = self.states.get(&stamp.id) else {
            return match (first, fresh) {
                (0, _) => Ok(Verdict::Store { repeated: 0, repeated_at: None }),
                (_, true) => Err(gap(first, 0)),
                (_, false) => Err(Refusal::new(
                    Code::ProducerUnknown,
                    format!("this partition knows nothing of the producer, and sequence {first} is not 0"),
                )
                .with_hint("open without an epoch and start from sequence 0")),
            };
        };
        if stamp.epoch < state.epoch {
            return Err(fenced(stamp.epoch, state.epoch));
        }
        let next = if stamp.epoch > state.epoch { 0 } else { state.next };
        let end = first.saturating_add(count);
        if first > next {
            return Err(gap(first, next));
        }
        if end <= next {
            return Ok(Verdict::Duplicate(state.offset_of(first, count)));
        }
        let repeated = next - first;
        let repeated_at = (repeated > 0).then(|| state.offset_of(first, repeated)).flatten();
        Ok(Verdict::Store { repeated, repeated_at })
    }

    /// Makes room for a producer, or refuses it. Connected ones are never evicted.
    pub(crate) fn admit(
        &mut self,
        id: &[u8; 16],
        now: Duration,
        limits: ProducerLimits,
        connected: impl Fn(&[u8; 16]) -> bool,
    ) -> Result<(), Refusal> {
        if self.states.contains_key(id) || self.states.len() < limits.producers {
            return Ok(());
        }
        self.evict(now, limits.idle, connected);
        if self.states.len() < limits.producers {
            return Ok(());
        }
        let detail = format!("the partition remembers {} producers", self.states.len());
        Err(Refusal::new(Code::ProducerLimit, detail)
            .with_hint("reuse producer ids; idle ones are forgotten after a week"))
    }

    /// Forgets producers that are idle for too long; says which.
    pub(crate) fn evict(
        &mut self,
        now: Duration,
        idle: Duration,
        connected: impl Fn(&[u8; 16]) -> bool,
    ) -> Vec<[u8; 16]> {
        let old = self
            .states
            .extract_if(|id, state| now.saturating_sub(state.active) >= idle && !connected(id));
        old.map(|(id, _)| id).collect()
    }

    /// Remembers stored events; what is known already changes nothing.
    pub(crate) fn store(
        &mut self,
        stamp: &ProducerStamp,
        count: u64,
        offset: Offset,
        now: Duration,
    ) {
        let state = self.states.entry(stamp.id).or_default();
        if stamp.epoch < state.epoch {
            return;
        }
        if stamp.epoch > state.epoch {
            *state = ProducerState { epoch: stamp.epoch, ..ProducerState::default() };
        }
        let end = stamp.first_sequence + count;
        if end > state.next {
            state.store(stamp.first_sequence, count, offset);
        }
        state.active = now;
        state.dirty = true;
    }
}

fn gap(first: u64, next: u64) -> Refusal {
    Refusal::new(Code::SequenceGap, format!("sequence {first} came, {next} is the next"))
        .with_hint(format!("send sequence {next} first"))
}

pub(crate) fn fenced(given: u32, current: u32) -> Refusal {
    Refusal::new(Code::ProducerFenced, format!("epoch {given} is older than {current}"))
        .with_hint("another instance of this producer took over: stop this one")
}

#[cfg(test)]
mod tests;
