//! Events for benches and load tests: realistic bytes at copying speed.
//!
//! A template per timeframe is encoded once. Each event is a copy of it with id, instrument,
//! time, count per key and values written over in place, so that its length never changes and a
//! core makes millions a second. The count per key starts at 2^21, where its varint has four bytes.

use tidings_event::Timestamp;
use tidings_event::key::KeyHash;
use tidings_event::v1::{self, event::Payload};

/// Timeframes of the spread case, the first of which is the dense case.
pub const TIMEFRAMES: [&str; 10] = ["1m", "2m", "3m", "5m", "10m", "15m", "30m", "1h", "4h", "1d"];

/// Who publishes the load, when nobody is named.
const SOURCE: &str = "load";

/// First count per key: the least whose varint has four bytes.
pub const FIRST_COUNT: u32 = 1 << 21;

/// Instruments have names of this form, all of one length.
const INSTRUMENTS_MAX: usize = 1_000_000;

const VALUES: [&str; 4] = ["atr_14", "ema_20", "rsi_14", "sma_20"];

/// Stand-ins in a template, found by their bytes.
const ID: [u8; 16] = [0xA5; 16];
const TIME: u64 = 0x5A5A_5A5A_5A5A_5A5A;
const INSTRUMENT: &str = "I??????";
const VALUE: f64 = 1.234_567_890_123e123;

/// How to spread the events.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Same seed, same events but for the times.
    pub seed: u64,
    /// How many instruments take turns, 1..=1,000,000.
    pub instruments: usize,
    /// How many of [`TIMEFRAMES`] take turns, 1..=10.
    pub timeframes: usize,
}

impl LoadOptions {
    /// One timeframe, 10,000 instruments.
    pub const DENSE: Self = Self { seed: 1, instruments: 10_000, timeframes: 1 };
    /// Ten timeframes, 10,000 instruments.
    pub const SPREAD: Self = Self { seed: 1, instruments: 10_000, timeframes: 10 };
}

#[derive(Clone, Debug)]
struct Template {
    timeframe: &'static str,
    bytes: Vec<u8>,
    id: usize,
    instrument: usize,
    time: usize,
    count: usize,
    values: Vec<usize>,
}

/// One event of the load, valid until the next is made.
#[derive(Clone, Copy, Debug)]
pub struct LoadEvent<'a> {
    /// Canonical bytes.
    pub bytes: &'a [u8],
    /// Hash of its partition key.
    pub key: KeyHash,
    /// Its timeframe, which places it in `analysis/indicators/{timeframe}`.
    pub timeframe: &'static str,
    /// Number of its instrument.
    pub instrument: usize,
    /// Its `key_seq`.
    pub count: u32,
}

/// Makes events without end.
#[derive(Clone, Debug)]
pub struct Load {
    templates: Vec<Template>,
    keys: Vec<(KeyHash, [u8; INSTRUMENT.len()], u32)>,
    random: u64,
    turn: usize,
}

impl Load {
    /// A load of this spread; counts outside their range are brought into it.
    #[must_use]
    pub fn new(options: LoadOptions) -> Self {
        Self::named(options, SOURCE)
    }

    /// As [`Self::new`], by a source of this name, so that counts per key are its own.
    #[must_use]
    pub fn named(options: LoadOptions, source: &str) -> Self {
        let timeframes = options.timeframes.clamp(1, TIMEFRAMES.len());
        let keys = (0..options.instruments.clamp(1, INSTRUMENTS_MAX)).map(|number| {
            let name = format!("I{number:06}");
            let mut bytes = [0; INSTRUMENT.len()];
            bytes.copy_from_slice(name.as_bytes());
            (KeyHash::of_instrument("XSIM", &name), bytes, FIRST_COUNT)
        });
        Self {
            templates: TIMEFRAMES
                .iter()
                .take(timeframes)
                .map(|timeframe| Template::of(timeframe, source))
                .collect(),
            keys: keys.collect(),
            // Xorshift must not start at 0.
            random: options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            turn: 0,
        }
    }

    /// As [`Self::new`], in one timeframe that is named.
    #[must_use]
    pub fn within(options: LoadOptions, timeframe: &'static str) -> Self {
        Self { templates: vec![Template::of(timeframe, SOURCE)], ..Self::new(options) }
    }

    /// The next event, produced `now`. Instruments take turns; after each round the timeframe is
    /// the next one.
    pub fn next_event(&mut self, now: Timestamp) -> LoadEvent<'_> {
        let (round, place) = (self.turn / self.keys.len(), self.turn % self.keys.len());
        let frame = round % self.templates.len();
        self.turn += 1;
        let (low, high) = (self.draw(), self.draw());
        let value = 100.0 + (low >> 12) as f64 / (1u64 << 52) as f64;
        let (key, instrument, count) = &mut self.keys[place];
        let template = &mut self.templates[frame];
        template.put(template.id, &id(now, low, high));
        template.put(template.instrument, instrument);
        template.put(template.time, &now.0.to_le_bytes());
        template.put(template.count, &varint4(*count));
        for at in 0..template.values.len() {
            template.put(template.values[at], &(value + at as f64).to_le_bytes());
        }
        let event = LoadEvent {
            bytes: &template.bytes,
            key: *key,
            timeframe: template.timeframe,
            instrument: place,
            count: *count,
        };
        // 2^28 - 2^21 events per key, then the counts start over.
        *count = if *count == (1 << 28) - 1 { FIRST_COUNT } else { *count + 1 };
        event
    }

    /// Xorshift64*, <https://doi.org/10.1145/2845077>.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

impl Template {
    fn of(timeframe: &'static str, source: &str) -> Self {
        let start = 1_767_623_400_000_000_000;
        let value = v1::Value {
            value: Some(VALUE),
            status: v1::ValueStatus::Ok.into(),
            ..Default::default()
        };
        let values = VALUES.map(|name| (name.to_owned(), value.clone()));
        let bytes = tidings_event::encode(&v1::Event {
            id: ID.to_vec().into(),
            source: source.to_owned(),
            kind: v1::Kind::Indicators.into(),
            instrument: INSTRUMENT.to_owned(),
            venue: "XSIM".to_owned(),
            timeframe: timeframe.to_owned(),
            interval_start: start,
            interval_end: start + 60_000_000_000,
            produced_at: TIME,
            key_seq: Some(u64::from(FIRST_COUNT)),
            confidence: Some(0.9),
            region: "eu-central".to_owned(),
            payload: Some(Payload::Indicators(v1::Indicators {
                values: values.into(),
                bars_used: 500,
                completeness: Some(1.0),
                ..Default::default()
            })),
            ..Default::default()
        });
        Self {
            timeframe,
            id: find(&bytes, &ID),
            instrument: find(&bytes, INSTRUMENT.as_bytes()),
            time: find(&bytes, &TIME.to_le_bytes()),
            // Tag of key_seq, then its varint.
            count: find(&bytes, &varint4(FIRST_COUNT)),
            values: find_all(&bytes, &VALUE.to_le_bytes()),
            bytes,
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// A UUIDv7: the time in milliseconds, then random bits.
fn id(now: Timestamp, low: u64, high: u64) -> [u8; 16] {
    let millis = u128::from(now.as_millis()) << 80;
    let random = u128::from(low) << 64 | u128::from(high);
    let fields = 0x7 << 76 | 0b10 << 62;
    let mask: u128 = 0xFFF << 64 | 0x3FFF_FFFF_FFFF_FFFF;
    (millis | random & mask | fields).to_be_bytes()
}

/// A varint of exactly four bytes, for 2^21 <= value < 2^28.
fn varint4(value: u32) -> [u8; 4] {
    let seven = |at: u32| (value >> (7 * at)) as u8 & 0x7F;
    [seven(0) | 0x80, seven(1) | 0x80, seven(2) | 0x80, seven(3)]
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    // Each stand-in was encoded a moment ago; tests hold that it is found.
    find_all(bytes, part).first().copied().unwrap_or(bytes.len())
}

fn find_all(bytes: &[u8], part: &[u8]) -> Vec<usize> {
    bytes.windows(part.len()).enumerate().filter(|(_, w)| *w == part).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests;
