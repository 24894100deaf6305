//! The closed check of the output: every event once, as it was sent, those of a key in their order.

use std::collections::BTreeSet;
use std::fmt;

use tidings_event::block::crc32c;
use tidings_event::scan;
use tidings_market::load::{FIRST_COUNT, LoadEvent, LoadOptions, TIMEFRAMES};

/// The number that each key is to have next. A key is an instrument in a timeframe; its numbers go up
/// by the number of timeframes.
#[derive(Clone, Debug)]
struct Numbers {
    next: Vec<u32>,
    instruments: usize,
    timeframes: usize,
}

impl Numbers {
    fn new(options: LoadOptions) -> Self {
        let LoadOptions { instruments, timeframes, .. } = options;
        let first = |key: usize| FIRST_COUNT + (key / instruments) as u32;
        let next = (0..instruments * timeframes).map(first).collect();
        Self { next, instruments, timeframes }
    }

    fn key(&self, timeframe: &str, instrument: usize) -> Option<usize> {
        let frames = &TIMEFRAMES[..self.timeframes];
        let frame = frames.iter().position(|name| *name == timeframe)?;
        (instrument < self.instruments).then_some(frame * self.instruments + instrument)
    }
}

/// What was sent so far.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    numbers: Numbers,
    pub(super) events: u64,
    pub(super) bytes: u64,
    sum: u64,
}

impl Sent {
    /// Nothing of this load.
    pub(super) fn new(options: LoadOptions) -> Self {
        Self { numbers: Numbers::new(options), events: 0, bytes: 0, sum: 0 }
    }

    /// Takes note of one event.
    pub(super) fn add(&mut self, event: &LoadEvent<'_>) {
        if let Some(key) = self.numbers.key(event.timeframe, event.instrument) {
            self.numbers.next[key] = event.count + self.numbers.timeframes as u32;
        }
        self.events += 1;
        self.bytes += event.bytes.len() as u64;
        self.sum = self.sum.wrapping_add(u64::from(crc32c(event.bytes)));
    }

    /// What somebody who is to be sent all from here on has got: nothing.
    pub(super) fn nothing_yet(&self, events: u64) -> Got {
        Got {
            numbers: self.numbers.clone(),
            missing: BTreeSet::new(),
            distinct: 0,
            due: events,
            sum: self.sum,
            verdict: Verdict::default(),
        }
    }
}

/// What one consumer got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    numbers: Numbers,
    /// Key and number of what was passed over.
    missing: BTreeSet<(usize, u32)>,
    distinct: u64,
    due: u64,
    sum: u64,
    verdict: Verdict,
}

impl Got {
    /// Takes an event as it was delivered; `None` when it cannot be read.
    pub(super) fn take(&mut self, event: &[u8]) -> Option<tidings_event::Timestamp> {
        let read = scan(event).ok();
        let (key, number) = match &read {
            Some(read) => (self.key(read), read.key_seq.and_then(|seq| u32::try_from(seq).ok())),
            None => (None, None),
        };
        let (Some(key), Some(number)) = (key, number) else {
            self.verdict.foreign += 1;
            return None;
        };
        if self.see(key, number) {
            self.distinct += 1;
            self.sum = self.sum.wrapping_add(u64::from(crc32c(event)));
        }
        read.map(|read| read.produced_at)
    }

    fn key(&self, read: &tidings_event::Envelope<'_>) -> Option<usize> {
        let instrument = read.instrument.strip_prefix('I')?.parse().ok()?;
        self.numbers.key(read.timeframe, instrument)
    }

    /// Whether this number of a key is here for the first time.
    fn see(&mut self, key: usize, number: u32) -> bool {
        let step = self.numbers.timeframes as u32;
        let next = self.numbers.next[key];
        if number < next {
            let was_missing = self.missing.remove(&(key, number));
            let seen =
                if was_missing { &mut self.verdict.late } else { &mut self.verdict.repeated };
            *seen += 1;
            return was_missing;
        }
        let ahead = number - next;
        if !ahead.is_multiple_of(step) || u64::from(ahead / step) > self.due {
            self.verdict.foreign += 1;
            return false;
        }
        self.missing.extend((next..number).step_by(step as usize).map(|passed| (key, passed)));
        self.numbers.next[key] = number + step;
        true
    }

    /// Takes note of events that the service said will never come.
    pub(super) fn gap(&mut self, events: u64) {
        self.verdict.told_lost += events;
    }

    /// Whether everything is here.
    pub(super) fn is_complete(&self) -> bool {
        self.distinct >= self.due
    }

    /// The verdict, against what was sent.
    pub(super) fn judge(mut self, sent: &Sent) -> Verdict {
        let step = self.numbers.timeframes as u32;
        self.verdict.lost = self.missing.len() as u64;
        for (&got, &sent) in self.numbers.next.iter().zip(&sent.numbers.next) {
            self.verdict.lost += u64::from(sent.saturating_sub(got) / step);
            self.verdict.foreign += u64::from(got.saturating_sub(sent) / step);
        }
        let all_there = self.verdict == Verdict::default();
        self.verdict.changed = all_there && self.sum != sent.sum;
        self.verdict
    }
}

/// What is wrong with an output; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Never came.
    pub(super) lost: u64,
    /// Came more than once.
    pub(super) repeated: u64,
    /// Came after a later one of their key.
    pub(super) late: u64,
    /// Are no events of this run.
    pub(super) foreign: u64,
    /// Will never come, as the service said.
    pub(super) told_lost: u64,
    /// The right events, but not as they were sent.
    pub(super) changed: bool,
}

impl Verdict {
    /// Whether every event came once, in order, as it was sent.
    pub(super) fn is_sound(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, repeated, late, foreign, told_lost, changed } = *self;
        let counts = [
            (lost, "lost"),
            (repeated, "repeated"),
            (late, "out of order"),
            (foreign, "not of this run"),
            (told_lost, "given up by a gap notice"),
        ];
        let mut wrong: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if changed {
            wrong.push("events are not as they were sent".to_owned());
        }
        if wrong.is_empty() {
            return f.write_str("every event once, in order");
        }
        f.write_str(&wrong.join(", "))
    }
}

#[cfg(test)]
mod tests;
