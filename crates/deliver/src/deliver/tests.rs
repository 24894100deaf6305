//! The whole stage over the log in memory: publish, consume, ack, crash, again.

mod batching;
mod catching_up;
mod deadlines;
mod failing;
mod filtering;
mod folding;
mod health;
mod lives;
mod pulling;
mod reading_ahead;
mod redriving;
mod resuming;
mod rig;
mod seeking;
mod settling;
mod sharing;
mod shedding;
mod starting;
mod streaming;
mod values;
