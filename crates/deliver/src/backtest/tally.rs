//! Counting what matches.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_catalog::Snapshot;
use tidings_event::block::events;
use tidings_event::{Code, Offset, Position, Refusal, Timestamp, TopicId, glance};

use super::{Backtest, BacktestReport, Committed, SECOND, Selector};

/// How much of something there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Events.
    pub events: u64,
    /// Bytes of their canonical form.
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, event: &[u8]) {
        self.events += 1;
        self.bytes += event.len() as u64;
    }
}

/// The second with most matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Its start.
    pub at: Timestamp,
    /// Matches in it.
    pub events: u64,
}

/// What one topic has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicCount {
    /// Events looked at.
    pub looked: u64,
    /// Matches.
    pub matched: u64,
}

/// How what is tried compares with what is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Both select it.
    pub both: u64,
    /// Only what is in force does.
    pub only_old: u64,
    /// Only what is tried does.
    pub only_new: u64,
}

/// A matching event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedEvent {
    /// Where it is.
    pub position: Position,
    /// When it was taken in.
    pub ingested_at: Timestamp,
    /// Its canonical bytes; shares the log's.
    pub event: Bytes,
}

/// See the module.
pub(super) struct Tally<'a> {
    asked: &'a Backtest,
    /// By topic: whether what is tried covers it, and whether what is in force does.
    covered: BTreeMap<TopicId, (bool, bool)>,
    report: BacktestReport,
    /// The second that is counted, and its matches: blocks come in order of time.
    second: Option<Peak>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(asked: &'a Backtest, snapshot: &Snapshot) -> Self {
        let in_force = |path: &str| asked.in_force.as_ref().is_some_and(|old| old.covers(path));
        let covered = snapshot.all_topics().map(|topic| {
            let path = topic.name.path();
            (topic.id, (asked.selection.covers(path), in_force(path)))
        });
        let compared = asked.in_force.as_ref().map(|_| super::Compared::default());
        Self {
            asked,
            covered: covered.collect(),
            report: BacktestReport { compared, ..BacktestReport::default() },
            second: None,
        }
    }

    pub(super) const fn looked_bytes(&self) -> u64 {
        self.report.looked.bytes
    }

    /// Looks at the events of a block, from an offset on.
    pub(super) fn look(&mut self, block: &Committed, first: Offset) -> Result<(), Refusal> {
        let header = &block.block.header;
        let place = header.topic_partition;
        let (is_new, is_old) = self.covered.get(&place.topic).copied().unwrap_or_default();
        let at = Position {
            topic: place.topic,
            epoch: header.epoch,
            partition: place.partition,
            offset: header.base_offset,
        };
        for (offset, event) in (header.base_offset.0..).map(Offset).zip(events(&block.block.body)) {
            let event = event.map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
            if offset < first {
                continue;
            }
            self.report.looked.add(event);
            let old = self.asked.in_force.as_ref().filter(|_| is_old);
            let old = old.is_some_and(|old| passes(old, event));
            let new = is_new && passes(&self.asked.selection, event);
            let count = self.report.topics.entry(place.topic).or_default();
            count.looked += 1;
            count.matched += u64::from(new);
            if let Some(compared) = &mut self.report.compared {
                match (old, new) {
                    (true, true) => compared.both += 1,
                    (true, false) => compared.only_old += 1,
                    (false, true) => compared.only_new += 1,
                    (false, false) => {}
                }
            }
            if new {
                let event = block.block.body.slice_ref(event);
                let position = Position { offset, ..at };
                self.matched(MatchedEvent { position, ingested_at: header.ingested_at, event });
            }
        }
        Ok(())
    }

    fn matched(&mut self, event: MatchedEvent) {
        let report = &mut self.report;
        report.matched.add(&event.event);
        let second = Timestamp(event.ingested_at.0 - event.ingested_at.0 % SECOND);
        let current = match self.second {
            Some(current) if current.at == second => Peak { events: current.events + 1, ..current },
            _ => Peak { at: second, events: 1 },
        };
        self.second = Some(current);
        if report.peak.is_none_or(|peak| peak.events < current.events) {
            report.peak = Some(current);
        }
        if report.samples.len() < self.asked.samples {
            report.samples.push(event.clone());
        }
        report.first.get_or_insert_with(|| event.clone());
        report.last = Some(event);
    }

    pub(super) fn report(self, unreadable: u64, next: Option<Timestamp>) -> BacktestReport {
        BacktestReport { unreadable, next, ..self.report }
    }
}

fn passes(selection: &Selector, event: &[u8]) -> bool {
    let Some(filter) = &selection.filter else { return true };
    glance(event).is_some_and(|envelope| filter.matches(&envelope, event))
}
