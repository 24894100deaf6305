//! Kafka topics of one partition, over librdkafka: producers that ask for all acknowledgements, consumers
//! without a group.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use tidings_bench::BenchError;
use tokio::sync::Notify;
use tokio::task::{block_in_place, yield_now};

use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Acknowledgements to wait for when the client's queue is full.
const ROOM: u64 = 10_000;
/// Longest wait for an event before others may run.
const POLL: Duration = Duration::from_millis(100);
/// Events taken before others may run.
const TAKE: usize = 10_000;

/// Topics of a broker.
pub(crate) struct Topics {
    pub(crate) port: u16,
    /// How long the client waits for more events to go into a batch, in milliseconds.
    pub(crate) linger: &'static str,
}

impl Topics {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", format!("127.0.0.1:{}", self.port));
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, BenchError> {
        AdminClient::from_config(&self.config()).map_err(broken)
    }
}

#[async_trait]
impl Protocol for Topics {
    async fn create(&self, place: &str) -> Result<(), BenchError> {
        let topic = NewTopic::new(place, 1, TopicReplication::Fixed(1));
        let made = self.admin()?.create_topics([&topic], &AdminOptions::new()).await;
        all_well(made.map_err(broken)?)
    }

    async fn remove(&self, place: &str) -> Result<(), BenchError> {
        let removed = self.admin()?.delete_topics(&[place], &AdminOptions::new()).await;
        all_well(removed.map_err(broken)?)
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let acks = Acks::default();
        let told = Arc::clone(&acks.0);
        let mut config = self.config();
        config.set("acks", "all").set("linger.ms", self.linger);
        config.set("queue.buffering.max.messages", "200000");
        let producer = config.create_with_context(acks).map_err(broken)?;
        let place = place.to_owned();
        Ok(Box::new(TopicSender { producer, told, place, input: None, sent: 0, settled: 0 }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let mut config = self.config();
        config.set("group.id", "bench").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().map_err(broken)?;
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(place, 0, Offset::Beginning).map_err(broken)?;
        consumer.assign(&all).map_err(broken)?;
        Ok(Box::new(TopicReceiver { consumer }))
    }
}

fn all_well(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Result<(), BenchError> {
    let refused = results.into_iter().find_map(Result::err);
    refused.map_or(Ok(()), |(topic, code)| Err(broken(format!("{topic}: {code}"))))
}

/// What was acknowledged, told by the client's own thread.
#[derive(Default)]
struct Told {
    acknowledged: AtomicU64,
    /// Refused, or at another offset than the next.
    wrong: AtomicU64,
    /// How many somebody waits for.
    wanted: AtomicU64,
    reached: Notify,
}

impl Told {
    fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until so many are acknowledged.
    async fn until(&self, wanted: u64) -> Result<(), BenchError> {
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.acknowledged.load(Ordering::SeqCst) < wanted {
            self.reached.notified().await;
        }
        match self.wrong.load(Ordering::Acquire) {
            0 => Ok(()),
            wrong => Err(broken(format!("{wrong} events were refused or misplaced"))),
        }
    }
}

#[derive(Default)]
struct Acks(Arc<Told>);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = self.0.acknowledged.load(Ordering::Acquire);
        let is_next = result.as_ref().is_ok_and(|m| u64::try_from(m.offset()) == Ok(count));
        if !is_next {
            self.0.wrong.fetch_add(1, Ordering::AcqRel);
        }
        // The client has one thread that tells.
        self.0.acknowledged.store(count + 1, Ordering::SeqCst);
        if count + 1 >= self.0.wanted.load(Ordering::SeqCst) {
            self.0.reached.notify_one();
        }
    }
}

struct TopicSender {
    producer: ThreadedProducer<Acks>,
    told: Arc<Told>,
    place: String,
    input: Option<Arc<Input>>,
    sent: u64,
    settled: u64,
}

impl TopicSender {
    async fn one(&mut self, event: &[u8]) -> Result<(), BenchError> {
        while !self.queued(event)? {
            self.told.until((self.told.count() + ROOM).min(self.sent)).await?;
        }
        self.sent += 1;
        Ok(())
    }

    /// Whether the client had room for it.
    fn queued(&self, event: &[u8]) -> Result<bool, BenchError> {
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(&self.place).payload(event);
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => Err(broken(error)),
        }
    }
}

#[async_trait]
impl Sender for TopicSender {
    fn load(&mut self, input: Arc<Input>) {
        self.input = Some(input);
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = self.input.take() {
            for event in input.events() {
                self.one(event).await?;
            }
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        for event in events {
            self.one(event).await?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.told.until(self.sent).await?;
        let news = self.told.count() - self.settled;
        self.settled = self.told.count();
        Ok(news)
    }
}

struct TopicReceiver {
    consumer: BaseConsumer,
}

#[async_trait]
impl Receiver for TopicReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        while block_in_place(|| self.some(seen))? {
            yield_now().await;
        }
        Ok(())
    }
}

impl TopicReceiver {
    /// Takes what is there. Says whether more are wanted.
    fn some(&self, seen: &mut Seen<'_>) -> Result<bool, BenchError> {
        for _ in 0..TAKE {
            let Some(message) = self.consumer.poll(POLL) else { return Ok(true) };
            let message = message.map_err(broken)?;
            if !seen(message.payload().unwrap_or_default()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
