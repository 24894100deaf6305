//! Failing events that retention is about to pass: they are dead-lettered while the log has their
//! bytes.

use std::time::Duration;

use tidings_event::TopicPartition;

use super::State;
use crate::dead_letter::Reason;

impl State {
    /// The partitions in which something fails, and how long their topics keep events.
    pub(crate) fn failing(&mut self) -> Vec<(TopicPartition, Duration)> {
        let Self { failures, slots, .. } = self;
        let Some(failures) = failures else { return Vec::new() };
        let failing_in = &mut failures.failing_in;
        failing_in
            .retain(|partition| slots.get(partition).is_some_and(|slot| slot.gates.counts().0 > 0));
        let kept = |partition: &TopicPartition| {
            Some((*partition, slots.get(partition)?.topic.retention.age))
        };
        failing_in.iter().filter_map(kept).collect()
    }

    /// Gives up on what fails below an offset, unless a consumer has it now.
    pub(crate) fn give_up_below(&mut self, partition: TopicPartition, end: u64) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let mut given_up = Vec::new();
        for offset in slot.gates.failing_below(end) {
            // A letter that comes back has its copy.
            if slot.window.is_out(offset) || slot.window.is_redriven(offset) {
                continue;
            }
            slot.window.forget_due(offset);
            slot.gates.bury(offset, Reason::Retention);
            given_up.push((partition, offset));
        }
        if !given_up.is_empty() {
            self.failures().exhausted.extend(given_up);
        }
    }
}
