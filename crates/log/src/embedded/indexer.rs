//! Writes the indexes of full segments, and makes spare ones, in a thread of its own: journals go on meanwhile,
//! and nobody who waits for an ack waits for either.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::index;
use super::journal::{JournalStore, Stop};
use super::segment::Segment;

/// Segments that wait for their index. A disk on which more of them wait has other things to do: without
/// an index the next start is slower, no more.
const WAITING_MAX: usize = 64;

/// Between two pieces of a spare segment, in which the disk is the journals'.
const REST: Duration = Duration::from_millis(5);

enum Task {
    /// A segment is full.
    Index(Arc<JournalStore>, u32),
    /// A journal has no spare; so many bytes are wanted.
    Spare(Arc<JournalStore>, u64),
}

/// Takes what is to be done; the thread ends with the last of these.
#[derive(Clone)]
pub(crate) struct Indexer(SyncSender<Task>);

impl Indexer {
    pub(crate) fn spawn() -> io::Result<(Self, JoinHandle<()>)> {
        let (tasks, waiting) = sync_channel(WAITING_MAX);
        let thread = Builder::new().name("log-index".to_owned()).spawn(move || work(&waiting))?;
        Ok((Self(tasks), thread))
    }

    /// Has the index of a segment written that is durable and will not grow.
    pub(crate) fn index(&self, journal: &Arc<JournalStore>, number: u32) {
        if self.0.try_send(Task::Index(Arc::clone(journal), number)).is_err() {
            tracing::warn!(journal = journal.kind.name(), number, "no index for a segment");
            journal.indexed(number);
        }
    }

    /// Has a spare made, if the thread has the time.
    pub(crate) fn spare(&self, journal: &Arc<JournalStore>, bytes: u64) {
        let _busy = self.0.try_send(Task::Spare(Arc::clone(journal), bytes));
    }
}

fn work(waiting: &Receiver<Task>) {
    let mut tasks = VecDeque::new();
    while let Some(task) = tasks.pop_front().or_else(|| waiting.recv().ok()) {
        match task {
            Task::Index(journal, number) => journal.index(number),
            Task::Spare(journal, bytes) => {
                journal.context.make_spare(journal.kind, bytes, || {
                    // Indexes come first, and so does the end.
                    match waiting.recv_timeout(REST) {
                        Ok(Task::Index(full, number)) => full.index(number),
                        Ok(spare) if tasks.len() < WAITING_MAX => tasks.push_back(spare),
                        Ok(Task::Spare(..)) | Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return false,
                    }
                    journal.core().stop.is_none()
                });
            }
        }
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
