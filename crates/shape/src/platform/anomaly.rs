//! Anomaly events.

use tidings_event::Refusal;
use tidings_event::json::tree::{Kind, Node};
use tidings_event::v1::{self, event::Payload};

use super::{Body, Shape};
use crate::fields::{Fields, number};

pub(super) const MEMBERS: &[&str] =
    &["anomaly_type", "severity", "anomaly_details", "context", "recommended_actions"];

const DETAILS: &[&str] =
    &["description", "expected_range", "actual_value", "z_score", "confidence"];

const MEMBERS_B: &[&str] = &[
    "instrument_id",
    "timeframe",
    "anomaly_type",
    "severity",
    "confidence",
    "value",
    "expected_range",
    "detection_method",
    "context",
    "alert_required",
];

pub(super) fn body(shape: Shape, fields: &Fields<'_>) -> Result<Body, Refusal> {
    let mut anomaly =
        v1::Anomaly { r#type: fields.string("anomaly_type")?, ..v1::Anomaly::default() };
    match shape {
        Shape::A => details(fields, &mut anomaly)?,
        Shape::B => {
            let fields = fields.only(MEMBERS_B)?;
            anomaly.confidence = fields.number("confidence")?;
            anomaly.value = fields.number("value")?;
            anomaly.method = fields.string("detection_method")?;
            anomaly.alert_required = fields.flag("alert_required")?.unwrap_or_default();
            if let Some(range) = fields.object("expected_range")? {
                let range = range.only(&["min", "max"])?;
                anomaly.expected_min = range.number("min")?;
                anomaly.expected_max = range.number("max")?;
            }
        }
    }
    if let Some(context) = fields.object("context")? {
        read_context(shape, &context, &mut anomaly);
    }
    let severity = match fields.text("severity")? {
        None => v1::Severity::Unspecified,
        Some(word) => v1::Severity::from_str_name(&word.to_ascii_uppercase())
            .ok_or_else(|| fields.invalid("severity", "LOW, MEDIUM, HIGH or CRITICAL"))?,
    };
    let confidence = anomaly.confidence;
    Ok(Body { confidence, severity, ..Body::of(Payload::Anomaly(anomaly)) })
}

fn details(fields: &Fields<'_>, anomaly: &mut v1::Anomaly) -> Result<(), Refusal> {
    anomaly.actions = fields.texts("recommended_actions")?;
    let Some(details) = fields.object("anomaly_details")? else { return Ok(()) };
    let details = details.only(DETAILS)?;
    anomaly.description = details.string("description")?;
    anomaly.value = details.number("actual_value")?;
    anomaly.z_score = details.number("z_score")?;
    anomaly.confidence = details.number("confidence")?;
    if details.node("expected_range").is_some() {
        let ends: Vec<_> = details.elements("expected_range")?.collect();
        let [(_, low), (_, high)] = ends[..] else {
            return Err(details.invalid("expected_range", "two numbers are expected"));
        };
        let (Some(low), Some(high)) = (number(low), number(high)) else {
            return Err(details.invalid("expected_range", "two numbers are expected"));
        };
        (anomaly.expected_min, anomaly.expected_max) = (Some(low), Some(high));
    }
    Ok(())
}

/// The context is open: of it is taken what is of the right type.
fn read_context(shape: Shape, context: &Fields<'_>, anomaly: &mut v1::Anomaly) {
    let text = |name| context.node(name).and_then(Node::text).unwrap_or_default().to_owned();
    let texts = |name| {
        let list = context.node(name).filter(|node| node.kind() == Kind::Array);
        let elements = list.into_iter().flat_map(Node::elements);
        elements.filter_map(|element| element.text().map(str::to_owned)).collect()
    };
    match shape {
        Shape::A => {
            anomaly.market_condition = text("market_conditions");
            anomaly.impact = text("sector_impact");
        }
        Shape::B => {
            anomaly.market_condition = text("market_condition");
            anomaly.impact = text("impact_assessment");
            anomaly.related_instruments = texts("related_instruments");
            anomaly.causes = texts("potential_causes");
        }
    }
}
