//! What was measured: every round as numbers, their medians and ranges, the table.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::Scenario;
use super::round::Round;

/// Below this share of the asked rate latencies are those of a service or a client that is overloaded.
pub(super) const KEPT_UP: f64 = 0.99;

/// Where a number could not be found out.
const NONE: &str = "-";

/// All of a run.
pub(super) struct Report {
    pub(super) head: Head,
    pub(super) rows: Vec<Row>,
    /// Why the run failed; empty when it passed.
    pub(super) failures: Vec<String>,
}

/// What was measured how.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Head {
    pub(super) server: String,
    pub(super) server_version: String,
    pub(super) rounds: u32,
    pub(super) seed: u64,
    pub(super) instruments: u32,
    pub(super) timeframes: u32,
    /// Mean.
    pub(super) event_bytes: u64,
}

/// One scenario.
pub(super) struct Row {
    pub(super) scenario: Scenario,
    pub(super) consumers: u32,
    /// Events a second, where that was asked for.
    pub(super) rate: Option<u64>,
    pub(super) rounds: Vec<Measured>,
}

/// One round as numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Measured {
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) events_per_second: f64,
    /// Share of the asked rate at which events left.
    pub(super) kept_up: f64,
    /// From the intended send time to the ack, and to receipt.
    pub(super) ack_ms: Option<Percentiles>,
    pub(super) receipt_ms: Option<Percentiles>,
    pub(super) client_cpu_ns_per_event: Option<f64>,
    pub(super) server_cpu_ns_per_event: Option<f64>,
    pub(super) server_written_bytes_per_event: Option<f64>,
    pub(super) server_syncs_per_second: Option<f64>,
    pub(super) server_sync_p99_ms: Option<f64>,
    pub(super) server_publish_p99_ms: Option<f64>,
    pub(super) server_memory_mib: Option<f64>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Percentiles {
    pub(super) fn of(micros: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1e3;
        let filled = !micros.is_empty();
        filled.then(|| Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) })
    }
}

impl Measured {
    pub(super) fn of(round: &Round) -> Self {
        let seconds = round.took.as_secs_f64();
        let each = |total: f64| (round.events > 0).then(|| total / round.events as f64);
        let told = round.cost.told.as_ref();
        let millis = |took: std::time::Duration| took.as_secs_f64() * 1e3;
        Self {
            events: round.events,
            seconds,
            events_per_second: round.rate(),
            kept_up: round.kept_up,
            ack_ms: Percentiles::of(&round.acks),
            receipt_ms: Percentiles::of(&round.receipts),
            client_cpu_ns_per_event: round.cost.client_cpu.and_then(|t| each(millis(t) * 1e6)),
            server_cpu_ns_per_event: round.cost.server_cpu.and_then(|t| each(millis(t) * 1e6)),
            server_written_bytes_per_event: told
                .filter(|told| told.stored > 0.0)
                .map(|told| told.written_bytes / told.stored),
            server_syncs_per_second: told.map(|told| told.syncs / seconds.max(1e-9)),
            server_sync_p99_ms: told.and_then(|told| told.sync_p99).map(millis),
            server_publish_p99_ms: told.and_then(|told| told.publish_p99).map(millis),
            server_memory_mib: told.map(|told| told.memory_bytes / f64::from(1 << 20)),
        }
    }
}

/// Median and range of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Of none there is none.
    pub(super) fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        let (&low, &high) = (numbers.first()?, numbers.last()?);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        let median = if numbers.len().is_multiple_of(2) {
            f64::midpoint(upper, *numbers.get(middle - 1)?)
        } else {
            upper
        };
        Some(Self { low, median, high })
    }
}

impl Row {
    /// Median and range of a number over the rounds that have it.
    pub(super) fn spread(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(of))
    }

    pub(super) fn rate(&self) -> Option<Spread> {
        self.spread(|round| Some(round.events_per_second))
    }

    /// From where to where latencies are, and those of each round.
    pub(super) fn latencies(&self) -> Vec<(&'static str, Vec<Percentiles>)> {
        let of = |pick: fn(&Measured) -> Option<Percentiles>| {
            self.rounds.iter().filter_map(pick).collect::<Vec<_>>()
        };
        let all = [("ack", of(|round| round.ack_ms)), ("receipt", of(|round| round.receipt_ms))];
        all.into_iter().filter(|(_, rounds)| !rounds.is_empty()).collect()
    }

    fn document(&self) -> Value {
        json!({
            "scenario": self.scenario.name(),
            "consumers": self.consumers,
            "asked_events_per_second": self.rate,
            "events_per_second": self.rate(),
            "rounds": self.rounds,
        })
    }
}

impl Report {
    /// Takes a round in; what is wrong with its output fails the run.
    pub(super) fn add(&mut self, at: usize, number: usize, round: &Round) {
        let Some(row) = self.rows.get_mut(at) else { return };
        let name = row.scenario.name();
        for (consumer, verdict) in (1..).zip(&round.verdicts) {
            if !verdict.is_sound() {
                let who = format!("{name}, round {number}, consumer {consumer}");
                self.failures.push(format!("{who}: {verdict}"));
            }
        }
        row.rounds.push(Measured::of(round));
    }

    /// Everything, for programs.
    pub(super) fn document(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::document).collect();
        json!({ "head": self.head, "scenarios": rows, "failures": self.failures })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Head { server, server_version, rounds, seed, instruments, timeframes, event_bytes } =
            &self.head;
        let mut text = format!(
            "\n{server}, tidings {server_version}; median of {rounds} rounds, seed {seed}, {instruments} \
             instruments in {timeframes} timeframes, {event_bytes} bytes an event\n"
        );
        self.push_rates(&mut text);
        self.push_latencies(&mut text);
        for row in self.rows.iter().filter(|row| row.rate.is_some()) {
            let slow = row.rounds.iter().filter(|round| round.kept_up < KEPT_UP).count();
            if slow > 0 {
                let name = row.scenario.name();
                let rate = row.rate.unwrap_or_default();
                // Writing to a String cannot fail.
                let _infallible = writeln!(
                    text,
                    "\n{name}: {slow} rounds did not keep up with {rate} events/s: their latencies \
                     are those of an overload"
                );
            }
        }
        text.push_str(if self.failures.is_empty() { "\nPASSED" } else { "\nFAILED" });
        for failure in &self.failures {
            let _infallible = write!(text, "\n  {failure}");
        }
        text
    }

    fn push_rates(&self, text: &mut String) {
        let _infallible = writeln!(
            text,
            "\n{:<9}{:>10}{:>11}{:>20}{:>13}{:>13}{:>13}{:>9}{:>13}{:>8}",
            "scenario",
            "consumers",
            "events/s",
            "range",
            "client ns/ev",
            "server ns/ev",
            "disk B/ev",
            "syncs/s",
            "sync p99 ms",
            "MiB"
        );
        for row in &self.rows {
            let range =
                row.rate().map_or(NONE.to_owned(), |r| format!("{:.0}-{:.0}", r.low, r.high));
            let median = |digits, of: fn(&Measured) -> Option<f64>| {
                shown(row.spread(of).map(|spread| spread.median), digits)
            };
            let _infallible = writeln!(
                text,
                "{:<9}{:>10}{:>11}{range:>20}{:>13}{:>13}{:>13}{:>9}{:>13}{:>8}",
                row.scenario.name(),
                row.consumers,
                shown(row.rate().map(|rate| rate.median), 0),
                median(0, |round| round.client_cpu_ns_per_event),
                median(0, |round| round.server_cpu_ns_per_event),
                median(0, |round| round.server_written_bytes_per_event),
                median(0, |round| round.server_syncs_per_second),
                median(2, |round| round.server_sync_p99_ms),
                median(0, |round| round.server_memory_mib),
            );
        }
    }

    fn push_latencies(&self, text: &mut String) {
        if self.rows.iter().all(|row| row.latencies().is_empty()) {
            return;
        }
        let _infallible = writeln!(
            text,
            "\n{:<9}{:>10}{:>11}{:>11}{:>11}{:>11}{:>20}   from the intended send time",
            "ms", "to", "p50", "p99", "p99.9", "max", "range of p99"
        );
        for row in &self.rows {
            for (to, rounds) in row.latencies() {
                let median = |of: fn(&Percentiles) -> f64| {
                    Spread::of(rounds.iter().map(of)).map(|spread| spread.median)
                };
                let range = Spread::of(rounds.iter().map(|p| p.p99))
                    .map_or(NONE.to_owned(), |r| format!("{:.2}-{:.2}", r.low, r.high));
                let _infallible = writeln!(
                    text,
                    "{:<9}{to:>10}{:>11}{:>11}{:>11}{:>11}{range:>20}",
                    row.scenario.name(),
                    shown(median(|p| p.p50), 2),
                    shown(median(|p| p.p99), 2),
                    shown(median(|p| p.p999), 2),
                    shown(median(|p| p.max), 2),
                );
            }
        }
    }
}

fn shown(number: Option<f64>, digits: usize) -> String {
    number.map_or(NONE.to_owned(), |number| format!("{number:.digits$}"))
}

#[cfg(test)]
pub(super) mod tests;
