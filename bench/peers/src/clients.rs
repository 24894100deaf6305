//! Clients of the peers, behind one interface: what a scenario asks of any of them.

pub(crate) mod jetstream;
pub(crate) mod kafka;
mod link;
pub(crate) mod nats;
pub(crate) mod nats_sdk;
pub(crate) mod pulsar;
pub(crate) mod redis;
pub(crate) mod redis_sdk;

use std::sync::Arc;

use async_trait::async_trait;
use tidings_bench::BenchError;

use crate::input::Input;

/// A peer spoken to in one way.
#[async_trait]
pub(crate) trait Protocol: Send + Sync {
    /// Makes a place that holds events: a subject, a stream, a topic.
    async fn create(&self, place: &str) -> Result<(), BenchError>;

    /// Removes it with what it holds.
    async fn remove(&self, place: &str) -> Result<(), BenchError>;

    /// A connection that sends to it.
    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError>;

    /// A connection that gets all of it from the beginning; where nothing is held, from now on.
    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError>;
}

/// Sends events to one place.
#[async_trait]
pub(crate) trait Sender: Send {
    /// Takes what [`Self::publish`] will send, and does what can be done before time runs.
    fn load(&mut self, input: Arc<Input>);

    /// Sends what was loaded, batched and in a window as suits the peer best. Says how many events were
    /// acknowledged, as what their class says.
    async fn publish(&mut self) -> Result<u64, BenchError>;

    /// Sends these at once, without waiting for acknowledgements.
    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError>;

    /// Waits for the acknowledgements of what was sent so far; says of how many events since the last time.
    async fn settle(&mut self) -> Result<u64, BenchError>;
}

/// Gets events of one place.
#[async_trait]
pub(crate) trait Receiver: Send {
    /// Shows each event, in order, until told that it is enough.
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError>;
}

/// Looks at an event; says whether more are wanted.
pub(crate) type Seen<'a> = dyn FnMut(&[u8]) -> bool + Send + 'a;

/// What went wrong, in the words of a client.
pub(crate) fn broken(error: impl std::fmt::Display) -> BenchError {
    BenchError::Check(error.to_string())
}
