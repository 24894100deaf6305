//! One connection: which HTTP it speaks, how that is tuned, how it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use tidings_telemetry::Timer;

use crate::answer::Road;
use crate::bare::Spelled;
use crate::limits::Limits;
use crate::places::Place;

/// What an HTTP/2 client with prior knowledge sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// At least one block a frame: with smaller frames each block costs several writes.
const FRAME_BYTES: u32 = 1 << 20;
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const SEND_BUFFER_BYTES: usize = 1 << 20;
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

/// What a task that outlives its request holds: the connection's place, and the server's wait.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    _place: Arc<Place>,
    pub(crate) tasks: TaskTracker,
}

impl Held {
    pub(crate) fn new(place: Place, tasks: TaskTracker) -> Self {
        Self { _place: Arc::new(place), tasks }
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

/// Serves a connection until it ends, or until `stop` and its last answer.
pub(crate) async fn serve(
    stream: TcpStream,
    road: Road,
    limits: Limits,
    held: Held,
    stop: CancellationToken,
) {
    // A peer that is gone already is found out by the first read.
    let _kept_default = stream.set_nodelay(true);
    let greeted = Timer.limit(limits.header_read, greeting(&stream));
    let said = tokio::select! {
        said = greeted => matches!(said, Ok(Ok(()))),
        () = stop.cancelled() => false,
    };
    if !said {
        return;
    }
    let credit = PublishCredit::new(limits.publish_credit);
    let builder = builder(&limits, held.tasks.clone());
    let stream = Spelled::new(stream, road.recorder());
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(credit.clone());
        request.extensions_mut().insert(held.clone());
        let road = road.clone();
        // On the heap while it lasts: a connection that waits for its next request is small.
        Box::pin(async move { Ok::<_, std::convert::Infallible>(road.answer(request).await) })
    });
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Waits until the peer has said enough to tell HTTP/2 from HTTP/1.1, without taking it: a peer
/// that says nothing must not hold a connection, and from there on each protocol has its own time
/// limits.
async fn greeting(stream: &TcpStream) -> std::io::Result<()> {
    let mut said = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut said).await?;
        if count == 0 || count == PREFACE.len() || !PREFACE.starts_with(&said[..count]) {
            return Ok(());
        }
        // A preface cut in two is rare, and the rest of it is on its way.
        Timer.after(SPLIT_PREFACE_WAIT).await;
    }
}

fn builder(limits: &Limits, tasks: TaskTracker) -> auto::Builder<Tasks> {
    let mut builder = auto::Builder::new(Tasks(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        // Room for headers at their limit, so that they are refused with a problem.
        .max_buf_size(limits.header_bytes * 2);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_concurrent_streams(limits.streams)
        // Room for headers at their limit, as above.
        .max_header_list_size(u32::try_from(limits.header_bytes * 2).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive_answer);
    builder
}
