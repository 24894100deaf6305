//! Analysis summaries that the service composes itself: per instrument, out of its last values.
//!
//! Off until declared. A finished bar's indicators of a declared venue and timeframe make a summary
//! due a moment later (`due`, a pure machine), so that what is published together is summed up
//! together; `compose` then makes it out of the last values, and it is published like any other
//! event. The same bar and revision always give the same id: what is composed again after a restart
//! is a repeat. `docs/spec/summaries.md` says what each field is made of.

mod compose;
mod due;
mod follow;
mod settings;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidings_catalog::Catalog;
use tidings_event::v1::Kind;
use tidings_event::{Clock, Refusal};
use tidings_log::PartitionLog;
use tidings_telemetry::Recorder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::publish::{Publish, Sender};
use due::Due;
use follow::Follower;

pub use settings::{Composed, SummarySettings};

/// The last event of everything, as composing needs it.
pub trait Values: Send + Sync + 'static {
    /// Canonical bytes of the last event of a kind about a subject (an instrument, or a matrix) at
    /// a venue, finished bars only; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be said now and may be later.
    fn last(
        &self,
        tenant: &str,
        kind: Kind,
        subject: &str,
        at: (Option<&str>, Option<&str>),
    ) -> Result<Option<Bytes>, Refusal>;
}

/// What composing stands on.
#[derive(Clone)]
pub struct SummariesParts {
    /// What is followed.
    pub log: Arc<dyn PartitionLog>,
    /// Whose topics those are.
    pub catalog: Arc<Catalog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts and times.
    pub recorder: Arc<Recorder>,
    /// Where summaries go.
    pub publish: Arc<dyn Publish>,
    /// What they are made of.
    pub values: Arc<dyn Values>,
}

/// Summaries in the making.
pub struct Summaries {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Summaries {
    /// Follows the log, when anything is declared.
    #[must_use]
    pub fn open(parts: SummariesParts, settings: SummarySettings) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        if !settings.composed.is_empty() {
            let SummariesParts { log, catalog, clock, recorder, publish, values } = parts;
            let sender =
                Sender { publish, clock: Arc::clone(&clock), recorder: Arc::clone(&recorder) };
            let due = Due::new(settings);
            let follower = Follower { log, catalog, clock, recorder, values, sender };
            let stopped = stop.clone();
            tasks.spawn(async move { follower.run(due, stopped).await });
        }
        Self { tasks, stop }
    }

    /// Stops following. What was due and is not stored yet is composed after the next start.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for Summaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summaries").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
