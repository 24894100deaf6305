//! The log set-up: one line per event on stderr, as JSON or as text.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing::dispatcher::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;

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

/// Sends log lines at or above `level` to stderr. Once per process.
///
/// # Errors
/// When the level cannot be read, or logging was set up before.
pub fn start_logs(level: &str, format: LogFormat) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(level).map_err(|_| LogsError::Level(level.to_owned()))?;
    let lines = SubscriberBuilder::default().with_env_filter(filter).with_writer(std::io::stderr);
    let dispatch = match format {
        LogFormat::Json => Dispatch::new(lines.json().flatten_event(true).finish()),
        LogFormat::Text => Dispatch::new(lines.with_ansi(std::io::stderr().is_terminal()).finish()),
    };
    set_global_default(dispatch).map_err(|_| LogsError::Twice)
}
