//! When the events of one partition that are in flight were taken in: how old the oldest is.

use std::collections::VecDeque;

use tidings_event::Timestamp;

/// Most ages that are kept; what is older than the newest of them counts as that old.
const AGES_MAX: usize = 64;

/// Least time between two that are kept.
const STEP: u64 = 1_000_000_000;

/// Offsets `first..end`, and when the first of them was taken in.
#[derive(Clone, Copy, Debug)]
struct Age {
    first: u64,
    end: u64,
    at: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ages(VecDeque<Age>);

impl Ages {
    /// Takes note of offsets of one block that are sent for the first time.
    pub(crate) fn sent(&mut self, first: u64, end: u64, at: Timestamp) {
        let full = self.0.len() >= AGES_MAX;
        match self.0.back_mut() {
            Some(last) if full || at.0 < last.at.0.saturating_add(STEP) => {
                last.end = last.end.max(end)
            }
            _ => self.0.push_back(Age { first, end, at }),
        }
    }

    /// Takes note of a block that was read for nothing else.
    pub(crate) fn read(&mut self, first: u64, end: u64, at: Timestamp) {
        self.0.clear();
        self.0.push_back(Age { first, end, at });
    }

    /// When an offset below which all is settled was taken in, as far as it is known.
    pub(crate) fn of(&mut self, offset: u64) -> Option<Timestamp> {
        while self.0.front().is_some_and(|age| age.end <= offset) {
            self.0.pop_front();
        }
        while self.0.get(1).is_some_and(|next| next.first <= offset) {
            self.0.pop_front();
        }
        self.0.front().filter(|age| age.first <= offset).map(|age| age.at)
    }
}

#[cfg(test)]
mod tests;
