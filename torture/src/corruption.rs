//! Damage to every file of a log in every way, read by the engine itself: told, never served. It all
//! happens in memory.

use std::sync::{Mutex, PoisonError};

use tidings_event::{Clock, SystemClock};
use tidings_log::corruption::{Effort, Tally, Violation, corruption};

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};

/// Threads: the machine that proves releases has two cores.
const LANES: u64 = 2;
const EFFORT: Effort = Effort { flips: 20_000, small: 1024, stride: 7 };

/// Without these a run proves nothing.
const NEEDED: &[&str] = &["flips", "cuts", "blocks", "files", "served", "lost"];

#[derive(Default)]
struct Seen {
    tally: Tally,
    logs: u64,
    violation: Option<Violation>,
}

/// Damages logs until the time is over or a damage is served or kept quiet.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let plan = plan.clone();
    let row = tokio::task::spawn_blocking(move || harm(&plan)).await;
    row.map_err(|panicked| std::io::Error::other(panicked).into())
}

fn harm(plan: &Plan) -> Row {
    let (seen, clock) = (Mutex::new(Seen::default()), SystemClock::new());
    let end = clock.monotonic() + plan.time;
    // Threads without a runtime: all that the log would hand to one is done in them.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (seen, clock) = (&seen, &clock);
            let is_over = move || {
                let violated =
                    seen.lock().unwrap_or_else(PoisonError::into_inner).violation.is_some();
                violated || clock.monotonic() >= end
            };
            scope.spawn(move || {
                let seeds = (plan.seed..).filter(|seed| seed % LANES == lane);
                for seed in seeds.take_while(|_| !is_over()) {
                    let found = corruption(seed, EFFORT, |_| !is_over());
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.logs += 1;
                    match found {
                        Ok(tally) => seen.tally += tally,
                        Err(violation) => seen.violation = Some(violation),
                    }
                }
            });
        }
    });
    row(plan.seed, seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn row(seed: u64, Seen { tally, logs, violation }: Seen) -> Row {
    let mut row = Row::new("corruption", seed);
    row.runs = tally.harms;
    let counts = [
        ("logs", logs),
        ("flips", tally.flips),
        ("cuts", tally.cuts),
        ("blocks", tally.blocks),
        ("files", tally.files),
        ("served", tally.served),
        ("lost", tally.lost),
        ("lost though not hit", tally.hidden),
        ("partitions cut short", tally.shorter),
    ];
    for (name, count) in counts {
        row.count(name, count);
    }
    if let Some(violation) = violation {
        row.verdict = Verdict::Violated(violation.to_string());
    }
    row.unless_vacuous(NEEDED)
}
