//! What stands out on a bar: candle patterns, and returns far from the usual.

use tidings_event::v1;

use crate::Bar;

/// Returns kept to judge the next one by.
const RETURNS: usize = 60;

/// Fewest returns that say what is usual.
const RETURNS_MIN: usize = 30;

/// A return this many standard deviations from the mean is an anomaly.
const Z_MIN: f64 = 4.0;

/// Finds candle patterns in the last two bars.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    previous: Option<Bar>,
}

impl Patterns {
    /// Takes the next bar in; the pattern it completes, if any.
    pub fn push(&mut self, bar: &Bar) -> Option<v1::Pattern> {
        let previous = self.previous.replace(*bar)?;
        engulfing(&previous, bar).or_else(|| doji(bar))
    }
}

fn body(bar: &Bar) -> f64 {
    bar.close - bar.open
}

/// The body covers the one before, which went the other way.
fn engulfing(previous: &Bar, bar: &Bar) -> Option<v1::Pattern> {
    let (before, now) = (body(previous), body(bar));
    let covers = bar.open.min(bar.close) <= previous.open.min(previous.close)
        && bar.open.max(bar.close) >= previous.open.max(previous.close);
    if before * now >= 0.0 || !covers || now.abs() < 1.5 * before.abs() {
        return None;
    }
    let kind = if now > 0.0 { "bullish_engulfing" } else { "bearish_engulfing" };
    let covered = (now.abs() / before.abs()).min(10.0);
    let heavier = bar.volume > previous.volume;
    let confidence = 0.45 + 0.04 * covered + if heavier { 0.15 } else { 0.0 };
    Some(v1::Pattern {
        volume_confirmation: Some(heavier),
        key_points: vec![point(previous, "engulfed"), point(bar, "engulfing")],
        stop: Some(if now > 0.0 { bar.low } else { bar.high }),
        ..pattern(kind, confidence, previous, bar)
    })
}

/// Hardly any body in a wide range.
fn doji(bar: &Bar) -> Option<v1::Pattern> {
    let range = bar.high - bar.low;
    if range <= 0.0 || body(bar).abs() > 0.02 * range {
        return None;
    }
    let confidence = 0.75 - 10.0 * body(bar).abs() / range;
    Some(pattern("doji", confidence, bar, bar))
}

fn point(bar: &Bar, label: &str) -> v1::KeyPoint {
    v1::KeyPoint { at: bar.start.0, price: bar.close, label: label.to_owned() }
}

fn pattern(kind: &str, confidence: f64, first: &Bar, last: &Bar) -> v1::Pattern {
    v1::Pattern {
        r#type: kind.to_owned(),
        status: v1::PatternStatus::Completed.into(),
        confidence: Some(confidence.clamp(0.0, 1.0)),
        completion: Some(1.0),
        start: first.start.0,
        end: last.end.0,
        ..Default::default()
    }
}

/// Judges each return by the last [`RETURNS`] before it.
#[derive(Clone, Debug, Default)]
pub struct Anomalies {
    last_close: Option<f64>,
    returns: std::collections::VecDeque<f64>,
}

impl Anomalies {
    /// Takes the next bar in; its anomaly with how grave it is, if it is one.
    pub fn push(&mut self, bar: &Bar) -> Option<(v1::Severity, v1::Anomaly)> {
        let before = self.last_close.replace(bar.close)?;
        let change = (bar.close / before).ln();
        if !change.is_finite() {
            return None;
        }
        let found = self.judge(change);
        if self.returns.len() == RETURNS {
            self.returns.pop_front();
        }
        self.returns.push_back(change);
        found
    }

    fn judge(&self, change: f64) -> Option<(v1::Severity, v1::Anomaly)> {
        if self.returns.len() < RETURNS_MIN {
            return None;
        }
        let count = self.returns.len() as f64;
        let mean = self.returns.iter().sum::<f64>() / count;
        let variance = self.returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt();
        let z = (change - mean) / deviation;
        // Without any variance z is infinite or nothing: no yardstick, no anomaly.
        if !z.is_finite() || z.abs() <= Z_MIN {
            return None;
        }
        let severity = severity(z.abs());
        let anomaly = v1::Anomaly {
            r#type: "RETURN_OUTLIER".to_owned(),
            method: "z_score".to_owned(),
            value: Some(change),
            expected_min: Some(mean - Z_MIN * deviation),
            expected_max: Some(mean + Z_MIN * deviation),
            z_score: Some(z),
            confidence: Some(1.0 - 1.0 / z.abs()),
            description: format!("return of {:.3} % is {z:.1} deviations out", change * 100.0),
            alert_required: severity == v1::Severity::Critical,
            ..Default::default()
        };
        Some((severity, anomaly))
    }
}

fn severity(z: f64) -> v1::Severity {
    match z {
        z if z > 10.0 => v1::Severity::Critical,
        z if z > 7.0 => v1::Severity::High,
        z if z > 5.0 => v1::Severity::Medium,
        _ => v1::Severity::Low,
    }
}

#[cfg(test)]
mod tests;
