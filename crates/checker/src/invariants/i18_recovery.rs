//! I-18: recovery is quick, and a crash on the way does not change what it recovers.

use crate::history::{Op, Recovered};
use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut before: Option<(usize, &Recovered)> = None;
    for (at, record) in model.records.iter().enumerate() {
        match &record.op {
            Op::Recovered(recovered) => {
                violations.extend(slow(at, recovered));
                violations.extend(before.and_then(|before| changed(before, (at, recovered))));
                before = Some((at, recovered));
            }
            Op::Mark(_) | Op::Fault(_) | Op::Sample(_) => {}
            // Somebody did something that may have changed it.
            _ => before = None,
        }
    }
    violations
}

fn slow(at: usize, recovered: &Recovered) -> Option<Violation> {
    let limit = recovered.limit.filter(|&limit| recovered.took > limit)?;
    Some(Violation {
        invariant: "I-18",
        name: "slow-recovery",
        detail: format!("recovery took {} ns, at most {limit} allowed", recovered.took),
        slice: vec![at],
    })
}

fn changed(
    (first, before): (usize, &Recovered),
    (at, after): (usize, &Recovered),
) -> Option<Violation> {
    let (before, after) = (before.state.as_ref()?, after.state.as_ref()?);
    (before != after).then(|| Violation {
        invariant: "I-18",
        name: "unsafe-recovery",
        detail: format!("recovered {before}, and {after} the next time"),
        slice: vec![first, at],
    })
}
