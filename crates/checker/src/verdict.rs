//! The verdict: valid, violated or vacuous.

pub(crate) mod timeline;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{History, Op, Record};
use crate::invariants;
use crate::model::{Model, Subscribed};

/// One broken invariant.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// `I-1` and so on.
    pub invariant: &'static str,
    /// The violation's name, e.g. `acked-loss`.
    pub name: &'static str,
    /// What is wrong, in one sentence.
    pub detail: String,
    /// Places in the history that show it, the fewest that do.
    pub slice: Vec<usize>,
}

/// Below these a run proves nothing.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Fewest acknowledged events.
    pub min_acked: usize,
    /// Fewest deliveries.
    pub min_deliveries: usize,
    /// Marks that must have been set, e.g. `crash`.
    pub expect_marks: Vec<String>,
    /// Whether some delivery must have been flagged or repeated.
    pub expect_redelivery: bool,
    /// Whether a crash must have fallen between the sending of an event and its answer.
    pub expect_crash_in_write: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            min_acked: 1,
            min_deliveries: 1,
            expect_marks: Vec::new(),
            expect_redelivery: false,
            expect_crash_in_write: false,
        }
    }
}

/// What a history proves.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Enough happened, and nothing that must not.
    Valid,
    /// The promise was broken; the violation with the smallest slice first.
    Violated(Vec<Violation>),
    /// Too little happened, and why.
    Vacuous(Vec<String>),
}

/// The verdict and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Events sent.
    pub invoked: usize,
    /// Events acknowledged.
    pub acked: usize,
    /// Events delivered, repeats included.
    pub deliveries: usize,
    /// Deliveries that were flagged or repeats.
    pub redeliveries: usize,
    /// Announced gaps.
    pub gaps: usize,
    /// Crashes that fell between the sending of an event and its answer.
    pub crashes_in_writes: usize,
    /// Faults that were to happen and did not.
    pub unfired: Vec<String>,
    /// How deliveries ended, for each subscription of which settlements speak.
    pub sums: Vec<Sum>,
}

/// How the deliveries to one subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Its name.
    pub subscription: String,
    /// Events it was to be delivered.
    pub selected: usize,
    /// How many of them ended how.
    pub ends: BTreeMap<String, usize>,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends: Vec<_> = self.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
        write!(f, "{}: {} selected = {}", self.subscription, self.selected, ends.join(" + "))
    }
}

/// Judges a history.
#[must_use]
pub fn judge(history: &History, thresholds: &Thresholds) -> Report {
    let model = Model::of(history);
    let mut report = count(&model);
    let mut violations: Vec<Violation> =
        invariants::ALL.iter().flat_map(|check| check(&model)).collect();
    violations.sort_by_key(|v| (v.slice.len(), v.slice.clone()));
    let missing = report.lacks(&history.records, thresholds);
    report.verdict = match (violations.is_empty(), missing.is_empty()) {
        (false, _) => Verdict::Violated(violations),
        (true, false) => Verdict::Vacuous(missing),
        (true, true) => Verdict::Valid,
    };
    report
}

fn count(model: &Model<'_>) -> Report {
    let acked =
        |e: &&crate::model::Published<'_>| !e.placed.is_empty() || !e.acknowledged.is_empty();
    let streams = || model.streams().map(|(_, _, _, stream)| stream);
    let deliveries = || streams().flat_map(|s| &s.deliveries);
    let mut writes = timeline::Writes::default();
    model.records.iter().for_each(|record| writes.take(record));
    Report {
        verdict: Verdict::Valid,
        invoked: model.events.values().filter(|e| !e.invokes.is_empty()).count(),
        acked: model.events.values().filter(acked).count(),
        deliveries: deliveries().count(),
        redeliveries: deliveries().filter(|(_, d)| d.redelivered || d.attempt > 1).count(),
        gaps: streams().map(|s| s.gaps.times()).sum(),
        crashes_in_writes: writes.crashes,
        unfired: timeline::unfired(model.records),
        sums: sums(model),
    }
}

fn sums(model: &Model<'_>) -> Vec<Sum> {
    let settled = model.subscriptions.iter().filter(|(_, s)| !s.is_settled_nowhere());
    let sum = |(name, subscribed): (&&str, &Subscribed<'_>)| {
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for (_, outcome) in subscribed.streams.values().flat_map(|s| s.ends.values()) {
            *ends.entry((*outcome).to_owned()).or_default() += 1;
        }
        let partitions = model.places.keys();
        let selected = partitions.map(|&at| subscribed.selected(model, at).count()).sum();
        Sum { subscription: (*name).to_owned(), selected, ends }
    };
    settled.map(sum).collect()
}

impl Report {
    /// What happened too seldom to prove anything.
    pub(crate) fn lacks(&self, records: &[Record], thresholds: &Thresholds) -> Vec<String> {
        let mut missing = Vec::new();
        let mut need = |got: usize, least: usize, what: &str| {
            if got < least {
                missing.push(format!("{got} {what}, at least {least} needed"));
            }
        };
        need(self.acked, thresholds.min_acked, "acknowledged events");
        need(self.deliveries, thresholds.min_deliveries, "deliveries");
        need(self.redeliveries, usize::from(thresholds.expect_redelivery), "redeliveries");
        let in_writes = usize::from(thresholds.expect_crash_in_write);
        need(self.crashes_in_writes, in_writes, "crashes inside a write");
        for wanted in &thresholds.expect_marks {
            let is_set = |record: &&Record| matches!(&record.op, Op::Mark(mark) if mark.what.as_str() == wanted);
            let set = records.iter().filter(is_set).count();
            need(set, 1, &format!("marks `{wanted}`"));
        }
        missing.extend(self.unfired.iter().map(|fault| format!("the fault `{fault}` never fired")));
        missing
    }

    /// 0 valid, 1 violated, 2 vacuous.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Valid => 0,
            Verdict::Violated(_) => 1,
            Verdict::Vacuous(_) => 2,
        }
    }

    /// The report as text, with the smallest offending slice quoted.
    #[must_use]
    pub fn show<'a>(&'a self, records: &'a [Record]) -> impl fmt::Display + 'a {
        Shown { report: self, records }
    }
}

struct Shown<'a> {
    report: &'a Report,
    records: &'a [Record],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.report;
        writeln!(
            f,
            "{} sent, {} acknowledged, {} delivered ({} redeliveries), {} gaps",
            r.invoked, r.acked, r.deliveries, r.redeliveries, r.gaps
        )?;
        r.sums.iter().try_for_each(|sum| writeln!(f, "{sum}"))?;
        match &r.verdict {
            Verdict::Valid => writeln!(f, "VALID"),
            Verdict::Vacuous(missing) => writeln!(f, "VACUOUS: {}", missing.join("; ")),
            Verdict::Violated(violations) => {
                writeln!(f, "VIOLATED: {} violations", violations.len())?;
                for violation in violations.iter().take(10) {
                    let Violation { invariant, name, detail, .. } = violation;
                    writeln!(f, "{invariant} {name}: {detail}")?;
                }
                let smallest = violations.iter().take(1).flat_map(|v| &v.slice);
                for &at in smallest {
                    let Some(record) = self.records.get(at) else {
                        writeln!(f, "  record {} by time", at + 1)?;
                        continue;
                    };
                    let text = serde_json::to_string(record).map_err(|_| fmt::Error)?;
                    writeln!(f, "  {text}")?;
                }
                timeline::show(f, self.records)
            }
        }
    }
}

#[cfg(test)]
mod tests;
