//! Consumers that share one stream.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::Consumer;
use super::link::Source;
use super::options::ConsumerOptions;
use super::shared::{Place, Shared};
use crate::{Client, ClientError};

/// Attaches consumers to one stream of a connection; cheap to clone. When the stream breaks each of
/// them attaches again by itself, to the next one.
#[derive(Clone, Debug)]
pub struct Consumers {
    pub(super) client: Client,
    /// The stream; another takes its place when it has ended.
    shared: Arc<Mutex<Option<Arc<Shared>>>>,
}

impl Consumers {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, shared: Arc::default() }
    }

    /// Attaches a consumer to an existing subscription. What it is given and asks is its own; its
    /// credit alone bounds what waits here for it, so that one that is slow holds nobody else back.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_BUSY`, or when the service cannot be reached.
    pub async fn attach(&self, options: ConsumerOptions) -> Result<Consumer, ClientError> {
        Consumer::open(Source::Shared(self.clone()), options).await
    }

    /// A place on the stream that is open, or on a new one.
    pub(super) async fn place(&self, options: &ConsumerOptions) -> Result<Place, ClientError> {
        let mut current = self.shared.lock().await;
        let shared = match current.as_ref().filter(|shared| shared.is_open()) {
            Some(shared) => Arc::clone(shared),
            None => Arc::clone(current.insert(Shared::open(&self.client).await?)),
        };
        // Numbers go up in the order of their opens: those behind wait for the lock.
        shared.place(options).await
    }
}
