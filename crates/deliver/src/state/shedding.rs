//! What is let go of while memory is short. Nothing is lost: the log has it.

use std::time::Duration;

use super::State;

/// What is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shedding {
    /// Whether all of it is to go, or only what nobody takes.
    pub(crate) all: bool,
    /// So many bytes of each subscription are not worth reading again.
    pub(crate) keep: usize,
    pub(crate) now: Duration,
}

/// A consumer that holds more than this and settles none of it gets no more while memory is short.
const HELD_MAX: u64 = 256;

/// For so long, unless it is told again: that is every second at least.
const WITHHELD: Duration = Duration::from_secs(2);

/// Of a consumer that holds much: until when nothing new is sent, while nothing is settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Withheld {
    until: Duration,
    /// As of when it was last looked at.
    generation: u64,
}

impl State {
    /// Lets go of the blocks that wait, where nothing was sent since this was asked before, or much
    /// waits; or of all. Says how many bytes they had.
    pub(crate) fn shed(&mut self, shedding: Shedding) -> usize {
        let Shedding { all, keep, now } = shedding;
        self.withhold_if(true, now);
        let is_stalled = !std::mem::take(&mut self.is_moving);
        let is_behind = self.queued_bytes > self.limits.live_bytes / 2;
        if !(all || is_stalled || is_behind) {
            return 0;
        }
        let keeps = self.queued_bytes <= keep;
        let bytes = self.slots.awake_mut().map(|(_, slot)| slot.shed(keeps)).sum();
        if !keeps {
            self.queued_bytes = 0;
            // Otherwise they would wait again as soon as there are others.
            self.is_shed |= bytes > 0;
        }
        bytes
    }

    /// Sends nothing new for a while, or until something is settled, where much is in flight and nothing
    /// was settled since this was called before.
    pub(crate) fn withhold_if(&mut self, is_short: bool, now: Duration) {
        let generation = self.generation;
        if self.in_flight.events <= HELD_MAX {
            self.withheld = None;
        } else if let Some(before) = self.withheld.as_mut().filter(|w| w.generation == generation) {
            if is_short {
                before.until = now.saturating_add(WITHHELD);
            }
        } else {
            self.withheld = Some(Box::new(Withheld { until: Duration::ZERO, generation }));
        }
    }

    /// Until when nothing new is sent because its consumer holds much, settles nothing, and memory is
    /// short.
    pub(super) fn withheld(&self, now: Duration) -> Option<Duration> {
        let withheld = self.withheld.as_ref()?;
        (now < withheld.until && withheld.generation == self.generation).then_some(withheld.until)
    }
}
