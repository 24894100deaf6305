//! One partition of one live subscription: its window, and the blocks its deliveries come from.

use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::Topic;

use crate::feed::{Feed, Piece};
use crate::window::{Sendable, Window};

/// Bytes a partition may send in one turn.
const TURN_BYTES: i64 = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) topic: Arc<Topic>,
    pub(crate) window: Window,
    /// First offset that is not known to be durable.
    pub(crate) tail: u64,
    /// Blocks for first deliveries.
    pub(crate) fresh: Feed,
    /// Blocks for redeliveries.
    pub(crate) again: Feed,
    /// Whether it waits for its turn.
    pub(crate) is_ready: bool,
    /// Whether its cursor moved since it was last saved.
    pub(crate) is_dirty: bool,
    /// Whether its cursor has grown too large to go on.
    pub(crate) is_oversized: bool,
    turn: i64,
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// What a slot has to say when it is its turn.
#[derive(Debug)]
pub(crate) enum Turn {
    Nothing,
    /// Others first.
    Later,
    /// The log has to be read from an offset on; for a redelivery or not.
    Read(u64, bool),
    Send(Sendable, Piece),
}

impl Slot {
    pub(crate) fn new(topic: Arc<Topic>, window: Window, tail: u64) -> Self {
        Self {
            topic,
            window,
            tail,
            fresh: Feed::default(),
            again: Feed::default(),
            is_ready: false,
            is_dirty: false,
            is_oversized: false,
            turn: TURN_BYTES,
        }
    }

    /// Whether there may be something to send.
    pub(crate) fn has_work(&self, now: Duration) -> bool {
        self.sendable(now).is_some()
    }

    /// Whether settled runs above an unsettled offset hold it back.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_oversized || self.window.is_stalled()
    }

    fn sendable(&self, now: Duration) -> Option<Sendable> {
        self.window.sendable(self.tail, now).filter(|run| run.again || !self.is_oversized)
    }

    /// Takes what to send next.
    pub(crate) fn take(&mut self, budget: Budget, now: Duration) -> Turn {
        let Some(run) = self.sendable(now) else { return Turn::Nothing };
        if self.turn <= 0 {
            self.turn += TURN_BYTES;
            return Turn::Later;
        }
        let feed = if run.again { &mut self.again } else { &mut self.fresh };
        let count = (run.end - run.first).min(budget.events);
        match feed.take(run.first, count, budget.bytes) {
            None => Turn::Read(run.first, run.again),
            Some(piece) => {
                // A block has at most 1 MiB.
                self.turn -= i64::try_from(piece.body.len()).unwrap_or(TURN_BYTES);
                Turn::Send(run, piece)
            }
        }
    }
}
