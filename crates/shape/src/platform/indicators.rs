//! Indicator events: names are made explicit out of periods.

use std::collections::BTreeMap;

use tidings_event::json::tree::{Kind, Node};
use tidings_event::v1::{self, event::Payload};
use tidings_event::{Code, Refusal};

use super::{Body, Shape};
use crate::fields::{Fields, number};

pub(super) const MEMBERS: &[&str] = &["indicators", "quality_metrics"];

const MEMBERS_B: &[&str] =
    &["instrument_id", "timeframe", "indicators", "computation_time_ms", "data_points_used"];

type Values = BTreeMap<String, v1::Value>;

pub(super) fn body(shape: Shape, fields: &Fields<'_>) -> Result<Body, Refusal> {
    let Some(indicators) = fields.object("indicators")? else {
        return Err(fields.missing("indicators", "the indicators by name"));
    };
    let mut payload = v1::Indicators::default();
    let mut bar = None;
    match shape {
        Shape::A => {
            for (name, _) in indicators.members() {
                let Some(one) = indicators.object(name)? else { continue };
                bar = bar.max(one.time("timestamp")?);
                put_a(name, &one, &mut payload.values)
                    .map_err(|refusal| repeated_at(&indicators, name, refusal))?;
            }
            quality(fields, &mut payload)?;
        }
        Shape::B => {
            fields.only(MEMBERS_B)?;
            for (name, node) in indicators.members() {
                put_b(name, node, &indicators, &mut payload.values)?;
            }
            payload.computation_ms = fields.number("computation_time_ms")?;
            payload.bars_used = fields.whole("data_points_used")?.unwrap_or_default();
        }
    }
    let mut body = Body::of(Payload::Indicators(payload));
    body.bar = bar;
    Ok(body)
}

fn quality(fields: &Fields<'_>, payload: &mut v1::Indicators) -> Result<(), Refusal> {
    let Some(quality) = fields.object("quality_metrics")? else { return Ok(()) };
    let known = ["calculation_accuracy", "data_completeness", "computation_time_ms"];
    let quality = quality.only(&known)?;
    payload.accuracy = quality.number("calculation_accuracy")?;
    payload.completeness = quality.number("data_completeness")?;
    payload.computation_ms = quality.number("computation_time_ms")?;
    Ok(())
}

/// A value, or the reason that there is none.
fn value(value: Option<f64>) -> v1::Value {
    let status =
        if value.is_some() { v1::ValueStatus::Unspecified } else { v1::ValueStatus::NoData };
    v1::Value { value, status: status.into(), ..v1::Value::default() }
}

fn put(values: &mut Values, name: String, value: v1::Value) -> Result<(), Refusal> {
    match values.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(Code::FieldRepeated, "two indicators have one name")),
    }
}

fn repeated_at(indicators: &Fields<'_>, name: &str, refusal: Refusal) -> Refusal {
    if refusal.code == Code::FieldRepeated { indicators.within(name, refusal) } else { refusal }
}

/// The values of one indicator of shape A: of several periods, of three, of one.
fn put_a(name: &str, one: &Fields<'_>, values: &mut Values) -> Result<(), Refusal> {
    if one.node("periods").is_some() {
        return several(name, one, values);
    }
    if one.node("fast_period").is_some() {
        return crossing(name, one, values);
    }
    let name = match one.whole("period")? {
        None => name.to_owned(),
        Some(period) => format!("{name}_{period}"),
    };
    let signal = signal(one, "signal")?;
    put(values, name, v1::Value { signal, ..value(one.number("value")?) })
}

/// `periods` and `values` side by side.
fn several(name: &str, one: &Fields<'_>, values: &mut Values) -> Result<(), Refusal> {
    let periods: Vec<_> = one.elements("periods")?.collect();
    let given: Vec<_> = one.elements("values")?.collect();
    if periods.len() != given.len() {
        let detail = format!("{} periods have {} values", periods.len(), given.len());
        return Err(one.invalid("values", detail));
    }
    for ((index, period), (_, given)) in periods.into_iter().zip(given) {
        let period = period.number().and_then(|text| text.parse::<u32>().ok());
        let Some(period) = period else {
            return Err(one.invalid(&format!("periods[{index}]"), "a whole number is expected"));
        };
        let number =
            match given.kind() {
                Kind::Null => None,
                _ => Some(number(given).ok_or_else(|| {
                    one.invalid(&format!("values[{index}]"), "a number is expected")
                })?),
            };
        put(values, format!("{name}_{period}"), value(number))?;
    }
    Ok(())
}

/// Three periods, three values: the line is called as the indicator is.
fn crossing(name: &str, one: &Fields<'_>, values: &mut Values) -> Result<(), Refusal> {
    let period =
        |member| one.whole(member)?.ok_or_else(|| one.missing(member, "one of the three periods"));
    let (fast, slow, smooth) =
        (period("fast_period")?, period("slow_period")?, period("signal_period")?);
    let prefix = format!("{name}_{fast}_{slow}_{smooth}");
    let crossover = signal(one, "crossover")?;
    let line = v1::Value { signal: crossover, ..value(one.number(name)?) };
    put(values, format!("{prefix}.line"), line)?;
    for part in ["signal", "histogram"] {
        put(values, format!("{prefix}.{part}"), value(one.number(part)?))?;
    }
    Ok(())
}

/// A signal's word, in lower case.
fn signal(one: &Fields<'_>, member: &str) -> Result<String, Refusal> {
    Ok(one.text(member)?.unwrap_or_default().to_ascii_lowercase())
}

/// One indicator of shape B; a bare number is a value alone.
fn put_b(
    name: &str,
    node: Node<'_>,
    indicators: &Fields<'_>,
    values: &mut Values,
) -> Result<(), Refusal> {
    if let Some(number) = number(node) {
        return put(values, name.to_owned(), value(Some(number)));
    }
    let Some(one) = indicators.object(name)? else { return Ok(()) };
    let one = one.only(&["value", "confidence", "signal", "metadata"])?;
    let main = v1::Value {
        signal: signal(&one, "signal")?,
        confidence: one.number("confidence")?,
        ..value(one.number("value")?)
    };
    // What else the platform says of an indicator is open; of MACD it is two more lines.
    if let Some(metadata) = one.object("metadata")? {
        for (member, part) in [("signal_line", "signal"), ("histogram", "histogram")] {
            if let Some(number) = metadata.node(member).and_then(number) {
                put(values, format!("{name}.{part}"), value(Some(number)))
                    .map_err(|refusal| indicators.within(name, refusal))?;
            }
        }
    }
    put(values, name.to_owned(), main).map_err(|refusal| indicators.within(name, refusal))
}
