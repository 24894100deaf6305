//! Readiness: a real append to the state journal, read back, at most once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidings_event::Clock;
use tidings_log::{PartitionLog, Table, TableChange};
use tidings_telemetry::Timer;
use tokio::sync::Semaphore;

const KEY: &[u8] = b"readyz";
const KEPT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(2);

/// What is ready and what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Why the state journal cannot be written and read.
    pub(crate) state_journal: Result<(), String>,
    /// Why a journal cannot be written.
    pub(crate) journals: Result<(), String>,
}

/// Probes, and remembers the outcome for a second.
pub(crate) struct Probe {
    log: Arc<dyn PartitionLog>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Duration, Readiness)>>,
    /// One probe at a time: whoever waits gets its outcome.
    turn: Semaphore,
}

impl Probe {
    pub(crate) fn new(log: Arc<dyn PartitionLog>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, last: Mutex::new(None), turn: Semaphore::new(1) }
    }

    pub(crate) async fn readiness(&self) -> Readiness {
        let _turn = self.turn.acquire().await;
        if let Some(fresh) = self.remembered() {
            return fresh;
        }
        let now = self.clock.monotonic();
        let probed = Timer.limit(ANSWER, self.write_and_read(now)).await;
        let late = || Err(format!("no answer within {} s", ANSWER.as_secs()));
        let readiness = Readiness {
            state_journal: probed.unwrap_or_else(|_| late()),
            journals: self.log.health(),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((now, readiness.clone()));
        readiness
    }

    fn remembered(&self) -> Option<Readiness> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, readiness) = last.as_ref()?;
        (self.clock.monotonic().saturating_sub(*at) < KEPT).then(|| readiness.clone())
    }

    async fn write_and_read(&self, now: Duration) -> Result<(), String> {
        let value = Bytes::from(now.as_nanos().to_string());
        let change = TableChange {
            table: Table::PROBE,
            key: Bytes::from_static(KEY),
            value: Some(value.clone()),
        };
        let pending = self.log.commit(self.log.term(), vec![change]).map_err(|e| e.to_string())?;
        pending.await.map_err(|e| e.to_string())?;
        match self.log.get(Table::PROBE, KEY) {
            Some(read) if read == value => Ok(()),
            _ => Err("what was written is not what was read".to_owned()),
        }
    }
}
