//! `tidings serve`: the service, until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeArgs;
use crate::config::{Config, DEFAULT, Flags};
use crate::failure::Failure;
use crate::lifecycle::Running;
use crate::output;

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
    };
    let config =
        Config::load(&flags, std::env::vars()).map_err(|e| Failure::Usage(e.to_string()))?;
    tidings_telemetry::start_logs(&config.log_level, config.log_format)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    // A file-size limit answers writes with an error, as a full disk does, instead of ending the
    // process: for that the signal must be taken.
    let _file_too_large = signal(SignalKind::from_raw(FILE_TOO_LARGE))?;
    // Before the start, so that a stop during it is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut running = Running::start(&config).await?;
    let addr = running.addr();
    tracing::info!(%addr, data_dir = %config.data_dir.display(), "ready");
    if let Some(file) = &args.ready_file {
        std::fs::write(file, format!("{addr}\n"))?;
    }
    if json {
        output::json(&serde_json::json!({ "ready": true, "addr": addr.to_string() }))?;
    } else {
        output::line(&format!("Tidings is ready at http://{addr}"))?;
    }
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = running.ended() => ended,
    };
    tracing::info!("stopping");
    let stopped = running.stop().await;
    tracing::info!("stopped");
    ended.and(stopped)
}
