//! A latency histogram with fixed bounds, safe to record from any thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::recorder::push_line;

/// Upper bounds in microseconds: 50 us to 10 s, about two a decade of interest.
const BOUNDS_MICROS: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000,
    250_000, 500_000, 1_000_000, 5_000_000, 10_000_000,
];

#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|&bound| bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn encode(&self, name: &str, text: &mut String) {
        let mut total = 0;
        for (bound, bucket) in BOUNDS_MICROS.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            let seconds = Duration::from_micros(*bound).as_secs_f64();
            push_line(text, format_args!("{name}_bucket{{le=\"{seconds}\"}} {total}"));
        }
        let total = self.count();
        let sum = Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        push_line(text, format_args!("{name}_bucket{{le=\"+Inf\"}} {total}"));
        push_line(text, format_args!("{name}_sum {sum}"));
        push_line(text, format_args!("{name}_count {total}"));
    }
}
