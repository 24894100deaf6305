//! A consumer's way to the service and back: a stream of its own, or a place on one that it shares.

use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::consumers::Consumers;
use super::framed::Framed;
use super::options::{ConsumerOptions, Transport};
use super::shared::Place;
use crate::servers::Servers;
use crate::{Client, ClientError, Problem};

/// Acks and credit on their way to the transport.
const SLOTS: usize = 64;

/// Where a consumer attaches, again when its link breaks.
#[derive(Debug)]
pub(crate) enum Source {
    Own(Client),
    Shared(Consumers),
}

impl Source {
    /// The servers that it may attach at.
    pub(super) fn servers(&self) -> &Servers {
        match self {
            Self::Own(client) => client.servers(),
            Self::Shared(consumers) => consumers.client.servers(),
        }
    }

    pub(super) async fn attach(&self, options: &ConsumerOptions) -> Result<Link, ClientError> {
        let mut way = match self {
            Self::Own(client) => match options.transport {
                Transport::Grpc => Way::open(client, options).await?,
                Transport::Framed => Way::Framed(Framed::open(client, options).await?),
            },
            Self::Shared(consumers) => Way::Shared(consumers.place(options).await?),
        };
        match way.receive().await? {
            Some(Answer::Opened(opened)) => Ok(Link { session: opened.session, way }),
            Some(Answer::Error(problem)) => Err(Problem::from(problem).into()),
            _ => Err(ClientError::Protocol("a delivery before the stream was open".to_owned())),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    session: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Own(Box<Own>),
    Framed(Framed),
    Shared(Place),
}

#[derive(Debug)]
struct Own {
    asks: mpsc::Sender<v1::ConsumeRequest>,
    answers: Streaming<v1::ConsumeResponse>,
}

impl Link {
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// What the service says next.
    pub(super) async fn receive(&mut self) -> Result<Option<Answer>, ClientError> {
        self.way.receive().await
    }

    /// Asks something, waiting for room.
    pub(super) async fn ask(&self, message: Ask) -> Result<(), ClientError> {
        match &self.way {
            Way::Own(own) => own.asks.send(request(message)).await.map_err(|_| lost()),
            Way::Framed(framed) => framed.ask(message).await,
            Way::Shared(place) => place.ask(message).await,
        }
    }

    /// Asks something if there is room.
    pub(super) fn try_ask(&self, message: Ask) -> bool {
        match &self.way {
            Way::Own(own) => own.asks.try_send(request(message)).is_ok(),
            Way::Framed(framed) => framed.try_ask(message),
            Way::Shared(place) => place.try_ask(message),
        }
    }

    /// Detaches, and waits until the service has let go.
    pub(super) async fn close(self) {
        match self.way {
            Way::Own(own) => {
                let Own { asks, mut answers } = *own;
                drop(asks);
                while let Ok(Some(_)) = answers.message().await {}
            }
            Way::Framed(framed) => framed.close().await,
            Way::Shared(place) => place.close().await,
        }
    }
}

impl Way {
    async fn open(client: &Client, options: &ConsumerOptions) -> Result<Self, ClientError> {
        let (asks, requests) = mpsc::channel(SLOTS);
        for message in [Ask::Open(options.open()), Ask::Credit(options.credit())] {
            asks.send(request(message)).await.map_err(|_| ClientError::Closed)?;
        }
        let response = client.consume_calls().consume(ReceiverStream::new(requests)).await?;
        Ok(Self::Own(Box::new(Own { asks, answers: response.into_inner() })))
    }

    async fn receive(&mut self) -> Result<Option<Answer>, ClientError> {
        match self {
            Self::Own(own) => {
                let ended = || ClientError::Lost("the service ended the stream".to_owned());
                Ok(own.answers.message().await?.ok_or_else(ended)?.message)
            }
            Self::Framed(framed) => framed.receive().await,
            Self::Shared(place) => place.receive().await,
        }
    }
}

/// What is asked on a stream with one attachment.
pub(super) fn request(message: Ask) -> v1::ConsumeRequest {
    v1::ConsumeRequest { message: Some(message), attachment: 0 }
}

pub(super) fn lost() -> ClientError {
    ClientError::Lost("the consumer is not attached".to_owned())
}
