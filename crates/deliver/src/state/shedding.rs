//! Letting go of blocks while memory is short. Nothing is lost: the log has them.

use super::State;

impl State {
    /// Lets go of the blocks that wait, where nothing was sent since this was asked before, or much
    /// waits; or of all. Says how many bytes they had.
    pub(crate) fn shed(&mut self, all: bool) -> usize {
        let is_stalled = !std::mem::take(&mut self.is_moving);
        let is_behind = self.queued_bytes > self.limits.live_bytes / 2;
        if !(all || is_stalled || is_behind) {
            return 0;
        }
        let bytes = self.slots.awake_mut().map(|(_, slot)| slot.shed()).sum();
        self.queued_bytes = 0;
        // Otherwise they would wait again as soon as there are others.
        self.is_shed |= bytes > 0;
        bytes
    }
}
