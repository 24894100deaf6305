//! I-14: epochs never go back: not a log's, and nothing is stored for a producer in an epoch that
//! a later one of its own had ended.

use std::collections::HashMap;

use crate::history::{Invoke, Op, Placed};
use crate::model::{Model, Partition};
use crate::verdict::Violation;

/// Highest epoch so far, and where it was told.
type Highest<K> = HashMap<K, (u64, usize)>;

#[derive(Default)]
struct Epochs<'a> {
    logs: Highest<Partition<'a>>,
    granted: Highest<&'a str>,
    /// By event: its last sending, and what was known by then.
    sent: HashMap<&'a str, Sent<'a>>,
}

struct Sent<'a> {
    invoke: &'a Invoke,
    at: usize,
    granted: Option<(u64, usize)>,
}

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut epochs = Epochs::default();
    let mut violations = Vec::new();
    for (at, record) in model.records.iter().enumerate() {
        match &record.op {
            Op::Fence(fence) => raise(&mut epochs.granted, &fence.producer, (fence.epoch, at)),
            Op::Invoke(invoke) => {
                let granted = epochs.granted.get(invoke.producer.as_str()).copied();
                epochs.sent.insert(&invoke.event, Sent { invoke, at, granted });
            }
            Op::Ok(placed) => violations.extend(epochs.answered(at, placed)),
            _ => {}
        }
    }
    violations
}

fn raise<K: std::hash::Hash + Eq>(highest: &mut Highest<K>, of: K, told: (u64, usize)) {
    let known = highest.entry(of).or_insert(told);
    if told.0 > known.0 {
        *known = told;
    }
}

impl<'a> Epochs<'a> {
    fn answered(&mut self, at: usize, placed: &'a Placed) -> Option<Violation> {
        let sent = self.sent.get(placed.event.as_str());
        let violation =
            |kind, detail, slice| Some(Violation { invariant: "I-14", name: kind, detail, slice });
        if let Some(Sent { invoke, at: sent, granted: Some((granted, told)) }) = sent
            && let Some(epoch) = invoke.producer_epoch.filter(|epoch| epoch < granted)
            && !placed.duplicate
        {
            let (event, producer) = (&placed.event, &invoke.producer);
            let detail = format!(
                "{event} of {producer} was stored in epoch {epoch}, which {granted} had ended"
            );
            return violation("fenced-ack", detail, vec![*told, *sent, at]);
        }
        let (partition, epoch) = ((placed.topic.as_str(), placed.partition), placed.epoch?);
        let before = self.logs.get(&partition).copied();
        raise(&mut self.logs, partition, (epoch, at));
        let (highest, told) = before.filter(|&(highest, _)| epoch < highest)?;
        // Its answer may have been long on its way, but not longer than the question.
        let asked = sent.map(|sent| sent.at).filter(|&asked| asked > told)?;
        let (topic, number) = partition;
        let detail = format!("{topic}/{number} went from epoch {highest} back to {epoch}");
        violation("split-brain", detail, vec![told, asked, at])
    }
}
