//! The closed output check: what came is what was sent, all of it, once and in order.
//!
//! Both sides take the checksum of all events one after the other, each after its length. An event that is
//! missing, comes twice, comes too early or is changed makes another sum or another count.

use tidings_bench::BenchError;
use tidings_event::block::Crc32c;

use crate::input::Input;

/// Count and checksum of a sequence of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How many so far.
    pub(crate) count: u64,
    sum: Crc32c,
}

impl Tally {
    /// Of everything that is sent.
    pub(crate) fn of(input: &Input) -> Self {
        let mut tally = Self::default();
        input.events().for_each(|event| tally.add(event));
        tally
    }

    /// One more event.
    pub(crate) fn add(&mut self, event: &[u8]) {
        self.count += 1;
        self.sum.update(&(event.len() as u64).to_le_bytes());
        self.sum.update(event);
    }

    /// Whether this is what was sent.
    pub(crate) fn is(&self, sent: &Self) -> Result<(), BenchError> {
        if self.count != sent.count {
            let detail = format!("{} events came of {}", self.count, sent.count);
            return Err(BenchError::Check(detail));
        }
        if self.sum.value() != sent.sum.value() {
            let detail = format!("the {} events that came are not those sent", self.count);
            return Err(BenchError::Check(detail));
        }
        Ok(())
    }
}

/// Whether so many events are acknowledged as were sent.
pub(crate) fn acknowledged(acknowledged: u64, sent: u64) -> Result<(), BenchError> {
    if acknowledged == sent {
        return Ok(());
    }
    Err(BenchError::Check(format!("{acknowledged} events were acknowledged of {sent}")))
}

#[cfg(test)]
mod tests;
