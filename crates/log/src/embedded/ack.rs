//! Who waits for an append, which may go to several journals.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::JournalSeq;
use tokio::sync::oneshot;

/// Resolves an append when every journal it went to is durable; dropped before, it fails it.
pub struct Ack {
    remaining: AtomicUsize,
    sender: Mutex<Option<oneshot::Sender<JournalSeq>>>,
}

impl Ack {
    /// Of an append to so many journals.
    #[must_use]
    pub fn new(journals: usize, sender: oneshot::Sender<JournalSeq>) -> Arc<Self> {
        Arc::new(Self { remaining: AtomicUsize::new(journals), sender: Mutex::new(Some(sender)) })
    }

    /// One of the journals has it; `true` when it was the last.
    pub fn settle(&self, seq: JournalSeq) -> bool {
        let is_last = self.remaining.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last {
            let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Nobody may be waiting any more.
            let _waiting = sender.map(|sender| sender.send(seq));
        }
        is_last
    }
}
