//! I-17: memory, files and tasks stay within their limits.

use crate::history::Op;
use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let samples = model.records.iter().enumerate().filter_map(|(at, record)| match &record.op {
        Op::Sample(sample) if sample.value > sample.limit => Some((at, sample)),
        _ => None,
    });
    let say = |(at, sample): (usize, &crate::history::Sample)| Violation {
        invariant: "I-17",
        name: "leak",
        detail: format!("{} {}, at most {} allowed", sample.value, sample.what, sample.limit),
        slice: vec![at],
    };
    samples.map(say).collect()
}
