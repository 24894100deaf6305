//! One WebSocket: reads what its client asks, sends what is ready, and nothing it cannot take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use tidings_event::{Code, Refusal};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as Broken, Message};

use super::close;
use super::form::Form;
use super::outbox::{Leaving, Outbox};
use crate::caller::{Caller, RequestId};
use crate::consuming::Consuming;
use crate::doors::Doors;
use crate::refusals;

/// How long a peer has to answer a close.
const CLOSE_ANSWER: Duration = Duration::from_secs(2);

/// What one socket's turn takes, roughly, with the ack that answers it, and how long one rests after
/// it at most. Below the least a timer cannot tell it from nothing.
const TURN: Duration = Duration::from_micros(30);
const REST_MAX: Duration = Duration::from_millis(30);
const REST_MIN: Duration = Duration::from_millis(2);

/// Most frames that are taken in one go.
const FRAMES_MAX: usize = 64;

/// What a socket gives.
type Heard = Option<Result<Message, Broken>>;

type WebSocket = WebSocketStream<TcpStream>;

/// Why a socket ends.
enum End {
    /// The peer closed it, or is gone.
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// See the module.
pub(super) struct Socket {
    doors: Arc<Doors>,
    caller: Caller,
    id: RequestId,
    form: Form,
}

impl Socket {
    pub(super) fn new(doors: Arc<Doors>, caller: Caller, id: RequestId, form: Form) -> Self {
        Self { doors, caller, id, form }
    }

    /// Serves until either side ends it; a refusal is said before the close.
    pub(super) async fn serve(self, mut stream: WebSocket) {
        let _counted = Counted::new(&self.doors);
        let Err(End::Refused(refusal)) = self.consume(&mut stream).await else { return };
        Consuming::count_error(&self.doors);
        let goodbye = async {
            // A peer that is gone cannot be told.
            let _told = stream.feed(self.form.error(&refusal, &self.id.0)).await;
            let _closed = stream.send(Message::Close(Some(close::frame(&refusal)))).await;
            // What it still sends is read, so that its system does not throw our last words away.
            while let Some(Ok(_)) = stream.next().await {}
        };
        let _answered = self.doors.timer.limit(CLOSE_ANSWER, goodbye).await;
    }

    async fn consume(&self, stream: &mut WebSocket) -> Result<(), End> {
        let limit = self.doors.parts.limits.now().header_read;
        let first = tokio::select! {
            first = self.doors.timer.limit(limit, self.heard(stream)) => first,
            () = self.doors.stop.cancelled() => return Err(refusals::shutting_down().into()),
        };
        let first = first.map_err(|_| Refusal::new(Code::RequestTimeout, "no `open` came"))??;
        let mut asked = self.form.read(&first)?.into_iter();
        let Some(open) = asked.next() else { return Err(empty().into()) };
        let mut consuming = Consuming::open(&self.doors, &self.caller.tenant, open)?;
        asked.try_for_each(|asked| consuming.take(asked))?;
        let mut pulse = Pulse::new(&self.doors);
        let mut rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        loop {
            tokio::select! {
                heard = stream.next() => {
                    pulse.heard(&self.doors);
                    self.take(heard, &consuming)?;
                    // What else has come, before anything is sent; not for ever.
                    for _ in 0..FRAMES_MAX {
                        let Some(heard) = stream.next().now_or_never() else { break };
                        self.take(heard, &consuming)?;
                    }
                }
                () = async { if let Some(rest) = &mut rest { rest.await } }, if rest.is_some() => {
                    rest = None;
                }
                said = consuming.next(), if rest.is_none() => {
                    let Some(said) = said? else { return Ok(()) };
                    let (leaving, ending) = Outbox::fill(self.form, said, &mut consuming);
                    self.send(stream, leaving).await?;
                    if let Some(refusal) = ending {
                        return Err(refusal.into());
                    }
                    rest = self.rest();
                }
                () = &mut pulse.due => if pulse.must_ask(&self.doors)? {
                    let ping = vec![Message::Ping(bytes::Bytes::new())];
                    self.send(stream, Leaving::Messages(ping)).await?;
                },
            }
        }
    }

    /// No socket is sent to more often than a round over all of them takes: when they are many,
    /// what comes in between leaves together.
    fn rest(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let open = u32::try_from(self.doors.sockets.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let round = TURN.saturating_mul(open).min(REST_MAX);
        if round < REST_MIN {
            return None;
        }
        Some(Box::pin(self.doors.timer.after(round)))
    }

    fn take(&self, heard: Heard, consuming: &Consuming) -> Result<(), End> {
        let Some(message) = readable(heard)? else { return Ok(()) };
        for asked in self.form.read(&message)? {
            consuming.take(asked)?;
        }
        Ok(())
    }

    /// The next message that asks something.
    async fn heard(&self, stream: &mut WebSocket) -> Result<Message, End> {
        loop {
            if let Some(message) = readable(stream.next().await)? {
                return Ok(message);
            }
        }
    }

    /// Sends what leaves in as few writes as it fits. Whoever does not read is waited for, but not
    /// longer than a peer may be silent.
    async fn send(&self, stream: &mut WebSocket, leaving: Leaving) -> Result<(), End> {
        let sending = async {
            match leaving {
                Leaving::Messages(messages) => {
                    for message in messages {
                        stream.feed(message).await?;
                    }
                }
                Leaving::Pieces(pieces) if pieces.is_empty() => {}
                Leaving::Pieces(pieces) => {
                    // What the library has begun ends before, for what follows goes past it.
                    stream.flush().await?;
                    pieces.write(stream.get_mut()).await?;
                }
            }
            stream.flush().await
        };
        let limit = silence(&self.doors);
        match self.doors.timer.limit(limit, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

/// Counts a socket while it is open.
struct Counted(Arc<Doors>);

impl Counted {
    fn new(doors: &Arc<Doors>) -> Self {
        doors.sockets.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(doors))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a peer may be silent before it counts as gone.
fn silence(doors: &Doors) -> Duration {
    let limits = doors.parts.limits.now();
    limits.keep_alive + limits.keep_alive_answer
}

fn empty() -> Refusal {
    Refusal::new(Code::RequestMalformed, "a frame without a message")
}

/// A message that asks something; pings and pongs do not.
fn readable(heard: Heard) -> Result<Option<Message>, End> {
    match heard {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => Ok(Some(message)),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(unreadable(&error)),
    }
}

fn unreadable(broken: &Broken) -> End {
    let detail: String = broken.to_string().chars().take(200).collect();
    match broken {
        Broken::Capacity(_) => End::Refused(Refusal::new(Code::BatchTooLarge, detail)),
        Broken::Protocol(_) | Broken::Utf8(_) => {
            End::Refused(Refusal::new(Code::RequestMalformed, detail))
        }
        _ => End::Gone,
    }
}

/// Whether the peer is there: asked after silence, gone when it does not answer.
struct Pulse {
    heard_at: Duration,
    asked: bool,
    due: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Pulse {
    fn new(doors: &Doors) -> Self {
        let due = Box::pin(doors.timer.after(doors.parts.limits.now().keep_alive));
        Self { heard_at: doors.parts.clock.monotonic(), asked: false, due }
    }

    fn heard(&mut self, doors: &Doors) {
        self.heard_at = doors.parts.clock.monotonic();
        self.asked = false;
    }

    /// When due: whether to ask now.
    fn must_ask(&mut self, doors: &Doors) -> Result<bool, End> {
        let limits = doors.parts.limits.now();
        let silent = doors.parts.clock.monotonic().saturating_sub(self.heard_at);
        if self.asked {
            return Err(End::Gone);
        }
        let ask = silent >= limits.keep_alive;
        self.asked = ask;
        let wait = if ask { limits.keep_alive_answer } else { limits.keep_alive - silent };
        self.due = Box::pin(doors.timer.after(wait));
        Ok(ask)
    }
}
