//! Which summaries are due, and when. Pure: what was seen and the time in, what is due out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tidings_event::Timestamp;
use tidings_event::key::NO_VENUE;
use tidings_event::v1::Kind;

use super::settings::{Composed, SummarySettings};
use crate::glance::Glance;

/// Most anomalies of one instrument that are counted.
const ANOMALIES_MAX: usize = 1_000;

/// A bar of an instrument that gets a summary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bar {
    /// Place in the settings.
    pub(crate) composed: usize,
    pub(crate) instrument: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) revision: u16,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Due {
    settings: SummarySettings,
    bars: BTreeSet<(Duration, Bar)>,
    waiting: HashMap<Bar, Duration>,
    /// When the anomalies of an instrument came, by its place in the settings.
    anomalies: HashMap<(usize, String), VecDeque<Timestamp>>,
    /// Bars that found no room.
    dropped: u64,
}

impl Due {
    pub(crate) fn new(settings: SummarySettings) -> Self {
        Self {
            settings,
            bars: BTreeSet::new(),
            waiting: HashMap::new(),
            anomalies: HashMap::new(),
            dropped: 0,
        }
    }

    /// What a bar's summary is declared by.
    pub(crate) fn composed(&self, bar: &Bar) -> Option<&Composed> {
        self.settings.composed.get(bar.composed)
    }

    /// Takes an event of a tenant.
    pub(crate) fn take(
        &mut self,
        tenant: &str,
        seen: &Glance<'_>,
        ingested: Timestamp,
        now: Duration,
    ) {
        let venue = if seen.venue.is_empty() { NO_VENUE.as_bytes() } else { seen.venue };
        for at in 0..self.settings.composed.len() {
            let Some(composed) = self.settings.composed.get(at) else { return };
            let names = composed.tenant == tenant && composed.venue.as_bytes() == venue;
            if !names || !composes(composed, seen.instrument) {
                continue;
            }
            let instrument = String::from_utf8_lossy(seen.instrument).into_owned();
            match seen.kind {
                Kind::Indicators
                    if seen.is_final && composed.timeframe.as_bytes() == seen.timeframe =>
                {
                    let (start, end, revision) = (seen.start, seen.end, seen.revision);
                    self.due(Bar { composed: at, instrument, start, end, revision }, now);
                }
                Kind::Anomaly => self.anomaly((at, instrument), ingested),
                _ => {}
            }
        }
    }

    fn due(&mut self, bar: Bar, now: Duration) {
        if self.waiting.contains_key(&bar) {
            return;
        }
        if self.waiting.len() >= self.settings.due_max {
            self.dropped += 1;
            return;
        }
        let at = now.saturating_add(self.settings.delay);
        self.bars.insert((at, bar.clone()));
        self.waiting.insert(bar, at);
    }

    fn anomaly(&mut self, of: (usize, String), at: Timestamp) {
        let seen = self.anomalies.entry(of).or_default();
        if seen.len() == ANOMALIES_MAX {
            seen.pop_front();
        }
        seen.push_back(at);
    }

    /// How many anomalies of a bar's instrument came within the window before a time.
    pub(crate) fn open_anomalies(
        &mut self,
        bar: &Bar,
        wall: Timestamp,
    ) -> (u32, Option<Timestamp>) {
        let window = u64::try_from(self.settings.anomaly_window.as_nanos()).unwrap_or(u64::MAX);
        let since = wall.0.saturating_sub(window);
        let of = (bar.composed, bar.instrument.clone());
        let Some(seen) = self.anomalies.get_mut(&of) else { return (0, None) };
        while seen.front().is_some_and(|at| at.0 < since) {
            seen.pop_front();
        }
        let (count, last) = (seen.len(), seen.back().copied());
        if count == 0 {
            self.anomalies.remove(&of);
        }
        // At most a thousand.
        (u32::try_from(count).unwrap_or(u32::MAX), last)
    }

    /// Takes out what is due.
    pub(crate) fn step(&mut self, now: Duration) -> Vec<Bar> {
        let mut due = Vec::new();
        while let Some((at, bar)) = self.bars.pop_first() {
            if at > now {
                self.bars.insert((at, bar));
                break;
            }
            self.waiting.remove(&bar);
            due.push(bar);
        }
        due
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.bars.first().map(|(at, _)| *at)
    }

    /// Bars that found no room since this was asked last.
    pub(crate) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

fn composes(composed: &Composed, instrument: &[u8]) -> bool {
    let name = std::str::from_utf8(instrument).unwrap_or_default();
    !name.is_empty() && (composed.instruments.is_empty() || composed.instruments.contains(name))
}

#[cfg(test)]
mod tests;
