//! The intervals of one venue and timeframe, and the names of their instruments.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidings_event::Timestamp;

use super::bits::Bits;
use super::settings::{ExpectedFrom, IntervalSettings};

/// How many settled intervals a series keeps: for learning, and to know late events.
pub(crate) const KEPT: usize = 16;

/// What a mark said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) revision: u16,
    pub(crate) published: u32,
}

/// One interval.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interval {
    pub(crate) end: u64,
    /// Ingest time of its first event, and of its newest.
    pub(crate) first: Timestamp,
    pub(crate) newest: Timestamp,
    /// Counts intervals as they are opened: the lowest is the oldest.
    pub(crate) opened: u64,
    /// When it is marked although instruments are missing.
    pub(crate) due: Duration,
    pub(crate) published: Bits,
    /// Who is expected, once that is settled: complete, or past the deadline.
    pub(crate) settled: Option<Bits>,
    /// The last mark that the log has.
    pub(crate) stored: Option<Said>,
    /// A mark on its way there.
    pub(crate) sending: Option<Said>,
    /// Before this, a later mark waits for more instruments.
    pub(crate) not_before: Duration,
    /// Its mark was refused: there will be none.
    pub(crate) is_silent: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) tenant: String,
    pub(crate) venue: String,
    pub(crate) timeframe: String,
    pub(crate) names: Names,
    pub(crate) declared: Option<Bits>,
    /// Intervals up to this start that are not kept were forgotten.
    pub(crate) floor: Option<u64>,
    /// Since the last checkpoint.
    pub(crate) is_changed: bool,
    /// By their start.
    pub(crate) intervals: BTreeMap<u64, Interval>,
}

impl Series {
    /// Who is expected in an interval, as far as is known now.
    pub(crate) fn expected(&self, start: u64, settings: &IntervalSettings) -> Bits {
        if let Some(declared) = &self.declared {
            return declared.clone();
        }
        let before = self.intervals.range(..start).rev().take(settings.learn_from);
        let sets: Vec<&Bits> = before.map(|(_, interval)| &interval.published).collect();
        Bits::in_at_least(settings.learn_least, &sets)
    }

    pub(crate) fn from(&self) -> ExpectedFrom {
        if self.declared.is_some() { ExpectedFrom::Declared } else { ExpectedFrom::Learned }
    }

    /// Expected and not published, sorted, the first `most`.
    pub(crate) fn missing(&self, expected: &Bits, published: &Bits, most: usize) -> Vec<String> {
        let absent = expected.iter().filter(|&number| !published.contains(number));
        let mut names: Vec<&[u8]> = absent.filter_map(|number| self.names.name(number)).collect();
        names.sort_unstable();
        names.truncate(most);
        // Instruments are UTF-8: the scanner saw to it.
        names.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// The start of the settled interval that is to be forgotten next, when there are too many.
    pub(crate) fn surplus(&self) -> Option<u64> {
        let mut settled = self.intervals.iter().filter(|(_, i)| i.settled.is_some());
        let (&first, _) = settled.next()?;
        (settled.count() >= KEPT).then_some(first)
    }

    /// Forgets names that nothing refers to, and numbers the others anew.
    pub(crate) fn compact(&mut self) {
        let mut used = self.declared.clone().unwrap_or_default();
        for interval in self.intervals.values() {
            let sets = [Some(&interval.published), interval.settled.as_ref()];
            sets.into_iter().flatten().flat_map(Bits::iter).for_each(|number| {
                used.insert(number);
            });
        }
        let old = std::mem::take(&mut self.names);
        let mut numbers = HashMap::new();
        for number in used.iter() {
            if let Some(name) = old.name(number) {
                numbers.insert(number, self.names.number(name));
            }
        }
        let renumber = |bits: &Bits| -> Bits {
            bits.iter().filter_map(|n| numbers.get(&n).copied()).collect()
        };
        self.declared = self.declared.as_ref().map(renumber);
        for interval in self.intervals.values_mut() {
            interval.published = renumber(&interval.published);
            interval.settled = interval.settled.as_ref().map(renumber);
        }
    }
}

/// Names of instruments, numbered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Box<[u8]>, u32>,
    names: Vec<Box<[u8]>>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, new or known.
    pub(crate) fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        // The number of names is limited far below 2^32.
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    pub(crate) fn name(&self, number: u32) -> Option<&[u8]> {
        self.names.get(number as usize).map(|name| &**name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }
}
