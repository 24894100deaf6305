//! Redis streams through the client that is best kept: pipelines of XADD, and XREAD.

use std::sync::Arc;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncConnectionConfig, Client, Value};
use tidings_bench::BenchError;

use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Commands of a pipeline, and events asked for at once.
const PIPELINE: usize = 1_000;
const READ: usize = 5_000;

/// Streams of a server.
pub(crate) struct Streams {
    pub(crate) port: u16,
}

impl Streams {
    async fn connect(&self) -> Result<MultiplexedConnection, BenchError> {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port)).map_err(broken)?;
        // A read waits for events as long as it takes.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(broken)
    }
}

#[async_trait]
impl Protocol for Streams {
    async fn create(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn remove(&self, place: &str) -> Result<(), BenchError> {
        let mut connection = self.connect().await?;
        redis::cmd("DEL").arg(place).exec_async(&mut connection).await.map_err(broken)
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let connection = self.connect().await?;
        Ok(Box::new(StreamSender { connection, place: place.to_owned(), input: None, stored: 0 }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let connection = self.connect().await?;
        Ok(Box::new(StreamReceiver { connection, place: place.to_owned() }))
    }
}

struct StreamSender {
    connection: MultiplexedConnection,
    place: String,
    input: Option<Arc<Input>>,
    stored: u64,
}

#[async_trait]
impl Sender for StreamSender {
    fn load(&mut self, input: Arc<Input>) {
        self.input = Some(input);
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = self.input.take() {
            let events: Vec<&[u8]> = input.events().collect();
            for part in events.chunks(PIPELINE) {
                self.send(part).await?;
            }
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        let mut pipeline = redis::Pipeline::with_capacity(events.len());
        for event in events {
            pipeline.cmd("XADD").arg(&self.place).arg("*").arg("d").arg(*event);
        }
        let ids: Vec<String> = pipeline.query_async(&mut self.connection).await.map_err(broken)?;
        self.stored += ids.len() as u64;
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        Ok(std::mem::take(&mut self.stored))
    }
}

struct StreamReceiver {
    connection: MultiplexedConnection,
    place: String,
}

#[async_trait]
impl Receiver for StreamReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        let mut last = "0".to_owned();
        loop {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(READ).arg("BLOCK").arg(0).arg("STREAMS");
            read.arg(&self.place).arg(&last);
            let reply: StreamReadReply =
                read.query_async(&mut self.connection).await.map_err(broken)?;
            for entry in reply.keys.into_iter().flat_map(|stream| stream.ids) {
                let Some(Value::BulkString(event)) = entry.map.get("d") else {
                    return Err(broken("an entry has no event"));
                };
                if !seen(event) {
                    return Ok(());
                }
                last = entry.id;
            }
        }
    }
}
