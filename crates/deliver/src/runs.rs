//! A set of offsets, kept as disjoint, non-adjacent runs.

use std::collections::VecDeque;

/// So many places are kept for the next runs when there is none.
const KEPT: usize = 64;

/// Offsets as runs `first..end`, in order: most come at the end and go at the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunSet(VecDeque<(u64, u64)>);

impl RunSet {
    /// Adds `first..end`, joining what it touches.
    pub(crate) fn insert(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        match self.0.back_mut() {
            Some(last) if last.1 < first => return self.0.push_back((first, end)),
            Some(last) if last.0 <= first => return last.1 = last.1.max(end),
            None => return self.0.push_back((first, end)),
            Some(_) => {}
        }
        let from = self.0.partition_point(|run| run.1 < first);
        let until = self.0.partition_point(|run| run.0 <= end);
        if from == until {
            return self.0.insert(from, (first, end));
        }
        let stop = self.0.get(until - 1).map_or(end, |run| run.1.max(end));
        self.0.drain(from + 1..until);
        if let Some(run) = self.0.get_mut(from) {
            *run = (run.0.min(first), stop);
        }
    }

    /// Removes the run that starts at or below `at` and reaches beyond it, and says where it ends.
    pub(crate) fn absorb(&mut self, at: u64) -> u64 {
        let mut at = at;
        while let Some((_, end)) = self.0.pop_front_if(|run| run.0 <= at) {
            at = at.max(end);
        }
        self.tidy();
        at
    }

    /// The end of the run that holds `at`.
    pub(crate) fn end_of(&self, at: u64) -> Option<u64> {
        let next = self.0.get(self.first_beyond(at))?;
        (next.0 <= at).then_some(next.1)
    }

    /// The start of the run that holds the offset before `at`.
    pub(crate) fn start_before(&self, at: u64) -> Option<u64> {
        let run = self.0.get(self.0.partition_point(|run| run.1 < at))?;
        (run.0 < at).then_some(run.0)
    }

    /// Takes `first..end` out.
    pub(crate) fn remove(&mut self, first: u64, end: u64) {
        let (from, until) = (self.first_beyond(first), self.0.partition_point(|run| run.0 < end));
        if first >= end || from >= until {
            return;
        }
        let (start, stop) =
            (self.0.get(from).map(|run| run.0), self.0.get(until - 1).map(|run| run.1));
        self.0.drain(from..until);
        if let Some(stop) = stop.filter(|&stop| stop > end) {
            self.0.insert(from, (end, stop));
        }
        if let Some(start) = start.filter(|&start| start < first) {
            self.0.insert(from, (start, first));
        }
        self.tidy();
    }

    /// Whether it holds all of `first..end`.
    pub(crate) fn covers(&self, first: u64, end: u64) -> bool {
        first >= end || self.end_of(first).is_some_and(|stop| stop >= end)
    }

    /// The runs inside of `first..end`, neither of which is in one.
    pub(crate) fn within(&self, first: u64, end: u64) -> Vec<(u64, u64)> {
        let from = self.0.partition_point(|run| run.0 < first);
        let until = self.0.partition_point(|run| run.0 < end.max(first));
        self.0.range(from..until).copied().collect()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the first run at or above `at` starts.
    pub(crate) fn next_above(&self, at: u64) -> Option<u64> {
        self.0.get(self.0.partition_point(|run| run.0 < at)).map(|run| run.0)
    }

    /// How many offsets of `first..end` are in it.
    pub(crate) fn overlap(&self, first: u64, end: u64) -> u64 {
        let runs = self.0.range(self.first_beyond(first)..).take_while(|run| run.0 < end);
        runs.map(|run| run.1.min(end) - run.0.max(first)).sum()
    }

    /// The runs, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of the first run that reaches beyond `at`.
    fn first_beyond(&self, at: u64) -> usize {
        self.0.partition_point(|run| run.1 <= at)
    }

    /// Gives back the room of many runs once there is none.
    fn tidy(&mut self) {
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests;
