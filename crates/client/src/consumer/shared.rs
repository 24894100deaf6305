//! A stream with many attachments: one task hands its answers out, each to its place.
//!
//! A place's credit bounds what waits for it: the service sends no more events than were granted. One
//! that is told much more than that, because it does not read, ends; it holds nobody else back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{Stream, unfold};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tonic::Streaming;

use super::link::lost;
use super::options::ConsumerOptions;
use crate::{Client, ClientError, Problem};

/// Asks of all places on their way to the transport, and most in one message.
const SLOTS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    asks: mpsc::Sender<v1::ConsumeRequest>,
    places: Arc<Places>,
    _reader: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Places {
    state: Mutex<State>,
    /// Some are leaving.
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    newest: u32,
    answers: HashMap<u32, mpsc::Sender<Answer>>,
    /// Places that were dropped, and are not closed yet.
    leaving: Vec<u32>,
    /// Why the stream ended.
    ended: Option<ClientError>,
}

impl Shared {
    pub(super) async fn open(client: &Client) -> Result<Arc<Self>, ClientError> {
        let (asks, asked) = mpsc::channel(SLOTS);
        let places = Arc::new(Places::default());
        let requests = requests(asked, Arc::clone(&places));
        let response = client.consume_calls().consume_many(requests).await?;
        let mut reader = JoinSet::new();
        reader.spawn(hand_out(response.into_inner(), Arc::clone(&places)));
        Ok(Arc::new(Self { asks, places, _reader: reader }))
    }

    /// Whether further places may be had.
    pub(super) fn is_open(&self) -> bool {
        self.places.lock().ended.is_none()
    }

    /// A new place, whose `open` is on its way.
    pub(super) async fn place(
        self: Arc<Self>,
        options: &ConsumerOptions,
    ) -> Result<Place, ClientError> {
        let (sender, answers) = mpsc::channel(options.answers_max());
        let number = self.places.lock().add(sender)?;
        let mut place = Place { shared: self, number, is_open: false, answers };
        place.ask(Ask::Open(options.open())).await?;
        place.is_open = true;
        place.ask(Ask::Credit(options.credit())).await?;
        Ok(place)
    }
}

/// One attachment; dropping it detaches.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u32,
    /// Whether its `open` is on its way.
    is_open: bool,
    answers: mpsc::Receiver<Answer>,
}

impl Place {
    /// What the service says next.
    pub(super) async fn receive(&mut self) -> Result<Option<Answer>, ClientError> {
        match self.answers.recv().await {
            Some(answer) => Ok(Some(answer)),
            None => Err(self.shared.places.lock().ended.clone().unwrap_or_else(lost)),
        }
    }

    pub(super) async fn ask(&self, message: Ask) -> Result<(), ClientError> {
        self.shared.asks.send(self.request(message)).await.map_err(|_| lost())
    }

    pub(super) fn try_ask(&self, message: Ask) -> bool {
        self.shared.asks.try_send(self.request(message)).is_ok()
    }

    /// Detaches, and waits until the service has let go.
    pub(super) async fn close(mut self) {
        if self.ask(Ask::Close(v1::Close {})).await.is_err() {
            return;
        }
        while let Some(answer) = self.answers.recv().await {
            if matches!(answer, Answer::Closed(_) | Answer::Error(_)) {
                return;
            }
        }
    }

    fn request(&self, message: Ask) -> v1::ConsumeRequest {
        v1::ConsumeRequest { message: Some(message), attachment: self.number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.places.lock();
        state.answers.remove(&self.number);
        if self.is_open {
            state.leaving.push(self.number);
            self.shared.places.left.notify_one();
        }
    }
}

/// What is asked, as many as are ready in a message; those that leave come after what they asked.
fn requests(
    asked: mpsc::Receiver<v1::ConsumeRequest>,
    places: Arc<Places>,
) -> impl Stream<Item = v1::ConsumeRequests> {
    unfold((asked, places), |(mut asked, places)| async move {
        let mut requests = Vec::new();
        tokio::select! {
            biased;
            count = asked.recv_many(&mut requests, SLOTS) => if count == 0 { return None },
            () = places.left.notified() => {
                let leaving = std::mem::take(&mut places.lock().leaving);
                requests.extend(leaving.into_iter().map(|attachment| {
                    let message = Some(Ask::Close(v1::Close {}));
                    v1::ConsumeRequest { message, attachment }
                }));
            }
        }
        Some((v1::ConsumeRequests { requests }, (asked, places)))
    })
}

/// Hands out answers until the stream ends; then every place learns why.
async fn hand_out(mut answers: Streaming<v1::ConsumeResponses>, places: Arc<Places>) {
    let ended = loop {
        let said = match answers.message().await {
            Ok(Some(said)) => said.responses,
            Ok(None) => break ClientError::Lost("the service ended the stream".to_owned()),
            Err(status) => break status.into(),
        };
        let mut state = places.lock();
        if let Some(end) = said.into_iter().find_map(|response| state.take(response)) {
            break end;
        }
    };
    places.lock().end(ended);
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, answers: mpsc::Sender<Answer>) -> Result<u32, ClientError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        self.newest = self.newest.checked_add(1).ok_or(ClientError::Closed)?;
        self.answers.insert(self.newest, answers);
        Ok(self.newest)
    }

    /// Hands an answer to its place; gives back what ends the stream.
    fn take(&mut self, response: v1::ConsumeResponse) -> Option<ClientError> {
        let answer = response.message?;
        if response.attachment == 0 {
            return match answer {
                Answer::Error(problem) => Some(Problem::from(problem).into()),
                _ => None,
            };
        }
        let place = self.answers.get(&response.attachment)?;
        if let Err(TrySendError::Full(_)) = place.try_send(answer) {
            // It is told that it is lost when it has read what waits.
            self.answers.remove(&response.attachment);
        }
        None
    }

    fn end(&mut self, why: ClientError) {
        self.ended = Some(why);
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests;
