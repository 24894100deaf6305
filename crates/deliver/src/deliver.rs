//! The stage as a whole: opening it, attaching consumers, asking how they are.

mod letters;
mod outcome;
mod seeking;
mod status;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tidings_catalog::{Catalog, Start, TopicPattern};
use tidings_event::{Clock, Code, Refusal};
use tidings_log::{Journal, PartitionLog};
use tidings_telemetry::Recorder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ack_id::{AckId, AckState};
use crate::burying::Undertaker;
use crate::catch_up::CatchUp;
use crate::dead_letter::{DeadLetters, Room};
use crate::ephemeral;
use crate::last_value::{LastValueStart, LastValues};
use crate::live::Live;
use crate::lookout::Lookout;
use crate::nack::Nack;
use crate::outgoing::{Pulled, Run};
use crate::progress::DurableProgress;
use crate::pull::{AckRequest, PullRequest};
use crate::reader::Reader;
use crate::redriver::Redriver;
use crate::registry::Registry;
use crate::saver::Saver;
use crate::session::{Attach, Session, SessionId};
use crate::settings::{DeliverError, DeliverSettings};
use crate::settlement::Settlements;
use crate::stage::Stage;
use crate::state::{Consumer, Shedding};
use crate::unused::Unused;

pub use outcome::EventOutcome;

/// While memory is short, so much of the blocks that wait is kept all the same, and of one subscription
/// so much: to read them again would cost more than they do.
const KEPT_BYTES: usize = 8 << 20;
pub(crate) const KEPT_EACH_BYTES: usize = 8 << 10;

/// The way out: durable subscriptions and their consumers, and last values.
pub struct Deliver {
    stage: Arc<Stage>,
    catalog: Arc<Catalog>,
    registry: Arc<Registry>,
    lookout: Arc<Lookout>,
    values: Arc<LastValues>,
    letters: Arc<DeadLetters>,
    redriver: Arc<Redriver>,
    unused: Arc<Unused>,
    sessions: AtomicU64,
    readers: TaskTracker,
    stop_readers: CancellationToken,
    writers: TaskTracker,
    stop_writers: CancellationToken,
}

impl Deliver {
    /// Takes up every subscription at its durable cursor, and starts following the log.
    ///
    /// # Errors
    /// When a stored cursor cannot be read.
    pub async fn open(
        log: Arc<dyn PartitionLog>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        settings: DeliverSettings,
    ) -> Result<Arc<Self>, DeliverError> {
        let (settlements, letters) = stores(&log, &clock, &recorder, &settings)?;
        let saver = Arc::new(Saver::new(
            Arc::clone(&log),
            Arc::clone(&clock),
            Arc::clone(&recorder),
            (settlements, Arc::clone(&letters)),
            settings.cursor_interval,
        ));
        let undertaker = Arc::new(Undertaker::new(
            Arc::clone(&log),
            Arc::clone(&clock),
            Arc::clone(&saver),
            Arc::clone(&letters),
        ));
        let restore = || {
            LastValues::restore(Arc::clone(&log), Arc::clone(&catalog), settings.last_values_max)
        };
        let take_up = || {
            let (saver, letters) = (Arc::clone(&saver), Arc::clone(&letters));
            let (log, catalog, clock) =
                (Arc::clone(&log), Arc::clone(&catalog), Arc::clone(&clock));
            Registry::open(log, catalog, clock, (saver, letters), settings.clone())
        };
        // Both take a while where there is much, and have nothing in common.
        let (registry, values) = side_by_side(take_up, restore);
        let (registry, values) = (Arc::new(registry?), Arc::new(values));
        let unused =
            Arc::new(Unused::new(Arc::clone(&catalog), Arc::clone(&registry), Arc::clone(&clock)));
        // The number of the term above the count: no two sessions ever share a number.
        let sessions = AtomicU64::new(log.term().0 << 32);
        let lookout = Arc::new(Lookout {
            log: Arc::clone(&log),
            registry: Arc::clone(&registry),
            clock: Arc::clone(&clock),
            recorder: Arc::clone(&recorder),
            thresholds: settings.health,
            in_flight_max: settings.in_flight_max,
            undertaker: Arc::clone(&undertaker),
        });
        let redriver = Arc::new(Redriver::new(
            Arc::clone(&letters),
            Arc::clone(&registry),
            Arc::clone(&clock),
        ));
        let catch_up = CatchUp::new(
            Arc::clone(&log),
            registry.shared_routes(),
            Arc::clone(&recorder),
            settings.read_bytes,
        );
        let stage = Stage { log, catch_up, clock, recorder, saver, undertaker, settings };
        let stage = Arc::new(stage);
        let deliver = Arc::new(Self {
            stage,
            catalog: Arc::clone(&catalog),
            registry,
            lookout,
            values,
            letters,
            redriver,
            unused,
            sessions,
            readers: TaskTracker::new(),
            stop_readers: CancellationToken::new(),
            writers: TaskTracker::new(),
            stop_writers: CancellationToken::new(),
        });
        deliver.start(&catalog);
        Ok(deliver)
    }

    fn start(&self, catalog: &Catalog) {
        let log = Arc::clone(&self.stage.log);
        let registry = Arc::downgrade(&self.registry);
        catalog.ask(Arc::new(DurableProgress { log, registry }));
        catalog.begin_with(Arc::new(LastValueStart::of(&self.values)));
        for journal in Journal::TOPICS {
            let reader = Reader {
                log: Arc::clone(&self.stage.log),
                registry: Arc::clone(&self.registry),
                values: Arc::clone(&self.values),
                recorder: Arc::clone(&self.stage.recorder),
                journal,
            };
            let here = *self.stage.log.durable(journal).borrow();
            let stop = self.stop_readers.clone();
            self.readers.spawn(async move { reader.run(here, stop).await });
            let (values, stop) = (Arc::clone(&self.values), self.stop_readers.clone());
            self.readers.spawn(async move { values.rebuild(journal, here, stop).await });
        }
        let (registry, stop) = (Arc::clone(&self.registry), self.stop_readers.clone());
        let (mut changes, stage) = (catalog.changes(), Arc::clone(&self.stage));
        self.readers.spawn(async move {
            loop {
                registry.refresh();
                stage.catch_up.tidy();
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
            }
        });
        let (unused, stop) = (Arc::clone(&self.unused), self.stop_readers.clone());
        self.readers.spawn(async move { unused.run(stop).await });
        let (saver, stop) = (Arc::clone(&self.stage.saver), self.stop_writers.clone());
        self.writers.spawn(async move { saver.run(stop).await });
        let (letters, stop) = (Arc::clone(&self.letters), self.stop_writers.clone());
        self.writers.spawn(letters::sweep(letters, Arc::clone(&self.catalog), stop));
        let (undertaker, stop) = (Arc::clone(&self.stage.undertaker), self.stop_readers.clone());
        self.readers.spawn(async move { undertaker.run(stop).await });
        let (redriver, stop) = (Arc::clone(&self.redriver), self.stop_readers.clone());
        self.readers.spawn(async move { redriver.run(stop).await });
        let (lookout, stop) = (Arc::clone(&self.lookout), self.stop_readers.clone());
        self.readers.spawn(async move { lookout.run(stop).await });
        let (values, stop) = (Arc::clone(&self.values), self.stop_writers.clone());
        let interval = self.stage.settings.snapshot_interval;
        self.writers.spawn(async move { values.keep(interval, stop).await });
    }

    /// Attaches a stream consumer.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `SUBSCRIPTION_BUSY` while another consumer is attached;
    /// `SHUTTING_DOWN`.
    pub async fn attach(
        self: &Arc<Self>,
        tenant: &str,
        subscription: &str,
        consumer: &str,
    ) -> Result<Session, Refusal> {
        let attach = Attach { consumer: consumer.to_owned(), ..Attach::default() };
        self.attach_with(tenant, subscription, attach)
    }

    /// As [`Self::attach`], with a window of its own, or going on after an earlier session.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_with(
        &self,
        tenant: &str,
        subscription: &str,
        attach: Attach,
    ) -> Result<Session, Refusal> {
        let live = self.live(tenant, subscription)?;
        let ack_deadline = attach.ack_deadline;
        let consumer = Consumer {
            name: attach.consumer.into(),
            session: self.session_number(),
            is_stream: true,
            window: attach.max_in_flight.map_or(u64::MAX, u64::from),
            hears_pauses: attach.hears_pauses,
        };
        let follows = attach.follows.map(|earlier| earlier.0);
        let (log, clock) = (self.stage.log.as_ref(), self.stage.clock.as_ref());
        let session = live.claim(consumer, follows, log, clock)?;
        let attached = Session::new(Arc::clone(&self.stage), live, session, None);
        Ok(attached.with_deadline(ack_deadline))
    }

    /// Reads the topics that patterns select, now and later, without a cursor: what is sent counts
    /// as settled, and where to go on is the reader's to keep ([`Session::positions`]). Of
    /// [`Start::Positions`], a partition without one starts at 0, and one that retention has
    /// passed begins with a gap notice.
    ///
    /// # Errors
    /// `FIELD_MISSING` without a pattern; `POSITION_INVALID`, `OFFSET_OUT_OF_RANGE` for positions
    /// of another log; `SHUTTING_DOWN`.
    pub async fn ephemeral(
        &self,
        tenant: &str,
        patterns: Vec<TopicPattern>,
        start: Start,
    ) -> Result<Session, Refusal> {
        self.refuse_when_stopping()?;
        let (log, clock) = (self.stage.log.as_ref(), self.stage.clock.as_ref());
        let subscription =
            ephemeral::subscription(log, &self.catalog, tenant, patterns, start).await?;
        let session = self.session_number();
        let live = self.registry.sign_on(session, subscription);
        let registry = Some(Arc::clone(&self.registry));
        let attached = Session::new(Arc::clone(&self.stage), Arc::clone(&live), session, registry);
        let consumer = Consumer {
            name: "".into(),
            session,
            is_stream: true,
            window: u64::MAX,
            hears_pauses: false,
        };
        live.claim(consumer, None, log, clock)?;
        Ok(attached)
    }

    /// Gives a pull consumer events, waiting for the first as long as it says.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_BUSY`, `SUBSCRIPTION_GONE`, `FIELD_MISSING` without a
    /// consumer's name.
    pub async fn pull(
        &self,
        tenant: &str,
        subscription: &str,
        request: PullRequest,
    ) -> Result<Vec<Pulled>, Refusal> {
        if request.consumer.is_empty() {
            let refusal = Refusal::new(Code::FieldMissing, "a pull names its consumer");
            return Err(refusal.at_field("consumer"));
        }
        let live = self.live(tenant, subscription)?;
        self.stage.pull(&live, self.session_number(), request).await
    }

    /// Settles pulled events; resolves when the cursors are durable. Answers in the order given,
    /// `up_to` first.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `LOG_READ_ONLY` or `UNKNOWN_OUTCOME` when the cursors could not be
    /// saved.
    pub async fn ack(
        &self,
        tenant: &str,
        subscription: &str,
        request: AckRequest,
    ) -> Result<Vec<(AckId, AckState)>, Refusal> {
        self.stage.ack(&self.live(tenant, subscription)?, request).await
    }

    /// Settles what a stream's session was sent, even after it ended: it counts unless it was
    /// settled or went to somebody else since. One answer for each list; resolves when the cursors
    /// are durable.
    ///
    /// # Errors
    /// As [`Self::ack`].
    pub async fn ack_sent(
        &self,
        tenant: &str,
        subscription: &str,
        session: SessionId,
        sent: Vec<Vec<Run>>,
    ) -> Result<Vec<AckState>, Refusal> {
        self.stage.ack_sent(&self.live(tenant, subscription)?, session.0, sent).await
    }

    /// Gives back what a stream's session has in flight; one answer for each run.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub fn nack_sent(
        &self,
        tenant: &str,
        subscription: &str,
        session: SessionId,
        (runs, nack): (&[Run], &Nack),
    ) -> Result<Vec<AckState>, Refusal> {
        let live = self.live(tenant, subscription)?;
        Ok(self.stage.nack_sent(&live, session.0, runs, nack))
    }

    /// Gives pulled events back; they come again after the nack's delay.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn nack(
        &self,
        tenant: &str,
        subscription: &str,
        ids: Vec<AckId>,
        nack: impl Into<Nack>,
    ) -> Result<Vec<(AckId, AckState)>, Refusal> {
        let live = self.live(tenant, subscription)?;
        Ok(self.stage.nack(&live, ids, &nack.into()))
    }

    /// Gives pulled events more time: their deadline is so far from now. At most 24 h.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub fn extend(
        &self,
        tenant: &str,
        subscription: &str,
        ids: Vec<AckId>,
        by: Duration,
    ) -> Result<Vec<(AckId, AckState)>, Refusal> {
        Ok(self.stage.extend(self.live(tenant, subscription)?.as_ref(), ids, by))
    }

    /// The last value of everything.
    #[must_use]
    pub fn last_values(&self) -> &LastValues {
        &self.values
    }

    /// Lets go of blocks that wait for consumers who were sent nothing since this was called before, or
    /// of all, but for what is little: they are read from the log when their turn comes. Says how many
    /// bytes they had; what several wait for counts for each.
    ///
    /// A consumer that holds many events and settled none since this was called before is sent no more
    /// for a second, or until it settles one.
    #[must_use]
    pub fn shed(&self, all: bool) -> u64 {
        let lives = self.registry.all();
        let keep = (KEPT_BYTES / lives.len().max(1)).min(KEPT_EACH_BYTES);
        let shedding = Shedding { all, keep, now: self.stage.clock.monotonic() };
        lives.iter().map(|live| live.lock().shed(shedding) as u64).sum()
    }

    /// Ends every consumer with `SHUTTING_DOWN`, then saves what was acknowledged.
    pub async fn close(&self) {
        self.stop_readers.cancel();
        self.readers.close();
        self.readers.wait().await;
        for live in self.registry.subscriptions() {
            self.registry.pass(&live);
            let is_unsaved = live.lock().slots.are_unsaved();
            if is_unsaved {
                self.stage.saver.mark(&live);
            }
        }
        self.stop_writers.cancel();
        self.writers.close();
        self.writers.wait().await;
        for live in self.registry.all() {
            live.close(Refusal::new(Code::ShuttingDown, "the service is stopping"));
        }
    }

    fn live(&self, tenant: &str, subscription: &str) -> Result<Arc<Live>, Refusal> {
        self.refuse_when_stopping()?;
        self.registry.find(tenant, subscription)
    }

    fn refuse_when_stopping(&self) -> Result<(), Refusal> {
        if self.stop_readers.is_cancelled() {
            return Err(Refusal::new(Code::ShuttingDown, "the service is stopping"));
        }
        Ok(())
    }

    fn session_number(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").finish_non_exhaustive()
    }
}

/// Both; the second in a thread of its own, if there is one.
fn side_by_side<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("opening".to_owned()).spawn_scoped(scope, &there);
        let here = here();
        let there = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => there(),
        };
        (here, there)
    })
}

/// What writes down how deliveries end, and what keeps those that failed.
fn stores(
    log: &Arc<dyn PartitionLog>,
    clock: &Arc<dyn Clock>,
    recorder: &Arc<Recorder>,
    settings: &DeliverSettings,
) -> Result<(Arc<Settlements>, Arc<DeadLetters>), DeliverError> {
    let settlements = Settlements::new(Arc::clone(log), Arc::clone(clock), Arc::clone(recorder));
    let settlements = Arc::new(settlements);
    let letters = DeadLetters::open(
        Arc::clone(log),
        Arc::clone(clock),
        Arc::clone(recorder),
        Arc::clone(&settlements),
        Room { letters: settings.dead_letters_max, bytes: settings.dead_letter_bytes_max },
    );
    Ok((settlements, letters?))
}

#[cfg(test)]
mod tests;
