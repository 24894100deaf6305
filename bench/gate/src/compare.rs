//! The verdict: what costs more than it did, what costs less, and what cannot be told.

use std::fmt;

use clap::ValueEnum;

use crate::baseline::{Baseline, Cost};
use crate::case::Case;

/// How much more or less than the baseline is let pass.
const TOLERANCE: f64 = 0.10;

/// Rounds that differ by more say nothing of a tenth: the medians of two runs then differ by as much without a cause.
const STEADY: f64 = 0.05;

/// What is held against the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Allocations,
    Instructions,
    /// Processor time, as a multiple of the reference's.
    Processor,
}

/// Why something is recorded and not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Rounds differ too much.
    Unsteady,
    /// It hangs on what else the machine does.
    Unrepeated,
    /// The baseline is another machine's.
    OtherProcessor,
    /// Here, or when the baseline was made.
    NotCounted,
}

/// One thing to be said of a case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// More than is let pass.
    Above { case: String, what: What, was: f64, is: f64 },
    /// Less: a rise to what it was would pass.
    Below { case: String, what: What, was: f64, is: f64 },
    /// Measured, and not in the baseline.
    New { case: String },
    /// In the baseline, and no case any more.
    Gone { case: String },
    /// Not judged.
    Recorded { case: String, what: What, why: Why },
}

impl Finding {
    /// Whether the gate is shut.
    pub(crate) fn fails(&self) -> bool {
        matches!(self, Self::Above { .. } | Self::New { .. } | Self::Gone { .. })
    }
}

/// Holds what was measured against the baseline. With `is_all` every case of the baseline must have been
/// measured.
pub(crate) fn compare(baseline: &Baseline, measured: &Baseline, is_all: bool) -> Vec<Finding> {
    let same = baseline.processor == measured.processor;
    let mut findings = Vec::new();
    for (case, is) in &measured.cases {
        match baseline.cases.get(case) {
            Some(was) => findings.extend(of_case(case, was, is, same)),
            None => findings.push(Finding::New { case: case.clone() }),
        }
    }
    let gone = baseline.cases.keys().filter(|&case| is_all && !measured.cases.contains_key(case));
    findings.extend(gone.map(|case| Finding::Gone { case: case.clone() }));
    findings
}

fn of_case(case: &str, was: &Cost, is: &Cost, is_same_processor: bool) -> Vec<Finding> {
    let recorded = |what, why| Some(Finding::Recorded { case: case.to_owned(), what, why });
    let judged = |what, was, is| judge(case, what, was, is);
    let by_instructions = Case::from_str(case, false).is_ok_and(Case::is_judged_by_instructions);
    let allocations = if by_instructions {
        recorded(What::Allocations, Why::Unrepeated)
    } else {
        judged(What::Allocations, was.measured.allocations, is.measured.allocations)
    };
    let instructions = match (was.instructions, is.instructions) {
        (Some(was), Some(is)) => judged(What::Instructions, was, is),
        _ => recorded(What::Instructions, Why::NotCounted),
    };
    let is_steady = was.measured.ratio_spread.max(is.measured.ratio_spread) < STEADY;
    let processor = match (is_same_processor, is_steady) {
        _ if by_instructions => recorded(What::Processor, Why::Unrepeated),
        (false, _) => recorded(What::Processor, Why::OtherProcessor),
        (true, false) => recorded(What::Processor, Why::Unsteady),
        (true, true) => {
            judged(What::Processor, was.measured.reference_ratio, is.measured.reference_ratio)
        }
    };
    [allocations, instructions, processor].into_iter().flatten().collect()
}

fn judge(case: &str, what: What, was: f64, is: f64) -> Option<Finding> {
    let case = case.to_owned();
    if is > was * (1.0 + TOLERANCE) {
        return Some(Finding::Above { case, what, was, is });
    }
    (is < was * (1.0 - TOLERANCE)).then_some(Finding::Below { case, what, was, is })
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocations => "allocations an event",
            Self::Instructions => "instructions an event",
            Self::Processor => "processor time an event (times the reference)",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RENEW: &str = "cargo xtask gate --renew";
        match self {
            Self::Above { case, what, was, is } => {
                let more = (is / was - 1.0) * 100.0;
                write!(f, "{case}: {what} {is:.4}, was {was:.4} ({more:+.0} %): find out why; ")?;
                write!(f, "where it is meant, `{RENEW}` and say so in the commit")
            }
            Self::Below { case, what, was, is } => {
                let less = (is / was - 1.0) * 100.0;
                write!(f, "{case}: {what} {is:.4}, was {was:.4} ({less:+.0} %): renew the ")?;
                write!(f, "baseline, `{RENEW}`, or a rise to what it was passes")
            }
            Self::New { case } => write!(f, "{case}: not in the baseline: `{RENEW}`"),
            Self::Gone { case } => write!(f, "{case}: in the baseline, not measured: `{RENEW}`"),
            Self::Recorded { case, what, why } => {
                write!(f, "{case}: {what} recorded, not judged: ")?;
                f.write_str(match why {
                    Why::Unsteady => "the rounds differ too much",
                    Why::Unrepeated => "they hang on what else the machine does",
                    Why::OtherProcessor => "the baseline is of another processor",
                    Why::NotCounted => "they were not counted, here or for the baseline",
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
