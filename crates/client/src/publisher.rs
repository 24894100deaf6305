//! The publisher: batches what comes, sends it as credit allows, repeats what was not answered.

mod lane;
mod outcome;
mod queue;
mod routes;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tidings_event::block::EVENT_BYTES_MAX;
use tidings_event::{Code, Refusal, v1 as event};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

pub use outcome::{BlockPlaced, BlockReceipt, Placed, Receipt};
use queue::Queue;
use routes::Routes;

use crate::{Backoff, Client, ClientError};

/// How a publisher sends.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// Names this producer, `[A-Za-z0-9._-]{1,64}`: its blocks are sequenced, kept in order and
    /// never stored twice. `None`: repeats are recognised by (source, id) only.
    pub producer_id: Option<String>,
    /// The epoch an earlier instance was granted, to go on with its sequences.
    pub producer_epoch: Option<u32>,
    /// Send everything to this topic; `None` leaves it to the service's templates.
    pub topic: Option<String>,
    /// A block is full at this many bytes, at most 1 MiB.
    pub max_block_bytes: usize,
    /// Bytes sent and unanswered; the service may grant less.
    pub max_in_flight_bytes: usize,
    /// Between attempts to connect, and when the service asks for patience.
    pub backoff: Backoff,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            producer_id: None,
            producer_epoch: None,
            topic: None,
            max_block_bytes: 64 << 10,
            max_in_flight_bytes: 4 << 20,
            backoff: Backoff::default(),
        }
    }
}

impl PublisherOptions {
    /// A sequenced producer.
    #[must_use]
    pub fn sequenced(producer_id: impl Into<String>) -> Self {
        Self { producer_id: Some(producer_id.into()), ..Self::default() }
    }
}

/// Sends events. Events of one caller are stored in the order of its calls, per partition.
///
/// Dropping it stops sending at once; [`Publisher::close`] waits for what is under way.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    driver: JoinSet<()>,
}

/// What the caller's side and the driving task share.
#[derive(Debug)]
struct Shared {
    options: PublisherOptions,
    state: Mutex<State>,
    /// Bytes that may still be taken in.
    room: Semaphore,
    /// There is something to send.
    work: Notify,
    /// Everything has its outcome.
    idle: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    epoch: Option<u32>,
    failed: Option<ClientError>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    pub(crate) async fn open(
        client: Client,
        options: PublisherOptions,
    ) -> Result<Self, ClientError> {
        let routes = Routes::new(client.describe().await?, options.topic.clone());
        let room = (options.max_in_flight_bytes * 2).clamp(4 << 20, Semaphore::MAX_PERMITS);
        let queue = Queue::new(
            options.producer_id.is_some(),
            options.max_block_bytes.min(EVENT_BYTES_MAX),
            routes,
        );
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue, epoch: options.producer_epoch, failed: None }),
            options,
            room: Semaphore::new(room),
            work: Notify::new(),
            idle: Notify::new(),
        });
        let first = stream::connect(&client, &shared).await?;
        let mut driver = JoinSet::new();
        driver.spawn(stream::drive(client, Arc::clone(&shared), first));
        Ok(Self { shared, driver })
    }

    /// Takes one event in canonical bytes. Waits while the buffer is full; the receipt resolves
    /// when the event is durable.
    ///
    /// # Errors
    /// When the event cannot be placed (sequenced: it is checked here), or the publisher has
    /// failed.
    pub async fn send(&self, event: impl AsRef<[u8]>) -> Result<Receipt, ClientError> {
        let event = event.as_ref();
        if event.len() > EVENT_BYTES_MAX {
            let detail = format!("event has {} bytes, at most {EVENT_BYTES_MAX}", event.len());
            return Err(Refusal::new(Code::EventTooLarge, detail).into());
        }
        let sequenced = self.shared.options.producer_id.is_some();
        let envelope = if sequenced { Some(tidings_event::scan(event)?) } else { None };
        self.take_room(event.len()).await?;
        let pushed = self.open_state()?.queue.push(event, envelope.as_ref(), event.len());
        match &pushed {
            Ok(_) => self.shared.work.notify_one(),
            Err(_) => self.shared.room.add_permits(event.len()),
        }
        pushed
    }

    /// As [`Self::send`], from a message.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_event(&self, event: &event::Event) -> Result<Receipt, ClientError> {
        self.send(tidings_event::encode(event)).await
    }

    /// Takes a finished body (a serialised `EventBatch` of `count` events) as one block, without
    /// looking into it. Unsequenced publishers only.
    ///
    /// # Errors
    /// When the publisher is sequenced or has failed.
    pub async fn send_body(&self, body: Bytes, count: u32) -> Result<BlockReceipt, ClientError> {
        if self.shared.options.producer_id.is_some() {
            return Err(ClientError::Protocol("a sequenced body needs its place".to_owned()));
        }
        self.push_body(None, body, count).await
    }

    /// As [`Self::send_body`], for the topic and partition (of so many) that all its events belong
    /// to: the service refuses the block when one does not. Sequenced publishers only.
    ///
    /// # Errors
    /// When the publisher is not sequenced or has failed.
    pub async fn send_body_to(
        &self,
        topic: &str,
        (partition, partitions): (u32, u32),
        body: Bytes,
        count: u32,
    ) -> Result<BlockReceipt, ClientError> {
        if self.shared.options.producer_id.is_none() {
            return Err(ClientError::Protocol("a place needs a sequenced publisher".to_owned()));
        }
        self.push_body(Some((topic, partition, partitions)), body, count).await
    }

    async fn push_body(
        &self,
        place: Option<(&str, u32, u32)>,
        body: Bytes,
        count: u32,
    ) -> Result<BlockReceipt, ClientError> {
        let reserved = body.len().min(4 << 20);
        self.take_room(reserved).await?;
        let receipt = self.open_state()?.queue.push_body(place, body, count, reserved);
        self.shared.work.notify_one();
        Ok(receipt)
    }

    async fn take_room(&self, bytes: usize) -> Result<(), ClientError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.shared.room.acquire_many(bytes).await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.failure()),
        }
        Ok(())
    }

    /// The state, unless it failed after there was room: nobody would answer any more.
    fn open_state(&self) -> Result<MutexGuard<'_, State>, ClientError> {
        let state = self.shared.state();
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    fn failure(&self) -> ClientError {
        self.shared.state().failed.clone().unwrap_or(ClientError::Closed)
    }

    /// The epoch the service granted this producer.
    #[must_use]
    pub fn producer_epoch(&self) -> Option<u32> {
        self.shared.state().epoch
    }

    /// Waits until everything taken so far has its outcome.
    ///
    /// # Errors
    /// When the publisher has failed: then the receipts say what is unknown.
    pub async fn flush(&self) -> Result<(), ClientError> {
        loop {
            let idle = self.shared.idle.notified();
            {
                let state = self.shared.state();
                if let Some(error) = &state.failed {
                    return Err(error.clone());
                }
                if state.queue.is_empty() {
                    return Ok(());
                }
            }
            idle.await;
        }
    }

    /// Flushes and ends the stream.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub async fn close(mut self) -> Result<(), ClientError> {
        let flushed = self.flush().await;
        self.driver.shutdown().await;
        flushed
    }
}
