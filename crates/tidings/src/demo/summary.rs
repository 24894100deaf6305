//! The summary: counts in and out of every consumer, and whether the run proves anything.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::DemoArgs;
use super::board::{Board, Tally};
use super::plan::Manner;
use super::rows::Row;

/// Fewest events of a timed run.
const TIMED_MIN: u64 = 100_000;

/// The slow consumer must have been this far behind at least once.
const LAG_MIN: u64 = 1_000;

/// What a run came to.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Summary {
    published: u64,
    refused: u64,
    consumers: Vec<Line>,
    rows: Vec<Row>,
    /// Why the run failed; empty when it passed.
    failures: Vec<String>,
}

/// One consumer's count.
#[derive(Clone, Debug, serde::Serialize)]
struct Line {
    consumer: &'static str,
    how: &'static str,
    topics: Vec<String>,
    events_in: u64,
    events_out: u64,
    repeats: u64,
    order_violations: u64,
    restarts: u64,
    lag_max: u64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
}

impl Summary {
    pub(super) fn of(board: &Board, args: &DemoArgs, rows: Vec<Row>) -> Self {
        let timed = args.csv.is_empty();
        let mut summary = Self {
            published: board.published(),
            refused: board.refused.load(Ordering::Relaxed),
            consumers: board.consumers.iter().map(|tally| line(board, tally)).collect(),
            rows,
            failures: Vec::new(),
        };
        summary.failures = summary.judge(timed, board);
        summary
    }

    fn judge(&self, timed: bool, board: &Board) -> Vec<String> {
        let mut failures = Vec::new();
        let mut fail = |failed: bool, why: String| {
            if failed {
                failures.push(why);
            }
        };
        fail(self.refused > 0, format!("{} events were not accepted", self.refused));
        fail(self.published == 0, "nothing was published".to_owned());
        let few = timed && self.published < TIMED_MIN;
        fail(few, format!("{} events, at least {TIMED_MIN} needed", self.published));
        for (line, tally) in self.consumers.iter().zip(&board.consumers) {
            let (name, sent, got) = (line.consumer, line.events_in, line.events_out);
            fail(sent != got, format!("{name}: {sent} in, {got} out"));
            fail(got == 0, format!("{name} got nothing"));
            let bad = line.order_violations;
            fail(bad > 0, format!("{name}: {bad} order violations"));
            // A short file may be over before anyone can restart.
            let never = timed && tally.plan.manner == Manner::Restarting && line.restarts == 0;
            fail(never, format!("{name} never restarted"));
            let quick = timed && tally.plan.manner == Manner::Slow && line.lag_max < LAG_MIN;
            fail(quick, format!("{name} was never {LAG_MIN} events behind"));
        }
        failures
    }

    /// Whether everything came out even, and enough happened.
    pub(super) fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "\n{} events published\n{:<11}{:<16}{:>11}{:>11}{:>9}{:>12}{:>10}{:>10}{:>10}\n",
            self.published,
            "consumer",
            "how",
            "in",
            "out",
            "repeats",
            "order bad",
            "max lag",
            "p50 ms",
            "p99 ms"
        );
        for l in &self.consumers {
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                text,
                "{:<11}{:<16}{:>11}{:>11}{:>9}{:>12}{:>10}{:>10.2}{:>10.2}",
                l.consumer,
                l.how,
                l.events_in,
                l.events_out,
                l.repeats,
                l.order_violations,
                l.lag_max,
                l.latency_p50_ms,
                l.latency_p99_ms
            );
        }
        for row in &self.rows {
            push_row(&mut text, row);
        }
        text.push_str(if self.passed() { "\nPASSED" } else { "\nFAILED" });
        for failure in &self.failures {
            let _infallible = write!(text, "\n  {failure}");
        }
        text
    }
}

fn push_row(text: &mut String, row: &Row) {
    let Row { instrument, timeframe, interval_start, delivered, last_value } = row;
    let _infallible = writeln!(
        text,
        "\n{instrument} {timeframe}, bar of {interval_start}\n  {:<24}{:>18}{:>18}",
        "indicator", "delivered", "last value"
    );
    for (name, value) in delivered {
        let read = last_value.get(name).map_or("none".to_owned(), |v| format!("{v:.6}"));
        let _infallible = writeln!(text, "  {name:<24}{value:>18.6}{read:>18}");
    }
}

fn line(board: &Board, tally: &Tally) -> Line {
    Line {
        consumer: tally.plan.title,
        how: tally.plan.manner.text(),
        topics: tally.plan.topics.clone(),
        events_in: board.expected(tally),
        events_out: tally.received.load(Ordering::Relaxed),
        repeats: tally.repeats.load(Ordering::Relaxed),
        order_violations: tally.violations.load(Ordering::Relaxed),
        restarts: tally.restarts.load(Ordering::Relaxed),
        lag_max: tally.lag_max.load(Ordering::Relaxed),
        latency_p50_ms: tally.latency(0.5).as_secs_f64() * 1e3,
        latency_p99_ms: tally.latency(0.99).as_secs_f64() * 1e3,
    }
}
