//! The log and every stage on it, with their doors: opened in order, closed in order, once or again and again while the
//! process lives.

mod doors;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_admit::Admission;
use tidings_catalog::Catalog;
use tidings_deliver::Deliver;
use tidings_edge::Edges;
use tidings_insight::{Intervals, Summaries};
use tidings_log::PartitionLog;
use tidings_serve::{LiveLimits, Parts, Port, ShownConfig, Standing};
use tidings_telemetry::{Memory, Timer};
use tokio::task::JoinSet;

use crate::build::{self, Shared};
use crate::config::Config;
use crate::failure::Failure;
use doors::Doors;

/// How often admission is asked whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(1);

/// How often is looked how much of the measured capacity is used.
const LOAD_LOOK: Duration = Duration::from_secs(1);

/// How often is looked, at a stop, whether the log still takes what the other stages wait for.
const FINISH_LOOK: Duration = Duration::from_secs(10);

/// What a process has whether it has a log or not.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) shared: Shared,
    pub(crate) limits: LiveLimits,
    pub(crate) shown: ShownConfig,
    pub(crate) standing: Option<Arc<dyn Standing>>,
}

/// Every stage, before it has doors.
pub(crate) struct Stages {
    pub(crate) parts: Parts,
    summaries: Summaries,
    edges: Edges,
}

impl Stages {
    /// Opens every stage on a log, each after those it stands on.
    ///
    /// # Errors
    /// The first stage that could not start; those before it are closed then, and whoever opened the log closes that.
    pub(crate) async fn open(
        config: &Config,
        process: &Process,
        log: Arc<dyn PartitionLog>,
    ) -> Result<Self, Failure> {
        let shared = &process.shared;
        let catalog = build::catalog::open(config, &log, shared).await?;
        let admission = build::admit::open(config, &log, &catalog, shared).await?;
        let deliver = match build::deliver::open(config, &log, &catalog, shared).await {
            Ok(deliver) => deliver,
            Err(failure) => {
                admission.close().await;
                return Err(failure);
            }
        };
        let beside = beside(config, (&log, &catalog), (&admission, &deliver), shared).await;
        let (intervals, summaries, edges) = match beside {
            Ok(beside) => beside,
            Err(failure) => {
                admission.close().await;
                deliver.close().await;
                return Err(failure);
            }
        };
        let parts = Parts {
            admission,
            deliver,
            catalog,
            intervals: Some(intervals),
            log,
            recorder: Arc::clone(&shared.recorder),
            clock: Arc::clone(&shared.clock),
            standing: process.standing.clone(),
            limits: process.limits.clone(),
            config: process.shown.clone(),
            origins: config.origins.clone(),
            memory: Memory::default(),
            give_back: crate::memory::give_back,
        };
        Ok(Self { parts, summaries, edges })
    }

    /// Finishes what was taken, makes it durable, closes the log.
    pub(crate) async fn close(self) {
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
    }
}

/// Stages with their doors.
pub(crate) struct Stack {
    stages: Stages,
    port: Port,
    doors: Option<Doors>,
    /// Doors that were shut, until the last of what was under way there has ended.
    shutting: JoinSet<Result<(), Failure>>,
    periodic: JoinSet<()>,
}

impl Stack {
    /// Opens the doors at a port; serves when this returns.
    ///
    /// # Errors
    /// The system gives no thread; the stages are closed then.
    pub(crate) async fn serve(
        config: &Config,
        stages: Stages,
        port: Port,
    ) -> Result<Self, Failure> {
        let doors = match Doors::open(config, &stages.parts, port.clone()) {
            Ok(doors) => doors,
            Err(failure) => {
                stages.close().await;
                return Err(failure);
            }
        };
        let parts = &stages.parts;
        let mut periodic = JoinSet::new();
        periodic.spawn(trim(parts.clone(), config.trim_interval));
        periodic.spawn(checkpoint(Arc::clone(&parts.admission)));
        if parts.admission.settings().capacity.is_some() {
            periodic.spawn(look_at_load(Arc::clone(&parts.admission)));
        }
        Ok(Self { stages, port, doors: Some(doors), shutting: JoinSet::new(), periodic })
    }

    /// The stages, as the doors see them.
    pub(crate) fn parts(&self) -> &Parts {
        &self.stages.parts
    }

    /// Whether somebody is let in.
    pub(crate) fn has_doors(&self) -> bool {
        self.doors.is_some()
    }

    /// Ends every stream and lets nobody in, until [`Self::open_doors`]; the stages go on.
    pub(crate) fn shut_doors(&mut self) {
        while self.shutting.try_join_next().is_some() {}
        if let Some(doors) = self.doors.take() {
            self.shutting.spawn(doors.shut());
        }
    }

    /// Lets everybody in again.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn open_doors(&mut self, config: &Config) -> Result<(), Failure> {
        if self.doors.is_none() {
            self.doors = Some(Doors::open(config, &self.stages.parts, self.port.clone())?);
        }
        Ok(())
    }

    /// Resolves when the server ends by itself, which it does only by a failure.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        match &mut self.doors {
            Some(doors) => doors.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Stops taking, finishes what was taken, makes it durable.
    ///
    /// # Errors
    /// What the server failed with while it was stopping.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.shut_doors();
        let mut served = Ok(());
        while let Some(shut) = self.shutting.join_next().await {
            let shut = shut.map_err(|error| Failure::Failed(format!("the server failed: {error}")));
            served = served.and(shut.and_then(|shut| shut));
        }
        self.periodic.shutdown().await;
        self.stages.close().await;
        served
    }
}

/// Opens what stands beside the way in and the way out.
async fn beside(
    config: &Config,
    stored: (&Arc<dyn PartitionLog>, &Arc<Catalog>),
    ways: (&Arc<Admission>, &Arc<Deliver>),
    shared: &Shared,
) -> Result<(Arc<Intervals>, Summaries, Edges), Failure> {
    let intervals = build::insight::intervals(config, stored, ways.0, shared)?;
    match build::edge::open(config, stored, ways.1, shared) {
        Ok(edges) => {
            let summaries = build::insight::summaries(config, stored, ways, shared);
            Ok((intervals, summaries, edges))
        }
        Err(failure) => {
            intervals.close().await;
            Err(failure)
        }
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
