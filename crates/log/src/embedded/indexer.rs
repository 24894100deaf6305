//! Writes the indexes of full segments in a thread of its own: their successors are written meanwhile,
//! and nobody who waits for an ack waits for an index.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::index;
use super::journal::{JournalStore, Stop};
use super::segment::Segment;

/// Segments that wait for their index. A disk on which more of them wait has other things to do: without
/// an index the next start is slower, no more.
const WAITING_MAX: usize = 64;

/// A full segment: its journal and number.
type Full = (Arc<JournalStore>, u32);

/// Takes the numbers of full segments; the thread ends with the last of these.
#[derive(Clone)]
pub(crate) struct Indexer(SyncSender<Full>);

impl Indexer {
    pub(crate) fn spawn() -> io::Result<(Self, JoinHandle<()>)> {
        let (full, waiting) = sync_channel(WAITING_MAX);
        let thread = Builder::new().name("log-index".to_owned()).spawn(move || work(&waiting))?;
        Ok((Self(full), thread))
    }

    /// Has the index of a segment written that is durable and will not grow.
    pub(crate) fn index(&self, journal: &Arc<JournalStore>, number: u32) {
        if self.0.try_send((Arc::clone(journal), number)).is_err() {
            tracing::warn!(journal = journal.kind.name(), number, "no index for a segment");
            journal.indexed(number);
        }
    }
}

fn work(waiting: &Receiver<Full>) {
    while let Ok((journal, number)) = waiting.recv() {
        journal.index(number);
    }
}

impl JournalStore {
    /// Writes the index of a full segment, unless everything is to stop as it is. Until then the segment
    /// is not removed. Not under the mutex: the journal goes on.
    pub(crate) fn index(&self, number: u32) {
        let sealed = self.core().segments.get(&number).map(Segment::share);
        if let Some(sealed) = sealed {
            let goes_on = || self.core().stop != Some(Stop::Abrupt);
            if goes_on() {
                index::write_or_say(&self.context, &sealed, goes_on);
            }
        }
        self.indexed(number);
    }

    /// A segment has its index, or will have none.
    fn indexed(&self, number: u32) {
        if let Some(segment) = self.core().segments.get_mut(&number) {
            segment.indexed = true;
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl super::EmbeddedLog {
    /// Returns once every full segment has its index, or will have none.
    pub fn until_indexed(&self) {
        let is_waiting = |journal: &Arc<JournalStore>| {
            // The last one is not full.
            journal.core().segments.values().rev().skip(1).any(|segment| !segment.indexed)
        };
        while self.journals.iter().any(is_waiting) {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests;
