//! Answers after which their connection leaves the HTTP library, which would hold its buffers for as
//! long as the connection lasts: an upgrade, and a body that goes on and on.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpStream;

/// What follows an upgrade; it gets what the peer has already sent of it.
pub(crate) type Next = Box<dyn FnOnce(TcpStream, Bytes) -> BoxFuture<'static, ()> + Send>;

/// Rides in a 101 answer.
#[derive(Clone)]
pub(crate) struct Upgrade(Arc<Mutex<Option<Next>>>);

impl Upgrade {
    pub(crate) fn new(next: Next) -> Self {
        Self(Arc::new(Mutex::new(Some(next))))
    }

    pub(crate) fn take(&self) -> Option<Next> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Rides in an answer whose body lasts as long as its reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting;
