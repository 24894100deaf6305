//! I/O faults of the real binary: every kind of call that it makes on its files goes wrong in every way, and
//! the process meets its limits, while it runs, stops and starts.
//!
//! Nothing acknowledged is lost, nothing is acknowledged after an error that leaves the log in doubt, whoever
//! asks is told by a documented code, and what passes by itself is forgotten by itself.

mod case;
mod drawn;
mod limits;
mod round;
mod sound;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use case::{CALLS, CASES, Case, FAULTS, OTHERS};
use drawn::Drawn;
use round::Faulty;

use crate::failure::TortureError;
use crate::lanes::{self, Lane};
use crate::plan::Plan;
use crate::report::Row;
use crate::stage::Stage;

const PART: &str = "io_faults";
const CASES_FIRED: &str = "kinds of call and fault";

/// Cases that happened, by their names.
type Seen = Arc<Mutex<BTreeSet<String>>>;

/// Rounds until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let seen = Seen::default();
    let begin = |seed: u64| {
        let (plan, seen, dir) = (plan.clone(), Arc::clone(&seen), plan.dir.join(seed.to_string()));
        Lane::new(dir.clone(), async move {
            let stage = Stage::open(seed, &dir)?;
            round(stage, &plan, &seen).await
        })
    };
    let mut row = lanes::rounds(Row::new(PART, plan.seed), plan.time, begin).await?;
    row.count(CASES_FIRED, seen.lock().unwrap_or_else(PoisonError::into_inner).len() as u64);
    let (rounds, mut needed) = (row.runs, vec!["acked", "delivered", "redelivered"]);
    needed.extend(CALLS.map(|(_, name)| name).into_iter().chain(FAULTS.map(|(_, name)| name)));
    if rounds >= CASES {
        needed.extend(OTHERS.map(|(.., name)| name));
    }
    Ok(row.unless_vacuous(&needed))
}

async fn round(stage: Stage, plan: &Plan, seen: &Seen) -> Result<Row, TortureError> {
    let case = Case::of(stage.seed);
    let mut row = Row::new(PART, stage.seed);
    row.runs = 1;
    let (mut row, happened) = match case {
        Case::Fault(call, fault) => {
            let draw = |chance: &mut _| Drawn::new(call, fault, chance);
            Faulty::new(stage, plan.server.clone(), draw).run(row).await?
        }
        Case::Limit(limit) => limits::run(stage, &plan.server, limit, row).await?,
    };
    if happened {
        case.names().into_iter().for_each(|name| row.count(name, 1));
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(case.names().join(": "));
    }
    Ok(row)
}
