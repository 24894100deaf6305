//! The live table, on a terminal only.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::board::Board;
use super::pause;
use crate::output;

/// Between two drawings.
const REDRAW: Duration = Duration::from_millis(250);

/// A histogram of three digits up to `max`.
#[expect(clippy::expect_used, reason = "bounds 1 and >= 2 and 3 digits are always accepted")]
pub(super) fn histogram(max: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, max.max(2), 3).expect("legal bounds")
}

/// Draws the board again and again, over itself.
pub(super) struct Table {
    board: Arc<Board>,
    /// Length of a timed run; bars from files end when everybody has everything.
    length: Option<Duration>,
    visible: bool,
    lines: usize,
    start: Duration,
    before: (Duration, u64, Vec<u64>),
}

impl Table {
    /// A table on standard error, unless that is no terminal or JSON was asked for.
    pub(super) fn new(board: Arc<Board>, length: Option<Duration>, json: bool) -> Self {
        let start = board.clock.monotonic();
        let before = (start, 0, vec![0; board.consumers.len()]);
        let visible = !json && stderr().is_terminal();
        Self { visible, board, length, lines: 0, start, before }
    }

    /// Draws for ever; also keeps the highest lag of every consumer up to date.
    pub(super) async fn live(&mut self) {
        loop {
            pause(REDRAW).await;
            self.draw();
        }
    }

    /// Draws the last state.
    pub(super) fn finish(&mut self) {
        self.draw();
    }

    fn draw(&mut self) {
        let text = self.text();
        if !self.visible {
            return;
        }
        let up = if self.lines == 0 { String::new() } else { format!("\x1b[{}A", self.lines) };
        self.lines = text.lines().count();
        let cleared = text.replace('\n', "\x1b[K\n");
        // A terminal that has gone away is no reason to stop.
        let _shown = stderr().write_all(format!("{up}{cleared}").as_bytes());
    }

    /// How much of the run is over, 0..=1.
    fn share(&self, now: Duration) -> f64 {
        if let Some(length) = self.length {
            return (now - self.start).as_secs_f64() / length.as_secs_f64().max(1e-3);
        }
        let consumers = &self.board.consumers;
        let received: u64 = consumers.iter().map(|t| t.received.load(Ordering::Relaxed)).sum();
        let expected: u64 = consumers.iter().map(|t| self.board.expected(t)).sum();
        received as f64 / expected.max(1) as f64
    }

    fn text(&mut self) -> String {
        let now = self.board.clock.monotonic();
        let seconds = (now - self.before.0).as_secs_f64().max(1e-3);
        let published = self.board.published();
        let per_second = |now: u64, before: u64| (now.saturating_sub(before)) as f64 / seconds;
        let rate = per_second(published, self.before.1);
        let mut text = format!(
            "{}  {:>5.1} s  published {published:>10}  {rate:>9.0}/s\n{:<11}{:<16}{:>11}{:>10}{:>10}{:>10}{:>9}  order\n",
            output::bar(self.share(now)),
            (now - self.start).as_secs_f64(),
            "consumer",
            "how",
            "received",
            "rate/s",
            "p50 ms",
            "p99 ms",
            "lag"
        );
        for (tally, before) in self.board.consumers.iter().zip(&mut self.before.2) {
            let received = tally.received.load(Ordering::Relaxed);
            let violations = tally.violations.load(Ordering::Relaxed);
            let order = if violations == 0 { "ok".to_owned() } else { format!("{violations} BAD") };
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                text,
                "{:<11}{:<16}{received:>11}{:>10.0}{:>10.2}{:>10.2}{:>9}  {order}",
                tally.plan.title,
                tally.plan.manner.text(),
                per_second(received, *before),
                tally.latency(0.5).as_secs_f64() * 1e3,
                tally.latency(0.99).as_secs_f64() * 1e3,
                self.board.lag(tally),
            );
            *before = received;
        }
        (self.before.0, self.before.1) = (now, published);
        text
    }
}
