//! Events that are too old to be of use when it is their turn.

use tidings_event::{Timestamp, glance};

use super::Slot;
use crate::feed::Piece;
use crate::window::Sendable;

impl Slot {
    /// Settles an event of a block that expired, instead of sending it. A letter that was redriven is
    /// wanted whatever its age.
    pub(super) fn expires(
        &mut self,
        run: Sendable,
        (event, of): (&[u8], &Piece),
        time: &dyn Fn() -> Timestamp,
    ) -> bool {
        let speaks_for_others = || self.digest(run.first).is_some();
        let is_kept = || self.window.is_redriven(run.first) || speaks_for_others();
        if !of.expires || !is_over(event, time) || is_kept() {
            return false;
        }
        let end = run.first + 1;
        self.window.hold(run, end);
        self.window.end(run.first);
        let released = self.gates.settled(run.first, end);
        self.release(released);
        self.expired.insert(run.first, end);
        self.is_dirty = true;
        true
    }
}

fn is_over(event: &[u8], time: &dyn Fn() -> Timestamp) -> bool {
    let expires_at = glance(event).map_or(0, |envelope| envelope.expires_at.0);
    expires_at != 0 && expires_at < time().0
}
