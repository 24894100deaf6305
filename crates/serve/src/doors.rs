//! What every door shares: the stages behind them, the clock, the limits.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tidings_admit::Admission;
use tidings_catalog::Catalog;
use tidings_deliver::Deliver;
use tidings_event::{Clock, Code, Refusal};
use tidings_insight::Intervals;
use tidings_log::{Journal, PartitionLog};
use tidings_telemetry::{Counter, Memory, Recorder, Timer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::body::{RETRY_AFTER_MS, Room};
use crate::consuming::encoded::Encoded;
use crate::forms::Forms;
use crate::in_force::{LiveLimits, ShownConfig};
use crate::origin::Origins;
use crate::probe::Probe;
use crate::sse::Sessions;
use crate::standing::Standing;

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
    /// How this node stands among others; absent where it is none.
    pub standing: Option<Arc<dyn Standing>>,
    /// What clients may cost, now: `limits.now()`.
    pub limits: LiveLimits,
    /// What `GET /api/v1/config` shows.
    pub config: ShownConfig,
    /// Whose web pages may ask.
    pub origins: Origins,
    /// Whether there is memory to take events in.
    pub memory: Memory,
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
    pub(crate) encoded: Arc<Encoded>,
    /// Room for bodies.
    pub(crate) room: Room,
    /// Turns of those who search the log for an event.
    pub(crate) searches: Semaphore,
}

impl Doors {
    pub(crate) fn new(parts: Parts, forms: Forms, stop: CancellationToken) -> Arc<Self> {
        let probe = Probe::new(Arc::clone(&parts.log), Arc::clone(&parts.clock));
        let searches = Semaphore::new(SEARCHES_MAX);
        let room =
            Room::new(&parts.limits.now(), Timer, parts.give_back, Arc::clone(&parts.recorder));
        Arc::new(Self {
            parts,
            stop,
            probe,
            timer: Timer,
            streams: Sessions::default(),
            sockets: AtomicUsize::new(0),
            encoded: forms.0,
            room,
            searches,
        })
    }

    /// Refuses what would take events in while memory is short.
    pub(crate) fn may_take_more(&self) -> Result<(), Refusal> {
        if !self.parts.memory.is_refusing() {
            return Ok(());
        }
        self.parts.recorder.count(Counter::ServeMemoryRefused, 1);
        let detail = "the service has used up its memory budget";
        Err(Refusal::new(Code::ResourceExhausted, detail)
            .with_hint("send it again")
            .retry_after_ms(RETRY_AFTER_MS))
    }

    /// Whether publishers should wait: a journal of topics is half full, or memory is short.
    pub(crate) fn is_pressed(&self) -> bool {
        self.parts.memory.is_refusing()
            || Journal::TOPICS.iter().any(|&journal| self.parts.log.pressure(journal).is_high())
    }
}
