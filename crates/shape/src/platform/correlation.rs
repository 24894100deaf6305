//! Correlation events: shape A carries the pairs, shape B only tells that there is a matrix.

use tidings_event::Refusal;
use tidings_event::json::tree::{Kind, Node};
use tidings_event::v1::{self, event::Payload};

use super::{Body, Shape};
use crate::fields::Fields;

pub(super) const MEMBERS: &[&str] = &["update_type", "correlation_data", "quality_metrics"];

const PAIR: &[&str] =
    &["instrument_1", "instrument_2", "cluster_1", "cluster_2", "correlation", "p_value"];

/// Members of shape B that are kept as labels.
const LABELS: &[&str] = &[
    "update_type",
    "instruments_count",
    "computation_time_ms",
    "cluster_optimized",
    "optimization_ratio",
];

const MEMBERS_B: &[&str] = &["correlation_id", "method", "period_days", "matrix_summary"];

const SUMMARY: &[&str] =
    &["avg_correlation", "max_correlation", "min_correlation", "high_correlation_pairs"];

pub(super) fn body(shape: Shape, fields: &Fields<'_>) -> Result<Body, Refusal> {
    let update = fields.string("update_type")?;
    let mut correlation = match shape {
        Shape::A => data(fields)?,
        Shape::B => told(fields)?,
    };
    let kind = match update.as_str() {
        update if update.contains("full") => v1::CorrelationKind::Full,
        update if update.contains("cluster") => v1::CorrelationKind::Cluster,
        _ => v1::CorrelationKind::Pairs,
    };
    correlation.kind = kind.into();
    let labels = labels(fields);
    Ok(Body { labels, ..Body::of(Payload::Correlation(correlation)) })
}

/// What the canonical form has no field for, as it is written.
fn labels(fields: &Fields<'_>) -> Vec<(&'static str, String)> {
    let scalar = |node: Node<'_>| match node.kind() {
        Kind::Array | Kind::Object | Kind::Null => None,
        Kind::Text => node.text().map(str::to_owned),
        Kind::Number | Kind::Bool => Some(node.to_string()),
    };
    LABELS.iter().filter_map(|name| Some((*name, scalar(fields.node(name)?)?))).collect()
}

fn data(fields: &Fields<'_>) -> Result<v1::Correlation, Refusal> {
    let Some(data) = fields.object("correlation_data")? else {
        return Err(fields.missing("correlation_data", "the correlations"));
    };
    let data =
        data.only(&["matrix_id", "instruments", "correlations", "cluster_correlations", "method"])?;
    let mut pairs = Vec::new();
    for list in ["correlations", "cluster_correlations"] {
        for element in data.elements(list)? {
            pairs.push(pair(&data.element(list, element)?)?);
        }
    }
    Ok(v1::Correlation {
        matrix_id: data.string("matrix_id")?,
        method: data.string("method")?,
        window_days: window(fields)?,
        instruments: data.texts("instruments")?,
        pairs,
        ..v1::Correlation::default()
    })
}

fn pair(given: &Fields<'_>) -> Result<v1::CorrelationPair, Refusal> {
    let given = given.only(PAIR)?;
    let side = |one, other| {
        let name = given.either(one, other)?;
        let text = given.text(name)?;
        text.map(str::to_owned).ok_or_else(|| given.missing(name, "one of the pair"))
    };
    let value = given.number("correlation")?;
    Ok(v1::CorrelationPair {
        a: side("instrument_1", "cluster_1")?,
        b: side("instrument_2", "cluster_2")?,
        value: value.ok_or_else(|| given.missing("correlation", "the pair's correlation"))?,
        p_value: given.number("p_value")?,
    })
}

/// `timeframe` says how far a correlation looks back, in days.
fn window(fields: &Fields<'_>) -> Result<u32, Refusal> {
    let Some(text) = fields.text("timeframe")? else { return Ok(0) };
    let days = text.strip_suffix('d').and_then(|digits| digits.parse().ok());
    days.ok_or_else(|| fields.invalid("timeframe", "a correlation looks back days, such as 30d"))
}

fn told(fields: &Fields<'_>) -> Result<v1::Correlation, Refusal> {
    let fields = fields.only(&[MEMBERS_B, LABELS].concat())?;
    let mut correlation = v1::Correlation {
        matrix_id: fields.string("correlation_id")?,
        method: fields.string("method")?,
        window_days: fields.whole("period_days")?.unwrap_or_default(),
        ..v1::Correlation::default()
    };
    if let Some(summary) = fields.object("matrix_summary")? {
        let summary = summary.only(SUMMARY)?;
        correlation.summary = Some(v1::CorrelationSummary {
            avg: summary.number("avg_correlation")?,
            max: summary.number("max_correlation")?,
            min: summary.number("min_correlation")?,
            high_pairs: summary.whole("high_correlation_pairs")?.unwrap_or_default(),
        });
    }
    Ok(correlation)
}
