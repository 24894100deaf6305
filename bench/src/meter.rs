//! What a round costs: time, processor time of both sides, and bytes written, from its start on.

use std::time::Duration;

use tidings_event::{Clock, SystemClock};

use crate::BenchError;
use crate::process::{Server, own_cpu};
use crate::report::Round;

/// See the module.
pub(crate) struct Meter {
    clock: SystemClock,
    start: Duration,
    server_cpu: Duration,
    client_cpu: Duration,
    written_bytes: u64,
}

impl Meter {
    /// Begins to measure.
    pub(crate) fn start(server: &Server) -> Result<Self, BenchError> {
        let clock = SystemClock::new();
        Ok(Self {
            clock,
            server_cpu: server.cpu()?,
            client_cpu: own_cpu()?,
            written_bytes: server.written_bytes()?,
            start: clock.monotonic(),
        })
    }

    /// A round of so many events that ends now.
    pub(crate) fn stop(self, server: &Server, events: u64) -> Result<Round, BenchError> {
        Ok(Round {
            events,
            took: self.clock.monotonic().saturating_sub(self.start),
            server_cpu: server.cpu()?.saturating_sub(self.server_cpu),
            client_cpu: own_cpu()?.saturating_sub(self.client_cpu),
            written_bytes: server.written_bytes()? - self.written_bytes,
            resident_kib: server.resident_kib()?,
            ..Round::default()
        })
    }
}
