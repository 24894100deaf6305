//! The wall clock of the real binary jumps, runs wild or stands still while it runs, from its start on and
//! across restarts: times on display change, and nothing else.

mod round;

use round::Round;

use crate::failure::TortureError;
use crate::lanes::{self, Lane};
use crate::plan::Plan;
use crate::report::Row;
use crate::stage::Stage;

const PART: &str = "clocks";

/// Without these a run proves nothing.
const NEEDED: &[&str] = &[
    "acked",
    "redelivered",
    "an hour ahead",
    "an hour behind",
    "ten years ahead",
    "ten years behind",
    "an hour forth and back",
    "ten years forth and back",
    "frozen",
    "frozen ten years behind",
    "deliveries held",
    "repeats recognised",
];

/// Rounds until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let begin = |seed: u64| {
        let (server, dir) = (plan.server.clone(), plan.dir.join(seed.to_string()));
        Lane::new(dir.clone(), async move {
            let mut row = Row::new(PART, seed);
            row.runs = 1;
            Round::new(Stage::open(seed, &dir)?, server).run(row).await
        })
    };
    let row = lanes::rounds(Row::new(PART, plan.seed), plan.time, begin).await?;
    Ok(row.unless_vacuous(NEEDED))
}
