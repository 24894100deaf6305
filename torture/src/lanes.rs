//! Rounds beside each other until the time is over or one is violated.

use std::time::Duration;

use tidings_event::{Clock, SystemClock};
use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::report::{Row, Verdict};
use crate::round::{Harm, Round};

/// One waits for its disk while the other computes.
const LANES: usize = 2;

/// Runs rounds that do a harm, each from a seed of its own, the first from the row's.
pub(crate) async fn run(mut row: Row, harm: &Harm, time: Duration) -> Result<Row, TortureError> {
    let clock = SystemClock::new();
    let (end, mut next, mut lanes) = (clock.monotonic() + time, row.seed, JoinSet::new());
    loop {
        let goes_on = row.verdict == Verdict::Valid && clock.monotonic() < end;
        while goes_on && lanes.len() < LANES {
            let (seed, harm) = (next, harm.clone());
            lanes.spawn(async move { (seed, one(seed, harm).await) });
            next += 1;
        }
        match lanes.join_next().await {
            None => return Ok(row),
            Some(Ok((_, outcome))) => row.absorb(outcome?),
            Some(Err(error)) => row.verdict = Verdict::Violated(format!("panicked: {error}")),
        }
    }
}

/// One round. The harness panics where a client waits for what never comes, or is told what no client
/// may be told.
pub(crate) async fn one(seed: u64, harm: Harm) -> Result<Row, TortureError> {
    let (part, dir, mut alone) = (harm.part, harm.dir(seed), JoinSet::new());
    alone.spawn(Round::new(seed, harm).run());
    match alone.join_next().await {
        Some(Ok(row)) => row,
        failed => {
            let how = failed.and_then(Result::err).map_or_else(String::new, |e| e.to_string());
            let how = format!("round --seed {seed} in {} panicked: {how}", dir.display());
            Ok(Row { verdict: Verdict::Violated(how), ..Row::new(part, seed) })
        }
    }
}
