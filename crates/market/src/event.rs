//! Writes results down as events: envelope, ids, and one gapless count per key.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_event::Timestamp;
use tidings_event::v1::{self, event::Payload};

use crate::indicators::NAMES;
use crate::{Bar, Reading, Readings, Series, Timeframe};

/// How finished a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// A higher one supersedes.
    pub number: u16,
    /// False while the bar is still forming.
    pub is_final: bool,
}

impl Revision {
    /// A finished bar that was never reported before.
    pub const FINAL: Self = Self { number: 0, is_final: true };
}

/// One producing instance: stamps its events with id, source and a count per key without gaps.
///
/// The key is venue and instrument (or matrix id), as the partition key is; the count runs across
/// kinds and timeframes. The same seed and calls give the same events.
#[derive(Debug)]
pub struct Author {
    source: String,
    random: StdRng,
    counts: HashMap<String, u64>,
    key: String,
}

impl Author {
    /// An author whose counts start at 0.
    #[must_use]
    pub fn new(source: &str, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { source: source.to_owned(), random, counts: HashMap::new(), key: String::new() }
    }

    /// Indicators of one bar.
    pub fn indicators(
        &mut self,
        series: &Series,
        bar: &Bar,
        readings: &Readings,
        revision: Revision,
        now: Timestamp,
    ) -> v1::Event {
        let payload = v1::Indicators {
            values: values(bar, readings),
            bars_used: readings.bars,
            completeness: Some(readings.completeness()),
            ..Default::default()
        };
        v1::Event {
            is_final: (!revision.is_final).then_some(false),
            revision: u32::from(revision.number),
            payload: Some(Payload::Indicators(payload)),
            ..self.of_bar(v1::Kind::Indicators, series, bar, now)
        }
    }

    /// A pattern that ends with this bar; its confidence places the event.
    pub fn pattern(
        &mut self,
        series: &Series,
        bar: &Bar,
        pattern: v1::Pattern,
        now: Timestamp,
    ) -> v1::Event {
        v1::Event {
            confidence: pattern.confidence,
            payload: Some(Payload::Patterns(v1::Patterns { patterns: vec![pattern] })),
            ..self.of_bar(v1::Kind::Patterns, series, bar, now)
        }
    }

    /// An anomaly on this bar.
    pub fn anomaly(
        &mut self,
        series: &Series,
        bar: &Bar,
        severity: v1::Severity,
        anomaly: v1::Anomaly,
        now: Timestamp,
    ) -> v1::Event {
        v1::Event {
            severity: severity.into(),
            confidence: anomaly.confidence,
            payload: Some(Payload::Anomaly(anomaly)),
            ..self.of_bar(v1::Kind::Anomaly, series, bar, now)
        }
    }

    /// A correlation matrix or a part of one.
    pub fn correlation(&mut self, correlation: v1::Correlation, now: Timestamp) -> v1::Event {
        let envelope = self.envelope(v1::Kind::Correlation, "", &correlation.matrix_id, now);
        v1::Event {
            instrument: String::new(),
            payload: Some(Payload::Correlation(correlation)),
            ..envelope
        }
    }

    /// What there is to say about an instrument now.
    pub fn summary(
        &mut self,
        series: &Series,
        bar: &Bar,
        readings: &Readings,
        now: Timestamp,
    ) -> v1::Event {
        let ready = NAMES.iter().zip(readings.values);
        let indicators = ready.filter_map(|(name, r)| Some(((*name).to_owned(), r.value()?)));
        let payload = v1::Summary {
            close: Some(bar.close),
            indicators: indicators.collect(),
            as_of: [("indicators".to_owned(), bar.end.0)].into(),
            ..Default::default()
        };
        v1::Event {
            payload: Some(Payload::Summary(payload)),
            ..self.envelope(v1::Kind::Summary, &series.venue, &series.instrument, now)
        }
    }

    /// Every instrument of a venue has been reported for an interval.
    pub fn interval_complete(
        &mut self,
        venue: &str,
        timeframe: Timeframe,
        interval: (Timestamp, Timestamp),
        counts: v1::IntervalComplete,
        now: Timestamp,
    ) -> v1::Event {
        v1::Event {
            timeframe: timeframe.to_string(),
            interval_start: interval.0.0,
            interval_end: interval.1.0,
            payload: Some(Payload::IntervalComplete(counts)),
            ..self.envelope(v1::Kind::IntervalComplete, venue, "", now)
        }
    }

    fn of_bar(&mut self, kind: v1::Kind, series: &Series, bar: &Bar, now: Timestamp) -> v1::Event {
        v1::Event {
            timeframe: series.timeframe.to_string(),
            interval_start: bar.start.0,
            interval_end: bar.end.0,
            ..self.envelope(kind, &series.venue, &series.instrument, now)
        }
    }

    fn envelope(
        &mut self,
        kind: v1::Kind,
        venue: &str,
        instrument: &str,
        now: Timestamp,
    ) -> v1::Event {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        v1::Event {
            id: tidings_event::new_event_id(now, random).to_vec().into(),
            source: self.source.clone(),
            kind: kind.into(),
            instrument: instrument.to_owned(),
            venue: venue.to_owned(),
            produced_at: now.0,
            key_seq: Some(self.count(venue, instrument)),
            ..Default::default()
        }
    }

    fn count(&mut self, venue: &str, instrument: &str) -> u64 {
        self.key.clear();
        self.key.push_str(venue);
        self.key.push(char::from(tidings_event::key::SEPARATOR));
        self.key.push_str(instrument);
        if let Some(next) = self.counts.get_mut(&self.key) {
            *next += 1;
            return *next - 1;
        }
        self.counts.insert(self.key.clone(), 1);
        0
    }
}

fn values(bar: &Bar, readings: &Readings) -> std::collections::BTreeMap<String, v1::Value> {
    let named = NAMES.iter().zip(readings.values);
    named.map(|(name, reading)| ((*name).to_owned(), value(name, bar, reading))).collect()
}

fn value(name: &str, bar: &Bar, reading: Reading) -> v1::Value {
    let status = match reading {
        Reading::Ready(_) => v1::ValueStatus::Ok,
        Reading::WarmingUp => v1::ValueStatus::WarmingUp,
        Reading::NotFinite => v1::ValueStatus::Error,
    };
    let signal = reading.value().map_or("", |value| signal(name, bar, value));
    v1::Value {
        value: reading.value(),
        status: status.into(),
        signal: signal.to_owned(),
        ..v1::Value::default()
    }
}

/// What a chartist would say.
fn signal(name: &str, bar: &Bar, value: f64) -> &'static str {
    let sided = |up: bool| if up { "bullish" } else { "bearish" };
    match name {
        "rsi_14" if value >= 70.0 => "overbought",
        "rsi_14" if value <= 30.0 => "oversold",
        "sma_20" | "ema_20" => sided(bar.close >= value),
        "macd_12_26_9.histogram" => sided(value >= 0.0),
        _ => "",
    }
}

#[cfg(test)]
mod tests;
