//! One connection: which HTTP it speaks, how that is tuned, how it ends.

mod chunks;
mod http1;
mod paced;
mod shown;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_telemetry::Timer;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

use crate::answer::Road;
use crate::limits::Limits;
use crate::places::Place;
use paced::Paced;

/// What an HTTP/2 client with prior knowledge sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// At least one block a frame: with smaller frames each block costs several writes.
const FRAME_BYTES: u32 = 1 << 20;
const SPLIT_PREFACE_WAIT: Duration = Duration::from_millis(5);

/// Bytes of unanswered blocks that the streams of one connection share.
#[derive(Clone, Debug)]
pub(crate) struct PublishCredit {
    pub(crate) free: Arc<Semaphore>,
    /// The limit when the connection was opened; a later one is for later connections.
    pub(crate) most: u32,
}

impl PublishCredit {
    pub(crate) fn new(most: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(most as usize)), most }
    }
}

/// Where hyper's own tasks run, so that the server waits for them and none outlives it.
#[derive(Clone, Debug)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let _tracked = self.0.spawn(task);
    }
}

/// What the requests of one connection need.
#[derive(Clone)]
struct Asking {
    road: Road,
    credit: PublishCredit,
}

impl Asking {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response> + use<> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.credit.clone());
        self.road.clone().answer(request)
    }
}

/// Serves a connection until it ends, or until `stop` and its last answer.
pub(crate) async fn serve(
    stream: TcpStream,
    road: Road,
    limits: Limits,
    (_place, tasks): (Place, TaskTracker),
    stop: CancellationToken,
) {
    // A peer that is gone already is found out by the first read.
    let _kept_default = stream.set_nodelay(true);
    let mut stopped = std::pin::pin!(stop.cancelled());
    let greeted = Timer.limit(limits.header_read, greeting(&stream));
    let said = tokio::select! {
        said = greeted => said,
        () = stopped.as_mut() => return,
    };
    let Ok(Ok(http)) = said else { return };
    let credit = PublishCredit::new(limits.publish_credit);
    let asking = Asking { road, credit };
    let ended = match http {
        Http::One => http1::serve(stream, asking, &limits, stopped).await,
        Http::Two => Box::pin(http2(stream, asking, builder(&limits, tasks), stopped)).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// What a peer speaks.
enum Http {
    One,
    Two,
}

/// Waits until the peer has said enough to tell HTTP/2 from HTTP/1.1, without taking it: a peer
/// that says nothing must not hold a connection, and from there on each protocol has its own time
/// limits.
async fn greeting(stream: &TcpStream) -> std::io::Result<Http> {
    let mut said = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut said).await?;
        if count == PREFACE.len() && said == PREFACE {
            return Ok(Http::Two);
        }
        if count == 0 || !PREFACE.starts_with(&said[..count]) {
            return Ok(Http::One);
        }
        // A preface cut in two is rare, and the rest of it is on its way.
        Timer.after(SPLIT_PREFACE_WAIT).await;
    }
}

/// Speaks HTTP/2 until the connection ends, or `stopped` and its last answers.
async fn http2(
    stream: TcpStream,
    asking: Asking,
    builder: http2::Builder<Tasks>,
    mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
) -> hyper::Result<()> {
    let memory = asking.road.memory();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, memory) = (asking.answer(request), memory.clone());
        // On the heap once, not in every state of the library's stream.
        Box::pin(async move { Ok::<_, Infallible>(answer.await.map(|b| Paced::new(b, memory))) })
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped.as_mut() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

fn builder(limits: &Limits, tasks: TaskTracker) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(Tasks(tasks));
    builder
        .timer(TokioTimer::new())
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(limits.windows.0)
        .initial_connection_window_size(limits.windows.1)
        .max_send_buf_size(limits.send_buffer)
        .max_concurrent_streams(limits.streams)
        // Room for headers at their limit, so that they are refused with a problem.
        .max_header_list_size(u32::try_from(limits.header_bytes * 2).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive_answer);
    builder
}
