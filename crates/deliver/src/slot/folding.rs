//! Bursts of look-alike anomalies of one partition, told as digests.
//!
//! What is folded is parked. When its digest is due, the newest event of it is let go like any
//! parked event; wherever that goes, it tells of the others, and they are settled with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidings_catalog::Folding;
use tidings_event::v1::{Anomaly, Kind};
use xxhash_rust::xxh3::xxh3_64;

use super::Slot;
use crate::feed::Piece;
use crate::fold::{Fold, Folded, Likeness, Verdict};
use crate::outgoing::Digest;
use crate::window::{Due, Sendable};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    /// None once it folds nothing more; what it has is told all the same.
    window: Option<Duration>,
    fold: Fold,
    /// Digests that are due, out or failing, by the offset of the event that tells them.
    told: BTreeMap<u64, Arc<Digest>>,
    /// What was folded below this offset may have been delivered before the restart.
    flag_below: u64,
}

impl Slot {
    /// Folds from now on as a subscription asks for it, or not at all.
    pub(crate) fn fold_as(&mut self, folding: Option<Folding>) {
        let window = folding.map(|folding| folding.window);
        if self.folds.is_none() && window.is_some() {
            self.folds = Some(Box::default());
        }
        if let Some(folds) = &mut self.folds {
            folds.window = window;
        }
    }

    /// Folds an event that comes for the first time, when another like it came lately.
    pub(super) fn folds(&mut self, run: Sendable, event: &[u8], of: &Piece, now: Duration) -> bool {
        let Some(folds) = self.folds.as_deref_mut() else { return false };
        let Some(window) = folds.window else { return false };
        if run.attempt > 1 || folds.told.contains_key(&run.first) {
            return false;
        }
        let Some((likeness, id)) = likeness(event) else { return false };
        let event = Folded { offset: run.first, id, ingested_at: of.ingested_at };
        let is_folded = folds.fold.offer(likeness, event, now, window) == Verdict::Folded;
        if is_folded && run.redelivered {
            folds.flag_below = folds.flag_below.max(run.end);
        }
        is_folded
    }

    /// What an event that goes out tells of.
    pub(super) fn digest(&self, offset: u64) -> Option<Arc<Digest>> {
        self.folds.as_deref()?.told.get(&offset).cloned()
    }

    /// Whether no digest is due, out or in the making.
    pub(super) fn folds_nothing(&self) -> bool {
        let folds = self.folds.as_deref();
        folds.is_none_or(|folds| folds.fold.next_at().is_none() && folds.told.is_empty())
    }

    /// How many events wait to be told by a digest.
    pub(crate) fn folded(&self) -> usize {
        self.folds.as_ref().map_or(0, |folds| folds.fold.waiting())
    }

    /// When the next digest is due.
    pub(super) fn next_digest(&self) -> Option<Duration> {
        self.folds.as_ref()?.fold.next_at()
    }

    /// Lets the digests go that are due.
    pub(super) fn unfold(&mut self, now: Duration) {
        let Some(folds) = self.folds.as_deref_mut() else { return };
        let window = folds.window.unwrap_or_default();
        while let Some(digest) = folds.fold.due(now, window) {
            let Some(newest) = digest.runs.last().map(|(_, end)| end - 1) else { continue };
            folds.told.insert(newest, Arc::new(digest));
            let (attempt, redelivered) = (1, newest < folds.flag_below);
            let run =
                Sendable { first: newest, end: newest + 1, attempt, redelivered, again: true };
            self.window.release(newest, Due::first(run));
        }
    }

    /// Settles what the digests told by events of a range tell of, but for these events. Returns
    /// the runs.
    pub(crate) fn conflated(&mut self, first: u64, end: u64) -> Vec<(u64, u64)> {
        let Some(folds) = self.folds.as_deref_mut() else { return Vec::new() };
        let told = folds.told.range(first..end.max(first)).map(|(&newest, _)| newest);
        let mut settled = Vec::new();
        for newest in told.collect::<Vec<_>>() {
            let Some(digest) = folds.told.remove(&newest) else { continue };
            for &(first, end) in &digest.runs {
                let end = end.min(newest);
                (first..end).for_each(|offset| self.window.end(offset));
                settled.extend((first < end).then_some((first, end)));
            }
        }
        settled
    }

    /// Settles the events of a range that wait to be told and can never come. Returns the runs, and
    /// how many events each has.
    pub(crate) fn drop_folded(&mut self, first: u64, end: u64) -> Vec<(u64, u64, u64)> {
        let Some(folds) = self.folds.as_deref_mut() else { return Vec::new() };
        let dropped = folds.fold.drop_range(first, end);
        for &(first, end) in &dropped {
            (first..end).for_each(|offset| self.window.end(offset));
        }
        dropped.into_iter().map(|(first, end)| (first, end, end - first)).collect()
    }
}

/// What makes an event look like others, when it is an anomaly; and its id.
fn likeness(event: &[u8]) -> Option<(Likeness, [u8; 16])> {
    let envelope = tidings_event::scan(event).ok().filter(|event| event.kind == Kind::Anomaly)?;
    let anomaly = Anomaly::decode(event.get(envelope.payload.clone())?).ok()?;
    let likeness = Likeness {
        key: envelope.key_hash(),
        kind: xxh3_64(anomaly.r#type.as_bytes()),
        severity: envelope.severity as i32,
    };
    Some((likeness, envelope.id))
}
