//! I-15: a log that met an I/O error acknowledges nothing that is sent after it until a restart.

use std::collections::HashMap;

use crate::history::{Fault, Op, Phase};
use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fired: Vec<(usize, &Fault)> = Vec::new();
    let mut sent: HashMap<&str, usize> = HashMap::new();
    for (at, record) in model.records.iter().enumerate() {
        match &record.op {
            Op::Fault(fault) if fault.phase == Phase::Fired && !fault.silences.is_empty() => {
                fired.push((at, fault));
            }
            Op::Mark(mark) if matches!(mark.what.as_str(), "crash" | "restart") => fired.clear(),
            Op::Invoke(invoke) => {
                sent.insert(&invoke.event, at);
            }
            Op::Ok(placed) if !placed.duplicate => {
                let Some(&asked) = sent.get(placed.event.as_str()) else { continue };
                let silenced = |fault: &Fault| {
                    fault.silences.iter().any(|pattern| Model::matches(pattern, &placed.topic))
                };
                let error = fired.iter().find(|(at, fault)| *at < asked && silenced(fault));
                let Some(&(error, fault)) = error else { continue };
                violations.push(Violation {
                    invariant: "I-15",
                    name: "ack-after-eio",
                    detail: format!(
                        "{} was acknowledged in {}, whose log had met `{}`",
                        placed.event, placed.topic, fault.what
                    ),
                    slice: vec![error, asked, at],
                });
            }
            _ => {}
        }
    }
    violations
}
