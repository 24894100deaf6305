//! Reading the configuration again while the service runs: what may change changes as a whole, or
//! nothing does.

use std::sync::Arc;

use tidings_catalog::Catalog;
use tidings_event::Clock;
use tidings_insight::Intervals;
use tidings_serve::{LiveLimits, Parts, ShownConfig};
use tidings_telemetry::{Counter, Gauge, LogLevel, Recorder};
use tidings_wire::rest::{ConfigDocument, WaitingKeyDocument};

use crate::build;
use crate::config::{Config, ConfigError, Flags};
use crate::stack::Process;

/// The configuration in force, and what it is in force in.
pub(crate) struct Reloading {
    flags: Flags,
    in_force: Config,
    level: LogLevel,
    limits: LiveLimits,
    shown: ShownConfig,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
    /// What stands on the log, where this process has one.
    stages: Option<(Arc<Catalog>, Option<Arc<Intervals>>)>,
}

impl Reloading {
    /// Shows the configuration that the service was started with.
    pub(crate) fn new(flags: Flags, config: Config, level: LogLevel, parts: &Parts) -> Self {
        let stages = Some((Arc::clone(&parts.catalog), parts.intervals.clone()));
        let reloading = Self {
            flags,
            in_force: config,
            level,
            limits: parts.limits.clone(),
            shown: parts.config.clone(),
            recorder: Arc::clone(&parts.recorder),
            clock: Arc::clone(&parts.clock),
            stages,
        };
        reloading.show(1, Vec::new());
        reloading
    }

    /// As [`Self::new`], of a process that has no log yet.
    pub(crate) fn without_log(
        flags: Flags,
        config: Config,
        level: LogLevel,
        process: &Process,
    ) -> Self {
        let reloading = Self {
            flags,
            in_force: config,
            level,
            limits: process.limits.clone(),
            shown: process.shown.clone(),
            recorder: Arc::clone(&process.shared.recorder),
            clock: Arc::clone(&process.shared.clock),
            stages: None,
        };
        reloading.show(1, Vec::new());
        reloading
    }

    /// What counts now, for stages that are opened now.
    pub(crate) const fn in_force(&self) -> &Config {
        &self.in_force
    }

    /// From now on these stages are told of what changes.
    pub(crate) fn follow(&mut self, parts: Option<&Parts>) {
        self.stages = parts.map(|parts| (Arc::clone(&parts.catalog), parts.intervals.clone()));
        if let Err(error) = self.tell_stages(&self.in_force) {
            tracing::error!(%error, "the stages do not take what is in force");
        }
    }

    fn tell_stages(&self, config: &Config) -> Result<(), ConfigError> {
        let Some((catalog, intervals)) = &self.stages else { return Ok(()) };
        let settings = build::catalog::settings(config);
        catalog.configure(settings).map_err(|error| ConfigError::Refused(error.to_string()))?;
        if let Some(intervals) = intervals {
            intervals.declare(config.expected.clone());
        }
        Ok(())
    }

    /// Reads every layer again. A configuration that is refused changes nothing.
    pub(crate) fn reload(&mut self, variables: impl Iterator<Item = (String, String)>) {
        match self.applied(variables) {
            Ok(()) => self.recorder.count(Counter::ConfigReloads, 1),
            Err(error) => {
                self.recorder.count(Counter::ConfigErrors, 1);
                tracing::error!(%error, "configuration not reloaded: nothing has changed");
                let refused = Some(error.to_string());
                self.shown.replace(ConfigDocument { refused, ..(*self.shown.now()).clone() });
            }
        }
    }

    fn applied(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let written = Config::load(&self.flags, variables)?;
        let reload = self.in_force.reload(&written)?;
        let config = reload.config;
        // Loading has checked both: neither refuses any more.
        let invalid = |error: &dyn std::fmt::Display| ConfigError::Refused(error.to_string());
        self.level.set(&config.log_level).map_err(|error| invalid(&error))?;
        self.tell_stages(&config)?;
        self.limits.replace(build::serve::limits(&config));
        self.in_force = config;
        for waiting in &reload.waiting {
            let WaitingKeyDocument { key, in_force, written } = waiting;
            tracing::warn!(key, %in_force, %written, "changed key needs restart");
        }
        tracing::info!(changed = ?reload.changed, "configuration reloaded");
        self.show(self.shown.now().generation + 1, reload.waiting);
        Ok(())
    }

    fn show(&self, generation: u64, waiting: Vec<WaitingKeyDocument>) {
        self.recorder.set(Gauge::ConfigWaiting, i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        self.shown.replace(ConfigDocument {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            loaded_at: self.clock.wall().to_string(),
            generation,
            file: self.in_force.file.as_ref().map(|file| file.display().to_string()),
            config: self.in_force.shown(),
            waiting_for_restart: waiting,
            refused: None,
        });
    }
}
