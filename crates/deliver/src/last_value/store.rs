//! The values in memory: who wins, what is found, what is given up when there are too many.
//!
//! Every event touches one of as many places as there are things, which no cache holds: so what is known of a thing, its key
//! and the event included, lies in one piece.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use bytes::Bytes;
use hashbrown::hash_table::Entry as Place;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smallvec::SmallVec;
use tidings_event::v1::Kind;
use tidings_event::{Envelope, Position, TopicId, TopicPartition};

use super::LastValueQuery;
use super::short::Short;

const SEPARATOR: u8 = 0x1F;

/// Of the entries, how many are given up at once when there are too many: one in this many.
const EVICTED_PART: usize = 64;

/// No venue and no timeframe of an accepted event is longer.
const VENUE_BYTES: usize = 4;
const TIMEFRAME_BYTES: usize = 8;

/// Most keys and events are not longer; what is has a piece of its own.
const KEY_BYTES: usize = 32;
const EVENT_BYTES: usize = 256;

/// What decides: the highest wins.
type Rank = (u64, u16, u64);

/// One kept event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) rank: Rank,
    pub(crate) position: Position,
    pub(crate) event: SmallVec<[u8; EVENT_BYTES]>,
}

/// An event that may win.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) position: Position,
    pub(crate) event: &'a [u8],
}

/// The values of one thing at one venue in one timeframe, in one topic.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    topic: TopicId,
    venue: Short<VENUE_BYTES>,
    timeframe: Short<TIMEFRAME_BYTES>,
    finished: Option<Entry>,
    /// Only while it is above the finished one.
    unfinished: Option<Box<Entry>>,
}

/// The values of one kind of one instrument of a tenant.
#[derive(Debug)]
struct Thing {
    /// Tenant, kind and instrument.
    key: SmallVec<[u8; KEY_BYTES]>,
    /// Most have one venue and timeframe in a topic.
    all: SmallVec<[Values; 1]>,
}

/// What a query finds.
#[derive(Debug)]
pub(crate) enum Found {
    One(Position, Bytes),
    None,
    Venues(Vec<String>),
    Timeframes(Vec<String>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// By the hash of their keys, which is beside them.
    things: HashTable<(u64, Box<Thing>)>,
    hasher: DefaultHashBuilder,
    count: usize,
    max: usize,
    key: Vec<u8>,
    /// Every event below is taken, and none above.
    reached: HashMap<TopicPartition, u64>,
}

impl Store {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), ..Self::default() }
    }

    /// Takes an event if it wins.
    pub(crate) fn put(&mut self, tenant: &str, envelope: &Envelope<'_>, arrival: Arrival<'_>) {
        let instrument = if envelope.kind == Kind::Correlation {
            envelope.matrix_id
        } else {
            envelope.instrument
        };
        let venue = if envelope.venue.is_empty() { "XXXX" } else { envelope.venue };
        let (venue, timeframe) = (Short::of(venue), Short::of(envelope.timeframe));
        let (Some(venue), Some(timeframe)) = (venue, timeframe) else { return };
        write_key(&mut self.key, tenant, envelope.kind, instrument);
        let hash = self.hasher.hash_one(&self.key[..]);
        let is_same =
            |(of, thing): &(u64, Box<Thing>)| *of == hash && thing.key[..] == self.key[..];
        let place = match self.things.entry(hash, is_same, |(of, _)| *of) {
            Place::Occupied(place) => place,
            Place::Vacant(vacant) => {
                let key = SmallVec::from_slice(&self.key);
                vacant.insert((hash, Box::new(Thing { key, all: SmallVec::new() })))
            }
        };
        let all = &mut place.into_mut().1.all;
        let topic = arrival.position.topic;
        let same = |values: &Values| {
            values.topic == topic && values.venue == venue && values.timeframe == timeframe
        };
        let at = all.iter().position(same).unwrap_or_else(|| {
            all.push(Values { topic, venue, timeframe, finished: None, unfinished: None });
            self.count += 1;
            all.len() - 1
        });
        let rank = (envelope.interval_start.0, envelope.revision, arrival.position.offset.0);
        all[at].put(envelope.is_final, rank, arrival);
        if self.count > self.max {
            self.evict();
        }
    }

    /// Takes note that everything of a partition below an offset was taken.
    pub(crate) fn reached(&mut self, partition: TopicPartition, end: u64) {
        let reached = self.reached.entry(partition).or_default();
        *reached = (*reached).max(end);
    }

    /// Forgets how far it is in the partitions of topics that are gone.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(TopicPartition) -> bool) {
        self.reached.retain(|partition, _| is_kept(*partition));
    }

    /// How far it is in a partition.
    pub(crate) fn reach(&self, partition: TopicPartition) -> u64 {
        self.reached.get(&partition).copied().unwrap_or(0)
    }

    /// Of each partition that something is in, where the values are that pass: of a thing the last,
    /// or else the last finished one. In offset order.
    pub(crate) fn lasts(
        &self,
        tenant: &str,
        passes: impl Fn(TopicPartition, &Entry) -> bool,
    ) -> BTreeMap<TopicPartition, Vec<u64>> {
        let mut lasts: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        let mine = |key: &[u8]| {
            key.strip_prefix(tenant.as_bytes()).is_some_and(|rest| rest.first() == Some(&SEPARATOR))
        };
        let things = self.things.iter().filter(|(_, thing)| mine(&thing.key));
        for values in things.flat_map(|(_, thing)| &thing.all) {
            let mut placed = values.both().map(|entry| (entry.position.topic_partition(), entry));
            if let Some((place, entry)) = placed.find(|(place, entry)| passes(*place, entry)) {
                lasts.entry(place).or_default().push(entry.position.offset.0);
            }
        }
        lasts.values_mut().for_each(|offsets| offsets.sort_unstable());
        lasts
    }

    /// The value asked for.
    pub(crate) fn find(&mut self, tenant: &str, query: &LastValueQuery<'_>) -> Found {
        write_key(&mut self.key, tenant, query.kind, query.instrument);
        let hash = self.hasher.hash_one(&self.key[..]);
        let thing =
            self.things.find(hash, |(of, thing)| *of == hash && thing.key[..] == self.key[..]);
        let all = thing.map_or(&[][..], |(_, thing)| &thing.all);
        let fits = |values: &&Values| {
            query.venue.is_none_or(|venue| values.venue.as_str() == venue)
                && query.timeframe.is_none_or(|timeframe| values.timeframe.as_str() == timeframe)
                && values.winner(query.final_only).is_some()
        };
        let fitting: Vec<&Values> = all.iter().filter(fits).collect();
        let distinct = |of: fn(&Values) -> &str| {
            let mut names: Vec<String> = fitting.iter().map(|v| of(v).to_owned()).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let venues = distinct(|v| v.venue.as_str());
        if venues.len() > 1 {
            return Found::Venues(venues);
        }
        let timeframes = distinct(|v| v.timeframe.as_str());
        if timeframes.len() > 1
            && matches!(query.kind, Kind::Indicators | Kind::Patterns | Kind::IntervalComplete)
        {
            return Found::Timeframes(timeframes);
        }
        let winners = fitting.iter().filter_map(|values| values.winner(query.final_only));
        winners.max_by_key(|entry| entry.rank).map_or(Found::None, |entry| {
            Found::One(entry.position, Bytes::copy_from_slice(&entry.event))
        })
    }

    /// Every kept event with its tenant, in parts: of things whose number mod `parts` is `part`.
    pub(crate) fn part(&self, part: u64, parts: u64) -> impl Iterator<Item = (&str, &Entry)> {
        let mine = move |key: &[u8]| xor_fold(key) % parts == part;
        self.things.iter().filter(move |(_, thing)| mine(&thing.key)).flat_map(|(_, thing)| {
            let tenant = thing.key.split(|&b| b == SEPARATOR).next().unwrap_or_default();
            let tenant = std::str::from_utf8(tenant).unwrap_or_default();
            thing.all.iter().flat_map(Values::both).map(move |entry| (tenant, entry))
        })
    }

    /// Gives up the oldest intervals.
    fn evict(&mut self) {
        let all = self.things.iter().flat_map(|(_, thing)| &thing.all);
        let mut starts: Vec<u64> = all.map(Values::start).collect();
        let excess = (self.max / EVICTED_PART).max(1);
        let (_, &mut bound, _) = starts.select_nth_unstable((excess - 1).min(self.count - 1));
        let mut left = excess;
        self.things.retain(|(_, thing)| {
            thing.all.retain(|values| {
                let goes = left > 0 && values.start() <= bound;
                left -= usize::from(goes);
                !goes
            });
            !thing.all.is_empty()
        });
        self.count -= excess - left;
    }
}

impl Values {
    fn put(&mut self, is_final: bool, rank: Rank, arrival: Arrival<'_>) {
        if is_final {
            match &mut self.finished {
                Some(entry) => entry.keep(rank, arrival),
                none => *none = Some(Entry::of(rank, arrival)),
            }
        } else if self.finished.as_ref().is_none_or(|finished| finished.rank < rank) {
            match &mut self.unfinished {
                Some(entry) => entry.keep(rank, arrival),
                none => *none = Some(Box::new(Entry::of(rank, arrival))),
            }
        }
        let best = self.finished.as_ref().map(|entry| entry.rank);
        self.unfinished.take_if(|entry| best.is_some_and(|best| entry.rank < best));
    }

    fn winner(&self, final_only: bool) -> Option<&Entry> {
        let unfinished = self.unfinished.as_deref().filter(|_| !final_only);
        unfinished.or(self.finished.as_ref())
    }

    /// The last one first.
    fn both(&self) -> impl Iterator<Item = &Entry> {
        [self.unfinished.as_deref(), self.finished.as_ref()].into_iter().flatten()
    }

    fn start(&self) -> u64 {
        self.winner(false).map_or(0, |entry| entry.rank.0)
    }
}

impl Entry {
    fn of(rank: Rank, arrival: Arrival<'_>) -> Self {
        Self { rank, position: arrival.position, event: SmallVec::from_slice(arrival.event) }
    }

    /// Puts an event in its place if it ranks higher, into the bytes that are there.
    fn keep(&mut self, rank: Rank, arrival: Arrival<'_>) {
        if self.rank < rank {
            (self.rank, self.position) = (rank, arrival.position);
            self.event.clear();
            self.event.extend_from_slice(arrival.event);
        }
    }
}

fn write_key(key: &mut Vec<u8>, tenant: &str, kind: Kind, instrument: &str) {
    key.clear();
    key.extend_from_slice(tenant.as_bytes());
    // A kind's number is below 128.
    key.extend_from_slice(&[SEPARATOR, kind as u8]);
    key.extend_from_slice(instrument.as_bytes());
}

/// A cheap, stable number of a key.
fn xor_fold(key: &[u8]) -> u64 {
    key.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests;
