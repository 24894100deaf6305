//! One partition's way to its target: what waits, what is under way, and what its producer can be sent next. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_deliver::Run;
use tidings_event::{Refusal, Timestamp};

use crate::cluster::{Message, Producer, Receipt};

/// An event without a receipt.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Where it is; one offset.
    pub(crate) run: Run,
    pub(crate) event: Bytes,
    /// What it took of the credit.
    pub(crate) framed: u64,
    pub(crate) ingested_at: Timestamp,
    pub(crate) is_redelivered: bool,
    pub(crate) is_redriven: bool,
}

/// See the module.
pub(crate) struct Lane {
    /// The topic's own name.
    pub(crate) path: Arc<str>,
    /// Where its events go.
    pub(crate) target: Arc<str>,
    /// Whether offsets may number messages.
    is_dense: bool,
    /// Oldest first, and whether each goes by its number; the first `sent` are under way.
    queue: VecDeque<(Waiting, bool)>,
    sent: usize,
    /// Of those under way, but for the first one's while somebody waits for it.
    receipts: VecDeque<Receipt>,
    producer: Option<Writer>,
    /// The highest offset that went by its number.
    highest: Option<u64>,
    pub(crate) doing: Doing,
    /// Why it cannot be written; absent when it can.
    pub(crate) trouble: Option<String>,
    /// How long it rests the next time; absent where that is the first time.
    pub(crate) rest: Option<Duration>,
}

/// What is awaited on behalf of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Nothing,
    Opening,
    /// The receipt of the first one under way.
    Awaiting,
    /// Leaves its target alone for a while.
    Resting,
}

struct Writer {
    producer: Box<dyn Producer>,
    is_numbered: bool,
}

/// What a lane needs next.
pub(crate) enum Wants {
    /// To have a receipt waited for.
    Receipt(Receipt),
    /// Another producer: of the stable name, from a number on, or of no name.
    Producer(Option<u64>),
    Nothing,
}

impl Lane {
    pub(crate) fn new(path: Arc<str>, target: Arc<str>, is_dense: bool) -> Self {
        Self {
            path,
            target,
            is_dense,
            queue: VecDeque::new(),
            sent: 0,
            receipts: VecDeque::new(),
            producer: None,
            highest: None,
            doing: Doing::Nothing,
            trouble: None,
            rest: None,
        }
    }

    /// Takes an event. One that comes after a later one goes by no number: whoever drops repeats would drop it.
    pub(crate) fn push(&mut self, event: Waiting) {
        let offset = event.run.first.0;
        let is_next = self.highest.is_none_or(|highest| offset > highest);
        let is_numbered = self.is_dense && is_next && !event.is_redriven;
        if is_numbered {
            self.highest = Some(offset);
        }
        self.queue.push_back((event, is_numbered));
    }

    /// Sends what the producer can be sent. What cannot be put into a message is taken out, and returned.
    pub(crate) fn send(
        &mut self,
        message: impl Fn(&str, &Waiting) -> Result<Message, Refusal>,
    ) -> Vec<(Waiting, Refusal)> {
        let mut refused = vec![];
        while let Some(writer) = &mut self.producer
            && let Some((event, is_numbered)) = self.queue.get(self.sent)
            && writer.fits(event, *is_numbered)
        {
            match message(&self.path, event) {
                Ok(message) => {
                    self.receipts.push_back(writer.producer.send(message));
                    self.sent += 1;
                }
                Err(refusal) => {
                    let taken = self.queue.remove(self.sent);
                    refused.extend(taken.map(|(event, _)| (event, refusal)));
                }
            }
        }
        refused
    }

    /// What it needs, while nothing is awaited on its behalf.
    pub(crate) fn wants(&mut self) -> Wants {
        if self.doing != Doing::Nothing {
            return Wants::Nothing;
        }
        if let Some(receipt) = self.receipts.pop_front() {
            return Wants::Receipt(receipt);
        }
        match self.queue.front() {
            // Nothing is under way, and the producer cannot be sent what is next.
            Some((event, true)) => Wants::Producer(Some(event.run.first.0)),
            Some((_, false)) => Wants::Producer(None),
            None => Wants::Nothing,
        }
    }

    pub(crate) fn opened(&mut self, producer: Box<dyn Producer>, is_numbered: bool) {
        self.producer = Some(Writer { producer, is_numbered });
        self.doing = Doing::Nothing;
    }

    /// The first one under way has its receipt, or is refused.
    pub(crate) fn done(&mut self) -> Option<Waiting> {
        self.doing = Doing::Nothing;
        self.sent = self.sent.saturating_sub(1);
        self.queue.pop_front().map(|(event, _)| event)
    }

    /// What was under way is not known any more, and is sent again by another producer. Says how many that are.
    pub(crate) fn fail(&mut self) -> u64 {
        self.producer = None;
        self.receipts.clear();
        self.doing = Doing::Nothing;
        std::mem::take(&mut self.sent) as u64
    }

    /// Lets go of its producer, if nothing needs it now.
    pub(crate) fn release(&mut self) -> bool {
        self.queue.is_empty() && self.doing == Doing::Nothing && self.producer.take().is_some()
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer.is_some()
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.sent > 0
    }

    /// Events without a receipt.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl Writer {
    fn fits(&self, event: &Waiting, is_numbered: bool) -> bool {
        self.is_numbered == is_numbered
            && (!is_numbered || self.producer.next() == event.run.first.0)
    }
}
