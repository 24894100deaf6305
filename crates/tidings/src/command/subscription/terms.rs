//! The options of the command line as members of a subscription's document.

use serde_json::{Map, Value, json};

use crate::cli::TermsArgs;
use crate::failure::Failure;

/// Members for what was given; `deadline_of` is the delivery that an ack deadline is a member of.
pub(super) fn members(terms: TermsArgs) -> Result<Map<String, Value>, Failure> {
    let mut members = Map::new();
    let retry = object([
        ("max_attempts", terms.retry_max_attempts.map(Value::from)),
        ("min_backoff_ms", terms.retry_min_backoff_ms.map(Value::from)),
        ("max_backoff_ms", terms.retry_max_backoff_ms.map(Value::from)),
        ("max_age_ms", terms.retry_max_age_ms.map(Value::from)),
        ("on_park_full", terms.retry_on_park_full.map(Value::from)),
    ]);
    let batch = object([
        ("max_events", terms.batch_max_events.map(Value::from)),
        ("max_bytes", terms.batch_max_bytes.map(Value::from)),
        ("max_delay_ms", terms.batch_max_delay_ms.map(Value::from)),
        ("compression", terms.batch_compression.map(Value::from)),
    ]);
    let fields = [
        ("filter", terms.filter.map(|text| json!(Some(text).filter(|text| !text.is_empty())))),
        ("mode", terms.mode.map(Value::from)),
        ("max_in_flight", terms.max_in_flight.map(Value::from)),
        ("retry", retry),
        ("batch", batch),
        ("fold", terms.fold_window_ms.map(|millis| json!({ "window_ms": millis }))),
        ("expires_after_ms", terms.expires_after_ms.map(Value::from)),
        ("labels", labels(&terms.label)?),
        ("owner", terms.owner.map(Value::from)),
        (
            "delivery",
            terms.ack_deadline_ms.map(|millis| json!({"pull": {"ack_deadline_ms": millis}})),
        ),
    ];
    for (name, value) in fields {
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(members)
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Option<Value> {
    let members: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

fn labels(given: &[String]) -> Result<Option<Value>, Failure> {
    let mut labels = Map::new();
    for label in given {
        let (name, value) = label
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("`{label}` is not NAME=VALUE")))?;
        labels.insert(name.to_owned(), value.into());
    }
    Ok((!labels.is_empty()).then_some(Value::Object(labels)))
}
