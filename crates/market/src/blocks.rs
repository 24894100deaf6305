//! Events of a load, grouped into blocks of one timeframe and partition, as an SDK groups them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_event::Timestamp;
use tidings_event::block::BodyBuilder;

use crate::load::{Load, LoadEvent};

/// A block is full at this many bytes.
const BLOCK_BYTES: usize = 62_700;

/// One block, ready to be sent.
#[derive(Clone, Debug)]
pub struct LoadBlock {
    /// The timeframe of all its events.
    pub timeframe: &'static str,
    /// The partition that their keys belong to.
    pub partition: u32,
    /// A serialised `EventBatch`.
    pub body: Bytes,
    /// How many events it holds.
    pub count: u32,
}

/// Makes blocks out of a load, for topics of so many partitions.
#[derive(Debug)]
pub struct Blocks {
    load: Load,
    partitions: u32,
    open: BTreeMap<(&'static str, u32), BodyBuilder>,
}

impl Blocks {
    /// Blocks of this load.
    #[must_use]
    pub fn new(load: Load, partitions: u32) -> Self {
        Self { load, partitions: partitions.max(1), open: BTreeMap::new() }
    }

    /// The next full block, of events produced `now`.
    pub fn next_full(&mut self, now: Timestamp) -> LoadBlock {
        loop {
            let event = self.load.next_event(now);
            let place = (event.timeframe, event.key.partition(self.partitions).0);
            let body = self.open.entry(place).or_default();
            // Far below what a body takes, one more event fits.
            let _fits = body.push(event.bytes);
            if body.len() >= BLOCK_BYTES {
                return made(place, body);
            }
        }
    }

    /// The next so many events, produced `now`, in as many blocks as they fall into. Each event is
    /// shown to `seen` on its way.
    pub fn next_events(
        &mut self,
        events: u64,
        now: Timestamp,
        mut seen: impl FnMut(&LoadEvent<'_>),
    ) -> Vec<LoadBlock> {
        let mut full = Vec::new();
        for _ in 0..events {
            let event = self.load.next_event(now);
            seen(&event);
            let place = (event.timeframe, event.key.partition(self.partitions).0);
            let body = self.open.entry(place).or_default();
            if !body.push(event.bytes) {
                full.push(made(place, body));
                // An empty body takes any event of a load.
                let _fits = body.push(event.bytes);
            }
        }
        let filled = self.open.iter_mut().filter(|(_, body)| !body.is_empty());
        full.extend(filled.map(|(&place, body)| made(place, body)));
        full
    }
}

fn made((timeframe, partition): (&'static str, u32), body: &mut BodyBuilder) -> LoadBlock {
    let (body, count) = body.take();
    LoadBlock { timeframe, partition, body, count }
}

#[cfg(test)]
mod tests;
