//! Allocations and processor time of one case, in rounds, each in turns with the reference.

use serde::{Deserialize, Serialize};
use tidings_event::{Clock, SystemClock};

use crate::allocations::Allocations;
use crate::case::{Case, Size};
use crate::cpu_time;
use crate::error::GateError;
use crate::reference::Reference;

const ROUNDS: usize = 9;

/// What one process measured, for one event: allocations over all rounds, for some of what asks for memory comes
/// by in one round and not in the next; times as medians of rounds, for others use the machine as well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Times that memory was asked for.
    pub(crate) allocations: f64,
    /// Bytes that were asked for.
    pub(crate) allocated_bytes: f64,
    /// Processor time, as a multiple of the reference's.
    pub(crate) reference_ratio: f64,
    /// The middle half of the rounds' ratios, as a share of their median.
    pub(crate) ratio_spread: f64,
    /// Processor time.
    pub(crate) processor_ns: f64,
    /// Time that passed.
    pub(crate) wall_ns: f64,
}

/// Runs a case.
pub(crate) async fn measure(case: Case) -> Result<Measured, GateError> {
    let Size { warm, round } = case.size();
    let (dir, clock) = (crate::run::directory()?, SystemClock::new());
    let windows = warm + ROUNDS * round;
    case.store(dir.path(), windows).await?;
    let mut ready = case.open(dir.path(), windows).await?;
    let mut reference = Reference::new();
    let mut total = ready.run(warm).await?;
    let (mut rounds, mut asked) = (Rounds::default(), (0, 0));
    let warmed = total;
    for _ in 0..ROUNDS {
        let fixed = reference.run();
        let (before, used, began) = (Allocations::now(), cpu_time::used(), clock.monotonic());
        let events = ready.run(round).await?;
        let (took, used) = (clock.monotonic() - began, cpu_time::used() - used);
        let more = Allocations::now() - before;
        asked = (asked.0 + more.calls, asked.1 + more.bytes);
        total += events;
        let each = |sum: f64| sum / events as f64;
        rounds.processor.push(each(used.as_nanos() as f64));
        rounds.wall.push(each(took.as_nanos() as f64));
        rounds.ratios.push(each(used.as_secs_f64()) / fixed.as_secs_f64());
    }
    ready.close(case, total).await?;
    let events = (total - warmed) as f64;
    Ok(Measured {
        allocations: asked.0 as f64 / events,
        allocated_bytes: asked.1 as f64 / events,
        reference_ratio: quantile(&mut rounds.ratios, 2),
        ratio_spread: spread(&mut rounds.ratios),
        processor_ns: quantile(&mut rounds.processor, 2),
        wall_ns: quantile(&mut rounds.wall, 2),
    })
}

/// Of each round, for one event.
#[derive(Default)]
struct Rounds {
    processor: Vec<f64>,
    wall: Vec<f64>,
    ratios: Vec<f64>,
}

/// The value below which so many quarters of the values lie; 0 of none.
fn quantile(values: &mut [f64], quarters: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) * quarters / 4).copied().unwrap_or(0.0)
}

/// How wide the middle half is, as a share of the median.
fn spread(values: &mut [f64]) -> f64 {
    let middle = quantile(values, 3) - quantile(values, 1);
    middle / quantile(values, 2).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::{quantile, spread};

    #[test]
    fn one_bad_round_moves_neither_the_median_nor_the_spread() {
        let mut rounds = [10.0, 10.4, 9.6, 10.0, 95.0, 10.2, 9.8, 10.0, 10.1];
        assert_eq!(quantile(&mut rounds, 2), 10.0);
        assert!((spread(&mut rounds) - 0.02).abs() < 1e-9, "{}", spread(&mut rounds));
        assert_eq!(quantile(&mut [], 2), 0.0);
    }
}
