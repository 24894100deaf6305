//! Judging a history while it is written, for runs of days: what is finished is let go of.
//!
//! An event is finished when every subscription that selects it has acknowledged it or knows that it
//! will not come, so are all before it of its key, and as many records as the window holds have
//! followed. What is let go of is judged first; of it stay runs of offsets, so that memory is what is
//! open and not what there was. Of a finished event nothing right can come any more: a delivery is a
//! lost ack, another event in its place an offset given twice. After a seek nobody can tell what
//! comes again of what is finished: it is passed over.

mod finished;

use std::collections::HashSet;

use crate::history::{History, Op, Record};
use crate::invariants;
use crate::model::Model;
use crate::verdict::timeline::Writes;
use crate::verdict::{Report, Thresholds, Verdict, Violation, judge};
use finished::{Done, Finished};

/// Most violations that are kept: the first ones.
const VIOLATIONS_MAX: usize = 100;

/// A verdict in the making.
#[derive(Debug)]
pub struct Streaming {
    window: usize,
    thresholds: Thresholds,
    /// What is open, each with its place in the whole history.
    open: Vec<(usize, Record)>,
    taken: usize,
    finished: Finished,
    totals: Totals,
    writes: Writes,
    violations: Vec<Violation>,
    told: HashSet<(&'static str, String)>,
    /// How many open records there may be before what is finished is looked for.
    most: usize,
}

/// Counts of what was let go of.
#[derive(Debug, Default)]
struct Totals {
    events: usize,
    deliveries: usize,
    redeliveries: usize,
    gaps: usize,
}

impl Streaming {
    /// A verdict for which so many records stay as they came.
    #[must_use]
    pub fn new(window: usize, thresholds: Thresholds) -> Self {
        Self {
            window,
            thresholds,
            open: Vec::new(),
            taken: 0,
            finished: Finished::new(window),
            totals: Totals::default(),
            writes: Writes::default(),
            violations: Vec::new(),
            told: HashSet::new(),
            most: window.max(1) * 2,
        }
    }

    /// How many records it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.open.len()
    }

    /// Takes the next record.
    pub fn take(&mut self, record: Record) {
        let at = self.taken;
        self.taken += 1;
        self.writes.take(&record);
        let is_open = |event: &str| {
            let mut open = self.open.iter();
            open.any(|(_, r)| matches!(&r.op, Op::Invoke(i) if i.event.as_str() == event))
        };
        if let Some((invariant, name, detail)) = self.finished.contradicted(&record, is_open) {
            self.add(Violation { invariant, name, detail, slice: vec![at] });
        }
        if self.finished.passes_over(&record) {
            self.totals.count(&record);
            return;
        }
        self.open.push((at, record));
        if self.open.len() >= self.most {
            self.let_go();
        }
    }

    /// The verdict, once everything was taken.
    #[must_use]
    pub fn end(mut self) -> Report {
        let open = std::mem::take(&mut self.open);
        let front = self.finished.as_gaps();
        let synthetic = front.len();
        let (places, records): (Vec<_>, Vec<_>) = front.into_iter().chain(open).unzip();
        let history = History { records };
        let mut report = judge(&history, &self.thresholds);
        if let Verdict::Violated(found) = std::mem::replace(&mut report.verdict, Verdict::Valid) {
            found.into_iter().for_each(|violation| self.add_at(violation, &places));
        }
        report.invoked += self.totals.events;
        report.acked += self.totals.events;
        report.deliveries += self.totals.deliveries;
        report.redeliveries += self.totals.redeliveries;
        report.gaps += self.totals.gaps;
        report.gaps = report.gaps.saturating_sub(synthetic);
        report.crashes_in_writes = self.writes.crashes;
        let missing = report.lacks(&history.records, &self.thresholds);
        let mut violations = self.violations;
        violations.sort_by_key(|v| (v.slice.len(), v.slice.clone()));
        report.verdict = match (violations.is_empty(), missing.is_empty()) {
            (false, _) => Verdict::Violated(violations),
            (true, false) => Verdict::Vacuous(missing),
            (true, true) => Verdict::Valid,
        };
        report
    }

    /// Judges what is finished and lets go of it.
    fn let_go(&mut self) {
        let (places, records): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().unzip();
        let history = History { records };
        let done = {
            let model = Model::of(&history);
            let lasting = invariants::LASTING.iter().flat_map(|check| check(&model));
            for violation in lasting.collect::<Vec<_>>() {
                self.add_at(violation, &places);
            }
            let old = history.records.len().saturating_sub(self.window);
            self.finished.find(&model, old)
        };
        self.judge_done(&history, &done, &places);
        self.totals.events += done.events();
        self.finished.add(&done);
        let last_deed = history.records.iter().rposition(is_deed).unwrap_or(0);
        for (at, (place, record)) in places.into_iter().zip(history.records).enumerate() {
            let was_judged = at < last_deed && matches!(&record.op, Op::Recovered(_));
            if was_judged || self.finished.passes_over(&record) {
                self.totals.count(&record);
            } else {
                self.open.push((place, record));
            }
        }
        // Where little is finished, it is looked for less often.
        self.most = self.open.len() + self.window.max(self.open.len() / 2).max(1);
    }

    /// What is finished is a history of its own, but for the events between.
    fn judge_done(&mut self, history: &History, done: &Done, places: &[usize]) {
        let parts = history.records.iter().zip(places).filter(|(record, _)| done.concerns(record));
        let (records, places): (Vec<_>, Vec<_>) =
            parts.map(|(record, &place)| (record.clone(), place)).unzip();
        let part = History { records };
        let model = Model::of(&part);
        let found: Vec<_> = invariants::OF_KEYS.iter().flat_map(|check| check(&model)).collect();
        found.into_iter().for_each(|violation| self.add_at(violation, &places));
    }

    /// Adds what was found among some records.
    fn add_at(&mut self, mut violation: Violation, places: &[usize]) {
        let slice = violation.slice.iter().filter_map(|&at| places.get(at).copied());
        violation.slice = slice.filter(|&place| place != usize::MAX).collect();
        self.add(violation);
    }

    fn add(&mut self, violation: Violation) {
        let is_new = self.told.len() < VIOLATIONS_MAX
            && self.told.insert((violation.invariant, violation.detail.clone()));
        if is_new {
            self.violations.push(violation);
        }
    }
}

/// Whether somebody did something that a recovery may differ by from the one before.
fn is_deed(record: &Record) -> bool {
    !matches!(&record.op, Op::Recovered(_) | Op::Mark(_) | Op::Fault(_) | Op::Sample(_))
}

impl Totals {
    fn count(&mut self, record: &Record) {
        match &record.op {
            Op::Delivery(delivery) => {
                self.deliveries += 1;
                let again = delivery.redelivered || delivery.attempt > 1;
                self.redeliveries += usize::from(again);
            }
            Op::Gap(_) => self.gaps += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
