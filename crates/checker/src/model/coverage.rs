//! Offsets that something was said of, and where it was said first.

use std::collections::BTreeMap;

/// Offsets of one partition, each with the place in the history that named it first.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Runs apart from each other, by first offset: last offset, place.
    runs: BTreeMap<u64, (u64, usize)>,
    times: usize,
}

impl Coverage {
    /// Adds a run that was named here. What was named before keeps its place.
    pub fn add(&mut self, first: u64, last: u64, at: usize) {
        self.times += 1;
        let mut from = Some(first);
        while let Some(first) = from.filter(|&first| first <= last) {
            if let Some((end, _)) = self.run(first) {
                from = end.checked_add(1);
                continue;
            }
            let next = self.runs.range(first..).next().map(|(&next, _)| next);
            let end = next.map_or(last, |next| last.min(next - 1));
            self.runs.insert(first, (end, at));
            from = end.checked_add(1);
        }
    }

    /// Adds an offset of which nobody asks where it was named: neighbours become one run.
    pub(crate) fn extend(&mut self, offset: u64) {
        if self.contains(offset) {
            return;
        }
        let next = offset.checked_add(1).and_then(|next| self.runs.remove(&next));
        let last = next.map_or(offset, |(last, _)| last);
        let before = self.runs.range_mut(..offset).next_back();
        match before.filter(|(_, (last, _))| *last + 1 == offset) {
            Some((_, run)) => run.0 = last,
            None => {
                self.runs.insert(offset, (last, 0));
            }
        }
    }

    /// Its runs: first and last offset.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.runs.iter().map(|(&first, &(last, _))| (first, last))
    }

    /// The run that an offset is in: its last offset, and where it was named.
    fn run(&self, offset: u64) -> Option<(u64, usize)> {
        let before = self.runs.range(..=offset).next_back().map(|(_, &run)| run);
        before.filter(|&(last, _)| offset <= last)
    }

    /// Where an offset was named first.
    #[must_use]
    pub fn first_named(&self, offset: u64) -> Option<usize> {
        self.run(offset).map(|(_, at)| at)
    }

    /// Whether an offset was named.
    #[must_use]
    pub fn contains(&self, offset: u64) -> bool {
        self.run(offset).is_some()
    }

    /// The first offset from here on that was not named; `None` when there is none.
    #[must_use]
    pub fn end_of(&self, mut offset: u64) -> Option<u64> {
        while let Some((last, _)) = self.run(offset) {
            offset = last.checked_add(1)?;
        }
        Some(offset)
    }

    /// Whether something was named between two places in the history.
    #[must_use]
    pub fn named_within(&self, after: usize, before: usize) -> bool {
        self.runs.values().any(|&(_, at)| after < at && at < before)
    }

    /// How often something was added.
    #[must_use]
    pub fn times(&self) -> usize {
        self.times
    }
}

#[cfg(test)]
mod tests;
