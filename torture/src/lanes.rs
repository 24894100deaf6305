//! Rounds beside each other until the time is over or one is violated.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};
use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::report::{Row, Verdict};
use crate::round::{Harm, Round};

/// One waits for its disk while the other computes.
const LANES: usize = 2;

/// A round, and where it works.
pub(crate) struct Lane {
    dir: PathBuf,
    round: Pin<Box<dyn Future<Output = Result<Row, TortureError>> + Send>>,
}

impl Lane {
    /// A round that works in this directory.
    pub(crate) fn new(
        dir: PathBuf,
        round: impl Future<Output = Result<Row, TortureError>> + Send + 'static,
    ) -> Self {
        Self { dir, round: Box::pin(round) }
    }

    fn harming(seed: u64, harm: &Harm) -> Self {
        Self::new(harm.dir(seed), Round::new(seed, harm.clone()).run())
    }

    /// Runs it. The harness panics where a client waits for what never comes, or is told what no client
    /// may be told.
    async fn alone(self, part: &'static str, seed: u64) -> Result<Row, TortureError> {
        let mut alone = JoinSet::new();
        alone.spawn(self.round);
        match alone.join_next().await {
            Some(Ok(row)) => row,
            failed => {
                let how = failed.and_then(Result::err).map_or_else(String::new, |e| e.to_string());
                let how = format!("round --seed {seed} in {} panicked: {how}", self.dir.display());
                Ok(Row { verdict: Verdict::Violated(how), ..Row::new(part, seed) })
            }
        }
    }
}

/// Runs rounds that do a harm.
pub(crate) async fn run(row: Row, harm: &Harm, time: Duration) -> Result<Row, TortureError> {
    rounds(row, time, |seed| Lane::harming(seed, harm)).await
}

/// One round.
pub(crate) async fn one(seed: u64, harm: Harm) -> Result<Row, TortureError> {
    Lane::harming(seed, &harm).alone(harm.part, seed).await
}

/// Runs rounds, each from a seed of its own, the first from the row's.
pub(crate) async fn rounds(
    mut row: Row,
    time: Duration,
    begin: impl Fn(u64) -> Lane,
) -> Result<Row, TortureError> {
    let clock = SystemClock::new();
    let (end, mut next, mut lanes) = (clock.monotonic() + time, row.seed, JoinSet::new());
    loop {
        let goes_on = row.verdict == Verdict::Valid && clock.monotonic() < end;
        while goes_on && lanes.len() < LANES {
            lanes.spawn(begin(next).alone(row.part, next));
            next += 1;
        }
        match lanes.join_next().await {
            None => return Ok(row),
            Some(Ok(outcome)) => row.absorb(outcome?),
            Some(Err(error)) => row.verdict = Verdict::Violated(format!("panicked: {error}")),
        }
    }
}
