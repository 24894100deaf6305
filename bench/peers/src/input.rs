//! What everybody is given: the same seeded events, byte for byte, in every run.

use std::sync::Arc;

use tidings_event::Timestamp;
use tidings_market::load::{Load, LoadOptions};

/// Events say that they were made then, so that a seed gives the same bytes on any day.
const MADE_AT: Timestamp = Timestamp(1_767_623_400_000_000_000);

/// Events of one length, one after the other.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Bytes of each.
    pub(crate) size: usize,
    /// How many.
    pub(crate) count: u64,
}

impl Input {
    /// So many events of one timeframe and 10,000 instruments: the load's dense case.
    pub(crate) fn seeded(count: u64) -> Arc<Self> {
        let mut load = Load::new(LoadOptions::DENSE);
        let (mut bytes, mut size) = (Vec::new(), 0);
        for _ in 0..count {
            let event = load.next_event(MADE_AT).bytes;
            size = event.len();
            bytes.extend_from_slice(event);
        }
        Arc::new(Self { bytes, size, count })
    }

    /// The events, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.size.max(1))
    }
}

#[cfg(test)]
mod tests;
