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
pub(crate) struct Round {
    pub(crate) events: u64,
    pub(crate) took: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    pub(crate) written_bytes: u64,
    pub(crate) resident_kib: u64,
    /// Quantile and latency.
    pub(crate) latencies: Vec<(f64, Duration)>,
    pub(crate) ready_after: Duration,
}

impl Round {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.took.is_zero() { 0.0 } else { self.events as f64 / self.took.as_secs_f64() }
    }

    fn per_event(&self, total: f64) -> f64 {
        if self.events == 0 { 0.0 } else { total / self.events as f64 }
    }
}

/// All rounds of a run, by scenario.
pub(crate) struct Report {
    name: String,
    rounds: BTreeMap<String, Vec<Round>>,
}

impl Report {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, scenario: &str, round: Round) {
        self.rounds.entry(scenario.to_owned()).or_default().push(round);
    }

    /// Writes `<date>-<name>.json` and `.md`, and prints the table.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BenchError> {
        let date: String = SystemClock::new().wall().to_string().chars().take(10).collect();
        let stem = format!("{date}-{}", self.name);
        fs::create_dir_all(folder)?;
        let table = self.table();
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let page = format!("# {stem}\n\n{}\n\nCommand: `{command}`\n\n{table}", machine());
        fs::write(folder.join(format!("{stem}.md")), page)?;
        let json = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
        fs::write(folder.join(format!("{stem}.json")), json + "\n")?;
        println!("\n{table}");
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "| scenario | ev/s | server ns/ev | client ns/ev | bytes written/ev | RSS MiB | latency ms | ready ms |\n|---|---|---|---|---|---|---|---|\n",
        );
        for (scenario, rounds) in &self.rounds {
            let of = |f: &dyn Fn(&Round) -> f64| spread(rounds.iter().map(f).collect());
            let latencies: Vec<String> = rounds
                .first()
                .map(|r| r.latencies.iter().map(|(q, _)| *q).collect::<Vec<_>>())
                .unwrap_or_default()
                .into_iter()
                .enumerate()
                .map(|(at, quantile)| {
                    let millis = of(&|r: &Round| r.latencies[at].1.as_secs_f64() * 1e3);
                    format!("p{} {}", quantile * 100.0, millis.show(2))
                })
                .collect();
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                text,
                "| {scenario} | {} | {} | {} | {} | {} | {} | {} |",
                of(&Round::rate).show(0),
                of(&|r| r.per_event(r.server_cpu.as_secs_f64() * 1e9)).show(0),
                of(&|r| r.per_event(r.client_cpu.as_secs_f64() * 1e9)).show(0),
                of(&|r| r.per_event(r.written_bytes as f64)).show(0),
                of(&|r| r.resident_kib as f64 / 1024.0).show(1),
                latencies.join("; "),
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
                    "seconds": r.took.as_secs_f64(),
                    "server_cpu_seconds": r.server_cpu.as_secs_f64(),
                    "client_cpu_seconds": r.client_cpu.as_secs_f64(),
                    "written_bytes": r.written_bytes,
                    "resident_kib": r.resident_kib,
                    "latency_seconds": r.latencies.iter().map(|(q, d)| (q.to_string(), d.as_secs_f64())).collect::<BTreeMap<_, _>>(),
                    "ready_seconds": r.ready_after.as_secs_f64(),
                })
            });
            (scenario.clone(), serde_json::Value::from(rounds.collect::<Vec<_>>()))
        });
        serde_json::json!({ "machine": machine(), "scenarios": serde_json::Map::from_iter(rounds) })
    }
}

struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn show(&self, digits: usize) -> String {
        let Self { low, median, high } = self;
        if high == &0.0 {
            return "–".into();
        }
        format!("{median:.digits$} [{low:.digits$}–{high:.digits$}]")
    }
}

fn spread(mut values: Vec<f64>) -> Spread {
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
