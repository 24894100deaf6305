//! What was done to the system in a run: faults, crashes, restarts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::history::{Name, Op, Phase, Record};

/// Most lines of it that are shown.
const LINES_MAX: usize = 40;

/// Counts crashes while an event is sent and not answered.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    open: HashSet<Name>,
    pub(crate) crashes: usize,
}

impl Writes {
    pub(crate) fn take(&mut self, record: &Record) {
        match &record.op {
            Op::Invoke(invoke) => {
                self.open.insert(invoke.event.clone());
            }
            Op::Ok(placed) => {
                self.open.remove(&placed.event);
            }
            Op::Fail { event, .. } | Op::Info { event, .. } => {
                self.open.remove(event);
            }
            Op::Mark(mark) if mark.what.as_str() == "crash" => {
                self.crashes += usize::from(!self.open.is_empty());
            }
            _ => {}
        }
    }
}

/// Faults that waited for their moment more often than they happened.
pub(super) fn unfired(records: &[Record]) -> Vec<String> {
    let mut waiting: BTreeMap<&str, i64> = BTreeMap::new();
    for record in records {
        let Op::Fault(fault) = &record.op else { continue };
        let count = waiting.entry(&fault.what).or_default();
        match fault.phase {
            Phase::Armed => *count += 1,
            Phase::Fired => *count = (*count - 1).max(0),
            Phase::Healed => {}
        }
    }
    waiting.into_iter().filter(|(_, count)| *count > 0).map(|(what, _)| what.to_owned()).collect()
}

/// The seed, and what was done when.
pub(super) fn show(f: &mut fmt::Formatter<'_>, records: &[Record]) -> fmt::Result {
    let start = records.first().map_or(0, |record| record.at);
    let lines = records.iter().filter_map(|record| {
        let what = match &record.op {
            Op::Run { seed } => return Some(format!("seed {seed}")),
            Op::Fault(fault) => format!("{} {:?}", fault.what, fault.phase).to_lowercase(),
            Op::Mark(mark) => match &mark.subscription {
                Some(subscription) => format!("{} of {subscription}", mark.what),
                None => mark.what.to_string(),
            },
            Op::Recovered(recovered) => format!("recovered in {} ns", recovered.took),
            _ => return None,
        };
        let after = record.at.saturating_sub(start);
        Some(format!("{:>5}.{:09} s {what}", after / 1_000_000_000, after % 1_000_000_000))
    });
    let lines: Vec<String> = lines.collect();
    lines.iter().take(LINES_MAX).try_for_each(|line| writeln!(f, "  | {line}"))?;
    match lines.len().saturating_sub(LINES_MAX) {
        0 => Ok(()),
        more => writeln!(f, "  | and {more} more"),
    }
}
