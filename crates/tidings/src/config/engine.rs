//! Who keeps the log, by the configuration.

use std::path::PathBuf;
use std::time::Duration;

use tidings_log_pulsar::{OptionError, PulsarOptions, Secret, Security};

use super::ConfigError;
use super::layers::invalid;
use super::written::{WrittenEngine, WrittenPulsar};

/// The word for the engine that needs nothing installed.
const EMBEDDED: &str = "embedded";
/// The word for the other one.
const PULSAR: &str = "pulsar";

/// An engine by its word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EngineKind {
    /// The one that needs nothing installed.
    Embedded,
    /// The other one.
    Pulsar,
}

impl EngineKind {
    /// As it is configured.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Embedded => EMBEDDED,
            Self::Pulsar => PULSAR,
        }
    }
}

/// Who keeps the log.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    /// Files in the data directory.
    Embedded,
    /// Topics of a cluster; sizes that depend on the memory budget are the defaults.
    Pulsar(Box<PulsarOptions>),
}

/// Checks both sections; the settings of Pulsar also where they are not used yet, but for the files that they name.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn engine(
    written: &WrittenEngine,
    pulsar: &WrittenPulsar,
    token: Option<&Secret>,
) -> Result<Engine, ConfigError> {
    let mut wrong = vec![];
    let kind = written.kind.as_str();
    if !matches!(kind, EMBEDDED | PULSAR) {
        let (key, value) = ("engine.kind", format!("`{kind}`"));
        wrong.push(ConfigError::Value { key, value, rule: "it must be embedded or pulsar" });
    }
    let options = options(pulsar, token);
    wrong.extend(options.check().into_iter().map(told));
    if wrong.is_empty() && kind == PULSAR {
        wrong.extend(options.check_files().into_iter().map(told));
    }
    match wrong.len() {
        0 if kind == PULSAR => Ok(Engine::Pulsar(Box::new(options))),
        0 => Ok(Engine::Embedded),
        1 => Err(wrong.remove(0)),
        _ => Err(ConfigError::Several(wrong)),
    }
}

/// What the section says, unchecked.
pub(super) fn options(written: &WrittenPulsar, token: Option<&Secret>) -> PulsarOptions {
    let security = Security {
        ca_file: file(&written.ca_file),
        certificate_file: file(&written.certificate_file),
        key_file: file(&written.key_file),
        token_file: file(&written.token_file),
        token: token.filter(|_| !written.token.is_empty()).cloned(),
    };
    PulsarOptions {
        url: written.url.clone(),
        admin_url: written.admin_url.clone(),
        security,
        tenant: written.tenant.clone(),
        namespace: written.namespace.clone(),
        start_max: Duration::from_secs(written.start_seconds),
        answer_max: Duration::from_secs(written.answer_seconds),
        close_max: Duration::from_secs(written.close_seconds),
        group_bytes: written.group_bytes,
        window: written.window,
        ..PulsarOptions::default()
    }
}

/// A file that is named, where one is.
pub(super) fn file(name: &str) -> Option<PathBuf> {
    (!name.is_empty()).then(|| PathBuf::from(name))
}

/// A setting of the engine by its key.
fn told(error: OptionError) -> ConfigError {
    let key = match error.setting {
        "start_max" => "start_seconds",
        "answer_max" => "answer_seconds",
        "close_max" => "close_seconds",
        same => same,
    };
    invalid(format!("engine.pulsar.{key}"), &format!("`{}`: {}", error.value, error.rule))
}
