//! Where the HTTP library is with an HTTP/1.1 connection. It does not say, but it shows: it starts a
//! timer when it begins to wait for a request's head and at no other time, and it asks a body for
//! its first piece once the answer's head is written.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{Method, Version};
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

use crate::handover::{Lasting, Next, Upgrade};

/// See the module. Only the connection's own task touches it.
#[derive(Default)]
pub(super) struct Shown {
    /// A request has come since the library began.
    asked: AtomicBool,
    idle: AtomicBool,
    body_asked: AtomicBool,
    /// What the answer that is on its way wants the connection for.
    upgrade: Mutex<Option<Next>>,
    body: Mutex<Option<Body>>,
}

impl Shown {
    /// A request has come.
    pub(super) fn asked(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.idle.store(false, Ordering::Relaxed);
    }

    fn waits_for_a_head(&self) {
        self.idle.store(self.asked.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether requests were answered and the library waits for the next one. Forgotten by asking.
    pub(super) fn is_idle(&self) -> bool {
        let idle = self.idle.swap(false, Ordering::Relaxed);
        if idle {
            self.asked.store(false, Ordering::Relaxed);
        }
        idle
    }

    /// Keeps what an answer wants its connection for; a body that lasts is stood in for.
    pub(super) fn keep(
        self: &Arc<Self>,
        asked: (Method, Version),
        mut response: Response,
    ) -> Response {
        if let Some(upgrade) = response.extensions_mut().remove::<Upgrade>() {
            *lock(&self.upgrade) = upgrade.take();
        }
        let lasting = response.extensions_mut().remove::<Lasting>();
        if lasting.is_some() && asked == (Method::GET, Version::HTTP_11) {
            let body = std::mem::replace(response.body_mut(), self.stand_in());
            *lock(&self.body) = Some(body);
        }
        response
    }

    /// A body that gives nothing and tells when it is asked.
    fn stand_in(self: &Arc<Self>) -> Body {
        let shown = Arc::clone(self);
        Body::from_stream(stream::poll_fn(move |_| {
            shown.body_asked.store(true, Ordering::Relaxed);
            Poll::<Option<Result<Bytes, Infallible>>>::Pending
        }))
    }

    /// The body that was stood in for, once the head before it is written.
    pub(super) fn body(&self) -> Option<Body> {
        if !self.body_asked.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.body).take()
    }

    /// What follows the connection's HTTP.
    pub(super) fn upgrade(&self) -> Option<Next> {
        lock(&self.upgrade).take()
    }
}

fn lock<T>(kept: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The timer by which the library waits for heads.
pub(super) struct HeadTimer(pub(super) Arc<Shown>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.waits_for_a_head();
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.waits_for_a_head();
        TokioTimer::new().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}
