//! Who keeps the log of a service under test: the same executable, on its disk or on a Pulsar.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tidings_catalog::Catalog;
use tidings_checker::history::Settled;
use tidings_event::SystemClock;
use tidings_log::PartitionLog;
use tidings_log_pulsar::{PulsarLog, PulsarOptions};
use tidings_telemetry::Recorder;

use crate::{Chronicle, Server, executable, settlements, stored};

/// See the module.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The data directory keeps it.
    Embedded,
    /// A namespace of a Pulsar does.
    Pulsar(Box<PulsarOptions>),
}

impl Engine {
    /// The executable, told where its log is by the environment.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(executable());
        if let Self::Pulsar(options) = self {
            command
                .env("TIDINGS_ENGINE__KIND", "pulsar")
                .env("TIDINGS_ENGINE__PULSAR__URL", &options.url)
                .env("TIDINGS_ENGINE__PULSAR__ADMIN_URL", &options.admin_url)
                .env("TIDINGS_ENGINE__PULSAR__TENANT", &options.tenant)
                .env("TIDINGS_ENGINE__PULSAR__NAMESPACE", &options.namespace);
        }
        command
    }

    /// Starts the service and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends instead, with what it said.
    #[must_use]
    pub fn start(&self, data: &Path) -> Server {
        Server::start_by(self.command(), data)
    }

    /// Every settlement of a log that nobody serves.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn settlements(&self, data: &Path) -> Vec<Settled> {
        settlements::of_log(self.open(data).await).await
    }

    /// As [`record_stored`](crate::record_stored).
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn record_stored(&self, data: &Path, chronicle: &Chronicle, reader: &str) {
        stored::record_log(self.open(data).await, chronicle, reader).await;
    }

    async fn open(&self, data: &Path) -> (Arc<dyn PartitionLog>, Arc<Catalog>) {
        let Self::Pulsar(options) = self else { return stored::open(data).await };
        let options = PulsarOptions::clone(options);
        let opened = PulsarLog::open(options, Arc::new(SystemClock::new()), Recorder::new()).await;
        let log: Arc<dyn PartitionLog> = opened.expect("the log can be opened");
        let catalog = stored::open_catalog(&log).await;
        (log, catalog)
    }
}
