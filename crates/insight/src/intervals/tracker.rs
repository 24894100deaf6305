//! The state machine of completeness: events and time in, marks out. It knows no clock, no log and
//! no runtime.
//!
//! [`Tracker::take`] notes what an event says; [`Tracker::step`] then decides about every interval
//! that something happened to, or whose time has come. An interval is settled once: when all that
//! are expected have published, or at its deadline. From then on who is expected in it stays, and
//! each later mark of it says that more of them have published, under a higher revision.

mod forget;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tidings_event::Timestamp;
use tidings_event::key::{NO_VENUE, SEPARATOR};
use tidings_event::v1::Kind;

use super::mark::{IntervalKey, MISSING_MAX, Mark, mark_id};
use super::series::{Interval, Said, Series};
use super::settings::{Declared, IntervalSettings};
use crate::glance::{self, Glance};
use crate::publish::SOURCE;

/// Least time between two marks of an interval that is still not complete.
const LATE_PAUSE: Duration = Duration::from_secs(1);

/// Both times, of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Duration,
}

/// What happened since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// First events of an instrument in an interval that was settled before.
    pub(crate) late: u64,
    /// Events not counted: of a forgotten interval, or one instrument too many.
    pub(crate) untracked: u64,
    /// Intervals given up because there were too many.
    pub(crate) dropped: u64,
    /// Intervals past their deadline with instruments missing, and how many those were.
    pub(crate) incomplete: u64,
    pub(crate) missing: u64,
}

/// An interval's series, by its place, and its start.
pub(crate) type Place = (usize, u64);

/// See the module.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) settings: IntervalSettings,
    /// Places free again are `None`.
    pub(crate) series: Vec<Option<Series>>,
    /// By tenant, venue and timeframe.
    places: HashMap<Box<[u8]>, usize>,
    declared: HashMap<Box<[u8]>, Vec<String>>,
    /// When intervals want to be looked at without anything happening to them.
    agenda: BTreeSet<(Duration, Place)>,
    touched: Vec<Place>,
    /// Nothing is decided while the log is read again.
    is_held: bool,
    opened: u64,
    intervals: usize,
    names: usize,
    /// The series that the last event was of.
    last: (Vec<u8>, usize),
    key: Vec<u8>,
    counts: Counts,
}

impl Tracker {
    /// Empty, and held until [`Self::release`].
    pub(crate) fn new(settings: IntervalSettings) -> Self {
        let mut tracker = Self {
            series: Vec::new(),
            places: HashMap::new(),
            declared: HashMap::new(),
            agenda: BTreeSet::new(),
            touched: Vec::new(),
            is_held: true,
            opened: 0,
            intervals: 0,
            names: 0,
            last: (Vec::new(), 0),
            key: Vec::new(),
            counts: Counts::default(),
            settings,
        };
        let declared = std::mem::take(&mut tracker.settings.declared);
        tracker.declare(declared);
        tracker
    }

    /// Whether there is anything to follow.
    pub(crate) fn follows_anything(&self) -> bool {
        self.settings.learn_from > 0 || !self.declared.is_empty()
    }

    /// Replaces the lists. Settled intervals stay as they are.
    pub(crate) fn declare(&mut self, lists: Vec<Declared>) {
        self.declared.clear();
        for list in lists {
            write_key(
                &mut self.key,
                [&list.tenant, &list.venue, &list.timeframe].map(|t| t.as_bytes()),
            );
            let all = self.declared.entry(self.key.as_slice().into()).or_default();
            all.extend(list.instruments);
        }
        for at in 0..self.series.len() {
            self.apply_declared(at);
        }
    }

    fn apply_declared(&mut self, at: usize) {
        let Some(Some(series)) = self.series.get_mut(at) else { return };
        let names = [&series.tenant, &series.venue, &series.timeframe].map(|t| t.as_bytes());
        write_key(&mut self.key, names);
        let before = series.names.len();
        let list = self.declared.get(&self.key[..]);
        series.declared =
            list.map(|list| list.iter().map(|name| series.names.number(name.as_bytes())).collect());
        self.names += series.names.len() - before;
        let open = series.intervals.iter().filter(|(_, i)| i.settled.is_none());
        self.touched.extend(open.map(|(&start, _)| (at, start)));
    }

    /// Notes a durable event, taken in at `ingested`.
    pub(crate) fn take(&mut self, tenant: &str, seen: &Glance<'_>, ingested: Timestamp, now: Now) {
        let venue = if seen.venue.is_empty() { NO_VENUE.as_bytes() } else { seen.venue };
        match seen.kind {
            Kind::Indicators if seen.is_final => {
                let Some(at) = self.series_of(tenant, venue, seen.timeframe) else { return };
                if !self.publish(at, seen, ingested, now) {
                    self.counts.untracked += 1;
                }
            }
            Kind::IntervalComplete if seen.source == SOURCE.as_bytes() => {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let key = IntervalKey {
                    tenant: tenant.to_owned(),
                    venue: text(venue),
                    timeframe: text(seen.timeframe),
                    start: seen.start,
                };
                let published = glance::published(seen.mark);
                if let Some(published) = published
                    && mark_id(&key, seen.revision) == seen.id
                    && let Some(at) = self.series_of(tenant, venue, seen.timeframe)
                    && self.open(at, seen, ingested, now)
                {
                    self.settle((at, seen.start));
                    self.stored((at, seen.start), Said { revision: seen.revision, published });
                }
            }
            _ => {}
        }
    }

    /// An instrument published; whether that was noted.
    fn publish(&mut self, at: usize, seen: &Glance<'_>, ingested: Timestamp, now: Now) -> bool {
        if !self.open(at, seen, ingested, now) {
            return false;
        }
        let Some(number) = self.number(at, seen.instrument) else { return false };
        let Some(Some(series)) = self.series.get_mut(at) else { return false };
        let Some(interval) = series.intervals.get_mut(&seen.start) else { return false };
        if interval.published.insert(number) {
            series.is_changed = true;
            interval.newest = interval.newest.max(ingested);
            self.counts.late += u64::from(interval.settled.is_some());
            if self.touched.last() != Some(&(at, seen.start)) {
                self.touched.push((at, seen.start));
            }
            // The newest interval has no followers.
            if series.intervals.last_key_value().is_some_and(|(&last, _)| last != seen.start) {
                self.touch_followers(at, seen.start);
            }
        }
        true
    }

    /// The number of an instrument, unless there are too many.
    fn number(&mut self, at: usize, instrument: &[u8]) -> Option<u32> {
        let series = self.series.get_mut(at)?.as_mut()?;
        if let Some(number) = series.names.find(instrument) {
            return Some(number);
        }
        if self.names >= self.settings.instruments_max {
            let before = series.names.len();
            series.compact();
            self.names -= before - series.names.len();
            if self.names >= self.settings.instruments_max {
                return None;
            }
        }
        self.names += 1;
        Some(series.names.number(instrument))
    }

    /// The place of a series; `None` for one that is not to be followed.
    fn series_of(&mut self, tenant: &str, venue: &[u8], timeframe: &[u8]) -> Option<usize> {
        write_key(&mut self.key, [tenant.as_bytes(), venue, timeframe]);
        if self.key == self.last.0 {
            return Some(self.last.1);
        }
        let known = self.places.get(&self.key[..]).copied();
        let at = match known {
            Some(at) => at,
            None => {
                let follows =
                    self.settings.learn_from > 0 || self.declared.contains_key(&self.key[..]);
                if !follows {
                    return None;
                }
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                self.add(Series {
                    tenant: tenant.to_owned(),
                    venue: text(venue),
                    timeframe: text(timeframe),
                    ..Series::default()
                })
            }
        };
        let (last, place) = &mut self.last;
        last.clone_from(&self.key);
        *place = at;
        Some(at)
    }

    /// Takes up a series; its key is in `self.key`.
    fn add(&mut self, series: Series) -> usize {
        let free = self.series.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.series.push(None);
            self.series.len() - 1
        });
        self.places.insert(self.key.as_slice().into(), at);
        self.names += series.names.len();
        self.intervals += series.intervals.len();
        self.series[at] = Some(series);
        self.apply_declared(at);
        at
    }

    /// Takes up a series that was kept, at its checkpoint.
    pub(crate) fn restore(&mut self, mut series: Series, now: Now) {
        let names = [&series.tenant, &series.venue, &series.timeframe].map(|t| t.as_bytes());
        write_key(&mut self.key, names);
        for (&start, interval) in &mut series.intervals {
            interval.due = due(&self.settings, (start, interval.end), interval.first, now);
            self.opened += 1;
            interval.opened = self.opened;
        }
        let agenda: Vec<(u64, Duration)> = series
            .intervals
            .iter()
            .filter(|(_, i)| i.settled.is_none())
            .map(|(&s, i)| (s, i.due))
            .collect();
        let at = self.add(series);
        self.agenda.extend(agenda.into_iter().map(|(start, due)| (due, (at, start))));
    }

    /// Makes sure that an interval is kept; `false` for one that was forgotten.
    fn open(&mut self, at: usize, seen: &Glance<'_>, ingested: Timestamp, now: Now) -> bool {
        let Some(Some(series)) = self.series.get_mut(at) else { return false };
        if series.intervals.contains_key(&seen.start) {
            return true;
        }
        if series.floor.is_some_and(|floor| seen.start <= floor) {
            return false;
        }
        self.opened += 1;
        let due = due(&self.settings, (seen.start, seen.end), ingested, now);
        let interval = Interval {
            end: seen.end,
            first: ingested,
            newest: ingested,
            opened: self.opened,
            due,
            ..Interval::default()
        };
        series.intervals.insert(seen.start, interval);
        self.intervals += 1;
        self.agenda.insert((due, (at, seen.start)));
        self.touch_followers(at, seen.start);
        self.forget(at);
        true
    }

    /// Those that learn from an interval are looked at again.
    fn touch_followers(&mut self, at: usize, start: u64) {
        let Some(Some(series)) = self.series.get(at) else { return };
        let after = series.intervals.range(start + 1..).take(self.settings.learn_from);
        self.touched.extend(after.map(|(&start, _)| (at, start)));
    }

    /// Decides: the marks to publish now.
    pub(crate) fn step(&mut self, now: Now) -> Vec<Mark> {
        if self.is_held {
            return Vec::new();
        }
        while let Some(&(when, place)) = self.agenda.first()
            && when <= now.monotonic
        {
            self.agenda.pop_first();
            self.touched.push(place);
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let marks: Vec<Mark> =
            touched.drain(..).filter_map(|place| self.decide(place, now)).collect();
        if self.touched.is_empty() {
            // Its room is used again.
            self.touched = touched;
        }
        marks
    }

    fn decide(&mut self, place: Place, now: Now) -> Option<Mark> {
        let series = self.series.get(place.0)?.as_ref()?;
        let interval = series.intervals.get(&place.1)?;
        if interval.settled.is_none() {
            let expected = series.expected(place.1, &self.settings);
            let missing = expected.len() - expected.shared(&interval.published);
            let is_complete = missing == 0 && expected.len() > 0;
            if !is_complete && now.monotonic < interval.due {
                return None;
            }
            self.counts.incomplete += u64::from(missing > 0);
            self.counts.missing += u64::from(missing);
            self.settle(place);
        }
        self.mark(place, now)
    }

    /// From now on it is known who is expected.
    fn settle(&mut self, place: Place) {
        let Some(Some(series)) = self.series.get_mut(place.0) else { return };
        let expected = series.expected(place.1, &self.settings);
        let Some(interval) = series.intervals.get_mut(&place.1) else { return };
        if interval.settled.is_none() {
            interval.settled = Some(expected);
            series.is_changed = true;
            self.agenda.remove(&(interval.due, place));
        }
    }

    /// The mark that a settled interval wants next.
    fn mark(&mut self, place: Place, now: Now) -> Option<Mark> {
        let series = self.series.get_mut(place.0)?.as_mut()?;
        let from = series.from();
        let interval = series.intervals.get_mut(&place.1)?;
        let expected = interval.settled.as_ref()?;
        if expected.len() == 0 || interval.is_silent || interval.sending.is_some() {
            return None;
        }
        let published = expected.shared(&interval.published);
        let revision = match interval.stored {
            None => 0,
            Some(said) if published > said.published => {
                if published < expected.len() && now.monotonic < interval.not_before {
                    self.agenda.insert((interval.not_before, place));
                    return None;
                }
                said.revision.checked_add(1)?
            }
            Some(_) => return None,
        };
        interval.sending = Some(Said { revision, published });
        interval.not_before = now.monotonic + LATE_PAUSE;
        let series = self.series.get(place.0)?.as_ref()?;
        let interval = series.intervals.get(&place.1)?;
        let expected = interval.settled.as_ref()?;
        Some(Mark {
            key: IntervalKey {
                tenant: series.tenant.clone(),
                venue: series.venue.clone(),
                timeframe: series.timeframe.clone(),
                start: place.1,
            },
            end: interval.end,
            revision,
            expected: expected.len(),
            published,
            missing: series.missing(expected, &interval.published, MISSING_MAX),
            from,
            newest: interval.newest,
        })
    }

    /// A mark that [`Self::step`] gave is durable, or (`stored` is false) will never be.
    pub(crate) fn sent(&mut self, mark: &Mark, stored: bool) {
        let Some(place) = self.find(&mark.key) else { return };
        if stored {
            self.stored(place, Said { revision: mark.revision, published: mark.published });
        } else if let Some(interval) = self.interval(place) {
            interval.is_silent = true;
            interval.sending = None;
        }
    }

    /// The log has a mark.
    fn stored(&mut self, place: Place, said: Said) {
        let Some(interval) = self.interval(place) else { return };
        if interval.stored.is_none_or(|before| before.revision < said.revision) {
            interval.stored = Some(said);
        }
        if interval.sending.is_some_and(|sending| sending.revision <= said.revision) {
            interval.sending = None;
        }
        self.touched.push(place);
    }

    /// The log was read to its end: decisions begin, with every interval.
    pub(crate) fn release(&mut self) {
        self.is_held = false;
        for (at, series) in self.series.iter().enumerate() {
            let starts = series.iter().flat_map(|series| series.intervals.keys());
            self.touched.extend(starts.map(|&start| (at, start)));
        }
    }

    /// When something is to be decided even if nothing happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.agenda.first().filter(|_| !self.is_held).map(|(when, _)| *when)
    }

    /// What was counted since the last call.
    pub(crate) fn counted(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The place of an interval that is kept.
    pub(crate) fn find(&mut self, key: &IntervalKey) -> Option<Place> {
        let names = [&key.tenant, &key.venue, &key.timeframe].map(|text| text.as_bytes());
        write_key(&mut self.key, names);
        self.places.get(&self.key[..]).map(|&at| (at, key.start))
    }

    /// An interval that is about to change.
    fn interval(&mut self, place: Place) -> Option<&mut Interval> {
        let series = self.series.get_mut(place.0)?.as_mut()?;
        series.is_changed = true;
        series.intervals.get_mut(&place.1)
    }
}

/// When an interval is marked at the latest: the deadline after its end or its first event,
/// whichever is later. An end that lies further ahead than the interval is long is nobody's clock.
fn due(
    settings: &IntervalSettings,
    (start, end): (u64, u64),
    first: Timestamp,
    now: Now,
) -> Duration {
    let length = end.saturating_sub(start);
    let ended = end.min(first.0.saturating_add(length)).max(first.0);
    let deadline = u64::try_from(settings.deadline.as_nanos()).unwrap_or(u64::MAX);
    let wait = ended.saturating_add(deadline).saturating_sub(now.wall.0);
    now.monotonic + Duration::from_nanos(wait.min(length.saturating_add(deadline)))
}

pub(crate) fn write_key(key: &mut Vec<u8>, parts: [&[u8]; 3]) {
    key.clear();
    for part in parts {
        key.extend_from_slice(part);
        key.push(SEPARATOR);
    }
}

#[cfg(test)]
mod tests;
