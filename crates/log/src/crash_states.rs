//! The crash proof: after any crash a log holds what it confirmed, and nothing that was not asked.
//!
//! [`exhaustive`] goes through all short sequences of what a log can be asked, and through all disks
//! that a crash after any operation of the disk may leave; [`random`] through long sequences and
//! drawn disks. Each disk is recovered by the engine itself and held against what was asked. One
//! thread does everything, so that whatever is found is found again from what names it.

mod exhaustive;
mod found;
mod ledger;
mod look;
mod random;
mod work;

use std::fmt;
use std::ops::AddAssign;

pub(crate) use found::{Keys, keys, ready};
pub(crate) use work::{DIR, Setup};

pub use exhaustive::{Exhaustive, exhaustive};
pub use random::{Effort, damage_a_header, random};

/// What was seen, to show that there was something to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sequences of work.
    pub sequences: u64,
    /// Moments of the disk that it was crashed at.
    pub moments: u64,
    /// Crash states that were recovered and found right.
    pub states: u64,
    /// Those with a page that is neither as it was nor as it was written.
    pub torn: u64,
    /// Those from between a write and its sync.
    pub unsynced: u64,
    /// Unconfirmed appends that a crash left.
    pub kept: u64,
    /// Unconfirmed appends that a crash took.
    pub gone: u64,
    /// Recoveries that were crashed themselves.
    pub killed: u64,
    /// Recoveries that were done once more.
    pub twice: u64,
    /// Moments whose states were drawn, because they are too many.
    pub drawn: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.moments += other.moments;
        self.states += other.states;
        self.torn += other.torn;
        self.unsynced += other.unsynced;
        self.kept += other.kept;
        self.gone += other.gone;
        self.killed += other.killed;
        self.twice += other.twice;
        self.drawn += other.drawn;
    }
}

/// What must not be: which work, which crash, and what was wrong then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// What was done.
    pub work: String,
    /// Which state it was, and what is wrong with it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.work, self.what)
    }
}
