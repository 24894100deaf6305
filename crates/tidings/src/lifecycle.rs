//! A service that is alone: it has its log for as long as it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tidings_event::SystemClock;
use tidings_serve::{Parts, ShownConfig};
use tidings_telemetry::{Recorder, Traces};
use tokio::task::JoinSet;

use crate::build::{self, Shared};
use crate::config::Config;
use crate::failure::Failure;
use crate::stack::{Process, Stack, Stages};

/// A running service.
pub(crate) struct Running {
    addr: SocketAddr,
    stack: Stack,
    exporting: JoinSet<()>,
}

impl Running {
    /// Starts every stage, each after those it stands on; serves when this returns.
    ///
    /// # Errors
    /// The first stage that could not start; nothing is left running.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let (process, exporting) = start(config)?;
        let log = build::log::open(config, &process.shared).await?;
        let stages = Stages::open(config, &process, log).await?;
        let port = build::serve::bind(config).await?;
        let addr = port.local_addr();
        let stack = Stack::serve(config, stages, port).await?;
        Ok(Self { addr, stack, exporting })
    }

    /// The address it serves on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The stages, as the doors see them.
    pub(crate) fn parts(&self) -> &Parts {
        self.stack.parts()
    }

    /// Resolves when the server ends by itself, which it does only by a failure.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        self.stack.ended().await
    }

    /// Stops taking, finishes what was taken, makes it durable.
    ///
    /// # Errors
    /// What the server failed with while it was stopping.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let stopped = self.stack.stop().await;
        self.exporting.shutdown().await;
        stopped
    }
}

/// What a process has before it has a log, and the task by which its spans leave.
pub(crate) fn start(config: &Config) -> Result<(Process, JoinSet<()>), Failure> {
    let (traces, export) = Traces::start(&config.traces).map_err(Failure::failed)?;
    let recorder = Recorder::with_traces(traces);
    let mut exporting = JoinSet::new();
    if let Some(export) = export {
        exporting.spawn(export.run(Arc::clone(&recorder)));
    }
    let shared = Shared { clock: Arc::new(SystemClock::new()), recorder };
    let limits = build::serve::limits(config).into();
    let process = Process { shared, limits, shown: ShownConfig::default(), standing: None };
    Ok((process, exporting))
}
