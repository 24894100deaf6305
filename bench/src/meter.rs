//! What a round costs: time, processor time of both sides and of everything else, and bytes written, from
//! its start on.

use std::time::Duration;

use tidings_event::{Clock, SystemClock};

use crate::BenchError;
use crate::process::{Processes, machine_cpu, own_cpu};
use crate::report::Round;

/// A server side whose cost can be read from outside, of one process or of several.
pub trait Measured {
    /// What it consists of.
    fn processes(&self) -> &Processes;
}

/// See the module.
pub struct Meter {
    clock: SystemClock,
    start: Duration,
    server_cpu: Duration,
    client_cpu: Duration,
    machine_cpu: Duration,
    written_bytes: u64,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn start(server: &impl Measured) -> Result<Self, BenchError> {
        let (clock, server) = (SystemClock::new(), server.processes());
        Ok(Self {
            clock,
            server_cpu: server.cpu()?,
            client_cpu: own_cpu()?,
            machine_cpu: machine_cpu()?.0,
            written_bytes: server.written_bytes()?,
            start: clock.monotonic(),
        })
    }

    /// A round of so many events that ends now.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn stop(self, server: &impl Measured, events: u64) -> Result<Round, BenchError> {
        let server = server.processes();
        let took = self.clock.monotonic().saturating_sub(self.start);
        let server_cpu = server.cpu()?.saturating_sub(self.server_cpu);
        let client_cpu = own_cpu()?.saturating_sub(self.client_cpu);
        let (machine_cpu, cores) = machine_cpu()?;
        let busy = machine_cpu.saturating_sub(self.machine_cpu);
        let foreign = busy.saturating_sub(server_cpu + client_cpu);
        Ok(Round {
            events,
            took,
            server_cpu,
            client_cpu,
            written_bytes: server.written_bytes()? - self.written_bytes,
            resident_kib: server.resident_kib()?,
            foreign: foreign.as_secs_f64() / (took.as_secs_f64() * f64::from(cores)).max(1e-9),
            ..Round::default()
        })
    }
}
