//! Owns every task and the order of starting and stopping.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_admit::Admission;
use tidings_edge::Edges;
use tidings_event::SystemClock;
use tidings_insight::Summaries;
use tidings_log::PartitionLog;
use tidings_serve::{Parts, ShownConfig};
use tidings_telemetry::{Memory, Recorder, Timer, Traces};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build::{self, Shared};
use crate::config::Config;
use crate::failure::Failure;
use crate::memory::pressure::Watch;

/// How often admission is asked whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(1);

/// How often is looked how much of the measured capacity is used.
const LOAD_LOOK: Duration = Duration::from_secs(1);

/// How often is looked, at a stop, whether the log still takes what the other stages wait for.
const FINISH_LOOK: Duration = Duration::from_secs(10);

/// A running service.
pub(crate) struct Running {
    addr: SocketAddr,
    parts: Parts,
    summaries: Summaries,
    edges: Edges,
    stop: CancellationToken,
    server: JoinSet<Result<(), Failure>>,
    periodic: JoinSet<()>,
    memory: Watch,
}

impl Running {
    /// Starts every stage, each after those it stands on; serves when this returns.
    ///
    /// # Errors
    /// The first stage that could not start; nothing is left running.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let (traces, export) = Traces::start(&config.traces).map_err(Failure::failed)?;
        let recorder = Recorder::with_traces(traces);
        let shared = Shared { clock: Arc::new(SystemClock::new()), recorder };
        let log = build::log::open(config, &shared).await?;
        let catalog = build::catalog::open(config, &log, &shared).await?;
        let admission = build::admit::open(config, &log, &catalog, &shared).await?;
        let deliver = build::deliver::open(config, &log, &catalog, &shared).await?;
        let intervals = build::insight::intervals(config, (&log, &catalog), &admission, &shared)?;
        let ways = (&admission, &deliver);
        let summaries = build::insight::summaries(config, (&log, &catalog), ways, &shared);
        let edges = build::edge::open(config, (&log, &catalog), &deliver, &shared)?;
        let parts = Parts {
            admission,
            deliver,
            catalog,
            intervals: Some(intervals),
            log,
            recorder: shared.recorder,
            clock: shared.clock,
            limits: build::serve::limits(config).into(),
            config: ShownConfig::default(),
            origins: config.origins.clone(),
            memory: Memory::default(),
            give_back: crate::memory::give_back,
        };
        let server = build::serve::bind(config, parts.clone()).await?;
        let (addr, forms) = (server.local_addr(), server.forms());
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let stopped = stop.clone();
        serving.spawn(async move { server.run(stopped).await.map_err(Failure::failed) });
        let mut periodic = JoinSet::new();
        periodic.spawn(trim(parts.clone(), config.trim_interval));
        if let Some(export) = export {
            periodic.spawn(export.run(Arc::clone(&parts.recorder)));
        }
        periodic.spawn(checkpoint(Arc::clone(&parts.admission)));
        if parts.admission.settings().capacity.is_some() {
            periodic.spawn(look_at_load(Arc::clone(&parts.admission)));
        }
        let memory = build::pressure::keep(config, &parts, forms).watch();
        let memory =
            memory.map_err(|error| Failure::Failed(format!("cannot watch memory: {error}")))?;
        Ok(Self { addr, parts, summaries, edges, stop, server: serving, periodic, memory })
    }

    /// The address it serves on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The stages, as the doors see them.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Resolves when the server ends by itself, which it does only by a failure.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        match self.server.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Err(Failure::Failed(format!("the server failed: {error}"))),
            None => Ok(()),
        }
    }

    /// Stops taking, finishes what was taken, makes it durable.
    ///
    /// # Errors
    /// What the server failed with while it was stopping.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        let served = self.ended().await;
        self.periodic.shutdown().await;
        drop(self.memory);
        let Parts { intervals, admission, deliver, log, .. } = self.parts;
        let (summaries, edges) = (self.summaries, self.edges);
        let finishing = async {
            if let Some(intervals) = &intervals {
                intervals.close().await;
            }
            summaries.close().await;
            admission.close().await;
            edges.close().await;
            deliver.close().await;
        };
        finish(finishing, &*log).await;
        log.close().await;
        served
    }
}

/// Waits for the stages above the log, as long as that takes what they give it.
async fn finish(finishing: impl Future<Output = ()>, log: &dyn PartitionLog) {
    let mut finishing = pin!(finishing);
    while Timer.limit(FINISH_LOOK, &mut finishing).await.is_err() {
        if let Err(reason) = log.health() {
            tracing::error!(%reason, "stops without what the log does not take: acks may come again");
            return;
        }
    }
}

/// Saves what admission remembers whenever it says that this is due, so that a restart has little
/// to read.
async fn checkpoint(admission: Arc<Admission>) {
    loop {
        Timer.after(CHECKPOINT_LOOK).await;
        if admission.checkpoint_due().await {
            save(&admission).await;
        }
    }
}

/// Has admission look how much of the measured capacity is used.
async fn look_at_load(admission: Arc<Admission>) {
    loop {
        Timer.after(LOAD_LOOK).await;
        admission.look_at_load();
    }
}

async fn save(admission: &Admission) {
    if let Err(error) = admission.checkpoint().await {
        tracing::warn!(%error, "cannot save what admission remembers");
    }
}

/// Has retention come by from time to time; what admission remembers is saved before, for retention leaves
/// what it would have to read again.
async fn trim(parts: Parts, every: Duration) {
    loop {
        Timer.after(every).await;
        if parts.admission.has_unsaved() {
            save(&parts.admission).await;
        }
        let trimmed = parts.log.trim(parts.clock.wall()).await;
        let trimmed: u64 = trimmed.iter().map(|(_, events)| events).sum();
        if trimmed > 0 {
            tracing::info!(events = trimmed, "retention trimmed the log");
        }
    }
}
