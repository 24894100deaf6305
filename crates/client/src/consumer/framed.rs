//! A stream of its own over a WebSocket, whose deliveries are the blocks as they are stored.
//!
//! One task reads, so that a peer which asks whether we are there is answered also while nobody takes what has
//! come; the credit bounds what waits. Another writes.

mod frames;
mod handshake;
mod writing;

use std::time::Duration;

use tidings_wire::framed::{self, Framed as Message};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::{lost, request};
use super::options::ConsumerOptions;
use crate::{Client, ClientError};
use frames::{Frames, Heard};
use writing::Say;

/// Asks on their way to the network.
const SLOTS: usize = 64;

/// A service that says nothing for so long is asked whether it is there, and has so long to answer.
const SILENCE: Duration = Duration::from_secs(10);

type Answers = mpsc::Sender<Result<Answer, ClientError>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Framed {
    asks: mpsc::Sender<Say>,
    answers: mpsc::Receiver<Result<Answer, ClientError>>,
    _tasks: JoinSet<()>,
}

impl Framed {
    pub(super) async fn open(
        client: &Client,
        options: &ConsumerOptions,
    ) -> Result<Self, ClientError> {
        Self::over(client.servers().url(), options).await
    }

    async fn over(url: &str, options: &ConsumerOptions) -> Result<Self, ClientError> {
        let (reader, writer) = handshake::connect(url).await?.into_split();
        let (asks, asked) = mpsc::channel(SLOTS);
        let (sender, answers) = mpsc::channel(options.answers_max());
        let mut tasks = JoinSet::new();
        tasks.spawn(writing::write(writer, asked));
        tasks.spawn(read(Reading { reader, says: asks.clone(), answers: sender }));
        let framed = Self { asks, answers, _tasks: tasks };
        framed.ask(Ask::Open(options.open())).await?;
        framed.ask(Ask::Credit(options.credit())).await?;
        Ok(framed)
    }

    /// What the service says next.
    pub(super) async fn receive(&mut self) -> Result<Option<Answer>, ClientError> {
        self.answers.recv().await.ok_or_else(lost)?.map(Some)
    }

    pub(super) async fn ask(&self, message: Ask) -> Result<(), ClientError> {
        self.asks.send(Say::Ask(request(message))).await.map_err(|_| lost())
    }

    pub(super) fn try_ask(&self, message: Ask) -> bool {
        self.asks.try_send(Say::Ask(request(message))).is_ok()
    }

    /// Detaches, and waits until the service has let go.
    pub(super) async fn close(mut self) {
        if self.asks.send(Say::Close).await.is_ok() {
            while self.answers.recv().await.is_some() {}
        }
    }
}

/// The end that reads.
struct Reading {
    reader: OwnedReadHalf,
    says: mpsc::Sender<Say>,
    answers: Answers,
}

/// Hands out what comes until the service has closed the connection; then why it ended.
async fn read(mut reading: Reading) {
    let mut frames = Frames::default();
    let ended = loop {
        if let Err(error) = reading.hand_out(&mut frames) {
            break error;
        }
        if let Err(error) = reading.more(&mut frames).await {
            break error;
        }
    };
    // Who has left need not know.
    let _told = reading.answers.send(Err(ended)).await;
}

impl Reading {
    /// Hands out what has come.
    fn hand_out(&self, frames: &mut Frames) -> Result<(), ClientError> {
        while let Some(heard) = frames.next()? {
            match heard {
                Heard::Message(bytes) => {
                    let message =
                        framed::read(bytes).map_err(|e| ClientError::Protocol(e.to_string()))?;
                    self.answer(message)?;
                }
                // When there is no room, other words are on their way, and say the same.
                Heard::Ping(bytes) => drop(self.says.try_send(Say::Pong(bytes))),
                Heard::Close => drop(self.says.try_send(Say::Close)),
                Heard::Pong => {}
            }
        }
        Ok(())
    }

    fn answer(&self, message: Message) -> Result<(), ClientError> {
        let one = |answer| {
            let more = || ClientError::Lost("more came than credit allows".to_owned());
            self.answers.try_send(Ok(answer)).map_err(|_| more())
        };
        match message {
            Message::Delivery(delivery) => one(Answer::Delivery(delivery)),
            Message::Said(v1::ConsumeResponses { responses }) => {
                responses.into_iter().filter_map(|response| response.message).try_for_each(one)
            }
        }
    }

    /// Waits for more; asks a service that says nothing whether it is there.
    async fn more(&mut self, frames: &mut Frames) -> Result<(), ClientError> {
        let mut is_asked = false;
        loop {
            let read = match timeout(SILENCE, self.reader.read_buf(frames.room())).await {
                Ok(read) => read,
                Err(_) if is_asked => {
                    return Err(ClientError::Lost("the service does not answer".to_owned()));
                }
                Err(_) => {
                    is_asked = true;
                    drop(self.says.try_send(Say::Ping));
                    continue;
                }
            };
            return match read {
                Ok(0) => Err(ClientError::Lost("the service ended the stream".to_owned())),
                Ok(_) => Ok(()),
                Err(error) => Err(ClientError::Lost(error.to_string())),
            };
        }
    }
}

#[cfg(test)]
mod tests;
