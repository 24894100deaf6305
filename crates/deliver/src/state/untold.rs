//! Gaps that no consumer was told yet: no cursor covers them, so that a crash loses none.

use tidings_event::TopicPartition;

use super::{Ended, State};
use crate::cursor::Cursor;
use crate::outgoing::{GapNotice, Outgoing};

impl State {
    /// Has whoever consumes told of a gap. What lies in it is settled for good once that is done.
    pub(super) fn tell_gap(&mut self, notice: GapNotice, ended: impl IntoIterator<Item = Ended>) {
        self.outbox.push_back(Outgoing::Gap(notice));
        self.generation += 1;
        if !self.is_ephemeral {
            self.untold.extend(ended);
        }
    }

    /// Takes note that a gap is told.
    pub(super) fn told(&mut self, notice: &GapNotice) {
        let partition = TopicPartition { topic: notice.topic.id, partition: notice.partition };
        let gap = notice.from.0..notice.to.0 + 1;
        self.end_untold(|run| run.partition == partition && gap.contains(&run.first));
        self.dirty(partition);
    }

    /// Takes note that nothing of a partition is to be kept for those who were not told.
    pub(super) fn forget_untold(&mut self, partition: TopicPartition) {
        self.end_untold(|run| run.partition == partition);
    }

    fn end_untold(&mut self, is_told: impl Fn(&Ended) -> bool) {
        for run in self.untold.extract_if(.., |run| is_told(run)).collect::<Vec<_>>() {
            self.ended(run);
        }
    }

    /// What a partition's cursor may say: all that is settled, but for what nobody was told.
    pub(super) fn cursor(&self, partition: TopicPartition) -> Option<Cursor> {
        let window = &self.slots.get(&partition)?.window;
        let (low, mut settled) = (window.low(), window.settled().clone());
        let mut untold = self.untold.iter().filter(|run| run.partition == partition).peekable();
        if untold.peek().is_none() {
            return Some(Cursor { low, settled });
        }
        if low > 0 {
            settled.insert(0, low);
        }
        untold.for_each(|run| settled.remove(run.first, run.end));
        let low = settled.absorb(0);
        Some(Cursor { low, settled })
    }
}
