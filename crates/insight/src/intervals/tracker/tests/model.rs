//! The naive model: every interval is looked at in every step, with sets of names.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::mark::Mark;
use super::super::super::settings::IntervalSettings;
use super::SECOND;

type Names = BTreeSet<&'static str>;

#[derive(Debug, Default)]
struct Interval {
    due: u64,
    published: Names,
    settled: Option<Names>,
    stored: Option<(u16, usize)>,
    is_sending: bool,
    not_before: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Model {
    settings: IntervalSettings,
    /// By venue and start.
    intervals: BTreeMap<(&'static str, u64), Interval>,
}

impl Model {
    pub(super) fn new(settings: IntervalSettings) -> Self {
        Self { settings, intervals: BTreeMap::new() }
    }

    pub(super) fn publish(
        &mut self,
        venue: &'static str,
        (start, end): (u64, u64),
        instrument: &'static str,
        now: u64,
    ) {
        if venue != "XNAS" && self.settings.learn_from == 0 {
            return;
        }
        let due = now.max(end / SECOND) + self.settings.deadline.as_secs();
        let opened = || Interval { due, ..Interval::default() };
        self.intervals.entry((venue, start)).or_insert_with(opened).published.insert(instrument);
    }

    pub(super) fn stored(&mut self, mark: &Mark) {
        for ((venue, start), interval) in &mut self.intervals {
            if *venue == mark.key.venue && *start == mark.key.start {
                interval.stored = Some((mark.revision, mark.published as usize));
                interval.is_sending = false;
            }
        }
    }

    fn expected(&self, venue: &str, start: u64) -> Names {
        if venue == "XNAS" {
            return ["A", "B", "C"].into();
        }
        let same = self.intervals.iter().filter(|((v, s), _)| *v == venue && *s < start);
        let mut before: Vec<&Interval> = same.map(|(_, interval)| interval).collect();
        let first = before.len().saturating_sub(self.settings.learn_from);
        let before = before.split_off(first);
        let all: Names = before.iter().flat_map(|i| &i.published).copied().collect();
        let often = |name: &&str| {
            let had = before.iter().filter(|i| i.published.contains(name));
            had.count() >= self.settings.learn_least
        };
        all.into_iter().filter(often).collect()
    }

    /// The marks of this step, in order of their text.
    pub(super) fn step(&mut self, now: u64) -> Vec<String> {
        let keys: Vec<_> = self.intervals.keys().copied().collect();
        let mut marks = Vec::new();
        for (venue, start) in keys {
            let expected = self.expected(venue, start);
            let Some(interval) = self.intervals.get_mut(&(venue, start)) else { continue };
            if interval.settled.is_none() {
                let complete = !expected.is_empty() && expected.is_subset(&interval.published);
                if !complete && now < interval.due {
                    continue;
                }
                interval.settled = Some(expected);
            }
            let Some(expected) = &interval.settled else { continue };
            let there = expected.intersection(&interval.published).count();
            let says_more = interval.stored.is_none_or(|(_, said)| there > said);
            let may =
                interval.stored.is_none() || there == expected.len() || now >= interval.not_before;
            if expected.is_empty() || interval.is_sending || !says_more || !may {
                continue;
            }
            let revision = interval.stored.map_or(0, |(revision, _)| revision + 1);
            let missing: Vec<&str> = expected.difference(&interval.published).copied().collect();
            let (n, all) = (start / SECOND / 60, expected.len());
            marks.push(format!("{venue}/{n} r{revision} {there}/{all} -{}", missing.join(",")));
            interval.is_sending = true;
            interval.not_before = now + 1;
        }
        marks.sort();
        marks
    }
}
