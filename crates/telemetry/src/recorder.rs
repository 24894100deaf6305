//! The recorder: one atomic cell per metric name, and their OpenMetrics text.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Histogram;
use crate::names::{Counter, Gauge, Latency};
use crate::trace::{Span, Traces};

/// All metrics of one service. Cheap to share, free of locks.
#[derive(Debug)]
pub struct Recorder {
    counters: Vec<AtomicU64>,
    gauges: Vec<AtomicI64>,
    latencies: Vec<Histogram>,
    traces: Traces,
}

impl Recorder {
    /// A recorder with everything at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_traces(Traces::default())
    }

    /// As [`Self::new`], with somewhere for spans to go.
    #[must_use]
    pub fn with_traces(traces: Traces) -> Arc<Self> {
        Arc::new(Self {
            traces,
            counters: Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            gauges: Gauge::ALL.iter().map(|_| AtomicI64::new(0)).collect(),
            latencies: Latency::ALL.iter().map(|_| Histogram::default()).collect(),
        })
    }

    /// Where spans go.
    #[must_use]
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Hands a span over; one without room is counted.
    pub fn span(&self, span: Span) {
        if !self.traces.end(span) {
            self.count(Counter::TraceDropped, 1);
        }
    }

    /// Adds to a counter.
    pub fn count(&self, counter: Counter, by: u64) {
        self.counters[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// A counter's value.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Moves a gauge.
    pub fn shift(&self, gauge: Gauge, by: i64) {
        self.gauges[gauge as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: Gauge, to: i64) {
        self.gauges[gauge as usize].store(to, Ordering::Relaxed);
    }

    /// A gauge's value.
    #[must_use]
    pub fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// Records a duration.
    pub fn time(&self, latency: Latency, took: Duration) {
        self.latencies[latency as usize].record(took);
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn timed(&self, latency: Latency) -> u64 {
        self.latencies[latency as usize].count()
    }

    /// Everything as OpenMetrics 1.0 text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(8192);
        for (counter, cell) in Counter::ALL.iter().zip(&self.counters) {
            let family = counter.name().trim_end_matches("_total");
            let value = cell.load(Ordering::Relaxed);
            push_head(&mut text, family, "counter", counter.help());
            push_line(&mut text, format_args!("{family}_total {value}"));
        }
        for (gauge, cell) in Gauge::ALL.iter().zip(&self.gauges) {
            push_head(&mut text, gauge.name(), "gauge", gauge.help());
            let value = cell.load(Ordering::Relaxed);
            push_line(&mut text, format_args!("{} {value}", gauge.name()));
        }
        for (latency, histogram) in Latency::ALL.iter().zip(&self.latencies) {
            push_head(&mut text, latency.name(), "histogram", latency.help());
            histogram.encode(latency.name(), &mut text);
        }
        text.push_str("# EOF\n");
        text
    }
}

fn push_head(text: &mut String, family: &str, kind: &str, help: &str) {
    push_line(text, format_args!("# HELP {family} {help}"));
    push_line(text, format_args!("# TYPE {family} {kind}"));
}

pub(crate) fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(line);
    text.push('\n');
}

#[cfg(test)]
mod tests;
