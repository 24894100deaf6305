//! One journal's writer: groups go out one after the other, receipts come back in the same order.
//!
//! A receipt is believed when its place follows the last one at once: then nobody else can have written in between.
//! Otherwise, and after every loss of the connection, the topic itself says what was stored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use magnetar_proto::MessageId;
use magnetar_runtime_tokio::{ClientError, SendFut};
use tidings_event::{Clock, Epoch};
use tidings_telemetry::Timer;

use crate::journal::{Ended, JournalStore, Queued, Sent};
use crate::judge::{Judge, Verdict};
use crate::link::{Broker, LinkError, Locator, Tail, Writing};
use crate::message::{self, Front, Hold};

const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// What a writer is made of.
pub(crate) struct Writer {
    pub(crate) journal: Arc<JournalStore>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epoch: Epoch,
    pub(crate) group_bytes: u64,
    pub(crate) window: usize,
    pub(crate) answer_max: Duration,
    /// As of the last message that is known to be in the topic.
    pub(crate) judge: Judge,
    /// Where that is.
    pub(crate) last: Locator,
    pub(crate) writing: Option<Writing>,
    pub(crate) receipts: FuturesOrdered<SendFut>,
    /// When something came back last, or was sent while nothing was under way.
    pub(crate) heard: Duration,
    /// The hold under way: own ones are numbered from 0.
    pub(crate) hold: Hold,
}

/// Why a writer cannot go on as it is.
#[derive(Debug)]
enum Trouble {
    /// By this connection.
    Link(LinkError),
    /// At all.
    Ended(Ended),
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Link(error.into())
    }
}

impl Writer {
    /// Writes until the journal is closed or another owner has it.
    pub(crate) async fn run(mut self) {
        while !self.is_done() {
            self.send_more();
            let step = self.step().await;
            let Err(trouble) = step else { continue };
            if let Err(why) = self.mend(trouble).await {
                self.give_up(why);
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        let core = self.journal.core();
        core.closing && core.queue.is_empty() && core.sent.is_empty()
    }

    /// Sends groups as long as the window has room.
    fn send_more(&mut self) {
        while let Some((seq, payload)) = self.next_group() {
            tracing::trace!(journal = self.journal.kind.name(), seq, "sent");
            if self.receipts.is_empty() {
                self.heard = self.clock.monotonic();
            }
            // Without a connection it is sent when there is one again.
            if let Some(writing) = &self.writing {
                self.receipts.push_back(writing.producer.send_bytes(payload));
            }
        }
    }

    /// Takes what fits into one group off the queue.
    fn next_group(&self) -> Option<(u64, Bytes)> {
        let mut core = self.journal.core();
        if core.sent.len() >= self.window {
            return None;
        }
        let first = core.queue.pop_front()?;
        let last = core.sent.back().map_or(core.last_seq, |sent| sent.seq);
        let (seq, mut bytes) = (first.copied.unwrap_or(last + 1), first.bytes);
        let is_alone = first.copied.is_some();
        let mut parts: Vec<Queued> = vec![first];
        let fits = |part: &mut Queued, bytes| {
            !is_alone && part.copied.is_none() && bytes + part.bytes <= self.group_bytes
        };
        while let Some(part) = core.queue.pop_front_if(|part| fits(part, bytes)) {
            bytes += part.bytes;
            parts.push(part);
        }
        let sent = Sent { seq, parts, bytes };
        let payload = self.payload(&sent);
        core.sent.push_back(sent);
        Some((seq, payload))
    }

    fn payload(&self, sent: &Sent) -> Bytes {
        let front = Front { epoch: self.epoch, hold: self.hold, seq: Some(sent.seq) };
        message::encode(&front, &sent.blocks())
    }

    /// Waits for a receipt, or for something to send.
    async fn step(&mut self) -> Result<(), Trouble> {
        if self.receipts.is_empty() {
            self.journal.wake.notified().await;
            return Ok(());
        }
        let waited = self.clock.monotonic().saturating_sub(self.heard);
        let left = self.answer_max.saturating_sub(waited);
        tokio::select! {
            receipt = Timer.limit(left, self.receipts.next()) => {
                let receipt = receipt.map_err(|_| LinkError::Silent)?;
                let id = receipt.ok_or(LinkError::Silent)??;
                self.received(&id).await
            }
            () = self.journal.wake.notified() => Ok(()),
        }
    }

    async fn received(&mut self, id: &MessageId) -> Result<(), Trouble> {
        self.heard = self.clock.monotonic();
        let at = Locator::of(id);
        if !self.last.is_followed_by(at) {
            // Another ledger, or somebody wrote here.
            return self.look_back(at).await;
        }
        self.last = at;
        self.judge.last = self.journal.stored(at, self.heard).unwrap_or(self.judge.last);
        Ok(())
    }

    /// Reads what the topic has up to a message, and takes from it what was stored.
    async fn look_back(&mut self, until: Locator) -> Result<(), Trouble> {
        let (broker, journal) = (Arc::clone(&self.broker), Arc::clone(&self.journal));
        let mut tail = Tail::after(&broker, &journal.topic, Some(self.last));
        while self.last < until {
            let (at, message) = tail.next().await?;
            self.found(at, &message)?;
        }
        Ok(())
    }

    fn found(&mut self, at: Locator, message: &Bytes) -> Result<(), Trouble> {
        self.last = at;
        let front = match message::decode(message) {
            Ok((front, _)) => front,
            Err(error) => {
                tracing::warn!(topic = %self.journal.topic, ?at, %error, "ignored a message");
                return Ok(());
            }
        };
        match self.judge.judge(&front) {
            Verdict::Begins if front.hold.term > self.hold.term => {
                Err(Trouble::Ended(Ended::Fenced(front.hold.term)))
            }
            Verdict::Counts { .. } => {
                let expected = self.journal.core().sent.front().map(|sent| sent.seq);
                if expected != front.seq {
                    let why = format!("{} holds a group that was not sent", self.journal.topic);
                    return Err(Trouble::Ended(Ended::Failed(why)));
                }
                self.journal.stored(at, self.clock.monotonic());
                Ok(())
            }
            Verdict::Begins | Verdict::Late | Verdict::Repeated => Ok(()),
        }
    }

    /// Comes back after the loss of a connection: tries until it has the topic again or another owner does.
    async fn mend(&mut self, trouble: Trouble) -> Result<(), Ended> {
        let mut trouble = trouble;
        let mut wait = RETRY_MIN;
        loop {
            let error = match trouble {
                Trouble::Ended(why) => return Err(why),
                Trouble::Link(error) => error,
            };
            let journal = self.journal.kind.name();
            tracing::warn!(journal, %error, "lost the broker: takes the topic again");
            self.journal.core().trouble = Some(error.to_string());
            (self.receipts, self.writing) = (FuturesOrdered::new(), None);
            match self.take_again().await {
                Ok(()) => {
                    self.journal.core().trouble = None;
                    tracing::info!(journal, hold = self.hold.number, "has the topic again");
                    return Ok(());
                }
                Err(again) => trouble = again,
            }
            if matches!(trouble, Trouble::Link(_)) {
                Timer.after(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }

    async fn take_again(&mut self) -> Result<(), Trouble> {
        // Whoever has it meanwhile is not to be disturbed.
        let (broker, journal) = (Arc::clone(&self.broker), Arc::clone(&self.journal));
        let end = Tail::after(&broker, &journal.topic, Some(self.last)).end().await?;
        if let Some(end) = end {
            self.look_back(end).await?;
        }
        let writing = broker.take(&journal.topic).await?;
        self.hold.number += 1;
        let start = writing.producer.send_bytes(message::start(self.epoch, self.hold));
        let start = Timer.limit(self.answer_max, start).await.map_err(|_| LinkError::Silent)??;
        self.look_back(Locator::of(&start)).await?;
        let again: Vec<Bytes> = journal.core().sent.iter().map(|sent| self.payload(sent)).collect();
        for payload in again {
            self.receipts.push_back(writing.producer.send_bytes(payload));
        }
        self.writing = Some(writing);
        self.heard = self.clock.monotonic();
        Ok(())
    }

    fn give_up(&self, why: Ended) {
        let journal = self.journal.kind.name();
        if let Ended::Fenced(term) = &why {
            tracing::error!(journal, %term, "another owner has the log: nothing more is written");
            self.journal.fenced_by.fetch_max(term.0, std::sync::atomic::Ordering::AcqRel);
        } else {
            tracing::error!(journal, ?why, "nothing more is written");
        }
        self.journal.end(why);
    }
}
