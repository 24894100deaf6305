//! The connection: one HTTP/2 connection for streams, one HTTP client for plain calls.

use std::sync::Arc;
use std::time::Duration;

use tidings_wire::v1;
use tidings_wire::v1::analysis_stream_client::AnalysisStreamClient;
use tidings_wire::v1::consumer_client::ConsumerClient;
use tidings_wire::v1::publisher_client::PublisherClient;
use tonic::transport::{Channel, Endpoint};

use crate::consumer::Source;
use crate::servers::Servers;
use crate::{
    Analysis, AnalysisOptions, ClientError, Consumer, ConsumerOptions, Consumers, Publisher,
    PublisherOptions, Rest,
};

/// Most bytes of one message: the batch limit of the service.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Most bytes of one answer: each event of a full batch refused with its reason.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Larger than a block, so that a block travels in one frame.
const FRAME_BYTES: u32 = 1 << 20;

const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A connection to the service. Cheap to clone; it reconnects by itself.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    servers: Servers,
    /// One for each server.
    transports: Arc<[Channel]>,
    rest: Rest,
}

impl Client {
    /// Connects to `http://host:port`, or to the nodes of a cluster, `http://a:8080,http://b:8080`: one of them is asked,
    /// and the next one when it is gone, or says that another one owns the log.
    ///
    /// # Errors
    /// [`ClientError::Address`] for another form of address, [`ClientError::Unreachable`] when
    /// nobody answers.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        let servers = Servers::read(&url)?;
        let (mut transports, mut reached, mut unreached) = (vec![], None, None);
        for (at, server) in servers.urls().iter().enumerate() {
            let endpoint = endpoint(server)?;
            if reached.is_none() {
                match endpoint.connect().await {
                    Ok(transport) => {
                        reached = Some(at);
                        transports.push(transport);
                        continue;
                    }
                    Err(error) => unreached = Some((server.clone(), chain(&error))),
                }
            }
            transports.push(endpoint.connect_lazy());
        }
        match (reached, unreached) {
            (Some(at), _) => servers.ask(at),
            (None, Some((url, reason))) => return Err(ClientError::Unreachable { url, reason }),
            // There is at least one server.
            (None, None) => {}
        }
        let rest = Rest::new(servers.clone());
        Ok(Self { url, servers, transports: transports.into(), rest })
    }

    /// The servers that it was given.
    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    fn transport(&self) -> Channel {
        self.transports[self.servers.asked()].clone()
    }

    /// The address it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The plain calls.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Templates, topics and partition counts: what grouping by partition needs.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub async fn describe(&self) -> Result<v1::DescribeResponse, ClientError> {
        Ok(self.publish_calls().describe(v1::DescribeRequest {}).await?.into_inner())
    }

    /// Publishes one batch and waits for its answers, one per event, in order. A [`Publisher`] is
    /// faster and repeats safely.
    ///
    /// ```no_run
    /// use tidings_client::{Client, v1::PublishRequest};
    ///
    /// # async fn example(event: Vec<u8>) -> Result<(), tidings_client::ClientError> {
    /// let client = Client::connect("http://127.0.0.1:8080").await?;
    /// let request = PublishRequest { events: vec![event.into()], ..PublishRequest::default() };
    /// for result in client.publish(request).await? {
    ///     println!("{}: offset {:?}, refused {:?}", result.index, result.offset, result.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the batch as a whole is refused, or the connection breaks.
    pub async fn publish(
        &self,
        request: v1::PublishRequest,
    ) -> Result<Vec<v1::PublishResult>, ClientError> {
        Ok(self.publish_calls().publish(request).await?.into_inner().results)
    }

    /// Opens a publisher. Events may be sent from many tasks; those of one task are stored in the
    /// order of its calls, per partition.
    ///
    /// ```no_run
    /// use tidings_client::{Client, PublisherOptions};
    ///
    /// # async fn example(events: Vec<Vec<u8>>) -> Result<(), tidings_client::ClientError> {
    /// let client = Client::connect("http://127.0.0.1:8080").await?;
    /// let publisher = client.publisher(PublisherOptions::sequenced("rsi-service-1")).await?;
    /// let mut receipts = Vec::new();
    /// for event in events {
    ///     receipts.push(publisher.send(event).await?);
    /// }
    /// for receipt in receipts {
    ///     let placed = receipt.await?;
    ///     println!("{}/{} at {:?}", placed.topic, placed.partition, placed.offset);
    /// }
    /// publisher.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the service refuses the producer id or cannot be reached.
    pub async fn publisher(&self, options: PublisherOptions) -> Result<Publisher, ClientError> {
        Publisher::open(self.clone(), options).await
    }

    /// Attaches a consumer to an existing subscription. It attaches again by itself when the
    /// connection breaks; what was not confirmed by then comes again.
    ///
    /// ```no_run
    /// use tidings_client::{Client, ConsumerEvent, ConsumerOptions};
    ///
    /// # async fn example() -> Result<(), tidings_client::ClientError> {
    /// let client = Client::connect("http://127.0.0.1:8080").await?;
    /// let mut consumer = client.consumer(ConsumerOptions::new("prediction", "worker-1")).await?;
    /// while let Some(next) = consumer.next().await {
    ///     match next? {
    ///         ConsumerEvent::Events(delivered) => {
    ///             // ... and when everything is done with them:
    ///             consumer.ack_up_to(delivered.last_position()).await?;
    ///         }
    ///         ConsumerEvent::Gap(gap) => println!("{} are gone: {}", gap.count, gap.reason),
    ///         ConsumerEvent::Confirmed(_) | ConsumerEvent::Extended(_) | ConsumerEvent::Reconnected => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_BUSY`, or when the service cannot be reached.
    pub async fn consumer(&self, options: ConsumerOptions) -> Result<Consumer, ClientError> {
        Consumer::open(Source::Own(self.clone()), options).await
    }

    /// Consumers that share one stream of this connection: what many narrow subscriptions cost least.
    ///
    /// ```no_run
    /// use tidings_client::{Client, ConsumerOptions};
    ///
    /// # async fn example() -> Result<(), tidings_client::ClientError> {
    /// let client = Client::connect("http://127.0.0.1:8080").await?;
    /// let consumers = client.consumers();
    /// let mut aapl = consumers.attach(ConsumerOptions::new("aapl", "desk-1")).await?;
    /// let mut msft = consumers.attach(ConsumerOptions::new("msft", "desk-1")).await?;
    /// tokio::select! {
    ///     next = aapl.next() => println!("{next:?}"),
    ///     next = msft.next() => println!("{next:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn consumers(&self) -> Consumers {
        Consumers::new(self.clone())
    }

    /// Opens the platform's stream: what is published from now on, filtered by the service,
    /// without credit, acks or resume.
    ///
    /// ```no_run
    /// use tidings_client::{AnalysisItem, AnalysisOptions, Client};
    ///
    /// # async fn example() -> Result<(), tidings_client::ClientError> {
    /// let client = Client::connect("http://127.0.0.1:8080").await?;
    /// let options = AnalysisOptions {
    ///     symbols: vec!["AAPL".to_owned()],
    ///     timeframes: vec!["5m".to_owned()],
    ///     ..AnalysisOptions::default()
    /// };
    /// let mut analysis = client.analysis(options).await?;
    /// while let Some(item) = analysis.next().await? {
    ///     match item {
    ///         AnalysisItem::Event(event) => println!("{} {}", event.topic, event.position),
    ///         AnalysisItem::Gap(gap) => println!("{} events are gone: {}", gap.count, gap.reason),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the service refuses a name, a pattern or the subscription, or cannot be reached.
    pub async fn analysis(&self, options: AnalysisOptions) -> Result<Analysis, ClientError> {
        Analysis::open(self, options).await
    }

    pub(crate) fn analysis_calls(&self) -> AnalysisStreamClient<Channel> {
        AnalysisStreamClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn publish_calls(&self) -> PublisherClient<Channel> {
        PublisherClient::new(self.transport())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn consume_calls(&self) -> ConsumerClient<Channel> {
        ConsumerClient::new(self.transport())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

fn endpoint(url: &str) -> Result<Endpoint, ClientError> {
    let invalid = |error: tonic::transport::Error| ClientError::Address {
        url: url.to_owned(),
        reason: chain(&error),
    };
    Ok(Endpoint::from_shared(url.to_owned())
        .map_err(invalid)?
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES))
}

/// An error with its causes: tonic's own text says only "transport error".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
