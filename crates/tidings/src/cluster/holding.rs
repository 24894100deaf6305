//! What a node holds: nothing, or the log with its stages, or the one on its way to the other.

use std::sync::Arc;
use std::time::Duration;

use tidings_cluster::Closing;
use tidings_event::Term;
use tidings_log::PartitionLog;
use tidings_log_pulsar::{OpenError, PulsarLog, PulsarOptions};
use tidings_telemetry::{Counter, Latency};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build;
use crate::config::Config;
use crate::failure::Failure;
use crate::stack::{Process, Stack, Stages};

/// See the module.
pub(super) enum Holding {
    Nothing,
    /// By a task; what is not wanted any more is closed when it is there.
    Opening {
        since: Duration,
        unwanted: CancellationToken,
    },
    Open {
        term: Term,
        stack: Box<Stack>,
        log: Arc<PulsarLog>,
    },
    /// By a task.
    Closing,
}

/// A log and its stages, before they have doors.
pub(crate) struct Opened {
    pub(super) log: Arc<PulsarLog>,
    pub(super) stages: Stages,
}

/// Why there are none.
pub(crate) enum Unopened {
    /// The log shows a later owner.
    Outdated {
        newest: Term,
    },
    /// It is not wanted any more.
    Unwanted,
    Failed(Failure),
}

/// What a task came to.
pub(crate) enum Done {
    Opened { term: Term, outcome: Result<Box<Opened>, Unopened> },
    Closed { term: Term },
}

/// The tasks that open and close, and what they are done with.
pub(super) struct Tasks {
    process: Process,
    tasks: JoinSet<Done>,
}

impl Tasks {
    pub(super) fn new(process: Process) -> Self {
        Self { process, tasks: JoinSet::new() }
    }

    /// Begins to open the log under a term.
    pub(super) fn open(&mut self, config: Config, options: PulsarOptions, term: Term) -> Holding {
        let unwanted = CancellationToken::new();
        let since = self.process.shared.clock.monotonic();
        let (process, token) = (self.process.clone(), unwanted.clone());
        self.tasks.spawn(async move {
            let options = PulsarOptions { term: Some(term), ..options };
            let outcome = open(&config, &process, &options, &token).await.map(Box::new);
            Done::Opened { term, outcome }
        });
        Holding::Opening { since, unwanted }
    }

    /// Takes note of a takeover that succeeded.
    pub(super) fn count(&self, since: Duration) {
        let shared = &self.process.shared;
        let took = shared.clock.monotonic().saturating_sub(since);
        shared.recorder.count(Counter::ClusterTakeovers, 1);
        shared.recorder.time(Latency::ClusterTakeover, took);
        tracing::info!(seconds = took.as_secs_f64(), "owns the log");
    }

    /// Begins to close what has doors. `later` is the newest term that is known.
    pub(super) fn close(
        &mut self,
        (stack, log): (Box<Stack>, Arc<PulsarLog>),
        (term, later): (Term, Term),
        how: Closing,
    ) -> Holding {
        self.tasks.spawn(async move {
            if how == Closing::AtOnce {
                log.leave(later);
            }
            if let Err(error) = stack.stop().await {
                tracing::error!(%error, "the doors did not close in order");
            }
            Done::Closed { term }
        });
        Holding::Closing
    }

    /// Begins to close what never had doors.
    pub(super) fn discard(&mut self, opened: Opened, (term, later): (Term, Term)) -> Holding {
        self.tasks.spawn(async move {
            opened.log.leave(later);
            opened.stages.close().await;
            Done::Closed { term }
        });
        Holding::Closing
    }

    /// What is done next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Done, Failure> {
        match self.tasks.join_next().await {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => Err(Failure::Failed(format!("opening or closing failed: {error}"))),
            None => std::future::pending().await,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

async fn open(
    config: &Config,
    process: &Process,
    options: &PulsarOptions,
    unwanted: &CancellationToken,
) -> Result<Opened, Unopened> {
    let opening = build::log::pulsar(config, options, &process.shared);
    let log = tokio::select! {
        opened = opening => opened.map_err(|error| match error {
            OpenError::Outdated { newest, .. } => Unopened::Outdated { newest },
            error => Unopened::Failed(build::log::refused(&error)),
        })?,
        () = unwanted.cancelled() => return Err(Unopened::Unwanted),
    };
    let whole: Arc<dyn PartitionLog> = Arc::clone(&log) as _;
    match Stages::open(config, process, whole).await {
        Ok(stages) => Ok(Opened { log, stages }),
        Err(failure) => {
            log.close().await;
            Err(Unopened::Failed(failure))
        }
    }
}
