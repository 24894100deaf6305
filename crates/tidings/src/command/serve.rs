//! `tidings serve`: the service, until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tidings_telemetry::LogLevel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::ServeArgs;
use crate::cluster::Driver;
use crate::config::{Config, DEFAULT, Flags};
use crate::failure::Failure;
use crate::lifecycle::{self, Running};
use crate::output;
use crate::reload::Reloading;
use crate::supervisor::Supervisor;

/// `SIGXFSZ`.
const FILE_TOO_LARGE: i32 = 25;

pub(super) async fn run(args: ServeArgs, json: bool) -> Result<(), Failure> {
    if args.print_config {
        return output::line(DEFAULT.trim_end());
    }
    let flags = Flags {
        config: args.config,
        addr: args.addr,
        data_dir: args.data_dir,
        insecure: args.insecure,
        engine: None,
    };
    let config =
        Config::load(&flags, std::env::vars()).map_err(|e| Failure::Usage(e.to_string()))?;
    let level = tidings_telemetry::start_logs(&config.log_level, config.log_format)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    // Before the start, so that none is lost during it.
    let mut signals = Signals::take()?;
    let supervisor = Supervisor::of_environment();
    let starting = Starting { flags, config, level, supervisor, ready_file: args.ready_file, json };
    if starting.config.cluster.is_some() {
        starting.among_others(&mut signals).await
    } else {
        starting.alone(&mut signals).await
    }
}

/// What is known before anything is open.
struct Starting {
    flags: Flags,
    config: Config,
    level: LogLevel,
    supervisor: Supervisor,
    ready_file: Option<PathBuf>,
    json: bool,
}

impl Starting {
    /// One service that has its log for as long as it runs.
    async fn alone(self, signals: &mut Signals) -> Result<(), Failure> {
        let mut running = tokio::select! {
            started = Running::start(&self.config) => started?,
            // It may wait for room on a full disk for as long as that is full.
            () = signals.stop.told() => {
                tracing::info!("stopped before it was ready");
                return Ok(());
            }
        };
        let addr = running.addr();
        let Self { flags, config, level, supervisor, ready_file, json } = self;
        let mut reloading = Reloading::new(flags, config, level, running.parts());
        tell_ready(addr, ready_file.as_deref(), json)?;
        supervisor.ready(&format!("serving http://{addr}"));
        let ended = loop {
            tokio::select! {
                () = signals.stop.told() => break Ok(()),
                _ = signals.hang_up.recv() => reloading.reload(std::env::vars()),
                ended = running.ended() => break ended,
                () = supervisor.watch() => {}
            }
        };
        tracing::info!("stopping");
        supervisor.stopping();
        let stopped = running.stop().await;
        tracing::info!("stopped");
        ended.and(stopped)
    }

    /// One node of several: ready means that its doors say who owns the log.
    async fn among_others(self, signals: &mut Signals) -> Result<(), Failure> {
        let (process, mut exporting) = lifecycle::start(&self.config)?;
        let (mut driver, process) = tokio::select! {
            started = Driver::start(&self.config, process) => started?,
            () = signals.stop.told() => {
                tracing::info!("stopped before it was ready");
                return Ok(());
            }
        };
        let addr = driver.addr();
        let Self { flags, config, level, supervisor, ready_file, json } = self;
        let mut reloading = Reloading::without_log(flags, config, level, &process);
        tell_ready(addr, ready_file.as_deref(), json)?;
        supervisor.ready(&format!("node at http://{addr}"));
        let ended = loop {
            if driver.is_over() {
                break Ok(());
            }
            tokio::select! {
                event = driver.next() => {
                    let taken = match event {
                        Ok(event) => driver.take(event, &mut reloading).await,
                        Err(failure) => Err(failure),
                    };
                    if taken.is_err() {
                        break taken;
                    }
                }
                () = signals.stop.told() => {
                    supervisor.stopping();
                    driver.leave(&mut reloading);
                }
                _ = signals.hang_up.recv() => reloading.reload(std::env::vars()),
                () = supervisor.watch() => {}
            }
        };
        tracing::info!("stopping");
        let stopped = driver.end().await;
        exporting.shutdown().await;
        tracing::info!("stopped");
        ended.and(stopped)
    }
}

/// The signals that mean something to the service.
struct Signals {
    stop: Stop,
    hang_up: Signal,
    /// A file-size limit answers writes with an error, as a full disk does, instead of ending the
    /// process: for that its signal must be taken.
    _file_too_large: Signal,
}

impl Signals {
    fn take() -> std::io::Result<Self> {
        Ok(Self {
            stop: Stop {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hang_up: signal(SignalKind::hangup())?,
            _file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }
}

/// Those that end it.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Until one came. Dropping the future loses nothing.
    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Says in every asked-for way that the service is ready.
fn tell_ready(addr: SocketAddr, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    tracing::info!(%addr, "ready");
    if let Some(file) = file {
        std::fs::write(file, format!("{addr}\n"))?;
    }
    if json {
        output::json(&serde_json::json!({ "ready": true, "addr": addr.to_string() }))
    } else {
        output::line(&format!("Tidings is ready at http://{addr}"))
    }
}
