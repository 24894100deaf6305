//! The consumer: takes deliveries, tops up credit, acknowledges, reconnects.

mod consumers;
mod delivered;
mod framed;
mod link;
mod options;
mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Position};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;

pub use consumers::Consumers;
pub use delivered::{Delivered, DeliveredEvent, Run};
use delivered::{position_out, run_in, run_out};
use link::Link;
pub(crate) use link::Source;
pub use options::{Compression, ConsumerOptions, Transport};

use crate::backoff::{Attempts, wait};
use crate::{ClientError, Problem};

/// What a consumer is given.
#[derive(Clone, Debug)]
pub enum ConsumerEvent {
    /// Events of one partition.
    Events(Delivered),
    /// Events that will never come.
    Gap(Gap),
    /// Acks whose cursor is durable.
    Confirmed(Confirmed),
    /// What became of [`Consumer::extend`].
    Extended(Extended),
    /// The connection broke and is there again: what was not confirmed may come again.
    Reconnected,
}

/// Offsets this subscription will never be given, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Topic, where its name is known.
    pub topic: Arc<str>,
    /// The offsets.
    pub run: Run,
    /// How many events.
    pub count: u64,
    /// `RETENTION`, `DATA_LOSS`, `TOPIC_DELETED`.
    pub reason: String,
}

impl Gap {
    pub(crate) fn read(topic: Arc<str>, gap: v1::Gap) -> Self {
        let run = v1::PositionRun {
            topic_id: gap.topic_id,
            epoch: gap.epoch,
            partition: gap.partition,
            first: gap.from,
            last: gap.to,
        };
        Self { topic, run: run_in(run), count: gap.count, reason: gap.reason }
    }
}

/// Acks that will never be asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// Settled, durably.
    pub runs: Vec<Run>,
    /// Not in flight on this stream.
    pub stale: Vec<Run>,
}

/// Deadlines that were moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// These have so much more time.
    pub runs: Vec<Run>,
    /// Not in flight on this stream.
    pub stale: Vec<Run>,
}

/// A live attachment to a subscription. Dropping it detaches.
#[derive(Debug)]
pub struct Consumer {
    source: Source,
    options: ConsumerOptions,
    link: Option<Link>,
    /// Names of topics, as its link told them.
    topics: HashMap<u64, Arc<str>>,
    attempts: Attempts,
    /// Credit used up and not given back yet.
    taken: v1::Credit,
    /// Which server the link is with.
    asked: usize,
    ended: bool,
}

impl Consumer {
    pub(crate) async fn open(
        source: Source,
        options: ConsumerOptions,
    ) -> Result<Self, ClientError> {
        let asked = source.servers().asked();
        let link = Some(source.attach(&options).await?);
        let attempts = Attempts::new(options.backoff);
        let (taken, topics) = (v1::Credit::default(), HashMap::new());
        Ok(Self { source, options, link, topics, attempts, taken, asked, ended: false })
    }

    /// Name of the current session; empty while there is none.
    #[must_use]
    pub fn session(&self) -> &str {
        self.link.as_ref().map_or("", Link::session)
    }

    /// The next thing for this consumer. `None` after an error that ends it. Safe to drop and call
    /// again.
    pub async fn next(&mut self) -> Option<Result<ConsumerEvent, ClientError>> {
        loop {
            if self.ended {
                return None;
            }
            let error = match self.receive().await {
                Ok(None) => continue,
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => error,
            };
            self.link = None;
            self.source.servers().failed(self.asked, &error);
            let busy = error.is(Code::SubscriptionBusy);
            let again = self.options.reconnect && (busy || error.is_retryable());
            let asked = error.problem().and_then(|p| p.retry_after_ms).map(Duration::from_millis);
            let delay = if again { self.attempts.next_delay(asked) } else { None };
            let Some(delay) = delay else {
                self.ended = true;
                return Some(Err(error));
            };
            wait(delay).await;
        }
    }

    async fn receive(&mut self) -> Result<Option<ConsumerEvent>, ClientError> {
        let Some(link) = &mut self.link else {
            self.asked = self.source.servers().asked();
            self.link = Some(self.source.attach(&self.options).await?);
            self.topics.clear();
            self.taken = v1::Credit::default();
            return Ok(Some(ConsumerEvent::Reconnected));
        };
        let message = link.receive().await?;
        self.attempts.progress();
        match message {
            Some(Answer::Delivery(delivery)) => {
                let topic = self.topics.get(&delivery.topic_id).cloned().unwrap_or_default();
                let delivered = Delivered::read(topic, delivery)?;
                self.top_up(&delivered);
                Ok(Some(ConsumerEvent::Events(delivered)))
            }
            Some(Answer::Topic(topic)) => {
                self.topics.insert(topic.topic_id, topic.name.into());
                Ok(None)
            }
            Some(Answer::Gap(gap)) => {
                let topic = self.topics.get(&gap.topic_id).cloned().unwrap_or_default();
                Ok(Some(ConsumerEvent::Gap(Gap::read(topic, gap))))
            }
            Some(Answer::Confirmed(confirmed)) => Ok(Some(ConsumerEvent::Confirmed(Confirmed {
                runs: confirmed.runs.into_iter().map(run_in).collect(),
                stale: confirmed.stale.into_iter().map(run_in).collect(),
            }))),
            Some(Answer::Extended(extended)) => Ok(Some(ConsumerEvent::Extended(Extended {
                runs: extended.runs.into_iter().map(run_in).collect(),
                stale: extended.stale.into_iter().map(run_in).collect(),
            }))),
            Some(Answer::Error(problem)) => Err(Problem::from(problem).into()),
            Some(Answer::Opened(_) | Answer::Heartbeat(_) | Answer::Closed(_)) | None => Ok(None),
        }
    }

    /// Gives back the credit a delivery took, a quarter of the window at a time.
    fn top_up(&mut self, delivered: &Delivered) {
        self.taken.events += u64::from(delivered.count);
        self.taken.bytes += delivered.body.len() as u64;
        let due = self.taken.events * 4 >= self.options.credit_events
            || self.taken.bytes * 4 >= self.options.credit_bytes;
        let Some(link) = self.link.as_ref().filter(|_| due) else { return };
        // No slot free: the next delivery tries again.
        if link.try_ask(Ask::Credit(self.taken)) {
            self.taken = v1::Credit::default();
        }
    }

    /// Settles everything delivered at or below a position in its own partition.
    /// [`ConsumerEvent::Confirmed`] follows when that is durable.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when there is no connection: the events will come again.
    pub async fn ack_up_to(&self, position: Position) -> Result<(), ClientError> {
        let ack = v1::Ack { up_to: vec![position_out(position)], runs: Vec::new() };
        self.ask(Ask::Ack(ack)).await
    }

    /// Settles exactly these.
    ///
    /// # Errors
    /// As [`Self::ack_up_to`].
    pub async fn ack(&self, runs: &[Run]) -> Result<(), ClientError> {
        let runs = runs.iter().map(run_out).collect();
        self.ask(Ask::Ack(v1::Ack { up_to: Vec::new(), runs })).await
    }

    /// Gives these back, to be delivered again after a delay.
    ///
    /// # Errors
    /// As [`Self::ack_up_to`].
    pub async fn nack(&self, runs: &[Run], delay: Duration) -> Result<(), ClientError> {
        self.nack_saying(runs, delay, "").await
    }

    /// As [`Self::nack`], saying why: the first 256 bytes are kept with the attempt.
    ///
    /// # Errors
    /// As [`Self::ack_up_to`].
    pub async fn nack_saying(
        &self,
        runs: &[Run],
        delay: Duration,
        detail: &str,
    ) -> Result<(), ClientError> {
        let delay_ms = millis(delay);
        let runs = runs.iter().map(run_out).collect();
        self.ask(Ask::Nack(v1::Nack { runs, delay_ms, detail: detail.to_owned() })).await
    }

    /// Gives these more time: their deadline is so far from now, 1 ms to 24 h.
    /// [`ConsumerEvent::Extended`] follows. Without an `ack_deadline` it ends the consumer with
    /// `FIELD_INVALID`.
    ///
    /// # Errors
    /// As [`Self::ack_up_to`].
    pub async fn extend(&self, runs: &[Run], by: Duration) -> Result<(), ClientError> {
        let runs = runs.iter().map(run_out).collect();
        self.ask(Ask::Extend(v1::Extend { runs, by_ms: millis(by) })).await
    }

    /// Detaches and waits until the service has let go, so that the next consumer finds the
    /// subscription free. What was not acknowledged will come again.
    pub async fn close(mut self) {
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    async fn ask(&self, message: Ask) -> Result<(), ClientError> {
        let lost = || ClientError::Lost("the consumer is not attached".to_owned());
        self.link.as_ref().ok_or_else(lost)?.ask(message).await
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
