//! How fast a cluster notices: how often nodes beat, and after how many beats what is done.

use std::time::Duration;

/// The times of a cluster; all its nodes should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two beats, from the receipt of the one to the sending of the next.
    pub beat: Duration,
    /// A member is taken for dead after so many beats of whoever judges it.
    pub silent_max: u32,
    /// For how long after it was sent a beat that came back allows to answer for what is held.
    pub lease: Duration,
    /// Beats after which a newcomer is given what others hold, and after which whoever failed may try again.
    pub steady_min: u32,
    /// Beats after which a holder that was told to close is passed over.
    pub closing_max: u32,
    /// Most partition groups that are taken from holders at a time, but from those that leave.
    pub moves_max: usize,
    /// A life is forgotten after so many records without one of its own. Whoever begins to read in the middle must have
    /// read as many before it beats, or it may not know its own life of before.
    pub forgotten_after: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(500),
            silent_max: 8,
            lease: Duration::from_secs(3),
            steady_min: 6,
            closing_max: 20,
            moves_max: 2,
            forgotten_after: 4_096,
        }
    }
}

/// Times that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// A lease could outlast the silence that ends it.
    #[error(
        "a lease of {lease:?} outlasts the {longest:?} after which its holder may be taken for dead: make it shorter, \
         or `silent_max` or `beat` larger"
    )]
    Lease {
        /// What was asked for.
        lease: Duration,
        /// The longest that may be.
        longest: Duration,
    },
    /// A beat that falls behind by one other would lose everything.
    #[error("`silent_max` is {0}, at least 3: one beat may be late without a node being dead")]
    Silence(u32),
    /// Without a pause beats come as fast as they are stored.
    #[error("`beat` is {0:?}, at least 50 ms")]
    Beat(Duration),
    /// Those who are there could be forgotten before they beat again.
    #[error(
        "`forgotten_after` is {0}, at least 256: as many records as 64 nodes write between two of each, and more"
    )]
    Memory(u32),
    /// Nothing would ever be moved.
    #[error("`moves_max` is 0, at least 1: a newcomer would never be given anything")]
    Moves,
}

impl Pace {
    /// Itself, if its times go together.
    ///
    /// # Errors
    /// What does not.
    pub fn checked(self) -> Result<Self, PaceError> {
        if self.beat < Duration::from_millis(50) {
            return Err(PaceError::Beat(self.beat));
        }
        if self.silent_max < 3 {
            return Err(PaceError::Silence(self.silent_max));
        }
        if self.forgotten_after < 256 {
            return Err(PaceError::Memory(self.forgotten_after));
        }
        if self.moves_max == 0 {
            return Err(PaceError::Moves);
        }
        // The first beat that counts may come right after the last that was heard.
        let longest = self.beat.saturating_mul(self.silent_max - 1);
        if self.lease > longest {
            return Err(PaceError::Lease { lease: self.lease, longest });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, PaceError};

    #[test]
    fn a_lease_never_outlasts_the_silence_that_ends_it() {
        let pace = Pace::default();
        assert_eq!(pace.checked(), Ok(pace));
        let lease = Duration::from_millis(3_501);
        let longest = Duration::from_millis(3_500);
        assert_eq!(Pace { lease, ..pace }.checked(), Err(PaceError::Lease { lease, longest }));
        assert_eq!(Pace { silent_max: 2, ..pace }.checked(), Err(PaceError::Silence(2)));
        assert_eq!(Pace { moves_max: 0, ..pace }.checked(), Err(PaceError::Moves));
        let short = Pace { forgotten_after: 255, ..pace };
        assert_eq!(short.checked(), Err(PaceError::Memory(255)));
        let beat = Duration::from_millis(49);
        assert_eq!(Pace { beat, ..pace }.checked(), Err(PaceError::Beat(beat)));
    }
}
