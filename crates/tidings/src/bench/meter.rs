//! What a round costs: processor time of this side, and what the service says of itself.

use std::fs;
use std::time::Duration;

use tidings_client::Rest;
use tidings_telemetry::{Counter, Gauge, Latency, Timer};

use crate::scraped::{gained, value, within};

/// Kernel clock ticks a second: fixed at 100 for user space on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// How long the service may take to say what it counted.
const ANSWER: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Meter {
    client: Option<Duration>,
    server: Option<Duration>,
    metrics: Option<String>,
    pid: Option<u32>,
}

/// What it came to. What could not be found out is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) client_cpu: Option<Duration>,
    /// Of a service on this machine that the bench started.
    pub(super) server_cpu: Option<Duration>,
    pub(super) told: Option<Told>,
}

/// What the service says of itself in `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// Events stored, of anybody: more than those of the bench, others publish, too.
    pub(super) stored: f64,
    pub(super) written_bytes: f64,
    pub(super) syncs: f64,
    /// Within this time 99 of 100 syncs.
    pub(super) sync_p99: Option<Duration>,
    /// Within this time 99 of 100 batches, from their arrival to the durable answer.
    pub(super) publish_p99: Option<Duration>,
    pub(super) memory_bytes: f64,
}

impl Meter {
    /// Begins to measure; `pid` is that of the service where it is known.
    pub(super) async fn start(rest: &Rest, pid: Option<u32>) -> Self {
        let metrics = scrape(rest).await;
        Self { client: cpu_of("self"), server: pid.and_then(server_cpu), metrics, pid }
    }

    /// What it came to so far.
    pub(super) async fn stop(self, rest: &Rest) -> Cost {
        let spent = |before: Option<Duration>, now: Option<Duration>| {
            before.zip(now).map(|(before, now)| now.saturating_sub(before))
        };
        let client_cpu = spent(self.client, cpu_of("self"));
        let server_cpu = spent(self.server, self.pid.and_then(server_cpu));
        let told =
            self.metrics.zip(scrape(rest).await).map(|(before, after)| told(&before, &after));
        Cost { client_cpu, server_cpu, told }
    }
}

fn told(before: &str, after: &str) -> Told {
    let counted = |counter: Counter| gained(before, after, counter.name());
    Told {
        stored: counted(Counter::AdmitEvents),
        written_bytes: counted(Counter::LogBytes),
        syncs: counted(Counter::LogSyncs),
        sync_p99: within(before, after, Latency::LogSync.name(), 0.99),
        publish_p99: within(before, after, Latency::AdmitPublish.name(), 0.99),
        memory_bytes: value(after, Gauge::MemoryUsed.name()),
    }
}

/// The metrics, where they can be had: a proxy may keep them to itself.
async fn scrape(rest: &Rest) -> Option<String> {
    let text = Timer.limit(ANSWER, rest.get("/metrics")).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn server_cpu(pid: u32) -> Option<Duration> {
    cpu_of(&pid.to_string())
}

/// Processor time of a process, all threads.
fn cpu_of(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold spaces; the fields after it do not. utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use tidings_telemetry::Recorder;

    use super::*;

    #[test]
    fn the_service_is_quoted_as_it_counted() {
        let recorder = Recorder::new();
        recorder.count(Counter::LogSyncs, 3);
        let before = recorder.encode();
        recorder.count(Counter::AdmitEvents, 10);
        recorder.count(Counter::LogBytes, 4096);
        recorder.count(Counter::LogSyncs, 2);
        recorder.time(Latency::LogSync, Duration::from_micros(400));
        recorder.set(Gauge::MemoryUsed, 77);
        let told = told(&before, &recorder.encode());
        assert_eq!((told.stored, told.written_bytes, told.syncs), (10.0, 4096.0, 2.0));
        assert_eq!((told.sync_p99, told.publish_p99), (Some(Duration::from_micros(500)), None));
        assert_eq!(told.memory_bytes, 77.0);
    }

    #[test]
    fn this_process_has_a_processor_time_and_none_has_not() {
        assert!(cpu_of("self").is_some());
        assert_eq!(cpu_of("none"), None);
    }
}
