//! What was measured: medians and ranges, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};

use crate::BenchError;

/// One round of one scenario.
#[derive(Debug, Default)]
pub struct Round {
    /// How many events.
    pub events: u64,
    /// How often events were delivered, over all consumers; 0 where none took them.
    pub deliveries: u64,
    /// From first to last.
    pub took: Duration,
    /// Of the server.
    pub server_cpu: Duration,
    /// Of the clients, which are this process.
    pub client_cpu: Duration,
    /// By the server, to disk.
    pub written_bytes: u64,
    /// Of the server at the end.
    pub resident_kib: u64,
    /// Share of all cores that anything else used meanwhile.
    pub foreign: f64,
    /// Quantile and latency.
    pub latencies: Vec<(f64, Duration)>,
    /// Whether events did not arrive at the rate that was asked for. Then there are no latencies.
    pub is_not_held: bool,
    /// From start to ready.
    pub ready_after: Duration,
}

impl Round {
    /// Events a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.per_second(self.events)
    }

    /// Deliveries a second.
    #[must_use]
    pub fn delivery_rate(&self) -> f64 {
        self.per_second(self.deliveries)
    }

    /// Nanoseconds of the server's processor time an event.
    #[must_use]
    pub fn server_nanos(&self) -> f64 {
        self.per_event(self.server_cpu.as_secs_f64() * 1e9)
    }

    /// The latency at this quantile.
    #[must_use]
    pub fn latency(&self, quantile: f64) -> Option<Duration> {
        self.latencies.iter().find(|(q, _)| (q - quantile).abs() < 1e-9).map(|(_, l)| *l)
    }

    fn per_second(&self, count: u64) -> f64 {
        if self.took.is_zero() { 0.0 } else { count as f64 / self.took.as_secs_f64() }
    }

    fn per_event(&self, total: f64) -> f64 {
        if self.events == 0 { 0.0 } else { total / self.events as f64 }
    }

    /// Nanoseconds a delivery.
    fn nanos_per_delivery(&self, total: Duration) -> f64 {
        if self.deliveries == 0 { 0.0 } else { total.as_secs_f64() * 1e9 / self.deliveries as f64 }
    }
}

/// All rounds of a run, by scenario.
pub struct Report {
    name: String,
    rounds: BTreeMap<String, Vec<Round>>,
}

impl Report {
    /// No rounds yet; the name goes into the files' names.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: BTreeMap::new() }
    }

    /// One more round.
    pub fn add(&mut self, scenario: &str, round: Round) {
        self.rounds.entry(scenario.to_owned()).or_default().push(round);
    }

    /// The rounds of a scenario so far.
    #[must_use]
    pub fn rounds(&self, scenario: &str) -> &[Round] {
        self.rounds.get(scenario).map_or(&[], Vec::as_slice)
    }

    /// Writes `<date>-<name>.json` and `.md`, and prints the table.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), BenchError> {
        self.write_saying(folder, "")
    }

    /// As [`Self::write`], with more to read above the table.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write_saying(&self, folder: &Path, more: &str) -> Result<(), BenchError> {
        let date: String = SystemClock::new().wall().to_string().chars().take(10).collect();
        let stem = format!("{date}-{}", self.name);
        fs::create_dir_all(folder)?;
        let table = self.table();
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let page = format!("# {stem}\n\n{}\n\nCommand: `{command}`\n\n{more}{table}", machine());
        fs::write(folder.join(format!("{stem}.md")), page)?;
        let json = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
        fs::write(folder.join(format!("{stem}.json")), json + "\n")?;
        println!("\n{more}{table}");
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "| scenario | ev/s | deliveries/s | server ns/ev | server ns/delivery | client ns/ev | client ns/delivery | bytes written/ev | RSS MiB | foreign % | latency ms | ready ms |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (scenario, rounds) in &self.rounds {
            let of = |f: &dyn Fn(&Round) -> f64| spread(rounds.iter().map(f).collect());
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                text,
                "| {scenario} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                of(&Round::rate).show(0),
                of(&Round::delivery_rate).show(0),
                of(&Round::server_nanos).show(0),
                of(&|r| r.nanos_per_delivery(r.server_cpu)).show(0),
                of(&|r| r.per_event(r.client_cpu.as_secs_f64() * 1e9)).show(0),
                of(&|r| r.nanos_per_delivery(r.client_cpu)).show(0),
                of(&|r| r.per_event(r.written_bytes as f64)).show(0),
                of(&|r| r.resident_kib as f64 / 1024.0).show(1),
                of(&|r| r.foreign * 100.0).show(0),
                latencies(rounds),
                of(&|r| r.ready_after.as_secs_f64() * 1e3).show(0),
            );
        }
        text
    }

    fn document(&self) -> serde_json::Value {
        let rounds = self.rounds.iter().map(|(scenario, rounds)| {
            let rounds = rounds.iter().map(|r| {
                serde_json::json!({
                    "events": r.events,
                    "deliveries": r.deliveries,
                    "seconds": r.took.as_secs_f64(),
                    "server_cpu_seconds": r.server_cpu.as_secs_f64(),
                    "client_cpu_seconds": r.client_cpu.as_secs_f64(),
                    "written_bytes": r.written_bytes,
                    "resident_kib": r.resident_kib,
                    "foreign": r.foreign,
                    "latency_seconds": r.latencies.iter().map(|(q, d)| (q.to_string(), d.as_secs_f64())).collect::<BTreeMap<_, _>>(),
                    "not_held": r.is_not_held,
                    "ready_seconds": r.ready_after.as_secs_f64(),
                })
            });
            (scenario.clone(), serde_json::Value::from(rounds.collect::<Vec<_>>()))
        });
        serde_json::json!({ "machine": machine(), "scenarios": serde_json::Map::from_iter(rounds) })
    }
}

/// The quantiles of the rounds that have latencies, and how many did not hold their rate.
fn latencies(rounds: &[Round]) -> String {
    let missed = rounds.iter().filter(|r| r.is_not_held).count();
    let mut parts = Vec::new();
    if missed > 0 {
        parts.push(format!("not held in {missed} of {}", rounds.len()));
    }
    let quantiles = rounds.iter().map(|r| &r.latencies).find(|l| !l.is_empty());
    for (quantile, _) in quantiles.into_iter().flatten() {
        let millis = |r: &Round| Some(r.latency(*quantile)?.as_secs_f64() * 1e3);
        let spread = spread(rounds.iter().filter_map(millis).collect());
        parts.push(format!("p{} {}", quantile * 100.0, spread.show(2)));
    }
    parts.join("; ")
}

/// Least, middle and greatest of some rounds.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The least.
    pub low: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub high: f64,
}

impl Spread {
    /// `median [low–high]`, with so many digits after the point.
    #[must_use]
    pub fn show(&self, digits: usize) -> String {
        let Self { low, median, high } = self;
        if high == &0.0 {
            return "–".into();
        }
        format!("{median:.digits$} [{low:.digits$}–{high:.digits$}]")
    }
}

/// What these values spread over.
#[must_use]
pub fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    Spread { low: at(0), median: at(values.len() / 2), high: at(values.len().saturating_sub(1)) }
}

/// Processor, cores, memory and kernel.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|l| l.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let cores = info.lines().filter(|l| l.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let total = memory.lines().next().unwrap_or_default().replace("MemTotal:", "");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, {} memory, Linux {}", total.trim(), kernel.trim())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Report, Round, latencies};

    fn took(millis: u64) -> Round {
        let latencies = vec![(0.5, Duration::from_millis(millis))];
        Round { latencies, ..Round::default() }
    }

    #[test]
    fn rounds_that_did_not_hold_their_rate_are_counted_and_have_no_latency() {
        let missed = || Round { is_not_held: true, ..Round::default() };
        assert_eq!(latencies(&[missed(), missed()]), "not held in 2 of 2");
        let some = [missed(), took(4), took(2)];
        assert_eq!(latencies(&some), "not held in 1 of 3; p50 4.00 [2.00–4.00]");
        assert_eq!(latencies(&[Round::default()]), "");
    }

    #[test]
    fn a_delivery_costs_its_share() {
        let mut report = Report::new("test");
        let second = Duration::from_secs(1);
        let (server_cpu, client_cpu) = (second, second / 2);
        let round = Round { events: 1_000, deliveries: 8_000, took: second, ..Round::default() };
        report.add("1 -> 8", Round { server_cpu, client_cpu, ..round });
        let row = "| 1 -> 8 | 1000 [1000–1000] | 8000 [8000–8000] | 1000000 [1000000–1000000] \
            | 125000 [125000–125000] | 500000 [500000–500000] | 62500 [62500–62500] | ";
        assert!(report.table().contains(row), "{}", report.table());
    }
}
