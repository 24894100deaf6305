//! Dead letters: events that could not be delivered, kept with their original bytes, what was tried
//! and why it was given up.
//!
//! A letter is a copy in `_tidings/dead-letters` and a small record in a table that says where the
//! copy lies. The copy is durable first: a crash between the two leaves a copy that nothing refers
//! to, and the event is buried again. With its record a letter gets a mark, which goes when a cursor
//! that covers it is durable: a crash between the two leaves the mark, and the start that finds it
//! takes the event for settled. There is at most one record of a subscription and a position.
//! A letter lives as long as the log keeps its copy.

mod copy;
mod dead_letters;
mod graves;
mod letter;
mod record;
mod redriving;
mod removing;
mod uncovered;

pub(crate) use dead_letters::{DeadLetters, Room};
pub use letter::{
    Attempt, AttemptOutcome, Chosen, DeadLetter, DeadLetterCounts, LetterState, Reason, Selection,
};
pub(crate) use letter::{Buried, BuryError};
pub(crate) use record::Place;
pub(crate) use redriving::Reach;
