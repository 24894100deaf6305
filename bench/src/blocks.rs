//! Blocks of the load for the topics that the benches publish to.

use bytes::Bytes;
use tidings_event::Timestamp;
use tidings_market::load::{Load, LoadOptions};
use tidings_market::{Blocks as Loaded, LoadBlock};

/// Partitions of every topic, the service's default.
pub(crate) const PARTITIONS: u32 = 16;

/// How events are spread, by name: over one timeframe, and over ten.
pub(crate) const CASES: [(&str, LoadOptions); 2] =
    [("dense", LoadOptions::DENSE), ("spread", LoadOptions::SPREAD)];

/// One block, ready to be sent.
pub(crate) struct Made {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) body: Bytes,
    pub(crate) count: u32,
}

impl From<LoadBlock> for Made {
    fn from(block: LoadBlock) -> Self {
        let LoadBlock { timeframe, partition, body, count } = block;
        Self { topic: format!("analysis/indicators/{timeframe}"), partition, body, count }
    }
}

/// Makes blocks out of a load.
pub(crate) struct Blocks(Loaded);

impl Blocks {
    pub(crate) fn new(options: LoadOptions) -> Self {
        Self(Loaded::new(Load::new(options), PARTITIONS))
    }

    /// The next full block.
    pub(crate) fn next_full(&mut self, now: Timestamp) -> Made {
        self.0.next_full(now).into()
    }

    /// The next so many events, in as many blocks as they fall into.
    pub(crate) fn next_events(&mut self, events: u64, now: Timestamp) -> Vec<Made> {
        self.0.next_events(events, now, |_| {}).into_iter().map(Made::from).collect()
    }
}
