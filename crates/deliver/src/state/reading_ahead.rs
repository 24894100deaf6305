//! What of the log is read while something else is on its way.

use smallvec::SmallVec;
use tidings_event::TopicPartition;

use super::State;

/// While less than this waits for its consumer, more is read: what one read brings.
const AHEAD_BYTES: usize = 256 << 10;

/// Most partitions that are looked at.
const PLACES_MAX: usize = 64;

/// What to read ahead of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// A partition, from an offset on.
    Read(TopicPartition, u64),
    /// Nothing as long as so much waits.
    Enough,
    /// Nothing: little is left to be read, or it is not to be read ahead.
    Nothing,
}

impl State {
    /// What a session that is behind will be sent after what is here, of partitions with `least` events to
    /// be read: one of which nothing is here goes first. Nothing for those with filters, who read
    /// [together](crate::catch_up), and for groups, of which each member would read the same.
    pub(crate) fn ahead(&mut self, session: u64, least: u64) -> Ahead {
        if self.subscription.spec.filter.is_some() || self.group.is_some() {
            return Ahead::Nothing;
        }
        if self.is_shed || self.queued_bytes >= AHEAD_BYTES.min(self.limits.live_bytes) {
            return Ahead::Enough;
        }
        let mut later = None;
        // The one that has its turn comes last: others were not read for as long.
        let others = (1..PLACES_MAX).map_while(|number| self.ready(session, number));
        let places: SmallVec<[_; 16]> = others.chain(self.ready(session, 0)).collect();
        for partition in places {
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            let Some((from, is_next)) = slot.hole() else { continue };
            let is_little = slot.tail.saturating_sub(from) < least;
            // Of what lies apart one event is read at a time, when it is its turn.
            if is_little || slot.judge.is_some() || slot.window.is_lonely(from) {
                continue;
            }
            if is_next {
                return Ahead::Read(partition, from);
            }
            later.get_or_insert((partition, from));
        }
        later.map_or(Ahead::Nothing, |(partition, from)| Ahead::Read(partition, from))
    }
}
