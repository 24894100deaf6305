//! The log set-up: one line per event on stderr, as JSON or as text.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing::dispatcher::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::reload::Handle;

/// Libraries that tell at `info` of each connection; whoever names them hears them.
const TALKATIVE: &str = "magnetar_runtime_tokio=warn,magnetar_proto=warn";

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line: `timestamp`, `level`, `target`, `message`, then the fields.
    #[default]
    Json,
    /// For people; coloured on a terminal.
    Text,
}

/// Why logging could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// The level is not one.
    #[error("`{0}` is not a log level: use error, warn, info, debug or trace, or target=level,...")]
    Level(String),
    /// It was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// The level of the log lines, to be changed while the service runs.
pub struct LogLevel(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogLevel {
    /// Logs at or above another level from here on.
    ///
    /// # Errors
    /// When the level cannot be read; the one in force stays.
    pub fn set(&self, level: &str) -> Result<(), LogsError> {
        (self.0)(read(level)?);
        Ok(())
    }

    /// Whether a level can be read.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(level: &str) -> Result<(), LogsError> {
        read(level).map(drop)
    }
}

/// Sends log lines at or above `level` to stderr. Once per process.
///
/// # Errors
/// When the level cannot be read, or logging was set up before.
pub fn start_logs(level: &str, format: LogFormat) -> Result<LogLevel, LogsError> {
    // A line that cannot be written is lost. Told of on stderr, as the library would, it ends the thread.
    let lines = SubscriberBuilder::default().log_internal_errors(false);
    let lines = lines.with_env_filter(read(level)?).with_writer(std::io::stderr);
    let (dispatch, level) = match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let level = reloading(lines.reload_handle());
            (Dispatch::new(lines.finish()), level)
        }
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let level = reloading(lines.reload_handle());
            (Dispatch::new(lines.finish()), level)
        }
    };
    set_global_default(dispatch).map_err(|_| LogsError::Twice)?;
    Ok(level)
}

fn read(level: &str) -> Result<EnvFilter, LogsError> {
    let read =
        |text: &str| EnvFilter::try_new(text).map_err(|_| LogsError::Level(level.to_owned()));
    let filter = read(level)?;
    match filter.max_level_hint() {
        Some(most) if most <= LevelFilter::WARN => Ok(filter),
        // What is named twice counts as it is named last.
        _ => read(&format!("{TALKATIVE},{level}")),
    }
}

fn reloading<S: 'static>(handle: Handle<EnvFilter, S>) -> LogLevel {
    LogLevel(Box::new(move |filter| {
        // It fails only when the subscriber is gone, and then nothing is logged at all.
        let _gone = handle.reload(filter);
    }))
}

#[cfg(test)]
mod tests;
