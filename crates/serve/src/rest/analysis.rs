//! `GET /api/v1/analysis/{kind}[/{instrument}]`: last values.

use http::StatusCode;
use tidings_deliver::LastValueQuery;
use tidings_event::v1::Kind;
use tidings_event::{Code, Refusal, json as canonical};
use tidings_wire::rest::{AsOf, LastValueDocument, as_of_appended};

use crate::rest::Answer;
use crate::rest::ask::{Ask, json_text};

/// The newest event of a kind about an instrument
#[utoipa::path(
    get, path = "/api/v1/analysis/{kind}/{instrument}", operation_id = "last_value", tag = "analysis",
    params(
        ("timeframe" = Option<String>, Query, description = "E.g. `5m`."),
        ("venue" = Option<String>, Query, description = "Needed when several venues have the instrument."),
        ("final" = Option<bool>, Query, description = "Only of finished bars."),
    ),
    responses(
        (status = 200, description = "The event, and where it lies.", body = LastValueDocument),
    ),
    extensions(("x-codes" = json!(["VALUE_UNKNOWN", "AMBIGUOUS_VENUE", "REBUILDING", "ROUTE_UNKNOWN", "FIELD_MISSING"]))),
)]
pub(crate) async fn last_value(ask: Ask) -> Answer {
    let kind = kind(ask.param("kind"))?;
    let query = &ask.query;
    let instrument = match (ask.param("instrument"), query.text("instrument")?) {
        ("", Some(text)) if !text.is_empty() => text,
        ("", _) => {
            let refusal = Refusal::new(Code::FieldMissing, "name an instrument");
            return Err(refusal.at_field("instrument").into());
        }
        (text, None) => text,
        (_, Some(_)) => {
            let refusal = Refusal::new(Code::FieldRepeated, "the path names the instrument too");
            return Err(refusal.at_field("instrument").into());
        }
    };
    let asked = LastValueQuery {
        kind,
        instrument,
        timeframe: query.text("timeframe")?,
        venue: query.text("venue")?,
        final_only: query.parsed("final", "true or false")?.unwrap_or(false),
    };
    query.end()?;
    let value = ask.doors.parts.deliver.last_values().get(ask.tenant(), asked)?;
    let as_of = AsOf {
        topic: value.topic.name.path().to_owned(),
        partition: value.position.partition.0,
        offset: value.position.offset.0,
        epoch: value.position.epoch.0,
    };
    let event = canonical::to_json(&value.event)?;
    let text = as_of_appended(&event, &as_of)
        .map_err(|error| Refusal::new(Code::Internal, format!("answer: {error}")))?;
    Ok(json_text(StatusCode::OK, text))
}

/// The same, with the instrument as a parameter
#[utoipa::path(
    get, path = "/api/v1/analysis/{kind}", operation_id = "last_value_named", tag = "analysis",
    params(
        ("instrument" = String, Query, description = "The instrument."),
        ("timeframe" = Option<String>, Query, description = "E.g. `5m`."),
        ("venue" = Option<String>, Query, description = "Needed when several venues have the instrument."),
        ("final" = Option<bool>, Query, description = "Only of finished bars."),
    ),
    responses(
        (status = 200, description = "The event, and where it lies.", body = LastValueDocument),
    ),
    extensions(("x-codes" = json!(["VALUE_UNKNOWN", "AMBIGUOUS_VENUE", "REBUILDING", "ROUTE_UNKNOWN", "FIELD_MISSING"]))),
)]
pub(crate) async fn last_value_named(ask: Ask) -> Answer {
    last_value(ask).await
}

/// The kind of event that a sort of values is made of.
pub(crate) fn kind_named(name: &str) -> Option<Kind> {
    Some(match name {
        "indicators" => Kind::Indicators,
        "patterns" => Kind::Patterns,
        "anomalies" => Kind::Anomaly,
        "correlations" => Kind::Correlation,
        "summary" => Kind::Summary,
        _ => return None,
    })
}

fn kind(name: &str) -> Result<Kind, Refusal> {
    kind_named(name).ok_or_else(|| {
        let shown: String = name.chars().take(60).collect();
        Refusal::new(Code::RouteUnknown, format!("there are no values `{shown}`"))
            .with_hint("indicators, patterns, anomalies, correlations or summary")
    })
}
