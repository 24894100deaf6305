//! Hands redriven dead letters to the subscriptions they belong to, some at a time.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::Clock;
use tidings_telemetry::Timer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::dead_letter::{DeadLetters, Place};
use crate::live::Live;
use crate::registry::Registry;
use crate::slot::key_of;
use crate::state::Returning;

/// Most letters of a subscription on their way at a time, and most bytes of one hand-over.
const AT_ONCE: (usize, u64) = (500, 4 << 20);

/// How often it is looked for letters that nobody has.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Redriver {
    letters: Arc<DeadLetters>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    wake: Notify,
}

impl Redriver {
    pub(crate) fn new(
        letters: Arc<DeadLetters>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { letters, registry, clock, wake: Notify::new() }
    }

    /// Takes note that letters were redriven.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Hands over until stopped; what a restart left on its way first.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut freed = self.letters.freed();
        loop {
            let waiting = self.letters.redriving();
            if !waiting.is_empty() {
                for live in self.registry.all() {
                    let (id, is_durable) = {
                        let state = live.lock();
                        (state.subscription.id, !state.is_ephemeral)
                    };
                    if is_durable && waiting.contains(&id) {
                        self.hand_over(&live).await;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                Ok(()) = freed.changed(), if !waiting.is_empty() => {}
                () = Timer.after(AGAIN), if !waiting.is_empty() => {}
            }
        }
    }

    /// Hands a subscription letters of its own, as many as go at a time.
    pub(crate) async fn hand_over(&self, live: &Live) {
        let id = {
            let state = live.lock();
            // Few enough are left that more are worth a read.
            if state.redriven() * 2 > AT_ONCE.0 || state.closed.is_some() {
                return;
            }
            state.subscription.id
        };
        let letters = match self.letters.redriven(id, None, AT_ONCE).await {
            Ok(letters) => letters,
            Err(refusal) => {
                tracing::warn!(%refusal, "redriven letters cannot be read; that is tried again");
                return;
            }
        };
        let keyed: Vec<_> = letters
            .iter()
            .map(|letter| Returning {
                place: Place::of(&letter.position),
                key: key_of(&letter.event),
                sent: letter.sent,
            })
            .collect();
        let is_wanted = |place| self.letters.is_redriving(id, place);
        let taken = live.lock().redrive(&keyed, is_wanted, self.clock.monotonic());
        if taken > 0 {
            live.changed.tell();
        }
    }
}
