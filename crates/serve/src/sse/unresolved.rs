//! What a session was sent and nobody resolved yet, by number. Pure.
//!
//! Numbers are given in the order sent, so that a number stands for everything sent up to it. Runs
//! of consecutive offsets take one entry; there are never more than events in the window.

use std::collections::BTreeMap;

use tidings_deliver::Run;
use tidings_event::Offset;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    /// By the number of their first event.
    runs: BTreeMap<u64, Run>,
    last: u64,
}

impl Unresolved {
    /// Takes note of a run and gives the number of its first event; the others follow.
    pub(super) fn push(&mut self, run: Run) -> u64 {
        let first = self.last + 1;
        self.last += run.count();
        self.runs.insert(first, run);
        first
    }

    /// Resolves everything up to a number.
    pub(super) fn take_up_to(&mut self, number: u64) -> Vec<Run> {
        let mut above = self.runs.split_off(&number.saturating_add(1));
        let mut taken = std::mem::take(&mut self.runs);
        if let Some(mut last) = taken.last_entry() {
            let cut = number - *last.key() + 1;
            let run = *last.get();
            if cut < run.count() {
                last.insert(Run { last: Offset(run.first.0 + cut - 1), ..run });
                above.insert(number + 1, Run { first: Offset(run.first.0 + cut), ..run });
            }
        }
        self.runs = above;
        taken.into_values().collect()
    }

    /// Resolves one.
    pub(super) fn take(&mut self, number: u64) -> Option<Run> {
        let (&first, &run) = self.runs.range(..=number).next_back()?;
        let skip = number - first;
        if skip >= run.count() {
            return None;
        }
        self.runs.remove(&first);
        let at = Offset(run.first.0 + skip);
        if skip > 0 {
            self.runs.insert(first, Run { last: Offset(at.0 - 1), ..run });
        }
        if at < run.last {
            self.runs.insert(number + 1, Run { first: Offset(at.0 + 1), ..run });
        }
        Some(Run { first: at, last: at, ..run })
    }

    /// How many runs it keeps.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests;
