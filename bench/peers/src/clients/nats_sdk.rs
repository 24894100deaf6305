//! NATS through its official client: core subjects, and streams read by ordered consumers.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use tidings_bench::BenchError;

use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Messages that the client holds for a subscriber; it drops what is above.
const HELD: usize = 8_000_000;
/// Acknowledgements on their way.
const WINDOW: usize = 4_000;

async fn connect(port: u16) -> Result<Client, BenchError> {
    let options = ConnectOptions::new().subscription_capacity(HELD);
    options.connect(format!("nats://127.0.0.1:{port}")).await.map_err(broken)
}

/// Core subjects of a server.
pub(crate) struct Core {
    pub(crate) port: u16,
}

#[async_trait]
impl Protocol for Core {
    async fn create(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn remove(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let client = connect(self.port).await?;
        Ok(Box::new(CoreSender { client, place: place.to_owned(), input: None, sent: 0 }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let client = connect(self.port).await?;
        let subscriber = client.subscribe(place.to_owned()).await.map_err(broken)?;
        client.flush().await.map_err(broken)?;
        Ok(Box::new(CoreReceiver { subscriber, _client: client }))
    }
}

struct CoreSender {
    client: Client,
    place: String,
    input: Option<Arc<Input>>,
    sent: u64,
}

#[async_trait]
impl Sender for CoreSender {
    fn load(&mut self, input: Arc<Input>) {
        self.input = Some(input);
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = self.input.take() {
            for event in input.events() {
                self.send(&[event]).await?;
            }
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        for event in events {
            let event = event.to_vec().into();
            self.client.publish(self.place.clone(), event).await.map_err(broken)?;
            self.sent += 1;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.client.flush().await.map_err(broken)?;
        Ok(std::mem::take(&mut self.sent))
    }
}

struct CoreReceiver {
    subscriber: Subscriber,
    _client: Client,
}

#[async_trait]
impl Receiver for CoreReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        while let Some(message) = self.subscriber.next().await {
            if !seen(&message.payload) {
                return Ok(());
            }
        }
        Err(broken("the subscription ended"))
    }
}

/// Streams of a server.
pub(crate) struct Streams {
    pub(crate) port: u16,
}

#[async_trait]
impl Protocol for Streams {
    async fn create(&self, place: &str) -> Result<(), BenchError> {
        let config = stream::Config {
            name: place.to_owned(),
            subjects: vec![place.to_owned()],
            ..stream::Config::default()
        };
        let context = jetstream::new(connect(self.port).await?);
        context.create_stream(config).await.map_err(broken)?;
        Ok(())
    }

    async fn remove(&self, place: &str) -> Result<(), BenchError> {
        let context = jetstream::new(connect(self.port).await?);
        context.delete_stream(place).await.map_err(broken)?;
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let context = jetstream::new(connect(self.port).await?);
        let place = place.to_owned();
        let acks = VecDeque::new();
        Ok(Box::new(StreamSender { context, place, input: None, acks, last: 0, told: 0 }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let context = jetstream::new(connect(self.port).await?);
        Ok(Box::new(StreamReceiver { context, place: place.to_owned() }))
    }
}

struct StreamSender {
    context: jetstream::Context,
    place: String,
    input: Option<Arc<Input>>,
    acks: VecDeque<PublishAckFuture>,
    last: u64,
    told: u64,
}

impl StreamSender {
    async fn wait(&mut self, until: usize) -> Result<(), BenchError> {
        while self.acks.len() > until
            && let Some(ack) = self.acks.pop_front()
        {
            let sequence = ack.await.map_err(broken)?.sequence;
            if sequence != self.last + 1 {
                let last = self.last;
                return Err(broken(format!("sequence {sequence} was acknowledged after {last}")));
            }
            self.last = sequence;
        }
        Ok(())
    }
}

#[async_trait]
impl Sender for StreamSender {
    fn load(&mut self, input: Arc<Input>) {
        self.input = Some(input);
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = self.input.take() {
            for event in input.events() {
                self.send(&[event]).await?;
                self.wait(WINDOW).await?;
            }
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        for event in events {
            let event = event.to_vec().into();
            let ack = self.context.publish(self.place.clone(), event).await.map_err(broken)?;
            self.acks.push_back(ack);
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.wait(0).await?;
        let news = self.last - self.told;
        self.told = self.last;
        Ok(news)
    }
}

struct StreamReceiver {
    context: jetstream::Context,
    place: String,
}

#[async_trait]
impl Receiver for StreamReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        let stream = self.context.get_stream(&self.place).await.map_err(broken)?;
        let deliver_policy = jetstream::consumer::DeliverPolicy::All;
        let config = OrderedConfig { deliver_policy, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(broken)?;
        let mut messages = consumer.messages().await.map_err(broken)?;
        while let Some(message) = messages.next().await {
            if !seen(&message.map_err(broken)?.payload) {
                return Ok(());
            }
        }
        Err(broken("the consumer ended"))
    }
}
