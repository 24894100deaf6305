//! HTTP/1.1 on one connection. The library that speaks it holds buffers of 16 KiB, so it is put away
//! whenever it has nothing to do: between requests, and while a body lasts.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tidings_telemetry::Timer;
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFuture;

use super::shown::{HeadTimer, Shown};
use super::{Asking, chunks};
use crate::bare::Spelled;
use crate::handover::Next;
use crate::limits::Limits;

type Wire = Spelled<TcpStream>;

/// Why the library was put away.
enum Left {
    /// Between two requests, of which the next may have begun.
    Idle,
    /// Before a body that lasts.
    Lasting(Body),
    Upgraded(Next),
    Ended,
}

/// Speaks HTTP/1.1 until the connection ends, or `stopped` and its last answer.
pub(super) async fn serve(
    stream: TcpStream,
    asking: Asking,
    limits: &Limits,
    mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
) -> hyper::Result<()> {
    let shown = Arc::new(Shown::default());
    let builder = builder(limits, &shown);
    let mut wire = Spelled::new(stream, asking.road.recorder());
    let service = Requests { asking, shown };
    loop {
        // On the heap while it lasts: a connection that waits for its next request is small.
        let turn = Box::pin(turn(&builder, wire, service.clone(), stopped.as_mut()));
        let (left, back, unread) = turn.await?;
        match left {
            Left::Idle => wire = back.with_unread(unread),
            Left::Lasting(body) => {
                Box::pin(chunks::write(back.into_inner(), body)).await;
                return Ok(());
            }
            Left::Upgraded(next) => {
                next(back.into_inner(), unread).await;
                return Ok(());
            }
            Left::Ended => return Ok(()),
        }
        let spoken = tokio::select! {
            spoken = Timer.limit(limits.header_read, wire.spoken()) => matches!(spoken, Ok(Ok(true))),
            () = stopped.as_mut() => false,
        };
        if !spoken {
            return Ok(());
        }
    }
}

/// Lets the library speak until it can be put away.
async fn turn(
    builder: &Builder,
    wire: Wire,
    service: Requests,
    mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
) -> hyper::Result<(Left, Wire, Bytes)> {
    let shown = Arc::clone(&service.shown);
    let unwritten = wire.unwritten();
    let mut connection = builder.serve_connection(TokioIo::new(wire), service);
    let mut stops = false;
    let left = poll_fn(|cx| {
        if !stops && stopped.as_mut().poll(cx).is_ready() {
            stops = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
            let left = shown.upgrade().map_or(Left::Ended, Left::Upgraded);
            return Poll::Ready(ended.map(|()| left));
        }
        if unwritten.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        match shown.body() {
            Some(body) => Poll::Ready(Ok(Left::Lasting(body))),
            None if shown.is_idle() => Poll::Ready(Ok(Left::Idle)),
            None => Poll::Pending,
        }
    });
    let left = left.await?;
    let parts = connection.into_parts();
    // A copy, for what is left of the library's buffer would keep all of it.
    Ok((left, parts.io.into_inner(), Bytes::copy_from_slice(&parts.read_buf)))
}

fn builder(limits: &Limits, shown: &Arc<Shown>) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(HeadTimer(Arc::clone(shown)))
        .header_read_timeout(limits.header_read)
        // Room for headers at their limit, so that they are refused with a problem.
        .max_buf_size(limits.header_bytes * 2);
    builder
}

/// The requests of one connection.
#[derive(Clone)]
struct Requests {
    asking: Asking,
    shown: Arc<Shown>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.shown.asked();
        let (shown, asked) =
            (Arc::clone(&self.shown), (request.method().clone(), request.version()));
        let answer = self.asking.answer(request);
        Box::pin(async move { Ok(shown.keep(asked, answer.await)) })
    }
}
