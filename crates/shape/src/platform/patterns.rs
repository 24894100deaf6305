//! Pattern events: one pattern in shape A, a list of them in shape B.

use tidings_event::v1::{self, event::Payload};
use tidings_event::{Refusal, Timestamp};

use super::{Body, Shape};
use crate::fields::{Fields, number};

pub(super) const MEMBERS: &[&str] = &["pattern", "supporting_indicators", "historical_accuracy"];

const PATTERN_A: &[&str] = &[
    "type",
    "start_timestamp",
    "end_timestamp",
    "confidence",
    "completion_percentage",
    "target_price",
    "stop_loss",
    "volume_confirmation",
];

const PATTERN_B: &[&str] = &[
    "pattern_type",
    "confidence",
    "start_time",
    "end_time",
    "key_points",
    "pattern_target",
    "completion_status",
];

pub(super) fn body(shape: Shape, fields: &Fields<'_>) -> Result<Body, Refusal> {
    let mut labels = Vec::new();
    let patterns = match shape {
        Shape::A => vec![one(fields, &mut labels)?],
        Shape::B => {
            fields.only(&["instrument_id", "timeframe", "detected_patterns"])?;
            let elements = fields.elements("detected_patterns")?;
            let each = elements.map(|element| {
                let element = fields.element("detected_patterns", element)?;
                detected(&element.only(PATTERN_B)?)
            });
            each.collect::<Result<_, Refusal>>()?
        }
    };
    let confidence = patterns.iter().filter_map(|pattern| pattern.confidence).reduce(f64::max);
    let body = Body::of(Payload::Patterns(v1::Patterns { patterns }));
    Ok(Body { confidence, labels, ..body })
}

/// The pattern of shape A. What supports it is open, and not kept.
fn one(
    fields: &Fields<'_>,
    labels: &mut Vec<(&'static str, String)>,
) -> Result<v1::Pattern, Refusal> {
    let Some(given) = fields.object("pattern")? else {
        return Err(fields.missing("pattern", "the pattern"));
    };
    let given = given.only(PATTERN_A)?;
    let completion = given.percent("completion_percentage")?;
    let mut pattern = v1::Pattern {
        r#type: kind(&given, "type")?,
        status: match completion {
            None => v1::PatternStatus::Unspecified,
            Some(1.0) => v1::PatternStatus::Completed,
            Some(_) => v1::PatternStatus::Forming,
        }
        .into(),
        confidence: given.number("confidence")?,
        completion,
        start: nanos(given.time("start_timestamp")?),
        end: nanos(given.time("end_timestamp")?),
        target: given.number("target_price")?,
        stop: given.number("stop_loss")?,
        volume_confirmation: given.flag("volume_confirmation")?,
        ..v1::Pattern::default()
    };
    if let Some(history) = fields.object("historical_accuracy")? {
        let history =
            history.only(&["similar_patterns_found", "success_rate", "avg_target_achievement"])?;
        pattern.similar_found = history.whole("similar_patterns_found")?;
        pattern.success_rate = history.number("success_rate")?;
        if let Some(achieved) = history.number("avg_target_achievement")? {
            labels.push(("avg_target_achievement", achieved.to_string()));
        }
    }
    Ok(pattern)
}

/// One of shape B.
fn detected(given: &Fields<'_>) -> Result<v1::Pattern, Refusal> {
    let status = match given.text("completion_status")? {
        None => v1::PatternStatus::Unspecified,
        Some(word) => v1::PatternStatus::from_str_name(&word.to_ascii_uppercase())
            .ok_or_else(|| given.invalid("completion_status", "FORMING, COMPLETED or BROKEN"))?,
    };
    let points = given.elements("key_points")?;
    let key_points = points.map(|point| match number(point.1) {
        Some(price) => Ok(v1::KeyPoint { price, ..v1::KeyPoint::default() }),
        None => key_point(&given.element("key_points", point)?),
    });
    Ok(v1::Pattern {
        r#type: kind(given, "pattern_type")?,
        status: status.into(),
        confidence: given.number("confidence")?,
        start: nanos(given.time("start_time")?),
        end: nanos(given.time("end_time")?),
        key_points: key_points.collect::<Result<_, Refusal>>()?,
        target: given.number("pattern_target")?,
        ..v1::Pattern::default()
    })
}

fn key_point(point: &Fields<'_>) -> Result<v1::KeyPoint, Refusal> {
    let point = point.only(&["timestamp", "time", "price", "label", "type"])?;
    Ok(v1::KeyPoint {
        at: nanos(point.time(point.either("timestamp", "time")?)?),
        price: point.number("price")?.unwrap_or_default(),
        label: point.string(point.either("label", "type")?)?,
    })
}

/// A pattern's type, in lower case as the open set has it.
fn kind(given: &Fields<'_>, member: &str) -> Result<String, Refusal> {
    let kind = given.text(member)?;
    kind.map(str::to_ascii_lowercase)
        .ok_or_else(|| given.missing(member, "the pattern's type, such as double_top"))
}

fn nanos(time: Option<Timestamp>) -> u64 {
    time.map_or(0, |time| time.0)
}
