//! Events of the load, grouped into blocks of one topic and partition, as the SDK groups them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_event::Timestamp;
use tidings_event::block::BodyBuilder;
use tidings_market::load::{Load, LoadOptions};

/// A block is full at this many bytes.
const BLOCK_BYTES: usize = 62_700;

/// Partitions of every topic, the service's default.
pub(crate) const PARTITIONS: u32 = 16;

/// One block, ready to be sent.
pub(crate) struct Made {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) body: Bytes,
    pub(crate) count: u32,
}

/// Makes blocks out of a load.
pub(crate) struct Blocks {
    load: Load,
    open: BTreeMap<(&'static str, u32), BodyBuilder>,
}

impl Blocks {
    pub(crate) fn new(options: LoadOptions) -> Self {
        Self { load: Load::new(options), open: BTreeMap::new() }
    }

    /// The next full block.
    pub(crate) fn next_full(&mut self, now: Timestamp) -> Made {
        loop {
            let event = self.load.next_event(now);
            let place = (event.timeframe, event.key.partition(PARTITIONS).0);
            let body = self.open.entry(place).or_default();
            body.push(event.bytes);
            if body.len() >= BLOCK_BYTES {
                return made(place, body);
            }
        }
    }

    /// The next so many events, in as many blocks as they fall into.
    pub(crate) fn next_events(&mut self, events: u64, now: Timestamp) -> Vec<Made> {
        for _ in 0..events {
            let event = self.load.next_event(now);
            let place = (event.timeframe, event.key.partition(PARTITIONS).0);
            self.open.entry(place).or_default().push(event.bytes);
        }
        let filled = self.open.iter_mut().filter(|(_, body)| !body.is_empty());
        filled.map(|(&place, body)| made(place, body)).collect()
    }
}

fn made((timeframe, partition): (&'static str, u32), body: &mut BodyBuilder) -> Made {
    let (body, count) = body.take();
    Made { topic: format!("analysis/indicators/{timeframe}"), partition, body, count }
}
