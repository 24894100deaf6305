//! Interval completeness as a whole: opening it, asking it, closing it.

mod bits;
mod checkpoint;
mod follow;
mod mark;
mod series;
mod settings;
mod status;
mod tracker;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_catalog::Catalog;
use tidings_event::Clock;
use tidings_log::PartitionLog;
use tidings_telemetry::Recorder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::publish::{Publish, Sender};
use follow::Follower;
use mark::IntervalKey;
use tracker::{Now, Tracker};

pub use settings::{Declared, ExpectedFrom, IntervalSettings};
pub use status::{IntervalState, IntervalStatus};

/// What completeness stands on.
#[derive(Clone)]
pub struct IntervalsParts {
    /// What is read.
    pub log: Arc<dyn PartitionLog>,
    /// Whose topics those are.
    pub catalog: Arc<Catalog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts and times.
    pub recorder: Arc<Recorder>,
    /// Where marks go.
    pub publish: Arc<dyn Publish>,
}

/// Why completeness could not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// A record was written by a later version, or is damaged.
    #[error("what is known of the intervals of `{0}` cannot be read")]
    Record(String),
}

/// Who has published for each interval, and the marks that say so.
pub struct Intervals {
    tracker: Arc<Mutex<Tracker>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Intervals {
    /// Takes up where the last checkpoint was, and follows the log from there.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn open(
        parts: IntervalsParts,
        settings: IntervalSettings,
    ) -> Result<Arc<Self>, IntervalError> {
        let IntervalsParts { log, catalog, clock, recorder, publish } = parts;
        let checkpoint_every = settings.checkpoint_every;
        let mut tracker = Tracker::new(settings);
        let now = Now { wall: clock.wall(), monotonic: clock.monotonic() };
        let reach =
            checkpoint::load(log.as_ref(), &mut tracker, now).map_err(IntervalError::Record)?;
        let tracker = Arc::new(Mutex::new(tracker));
        let sender = Sender { publish, clock: Arc::clone(&clock), recorder: Arc::clone(&recorder) };
        let follower = Follower {
            log,
            catalog,
            clock,
            recorder,
            tracker: Arc::clone(&tracker),
            sender,
            checkpoint_every,
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn(async move { follower.run(reach, stopped).await });
        Ok(Arc::new(Self { tracker, tasks, stop }))
    }

    /// Replaces the lists of who is expected; settled intervals stay as they are.
    pub fn declare(&self, lists: Vec<Declared>) {
        self.tracker().declare(lists);
    }

    /// The names of a tenant's intervals that are kept, `VENUE/TIMEFRAME/START` with the start in
    /// nanoseconds, sorted; only of this venue and timeframe where they are given.
    #[must_use]
    pub fn names(&self, tenant: &str, venue: Option<&str>, timeframe: Option<&str>) -> Vec<String> {
        let mut keys = self.tracker().keys(tenant);
        keys.retain(|key| {
            venue.is_none_or(|venue| key.venue == venue)
                && timeframe.is_none_or(|timeframe| key.timeframe == timeframe)
        });
        let name = |k: &IntervalKey| format!("{}/{}/{:020}", k.venue, k.timeframe, k.start);
        let mut names: Vec<String> = keys.iter().map(name).collect();
        names.sort_unstable();
        names
    }

    /// How an interval is doing, by its name; `None` when it is no longer kept.
    #[must_use]
    pub fn status(&self, tenant: &str, name: &str) -> Option<IntervalStatus> {
        let mut parts = name.splitn(3, '/');
        let (venue, timeframe, start) = (parts.next()?, parts.next()?, parts.next()?);
        self.tracker().status(&IntervalKey {
            tenant: tenant.to_owned(),
            venue: venue.to_owned(),
            timeframe: timeframe.to_owned(),
            start: start.parse().ok()?,
        })
    }

    /// Stops following, and saves what is known.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intervals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
