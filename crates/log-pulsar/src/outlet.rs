//! Topics that are not the log's, written as any client of Pulsar writes them: one message an event, with a schema.
//!
//! Nothing mends itself here either: what fails is told, and whoever writes opens anew and sends again from the first
//! message without a receipt.

use std::sync::Arc;

use bytes::Bytes;
use magnetar_proto::pb::{KeyValue, MessageMetadata, Schema, ServerError, schema};
use magnetar_proto::producer::OutgoingMessage;
use magnetar_proto::{CreateProducerRequest, MessageId};
use magnetar_runtime_tokio::{ClientError, Producer};

use crate::link::{Broker, Link, LinkError};
use crate::options::{OpenError, PulsarOptions};
use crate::security::{CredentialError, LinkFault};

/// What an entry of a partition of a topic is called.
const PARTITION: &str = "-partition-";

/// A cluster to which topics are written.
pub struct Outlets {
    broker: Arc<Broker>,
    url: Arc<str>,
}

/// A connection to it, for any number of topics. It never mends itself; dropped, it is closed.
pub struct OutletLink {
    broker: Arc<Broker>,
    link: Link,
    url: Arc<str>,
}

/// One writer of one topic.
pub struct Outlet {
    producer: Producer,
    url: Arc<str>,
    topic: Arc<str>,
}

/// How an outlet is opened.
#[derive(Clone, Debug)]
pub struct OutletOptions {
    /// `persistent://tenant/namespace/topic`.
    pub topic: Arc<str>,
    /// Where that is a partitioned topic, this one, modulo their number, is written.
    pub partition: u32,
    /// Who writes; a broker that drops repeats knows them by this and their number. Without one a name of its own.
    pub name: Option<String>,
    /// The number of the first message.
    pub first: u64,
    /// What the messages are.
    pub schema: OutletSchema,
}

/// What the messages of a topic are, for those who read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutletSchema {
    /// JSON, described by an Avro record.
    Json {
        /// The record, as text.
        record: Bytes,
    },
    /// Protobuf, described by descriptors.
    Protobuf {
        /// What Pulsar keeps of it: the descriptors and the message's name, as a JSON document.
        descriptors: Bytes,
    },
}

/// One message.
#[derive(Clone, Debug, Default)]
pub struct OutletMessage {
    /// Its partition key.
    pub key: String,
    /// When what it says was so, in milliseconds since 1970.
    pub event_time: u64,
    /// What is known of it, by name.
    pub properties: Vec<(&'static str, String)>,
    /// What it says.
    pub payload: Bytes,
}

/// What a broker says of a message that is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in the topic.
    Now,
    /// The broker dropped it: it has one of the same writer with this number or a later one.
    Before,
}

/// Why a message is not stored, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutletError {
    /// No connection, or none that lasted: what becomes of messages under way is not known.
    #[error("cannot reach Pulsar at {url}: {reason}")]
    Unreachable {
        /// Where it should be.
        url: Arc<str>,
        /// What happened.
        reason: String,
    },
    /// It is there, and is not who it should be, or lets nobody in.
    #[error("cannot use Pulsar at {url}: {fault}; {}", fault.remedy())]
    Link {
        /// Where it is.
        url: Arc<str>,
        /// What is in the way.
        fault: LinkFault,
    },
    /// What secures the link cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The broker does not let this topic be written now.
    #[error("Pulsar refuses to have topic {topic} written: {reason}")]
    Topic {
        /// The topic.
        topic: Arc<str>,
        /// What the broker said.
        reason: String,
    },
    /// The broker never takes this message.
    #[error("Pulsar does not take the message for topic {topic}: {reason}")]
    Message {
        /// The topic.
        topic: Arc<str>,
        /// What is wrong with it.
        reason: String,
    },
}

impl Outlets {
    /// A cluster, by the address, the security and the patience that the options name.
    ///
    /// # Errors
    /// When the address cannot be one.
    pub fn new(options: &PulsarOptions) -> Result<Self, OpenError> {
        let broker = Arc::new(Broker::new(options)?);
        Ok(Self { broker, url: options.url.as_str().into() })
    }

    /// One connection more.
    ///
    /// # Errors
    /// When there is none to be had now.
    pub async fn connect(&self) -> Result<OutletLink, OutletError> {
        let link = self.broker.connect().await.map_err(|error| lost(&self.url, error))?;
        let (broker, link) = (Arc::clone(&self.broker), link.impatient());
        Ok(OutletLink { broker, link, url: Arc::clone(&self.url) })
    }

    /// Waits until every connection that was dropped is closed.
    pub async fn closed(&self) {
        self.broker.closed().await;
    }
}

impl OutletLink {
    /// Opens a topic for writing; one that is not there is made where the namespace lets clients do that.
    ///
    /// # Errors
    /// When the broker refuses, or the connection is of no use any more.
    pub async fn open(&self, options: OutletOptions) -> Result<Outlet, OutletError> {
        let OutletOptions { topic, partition, name, first, schema } = options;
        let refused = |error| of_topic(&self.url, &topic, error);
        let client = self.link.client().map_err(refused)?;
        let partitions = client.partitioned_topic_metadata(&topic);
        let written = match self.broker.limit(partitions).await.map_err(refused)? {
            0 => topic.to_string(),
            partitions => format!("{topic}{PARTITION}{}", partition % partitions),
        };
        let request = CreateProducerRequest {
            topic: written,
            producer_name: name,
            initial_sequence_id: Some(first),
            schema: Some(schema.told()),
            // One send that fails alone, before others that succeed, would be out of order when it is sent again.
            send_timeout: None,
            ..CreateProducerRequest::default()
        };
        let opening = client.open_producer(request);
        let producer = self.broker.limit(opening).await.map_err(refused)?;
        let url = Arc::clone(&self.url);
        Ok(Outlet { producer, url, topic })
    }
}

impl Outlet {
    /// The number that the next message gets. The client counts by itself: another one takes another outlet.
    #[must_use]
    pub fn next(&self) -> u64 {
        // -1 before there is one.
        u64::try_from(self.producer.last_sequence_id() + 1).unwrap_or(0)
    }

    /// Sends; what is sent first is stored first. Dropping the future does not take the message back.
    pub fn send(
        &self,
        message: OutletMessage,
    ) -> impl Future<Output = Result<Stored, OutletError>> + Send + 'static {
        let OutletMessage { key, event_time, properties, payload } = message;
        let named = |(key, value): (&str, String)| KeyValue { key: key.to_owned(), value };
        let metadata = MessageMetadata {
            partition_key: Some(key),
            event_time: Some(event_time),
            properties: properties.into_iter().map(named).collect(),
            ..MessageMetadata::default()
        };
        let uncompressed_size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let sending = self.producer.send(OutgoingMessage {
            payload,
            metadata,
            uncompressed_size,
            num_messages: 1,
            txn_id: None,
            source_message_id: None,
        });
        let (producer, url, topic) =
            (self.producer.clone(), Arc::clone(&self.url), Arc::clone(&self.topic));
        async move {
            match sending.await {
                Ok(at) => Ok(stored(&at)),
                // The client refuses by itself what is closed, and what is larger than the broker takes.
                Err(ClientError::Protocol(_)) if !producer.is_closed() => {
                    let reason = "it is larger than the broker's `maxMessageSize`".to_owned();
                    Err(OutletError::Message { topic, reason })
                }
                Err(ClientError::SendRejected { code, message: reason })
                    if code == ServerError::NotAllowedError as i32 =>
                {
                    Err(OutletError::Message { topic, reason })
                }
                Err(error) => Err(of_topic(&url, &topic, LinkError::Client(error))),
            }
        }
    }
}

/// A broker answers a repeat that it drops with a place that cannot be.
fn stored(at: &MessageId) -> Stored {
    if (at.ledger_id, at.entry_id) == (u64::MAX, u64::MAX) { Stored::Before } else { Stored::Now }
}

impl OutletSchema {
    fn told(self) -> Schema {
        let (kind, schema_data) = match self {
            Self::Json { record } => (schema::Type::Json, record),
            Self::Protobuf { descriptors } => (schema::Type::ProtobufNative, descriptors),
        };
        let (name, properties) = ("Event".to_owned(), vec![]);
        Schema { name, schema_data, r#type: kind as i32, properties }
    }
}

/// Of a connection.
fn lost(url: &Arc<str>, error: LinkError) -> OutletError {
    let url = Arc::clone(url);
    match error {
        LinkError::Fault(fault) => OutletError::Link { url, fault },
        LinkError::Credential(error) => OutletError::Credential(error),
        other => OutletError::Unreachable { url, reason: other.to_string() },
    }
}

/// Of a topic, where it is the broker that says it.
fn of_topic(url: &Arc<str>, topic: &Arc<str>, error: LinkError) -> OutletError {
    let reason = match error {
        LinkError::Client(
            ClientError::Broker { code, message } | ClientError::SendRejected { code, message },
        ) => match ServerError::try_from(code) {
            Ok(code) => format!("{}: {message}", code.as_str_name()),
            Err(_) => message,
        },
        LinkError::Fault(LinkFault::NotAuthorised(_)) => {
            "not authorised: let the role of the token or certificate produce there".to_owned()
        }
        other => return lost(url, other),
    };
    OutletError::Topic { topic: Arc::clone(topic), reason }
}

impl std::fmt::Debug for Outlets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlets").field("url", &self.url).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OutletLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutletLink").field("url", &self.url).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (topic, next) = (&self.topic, self.next());
        f.debug_struct("Outlet").field("topic", topic).field("next", &next).finish_non_exhaustive()
    }
}
