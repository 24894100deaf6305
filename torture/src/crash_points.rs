//! kill -9 at named points: before each kind of call whose order with the others matters.

use crate::failure::TortureError;
use crate::lanes;
use crate::plan::Plan;
use crate::report::Row;
use crate::round::{Harm, POINTS};

const PART: &str = "crash_points";
/// How often a round goes through all points.
const TIMES: u64 = 2;

/// Rounds until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let harm = Harm::new(PART, TIMES * POINTS.len() as u64, plan).at_points();
    let row = lanes::run(Row::new(PART, plan.seed), &harm, plan.time).await?;
    let needed: Vec<_> = POINTS.iter().map(|point| point.name).collect();
    Ok(row.unless_vacuous(&needed))
}
