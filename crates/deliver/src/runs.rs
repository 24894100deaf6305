//! A set of offsets, kept as disjoint, non-adjacent runs.

use std::collections::BTreeMap;

/// Offsets as runs `first..end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunSet(BTreeMap<u64, u64>);

impl RunSet {
    /// Adds `first..end`, joining what it touches.
    pub(crate) fn insert(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let (mut first, mut end) = (first, end);
        while let Some((&start, &stop)) = self.0.range(..=end).next_back() {
            if stop < first {
                break;
            }
            self.0.remove(&start);
            first = first.min(start);
            end = end.max(stop);
        }
        self.0.insert(first, end);
    }

    /// Removes the run that starts at or below `at` and reaches beyond it, and says where it ends.
    pub(crate) fn absorb(&mut self, at: u64) -> u64 {
        let mut at = at;
        while let Some((&first, &end)) = self.0.first_key_value() {
            if first > at {
                break;
            }
            self.0.remove(&first);
            at = at.max(end);
        }
        at
    }

    /// The end of the run that holds `at`.
    pub(crate) fn end_of(&self, at: u64) -> Option<u64> {
        self.0.range(..=at).next_back().map(|(_, &end)| end).filter(|&end| end > at)
    }

    /// The start of the run that holds the offset before `at`.
    pub(crate) fn start_before(&self, at: u64) -> Option<u64> {
        self.0.range(..at).next_back().filter(|&(_, &end)| end >= at).map(|(&first, _)| first)
    }

    /// Takes `first..end` out.
    pub(crate) fn remove(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        while let Some((&start, &stop)) = self.0.range(..end).next_back() {
            if stop <= first {
                break;
            }
            self.0.remove(&start);
            if end < stop {
                self.0.insert(end, stop);
            }
            if start < first {
                self.0.insert(start, first);
                break;
            }
        }
    }

    /// Whether it holds all of `first..end`.
    pub(crate) fn covers(&self, first: u64, end: u64) -> bool {
        first >= end || self.end_of(first).is_some_and(|stop| stop >= end)
    }

    /// The runs inside of `first..end`, neither of which is in one.
    pub(crate) fn within(&self, first: u64, end: u64) -> Vec<(u64, u64)> {
        self.0.range(first..end.max(first)).map(|(&start, &stop)| (start, stop)).collect()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the first run above `at` starts.
    pub(crate) fn next_above(&self, at: u64) -> Option<u64> {
        self.0.range(at..).next().map(|(&first, _)| first)
    }

    /// How many offsets of `first..end` are in it.
    pub(crate) fn overlap(&self, first: u64, end: u64) -> u64 {
        let before = self.end_of(first).map_or(0, |stop| stop.min(end).saturating_sub(first));
        let from = first + before;
        self.0
            .range(from.max(first + 1).min(end)..end)
            .fold(before, |sum, (&start, &stop)| sum + stop.min(end) - start)
    }

    /// The runs, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(&first, &end)| (first, end))
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests;
