//! The consumer: takes deliveries, tops up credit, acknowledges, reconnects.

mod delivered;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Position};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

pub use delivered::{Delivered, DeliveredEvent, Run};
use delivered::{position_out, run_in, run_out};

use crate::backoff::{Attempts, wait};
use crate::{Backoff, Client, ClientError, Problem};

/// Acks and credit on their way to the transport.
const SLOTS: usize = 64;

/// How a consumer attaches.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// An existing subscription.
    pub subscription: String,
    /// Name of this consumer, for health and logs.
    pub consumer: String,
    /// Events that may be on their way to this consumer.
    pub credit_events: u64,
    /// Bytes that may be on their way to this consumer.
    pub credit_bytes: u64,
    /// How batches travel; without it, as the subscription says. They are unpacked here.
    pub compression: Option<Compression>,
    /// What is not settled in this time failed and is tried again, 1 s to 24 h; without it, what was
    /// delivered stays this consumer's as long as its connection.
    pub ack_deadline: Option<Duration>,
    /// Whether to attach again when the connection breaks.
    pub reconnect: bool,
    /// Between attempts.
    pub backoff: Backoff,
}

impl ConsumerOptions {
    /// A consumer that reconnects, with credit for 65,536 events and 16 MiB.
    #[must_use]
    pub fn new(subscription: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            subscription: subscription.into(),
            consumer: consumer.into(),
            credit_events: 65_536,
            credit_bytes: 16 << 20,
            compression: None,
            ack_deadline: None,
            reconnect: true,
            backoff: Backoff::default(),
        }
    }
}

/// How batches travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are stored.
    None,
    /// Packed, where that makes them shorter.
    Lz4,
}

impl Compression {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        }
    }
}

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
    client: Client,
    options: ConsumerOptions,
    stream: Option<Open>,
    attempts: Attempts,
    /// Credit used up and not given back yet.
    taken: v1::Credit,
    ended: bool,
}

#[derive(Debug)]
struct Open {
    session: String,
    asks: mpsc::Sender<v1::ConsumeRequest>,
    answers: Streaming<v1::ConsumeResponse>,
    topics: HashMap<u64, Arc<str>>,
}

impl Consumer {
    pub(crate) async fn open(
        client: Client,
        options: ConsumerOptions,
    ) -> Result<Self, ClientError> {
        let stream = Some(attach(&client, &options).await?);
        let attempts = Attempts::new(options.backoff);
        let taken = v1::Credit::default();
        Ok(Self { client, options, stream, attempts, taken, ended: false })
    }

    /// Name of the current session; empty while there is none.
    #[must_use]
    pub fn session(&self) -> &str {
        self.stream.as_ref().map_or("", |open| &open.session)
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
            self.stream = None;
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
        let Some(open) = &mut self.stream else {
            self.stream = Some(attach(&self.client, &self.options).await?);
            self.taken = v1::Credit::default();
            return Ok(Some(ConsumerEvent::Reconnected));
        };
        let ended = || ClientError::Lost("the service ended the stream".to_owned());
        let message = open.answers.message().await?.ok_or_else(ended)?;
        self.attempts.progress();
        match message.message {
            Some(Answer::Delivery(delivery)) => {
                let topic = open.topics.get(&delivery.topic_id).cloned().unwrap_or_default();
                let delivered = Delivered::read(topic, delivery)?;
                self.top_up(&delivered);
                Ok(Some(ConsumerEvent::Events(delivered)))
            }
            Some(Answer::Topic(topic)) => {
                open.topics.insert(topic.topic_id, topic.name.into());
                Ok(None)
            }
            Some(Answer::Gap(gap)) => {
                let topic = open.topics.get(&gap.topic_id).cloned().unwrap_or_default();
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
            Some(Answer::Opened(_) | Answer::Heartbeat(_)) | None => Ok(None),
        }
    }

    /// Gives back the credit a delivery took, a quarter of the window at a time.
    fn top_up(&mut self, delivered: &Delivered) {
        self.taken.events += u64::from(delivered.count);
        self.taken.bytes += delivered.body.len() as u64;
        let due = self.taken.events * 4 >= self.options.credit_events
            || self.taken.bytes * 4 >= self.options.credit_bytes;
        let Some(open) = self.stream.as_ref().filter(|_| due) else { return };
        // No slot free: the next delivery tries again.
        if let Ok(slot) = open.asks.try_reserve() {
            slot.send(v1::ConsumeRequest { message: Some(Ask::Credit(self.taken)) });
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
        let Some(Open { asks, mut answers, .. }) = self.stream.take() else { return };
        drop(asks);
        while let Ok(Some(_)) = answers.message().await {}
    }

    async fn ask(&self, message: Ask) -> Result<(), ClientError> {
        let lost = || ClientError::Lost("the consumer is not attached".to_owned());
        let open = self.stream.as_ref().ok_or_else(lost)?;
        let request = v1::ConsumeRequest { message: Some(message) };
        open.asks.send(request).await.map_err(|_| lost())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

async fn attach(client: &Client, options: &ConsumerOptions) -> Result<Open, ClientError> {
    let (asks, requests) = mpsc::channel(SLOTS);
    let open = Ask::Open(v1::ConsumeOpen {
        subscription: options.subscription.clone(),
        consumer: options.consumer.clone(),
        compression: options.compression.map(|wanted| wanted.name().to_owned()),
        ack_deadline_ms: options.ack_deadline.map(millis),
    });
    let credit =
        Ask::Credit(v1::Credit { events: options.credit_events, bytes: options.credit_bytes });
    for message in [open, credit] {
        let request = v1::ConsumeRequest { message: Some(message) };
        asks.send(request).await.map_err(|_| ClientError::Closed)?;
    }
    let response = client.consume_calls().consume(ReceiverStream::new(requests)).await?;
    let mut answers = response.into_inner();
    match answers.message().await?.and_then(|m| m.message) {
        Some(Answer::Opened(opened)) => {
            Ok(Open { session: opened.session, asks, answers, topics: HashMap::new() })
        }
        Some(Answer::Error(problem)) => Err(Problem::from(problem).into()),
        Some(_) => Err(ClientError::Protocol("a delivery before the stream was open".to_owned())),
        None => Err(ClientError::Lost("the service ended the stream".to_owned())),
    }
}
