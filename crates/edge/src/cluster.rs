//! The other system, as far as an edge needs it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

/// Where the topics are.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// One connection; it does not mend itself. Dropped, it is closed.
    ///
    /// # Errors
    /// When there is none to be had now.
    async fn connect(&self) -> Result<Arc<dyn Connection>, ProducerError>;

    /// Waits until every connection that was dropped is closed.
    async fn closed(&self);
}

/// One connection, for any number of topics.
#[async_trait]
pub trait Connection: Send + Sync + 'static {
    /// Opens a topic for writing.
    ///
    /// # Errors
    /// When that is not possible now, and whether the connection or the topic is at fault.
    async fn open(&self, opening: Opening) -> Result<Box<dyn Producer>, ProducerError>;
}

/// One writer of one topic. What it is sent first is stored first; after an error it is of no use any more, but after
/// [`ProducerError::Message`].
pub trait Producer: Send {
    /// The number of the next message.
    fn next(&self) -> u64;

    /// Sends. Dropping the receipt does not take the message back.
    fn send(&mut self, message: Message) -> Receipt;
}

/// Resolves when a message is safe, or when it is known that it is not.
pub type Receipt = BoxFuture<'static, Result<Placed, ProducerError>>;

/// How a topic is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The topic.
    pub topic: Arc<str>,
    /// Which of its partitions, modulo their number, where it has some: what has one key has one number.
    pub partition: u32,
    /// Who writes: a system that drops repeats knows them by this and their number. Without one a name of its own.
    pub name: Option<String>,
    /// The number of the first message; each later one has the next.
    pub first: u64,
    /// What the messages are.
    pub schema: Schema,
}

/// What the messages of a topic are, for those who read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// JSON that an Avro record describes.
    Json {
        /// The record, as text.
        record: Bytes,
    },
    /// Protobuf that descriptors describe.
    Protobuf {
        /// A document of the descriptors, in base 64, and of the names of file and message.
        descriptors: Bytes,
    },
}

/// One event, as the other system has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its key, printable: what has one key keeps its order.
    pub key: String,
    /// When what it says was so, in milliseconds since 1970.
    pub event_time: u64,
    /// What is known of it, by name.
    pub properties: Vec<(&'static str, String)>,
    /// What it says.
    pub payload: Bytes,
}

/// What a safe message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// A new one of its topic.
    New,
    /// A repeat, which the other system dropped.
    Repeat,
}

/// Why a message is not known to be safe, by what is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The connection: what becomes of messages under way is not known.
    #[error("{0}")]
    Connection(String),
    /// The topic, which cannot be written now.
    #[error("{0}")]
    Topic(String),
    /// The message, which is never taken. Those after it are.
    #[error("{0}")]
    Message(String),
}
