//! A summary out of last values. Pure: events in, a summary out.

use prost::Message;
use tidings_event::v1::{self, PatternStatus, event::Payload};
use tidings_event::{Code, Refusal, Timestamp};

/// Most correlations of a summary: the strongest.
const CORRELATIONS_MAX: usize = 20;

/// What a summary is made of: canonical bytes of last events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) indicators: Option<bytes::Bytes>,
    pub(crate) patterns: Option<bytes::Bytes>,
    pub(crate) matrices: Vec<bytes::Bytes>,
    pub(crate) open_anomalies: u32,
    pub(crate) last_anomaly: Option<Timestamp>,
}

/// The summary of an instrument.
///
/// # Errors
/// When a stored event cannot be read.
pub(crate) fn compose(instrument: &str, parts: &Parts) -> Result<v1::Summary, Refusal> {
    let mut summary = v1::Summary::default();
    if let Some(bytes) = &parts.indicators {
        indicators(read(bytes)?, &mut summary);
    }
    if let Some(bytes) = &parts.patterns {
        patterns(read(bytes)?, &mut summary);
    }
    for bytes in &parts.matrices {
        correlations(instrument, read(bytes)?, &mut summary);
    }
    strongest(&mut summary);
    summary.open_anomalies = parts.open_anomalies;
    if let Some(at) = parts.last_anomaly {
        summary.as_of.insert("anomalies".to_owned(), at.0);
    }
    Ok(summary)
}

fn read(bytes: &[u8]) -> Result<v1::Event, Refusal> {
    v1::Event::decode(bytes).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

/// Values as they are; the close, where it is one of them; signals as a trend.
fn indicators(event: v1::Event, summary: &mut v1::Summary) {
    summary.as_of.insert("indicators".to_owned(), event.interval_end);
    let Some(Payload::Indicators(indicators)) = event.payload else { return };
    let (mut up, mut down, mut signals) = (0i32, 0i32, 0i32);
    for (name, value) in indicators.values {
        match value.signal.as_str() {
            "bullish" | "buy" => up += 1,
            "bearish" | "sell" => down += 1,
            "neutral" => {}
            _ => signals -= 1,
        }
        signals += 1;
        if let Some(number) = value.value {
            if name == "close" {
                summary.close = Some(number);
            }
            summary.indicators.insert(name, number);
        }
    }
    if signals > 0 {
        summary.trend_alignment = Some(f64::from(up - down) / f64::from(signals));
    }
}

fn patterns(event: v1::Event, summary: &mut v1::Summary) {
    summary.as_of.insert("patterns".to_owned(), event.interval_end);
    let Some(Payload::Patterns(patterns)) = event.payload else { return };
    let forming = patterns.patterns.iter().filter(|p| p.status() == PatternStatus::Forming).count();
    // An event has at most 1 MiB.
    summary.open_patterns = u32::try_from(forming).unwrap_or(u32::MAX);
}

/// The instrument's cells of a matrix that is whole in its event.
fn correlations(instrument: &str, event: v1::Event, summary: &mut v1::Summary) {
    let at = event.produced_at;
    let Some(Payload::Correlation(matrix)) = event.payload else { return };
    let mut found = false;
    let mut put = |other: &str, value: f64| {
        found = true;
        summary.correlations.insert(other.to_owned(), value);
    };
    for pair in &matrix.pairs {
        if pair.a == instrument {
            put(&pair.b, pair.value);
        } else if pair.b == instrument {
            put(&pair.a, pair.value);
        }
    }
    let names = &matrix.instruments;
    let me = names.iter().position(|name| name == instrument);
    if let Some(me) = me.filter(|_| matrix.chunks == 0) {
        for (other, name) in names.iter().enumerate().filter(|(other, _)| *other != me) {
            let cell = cell(names.len(), me.min(other), me.max(other));
            if let Some(&value) = matrix.triangle.get(cell) {
                put(name, f64::from(value));
            }
        }
    }
    if found {
        summary.as_of.insert("correlations".to_owned(), at);
    }
}

/// Where the upper triangle of n x n, row by row without its diagonal, holds row < column.
fn cell(n: usize, row: usize, column: usize) -> usize {
    row * (2 * n - row - 1) / 2 + column - row - 1
}

/// Leaves the strongest correlations; of equal ones, those first by name.
fn strongest(summary: &mut v1::Summary) {
    if summary.correlations.len() <= CORRELATIONS_MAX {
        return;
    }
    let mut all: Vec<_> = std::mem::take(&mut summary.correlations).into_iter().collect();
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
    all.truncate(CORRELATIONS_MAX);
    summary.correlations.extend(all);
}

#[cfg(test)]
mod tests;
