//! Connections to the broker, as this engine uses them: they never mend themselves.
//!
//! A connection that reconnects by itself would take a topic back from whoever took it over. Here every failure ends
//! the connection, and who wrote by it begins a new hold. What the client keeps of each message that it received, up to
//! 4,096 of them, goes with a connection, too: a [`Tail`] changes it before that is much.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use magnetar_proto::pb::FeatureFlags;
use magnetar_proto::pb::ProducerAccessMode;
use magnetar_proto::pb::command_subscribe::{InitialPosition, SubType};
use magnetar_proto::{
    ConnectionConfig, CreateProducerRequest, MessageId, OperationRetryConfig, SubscribeRequest,
};
use magnetar_runtime_tokio::{
    Client, ClientError, Consumer, DnsResolver, ParsedUrl, Producer, Scheme,
};
use tidings_telemetry::Timer;
use tokio_util::task::TaskTracker;

use crate::options::{OpenError, PulsarOptions};
use crate::security::{CredentialError, Credentials, Guard, LinkFault, provider};

/// Messages that one connection receives.
const RECEIVED_MAX: usize = 256;
/// Messages that the broker sends ahead.
const AHEAD: usize = 64;
const KEEPALIVE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locator {
    pub(crate) ledger: u64,
    pub(crate) entry: u64,
}

impl Locator {
    pub(crate) fn of(id: &MessageId) -> Self {
        Self { ledger: id.ledger_id, entry: id.entry_id }
    }

    fn id(self) -> MessageId {
        MessageId { ledger_id: self.ledger, entry_id: self.entry, ..MessageId::LATEST }
    }

    /// Whether nothing can stand between the two.
    pub(crate) fn is_followed_by(self, next: Self) -> bool {
        self.ledger == next.ledger && self.entry.checked_add(1) == Some(next.entry)
    }
}

/// Why something could not be asked of the broker, or was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Fault(LinkFault),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("no answer in time")]
    Silent,
}

impl LinkError {
    /// What keeps a log from being opened there, whatever time passes.
    pub(crate) fn lasts(&self, url: &str) -> Option<OpenError> {
        match self {
            Self::Fault(fault) if !fault.may_pass() => {
                Some(OpenError::Link { url: url.to_owned(), fault: fault.clone() })
            }
            Self::Credential(error) => Some(OpenError::Credential(error.clone())),
            _ => None,
        }
    }
}

/// A broker, or several behind one address.
pub(crate) struct Broker {
    url: ParsedUrl,
    credentials: Arc<Credentials>,
    guard: Arc<dyn DnsResolver>,
    answer_max: Duration,
    /// Of connections that are being closed.
    closing: TaskTracker,
}

/// A connection; dropped, it is closed.
pub(crate) struct Link {
    client: Option<Client>,
    closing: TaskTracker,
    answer_max: Duration,
}

/// A writer of a topic, by a connection of its own; the only one of that topic where it was taken.
pub(crate) struct Writing {
    pub(crate) producer: Producer,
    _link: Link,
}

impl Broker {
    pub(crate) fn new(options: &PulsarOptions) -> Result<Self, OpenError> {
        let url = ParsedUrl::parse(&options.url).map_err(|error| OpenError::Unreachable {
            url: options.url.clone(),
            reason: error.to_string(),
        })?;
        #[cfg(any(test, feature = "test-util"))]
        let detour = options.detour;
        #[cfg(not(any(test, feature = "test-util")))]
        let detour = None;
        let credentials = Arc::new(Credentials::new(&options.security));
        let guard = Arc::new(Guard::new(&credentials, url.scheme == Scheme::Tls, detour));
        let (answer_max, closing) = (options.answer_max, TaskTracker::new());
        Ok(Self { url, credentials, guard, answer_max, closing })
    }

    /// One connection more.
    pub(crate) async fn connect(&self) -> Result<Link, LinkError> {
        let tls = match self.url.scheme {
            Scheme::Tls => Some(self.credentials.tls()?),
            Scheme::Plain => None,
        };
        let token = self.credentials.token()?;
        let provider = provider(&self.credentials);
        let method = provider.as_ref().map_or("none", |provider| provider.method());
        let config = ConnectionConfig {
            auth_method_name: method.to_owned(),
            auth_data: token.map(|token| Bytes::copy_from_slice(token.exposed().as_bytes())),
            feature_flags: FeatureFlags {
                // A token that ends is asked for again, instead of ending the connection.
                supports_auth_refresh: Some(true),
                ..FeatureFlags::default()
            },
            keepalive_interval: KEEPALIVE,
            operation_timeout: self.answer_max,
            connect_timeout: CONNECT,
            connect_max_retries: 0,
            supervisor: None,
            stats_interval: None,
            ..ConnectionConfig::default()
        };
        let connecting = Client::connect_with_resolver_and_provider(
            self.url.clone(),
            tls,
            config,
            provider,
            None,
            Some(Arc::clone(&self.guard)),
        );
        let client = self.limit(connecting).await?;
        let (client, closing) = (Some(client), self.closing.clone());
        Ok(Link { client, closing, answer_max: self.answer_max })
    }

    /// Takes a topic from whoever writes to it. From when this returns until the next one takes it, only the producer
    /// that it returns can write.
    pub(crate) async fn take(&self, topic: &str) -> Result<Writing, LinkError> {
        let link = self.connect().await?;
        // Whoever keeps this mode takes the topic back whenever it connects again; `Exclusive` does not.
        let kick = self.produce(&link, topic, ProducerAccessMode::ExclusiveWithFencing).await?;
        self.limit(kick.close()).await?;
        let producer = self.produce(&link, topic, ProducerAccessMode::Exclusive).await?;
        Ok(Writing { producer, _link: link })
    }

    /// One writer of a topic among any number.
    pub(crate) async fn share(&self, topic: &str) -> Result<Writing, LinkError> {
        let link = self.connect().await?;
        let producer = self.produce(&link, topic, ProducerAccessMode::Shared).await?;
        Ok(Writing { producer, _link: link })
    }

    async fn produce(
        &self,
        link: &Link,
        topic: &str,
        access_mode: ProducerAccessMode,
    ) -> Result<Producer, LinkError> {
        let request = CreateProducerRequest {
            topic: topic.to_owned(),
            access_mode,
            // One send that fails alone, before others that succeed, would leave a hole.
            send_timeout: None,
            ..CreateProducerRequest::default()
        };
        self.limit(link.client()?.open_producer(request)).await
    }

    /// An answer, in time.
    pub(crate) async fn limit<T>(
        &self,
        asked: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, LinkError> {
        let answered = Timer.limit(self.answer_max, asked).await.map_err(|_| LinkError::Silent)?;
        answered.map_err(|error| match LinkFault::of_client(&error, self.credentials.named()) {
            Some(fault) => LinkError::Fault(fault),
            None => LinkError::Client(error),
        })
    }

    /// Waits until every connection that was dropped is closed.
    pub(crate) async fn closed(&self) {
        self.closing.close();
        self.closing.wait().await;
    }
}

impl Link {
    pub(crate) fn client(&self) -> Result<&Client, LinkError> {
        self.client.as_ref().ok_or(LinkError::Client(ClientError::Closed))
    }
}

impl Link {
    /// Tells what the broker refuses at once: the client would ask several times more, for longer than an answer may take.
    pub(crate) fn impatient(mut self) -> Self {
        let never =
            OperationRetryConfig { max_retries: Some(0), ..OperationRetryConfig::default() };
        self.client = self.client.take().map(|client| client.with_operation_retry(never));
        self
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Without a runtime nothing runs that could be told to stop.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let Some(client) = self.client.take() {
            let limit = self.answer_max;
            let close = async move {
                if Timer.limit(limit, client.close()).await.is_err() {
                    tracing::warn!("a connection to the broker does not close");
                }
            };
            self.closing.spawn_on(close, &runtime);
        }
    }
}

/// The messages of a topic, one after the other, each once. After an error it goes on where it was.
pub(crate) struct Tail {
    broker: Arc<Broker>,
    topic: String,
    open: Option<(Consumer, Link)>,
    from: Option<Locator>,
    /// The last message that was returned, or that is not wanted.
    last: Option<Locator>,
    received: usize,
}

impl Tail {
    /// What follows a message; everything that the topic has for `None`.
    pub(crate) fn after(broker: &Arc<Broker>, topic: &str, last: Option<Locator>) -> Self {
        let (broker, topic) = (Arc::clone(broker), topic.to_owned());
        Self { broker, topic, open: None, from: None, last, received: 0 }
    }

    /// A message and what follows it.
    pub(crate) fn from(broker: &Arc<Broker>, topic: &str, first: Locator) -> Self {
        Self { from: Some(first), ..Self::after(broker, topic, None) }
    }

    /// The next message; waits for it as long as the broker may take to answer.
    pub(crate) async fn next(&mut self) -> Result<(Locator, Bytes), LinkError> {
        loop {
            let consumer = self.open().await?;
            let received = self.broker.limit(consumer.receive()).await;
            let message = received.inspect_err(|_| self.open = None)?;
            self.received += 1;
            let at = Locator::of(&message.message_id);
            let is_known = self.last.is_some_and(|last| at <= last);
            if is_known || self.from.is_some_and(|from| at < from) {
                continue;
            }
            self.last = Some(at);
            return Ok((at, message.payload));
        }
    }

    /// Where the topic ends, as far as the broker says.
    pub(crate) async fn end(&mut self) -> Result<Option<Locator>, LinkError> {
        let consumer = self.open().await?;
        let end = Locator::of(&self.broker.limit(consumer.last_message_id()).await?);
        // A ledger without an entry ends at -1.
        Ok(Some(end).filter(|end| i64::try_from(end.entry).is_ok()))
    }

    async fn open(&mut self) -> Result<Consumer, LinkError> {
        if self.received >= RECEIVED_MAX {
            (self.open, self.received) = (None, 0);
        }
        if let Some((consumer, _)) = &self.open {
            return Ok(consumer.clone());
        }
        self.received = 0;
        let link = self.broker.connect().await?;
        let start = self.last.or(self.from).map_or(MessageId::EARLIEST, Locator::id);
        let request = SubscribeRequest {
            topic: self.topic.clone(),
            subscription: format!("tidings-reader-{}", uuid::Uuid::now_v7()),
            sub_type: SubType::Exclusive,
            receiver_queue_size: AHEAD,
            initial_position: InitialPosition::Earliest,
            durable: false,
            start_message_id: Some(start),
            force_topic_creation: Some(false),
            ..SubscribeRequest::default()
        };
        let consumer = self.broker.limit(link.client()?.subscribe(request)).await?;
        self.open = Some((consumer.clone(), link));
        Ok(consumer)
    }
}
