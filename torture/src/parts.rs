//! The parts by name. One line each: a new kind of harm is a file and a line here.

use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};

type Running = Pin<Box<dyn Future<Output = Result<Row, TortureError>> + Send>>;

/// One kind of harm.
pub(crate) struct Part {
    /// On the command line.
    pub(crate) name: &'static str,
    start: fn(Plan) -> Running,
}

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Part] = &[
    Part { name: "kill", start: |plan| Box::pin(async move { crate::kill::run(&plan).await }) },
    Part {
        name: "crash_points",
        start: |plan| Box::pin(async move { crate::crash_points::run(&plan).await }),
    },
    Part {
        name: "power_cut",
        start: |plan| Box::pin(async move { crate::power_cut::run(&plan).await }),
    },
    Part {
        name: "crash_states",
        start: |plan| Box::pin(async move { crate::crash_states::run(&plan).await }),
    },
    Part {
        name: "corruption",
        start: |plan| Box::pin(async move { crate::corruption::run(&plan).await }),
    },
    Part {
        name: "io_faults",
        start: |plan| Box::pin(async move { crate::io_faults::run(&plan).await }),
    },
    Part {
        name: "overload",
        start: |plan| Box::pin(async move { crate::overload::run(&plan).await }),
    },
    Part { name: "clocks", start: |plan| Box::pin(async move { crate::clocks::run(&plan).await }) },
    Part {
        name: "simulation",
        start: |plan| Box::pin(async move { crate::simulation::run(&plan).await }),
    },
];

/// Names of all parts.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|part| part.name).collect()
}

/// Runs one. The harness panics where a client waits for something that never comes, or is told what
/// no client may be told: that breaks the promise.
pub(crate) async fn run(part: &Part, plan: Plan) -> Result<Row, TortureError> {
    let (seed, mut running) = (plan.seed, JoinSet::new());
    running.spawn((part.start)(plan));
    match running.join_next().await {
        Some(Ok(row)) => row,
        failed => {
            let how = failed.and_then(Result::err).map_or_else(String::new, |e| e.to_string());
            let verdict = Verdict::Violated(format!("panicked: {how}"));
            Ok(Row { verdict, ..Row::new(part.name, seed) })
        }
    }
}
