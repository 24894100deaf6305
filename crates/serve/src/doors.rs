//! What every door shares: the stages behind them, the clock, the limits.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tidings_admit::Admission;
use tidings_catalog::Catalog;
use tidings_deliver::Deliver;
use tidings_event::Clock;
use tidings_insight::Intervals;
use tidings_log::{Journal, PartitionLog};
use tidings_telemetry::{Recorder, Timer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::body::Room;
use crate::consuming::encoded::{Encoded, KEPT_BYTES};
use crate::in_force::{LiveLimits, ShownConfig};
use crate::origin::Origins;
use crate::probe::Probe;
use crate::sse::Sessions;

/// Most searches of the log at a time: each may read much.
const SEARCHES_MAX: usize = 2;

/// The stages a server stands before.
#[derive(Clone)]
pub struct Parts {
    /// The way in.
    pub admission: Arc<Admission>,
    /// The way out.
    pub deliver: Arc<Deliver>,
    /// Topics and subscriptions.
    pub catalog: Arc<Catalog>,
    /// Who has published for which intervals; absent where that is not followed.
    pub intervals: Option<Arc<Intervals>>,
    /// For browsing, pressure and health.
    pub log: Arc<dyn PartitionLog>,
    /// Counts and times.
    pub recorder: Arc<Recorder>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What clients may cost, now: `limits.now()`.
    pub limits: LiveLimits,
    /// What `GET /api/v1/config` shows.
    pub config: ShownConfig,
    /// Whose web pages may ask.
    pub origins: Origins,
    /// Returns freed memory to the system; called after what takes much of it in small pieces.
    pub give_back: fn(),
}

/// [`Parts`] with what the doors add: the end of serving, and the readiness probe.
pub(crate) struct Doors {
    pub(crate) parts: Parts,
    /// Cancelled when the server stops: streams end, nothing new is taken.
    pub(crate) stop: CancellationToken,
    pub(crate) probe: Probe,
    pub(crate) timer: Timer,
    /// What the event ids of streams stand for.
    pub(crate) streams: Sessions,
    /// Open WebSockets.
    pub(crate) sockets: AtomicUsize,
    /// JSON of what was delivered last.
    pub(crate) encoded: Encoded,
    /// Room for large bodies.
    pub(crate) room: Room,
    /// Turns of those who search the log for an event.
    pub(crate) searches: Semaphore,
}

impl Doors {
    pub(crate) fn new(parts: Parts, stop: CancellationToken) -> Arc<Self> {
        let probe = Probe::new(Arc::clone(&parts.log), Arc::clone(&parts.clock));
        let searches = Semaphore::new(SEARCHES_MAX);
        let encoded = Encoded::new(KEPT_BYTES, Arc::clone(&parts.recorder));
        let room = Room::new(&parts.limits.now(), Timer, parts.give_back);
        Arc::new(Self {
            parts,
            stop,
            probe,
            timer: Timer,
            streams: Sessions::default(),
            sockets: AtomicUsize::new(0),
            encoded,
            room,
            searches,
        })
    }

    /// Whether publishers should wait: a journal of topics is half full.
    pub(crate) fn is_pressed(&self) -> bool {
        Journal::TOPICS.iter().any(|&journal| self.parts.log.pressure(journal).is_high())
    }
}
