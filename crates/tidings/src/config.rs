//! Configuration: default file, then the user's file, then the environment, then flags; checked
//! once, as a whole.

mod cluster;
#[cfg(test)]
mod docs;
mod edges;
mod engine;
mod health;
mod intervals;
mod layers;
mod memory;
mod reloadable;
mod secret;
mod summaries;
mod written;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings_catalog::{Catalog, CatalogError};
use tidings_deliver::Thresholds;
use tidings_insight::{Declared, SummarySettings};
use tidings_log_pulsar::Secret;
use tidings_serve::Origins;
use tidings_telemetry::{LogFormat, LogLevel, TraceSettings};
use toml::Table;

pub(crate) use cluster::ClusterNode;
#[cfg(test)]
use docs::reference;
pub(crate) use edges::DeclaredEdge;
pub(crate) use engine::{Engine, EngineKind};
use layers::{environment, merge, parse_file, set};
use written::{
    AsWritten, WrittenAdmission, WrittenIntervals, WrittenLimits, WrittenLog, WrittenTopics,
    WrittenTraces,
};

/// The shipped file: every key at its default, and the documentation of each.
pub(crate) const DEFAULT: &str = include_str!("../default.toml");

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) addr: SocketAddr,
    pub(crate) origins: Origins,
    pub(crate) data_dir: PathBuf,
    pub(crate) engine: Engine,
    /// Which node of a cluster this is, where it is one.
    pub(crate) cluster: Option<ClusterNode>,
    pub(crate) log: WrittenLog,
    pub(crate) limits: WrittenLimits,
    /// Bytes that the process keeps within.
    pub(crate) memory_budget: u64,
    pub(crate) topics: WrittenTopics,
    pub(crate) admission: WrittenAdmission,
    pub(crate) intervals: WrittenIntervals,
    /// Who is expected, files read.
    pub(crate) expected: Vec<Declared>,
    /// What is summed up.
    pub(crate) summaries: SummarySettings,
    /// What is mirrored, and where to.
    pub(crate) edges: Vec<DeclaredEdge>,
    /// From when on a subscription is not well.
    pub(crate) health: Thresholds,
    pub(crate) traces: TraceSettings,
    pub(crate) trim_interval: Duration,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
    /// What a broker is told; the layers hold stars.
    token: Option<Secret>,
    /// Every key, all layers merged.
    table: Table,
}

/// Why a configuration was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {file}: {reason}")]
    Unreadable { file: PathBuf, reason: String },
    #[error("{place}: {problem}{}", hint.as_ref().map_or(String::new(), |hint| format!("; {hint}")))]
    Invalid { place: String, problem: String, hint: Option<String> },
    #[error("{0}")]
    Refused(String),
    #[error("`{key}` is {value}: {rule}")]
    Value { key: &'static str, value: String, rule: &'static str },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ConfigError>),
}

/// What the command line says, where it says something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) addr: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) insecure: bool,
    /// This engine, whatever is configured.
    pub(crate) engine: Option<EngineKind>,
}

impl Config {
    /// Reads every layer.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(crate) fn load(
        flags: &Flags,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = parse_file("default.toml", DEFAULT)?;
        let user = user_file(flags.config.as_deref())?;
        if let Some((file, text)) = &user {
            let written = parse_file(&file.display().to_string(), text)?;
            secret::refuse(&file.display().to_string(), &written)?;
            merge(&mut table, written);
        }
        environment(&mut table, variables)?;
        let token = secret::taken(&mut table);
        if let Some(addr) = &flags.addr {
            set(&mut table, "server", "addr", addr.clone().into());
        }
        if let Some(dir) = &flags.data_dir {
            set(&mut table, "data", "dir", dir.display().to_string().into());
        }
        if flags.insecure {
            set(&mut table, "server", "insecure", true.into());
        }
        if let Some(kind) = flags.engine {
            set(&mut table, "engine", "kind", kind.word().into());
        }
        Self::check(user.map(|(file, _)| file), table, token)
    }

    fn check(
        file: Option<PathBuf>,
        table: Table,
        token: Option<Secret>,
    ) -> Result<Self, ConfigError> {
        let written: AsWritten = table.clone().try_into().map_err(|error: toml::de::Error| {
            layers::invalid("configuration".to_owned(), error.message())
        })?;
        let rule = "it must be an address such as 127.0.0.1:8080";
        let addr_text = written.server.addr;
        let addr: SocketAddr = addr_text.parse().map_err(|_| ConfigError::Value {
            key: "server.addr",
            value: addr_text,
            rule,
        })?;
        if !addr.ip().is_loopback() && !written.server.insecure {
            let rule = "other machines can reach it and nobody is authenticated; use a loopback \
                        address, or say --insecure";
            return Err(ConfigError::Value { key: "server.addr", value: addr.to_string(), rule });
        }
        let engine = engine::engine(&written.engine, &written.pulsar, token.as_ref())?;
        let cluster = cluster::node(&written.cluster, &engine)?;
        check_log(&written.log)?;
        let log_format = log_format(&written.logging.format)?;
        check_policy(&written.admission.definition_conflict)?;
        at_least_one("topics.partitions", u64::from(written.topics.partitions))?;
        at_least_one("limits.connections", written.limits.connections as u64)?;
        at_least_one("limits.batch_events", written.limits.batch_events as u64)?;
        if let Err(error) = LogLevel::check(&written.logging.level) {
            return Err(layers::invalid("logging.level".to_owned(), &error.to_string()));
        }
        let origins = Origins::new(&written.server.allowed_origins).map_err(|error| {
            layers::invalid("server.allowed_origins".to_owned(), &error.to_string())
        })?;
        let traces = traces(written.traces)?;
        let memory_budget = memory::budget(&written.memory)?;
        let expected = intervals::declared(&written.intervals)?;
        let summaries = summaries::settings(&written.summaries)?;
        let pulsar = engine::options(&written.pulsar, token.as_ref());
        let edges = edges::declared(&written.edges, &pulsar, &engine)?;
        let health = health::thresholds(&written.health)?;
        let config = Self {
            addr,
            origins,
            data_dir: written.data.dir,
            engine,
            cluster,
            trim_interval: Duration::from_secs(written.log.trim_interval_seconds),
            log: written.log,
            limits: written.limits,
            memory_budget,
            topics: written.topics,
            admission: written.admission,
            intervals: written.intervals,
            traces,
            expected,
            summaries,
            edges,
            health,
            log_level: written.logging.level,
            log_format,
            file,
            token,
            table,
        };
        match Catalog::check(&crate::build::catalog::settings(&config)) {
            Err(CatalogError::Setting { setting, value, rule }) => {
                let problem = format!("`{value}` is not {rule}");
                Err(layers::invalid(format!("topics.{setting}"), &problem))
            }
            _ => Ok(config),
        }
    }
}

impl Config {
    /// Where the capacity file is; where nobody named one it need not be there.
    pub(crate) fn capacity_file(&self) -> (PathBuf, bool) {
        match self.admission.capacity_file.as_str() {
            "" => (self.data_dir.join(crate::capacity::FILE), false),
            named => (PathBuf::from(named), true),
        }
    }
}

fn check_policy(policy: &str) -> Result<(), ConfigError> {
    if matches!(policy, "refuse" | "warn") {
        return Ok(());
    }
    let (key, value) = ("admission.definition_conflict", format!("`{policy}`"));
    Err(ConfigError::Value { key, value, rule: "it must be refuse or warn" })
}

fn traces(written: WrittenTraces) -> Result<TraceSettings, ConfigError> {
    let WrittenTraces { endpoint, sample_ratio } = written;
    if (0.0..=1.0).contains(&sample_ratio) {
        return Ok(TraceSettings { endpoint, sample_ratio });
    }
    let (key, value) = ("traces.sample_ratio", sample_ratio.to_string());
    Err(ConfigError::Value { key, value, rule: "it must be 0 to 1" })
}

fn log_format(text: &str) -> Result<LogFormat, ConfigError> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        other => {
            let (key, value) = ("logging.format", format!("`{other}`"));
            Err(ConfigError::Value { key, value, rule: "it must be json or text" })
        }
    }
}

fn check_log(log: &WrittenLog) -> Result<(), ConfigError> {
    let refused =
        |key, value: u64, rule| Err(ConfigError::Value { key, value: value.to_string(), rule });
    if log.segment_bytes_min < 1 << 20 {
        return refused("log.segment_bytes_min", log.segment_bytes_min, "at least 1048576");
    }
    if log.segment_bytes_max < log.segment_bytes_min {
        let rule = "not less than log.segment_bytes_min";
        return refused("log.segment_bytes_max", log.segment_bytes_max, rule);
    }
    if log.spare_bytes_max > 0 && log.spare_bytes_max < log.segment_bytes_min {
        let rule = "0, or not less than log.segment_bytes_min";
        return refused("log.spare_bytes_max", log.spare_bytes_max, rule);
    }
    if log.queue_bytes_max < 4 << 20 {
        return refused("log.queue_bytes_max", log.queue_bytes_max, "at least 4194304");
    }
    at_least_one("log.trim_interval_seconds", log.trim_interval_seconds)
}

fn at_least_one(key: &'static str, value: u64) -> Result<(), ConfigError> {
    if value > 0 {
        return Ok(());
    }
    Err(ConfigError::Value { key, value: value.to_string(), rule: "it must be at least 1" })
}

/// The file that was named, which must be there, or `tidings.toml` when it is.
fn user_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let file = named.unwrap_or(Path::new("tidings.toml"));
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some((file.to_owned(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(ConfigError::Unreadable { file: file.to_owned(), reason: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;
