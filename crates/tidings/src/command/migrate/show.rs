//! How far a pass is: a bar on a terminal, else a line from time to time, or documents.

use std::io::{IsTerminal, Write, stderr};
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tidings_event::Clock;
use tidings_log::migration::Progress;
use tidings_telemetry::Timer;

use crate::output;

const REDRAW: Duration = Duration::from_millis(200);
const NEXT_LINE: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Show {
    pub(super) as_json: bool,
    is_drawn: bool,
}

impl Show {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, is_drawn: !as_json && stderr().is_terminal() }
    }

    /// A line for people.
    pub(super) fn say(&self, text: &str) {
        if !self.as_json {
            output::note(text);
        }
    }

    /// Waits for a pass over so many blocks and bytes, and shows how far it is.
    pub(super) async fn watch<T>(
        &self,
        clock: &dyn Clock,
        pass: &str,
        all: (u64, u64),
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> T {
        let began = clock.monotonic();
        let seen = || Seen { so_far: progress.so_far(), all, took: clock.monotonic() - began };
        let mut work = pin!(work);
        let every = if self.is_drawn { REDRAW } else { NEXT_LINE };
        let done = loop {
            if let Ok(done) = Timer.limit(every, &mut work).await {
                break done;
            }
            self.draw(pass, &seen(), "");
        };
        self.draw(pass, &seen(), "\n");
        done
    }

    fn draw(&self, pass: &str, seen: &Seen, end: &str) {
        if self.as_json {
            // Who reads it may be gone: the pass goes on.
            let _unheard = output::json(&json!({
                "pass": pass,
                "blocks": seen.so_far.0,
                "blocks_in_all": seen.all.0,
                "bytes": seen.so_far.1,
                "bytes_in_all": seen.all.1,
                "seconds": seen.took.as_secs_f64(),
            }));
        } else if self.is_drawn {
            // A terminal that has gone away is no reason to stop.
            let _shown = stderr().write_all(format!("\r{pass:<8}{seen}\x1b[K{end}").as_bytes());
        } else {
            output::note(&format!("{pass:<8}{seen}"));
        }
    }
}

/// A pass at a moment.
struct Seen {
    so_far: (u64, u64),
    all: (u64, u64),
    took: Duration,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { so_far: (blocks, bytes), all: (blocks_in_all, bytes_in_all), took } = self;
        // Nothing to do is all done.
        let share = if *bytes_in_all == 0 { 1.0 } else { *bytes as f64 / *bytes_in_all as f64 };
        let rate = *bytes as f64 / took.as_secs_f64().max(1e-3) / 1e6;
        let bar = output::bar(share);
        write!(f, "{bar}  {blocks} of {blocks_in_all} blocks, {rate:.1} MB/s")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Seen;

    #[test]
    fn a_pass_shows_its_share_and_rate() {
        let seen = |so_far, all| Seen { so_far, all, took: Duration::from_secs(2) }.to_string();
        let half = seen((5, 50_000_000), (10, 100_000_000));
        assert_eq!(half, "[##########----------]  50 %  5 of 10 blocks, 25.0 MB/s");
        assert!(seen((0, 0), (0, 0)).starts_with("[####################] 100 %"));
    }
}
