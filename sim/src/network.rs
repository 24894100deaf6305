//! The simulated network: messages take their time, in order on one connection, and connections end
//! at any moment with what is on its way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};

use crate::world::World;

/// Microseconds that a message may take.
const TRIP: std::ops::Range<u64> = 50..4_000;
/// Of so many messages one is the last of its connection.
const LAST: u64 = 60;

/// The connection is gone, and with it what was asked or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

/// A message on its way, or the end of the connection instead.
pub(crate) async fn trip(world: &World, is_sound: bool) -> Result<(), Cut> {
    world.pause(TRIP).await;
    if !is_sound && world.one_in(LAST) {
        world.count("connections cut", 1);
        return Err(Cut);
    }
    Ok(())
}

/// Where messages of one direction go in.
pub(crate) struct Inlet<T> {
    world: Arc<World>,
    due: Instant,
    messages: Sender<(Instant, T)>,
}

/// Where they come out, in order.
pub(crate) struct Outlet<T> {
    messages: Receiver<(Instant, T)>,
    next: Option<(Instant, T)>,
}

/// Most messages on their way in one direction; a connection that has more is given up.
const ON_THE_WAY: usize = 1_024;

/// One direction of a connection.
pub(crate) fn pipe<T>(world: &Arc<World>) -> (Inlet<T>, Outlet<T>) {
    let (sender, receiver) = channel(ON_THE_WAY);
    let inlet = Inlet { world: Arc::clone(world), due: Instant::now(), messages: sender };
    (inlet, Outlet { messages: receiver, next: None })
}

impl<T> Inlet<T> {
    /// Sends; whether somebody may still hear it.
    pub(crate) fn send(&mut self, message: T) -> bool {
        let trip = Duration::from_micros(self.world.number(TRIP));
        self.due = self.due.max(Instant::now() + trip);
        self.messages.try_send((self.due, message)).is_ok()
    }

    /// Whether nobody will hear anything more.
    pub(crate) fn is_over(&self) -> bool {
        self.messages.is_closed()
    }
}

impl<T> Outlet<T> {
    /// The next message; `None` when there will be none. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<T> {
        if self.next.is_none() {
            self.next = self.messages.recv().await;
        }
        let due = self.next.as_ref().map(|(due, _)| *due)?;
        sleep_until(due).await;
        self.next.take().map(|(_, message)| message)
    }
}
