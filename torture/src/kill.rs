//! kill -9 of the service at random moments, again while it recovers, and of its consumers, while
//! everything that it promises is asked of it.

use crate::failure::TortureError;
use crate::lanes;
use crate::plan::Plan;
use crate::report::Row;
use crate::round::Harm;

/// Lives of a round that are cut short, before the last one.
const LIVES: u64 = 30;

/// Without these a run proves nothing.
const NEEDED: &[&str] = &[
    "acked",
    "cut off",
    "redelivered",
    "recoveries cut short",
    "definitions changed",
    "segments",
    "deleted",
    "open groups kept",
];
/// Among so many kills some must have landed in the middle of a write; of 600 none may have.
const TORN_WITHIN: u64 = 5000;

/// Rounds of kills until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let harm = Harm::new("kill", LIVES, plan);
    let row = lanes::run(Row::new("kill", plan.seed), &harm, plan.time).await?;
    let torn: &[_] = if row.runs >= TORN_WITHIN { &["torn tails"] } else { &[] };
    Ok(row.unless_vacuous(NEEDED).unless_vacuous(torn))
}
