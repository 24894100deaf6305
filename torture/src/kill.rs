//! kill -9 of the service at random moments, again while it recovers, and of its consumers, while
//! everything that it promises is asked of it.

mod definitions;
mod round;
mod segments;

use tidings_event::{Clock, SystemClock};
use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};
use round::Round;

/// Rounds that run beside each other: one waits for its disk while the other computes.
const LANES: usize = 2;

/// Without these a run proves nothing.
const NEEDED: &[&str] = &[
    "acked",
    "cut off",
    "redelivered",
    "recoveries killed",
    "definitions changed",
    "segments",
    "open groups kept",
];

/// Rounds until the time is over or one is violated. Each has a log and a history of its own.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let clock = SystemClock::new();
    let (end, mut next, mut lanes) = (clock.monotonic() + plan.time, plan.seed, JoinSet::new());
    let mut row = Row::new("kill", plan.seed);
    loop {
        let goes_on = row.verdict == Verdict::Valid && clock.monotonic() < end;
        while goes_on && lanes.len() < LANES {
            lanes.spawn(Round::new(next, plan).run());
            next += 1;
        }
        match lanes.join_next().await {
            None => return Ok(row.unless_vacuous(NEEDED)),
            Some(Ok(outcome)) => row.absorb(outcome?),
            Some(Err(panicked)) => {
                let how = format!("panicked: {panicked}; see {}", plan.dir.display());
                row.verdict = Verdict::Violated(how);
            }
        }
    }
}
