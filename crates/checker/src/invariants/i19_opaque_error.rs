//! I-19: whoever is refused is told a code of the table.

use tidings_event::Code;

use crate::history::Op;
use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let refusals = model.records.iter().enumerate().filter_map(|(at, record)| match &record.op {
        Op::Fail { event, code } => Some((at, event, code)),
        _ => None,
    });
    let opaque = refusals
        .filter(|(_, _, code)| Code::ALL.iter().all(|known| known.as_str() != code.as_str()));
    let say =
        |(at, event, code): (usize, &crate::history::Name, &crate::history::Name)| Violation {
            invariant: "I-19",
            name: "opaque-error",
            detail: format!("{event} was refused with `{code}`, which is no code"),
            slice: vec![at],
        };
    opaque.map(say).collect()
}
