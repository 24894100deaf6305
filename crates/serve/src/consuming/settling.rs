//! What every door reads alike of those who settle: ack ids, and spans within their bounds.

use std::time::Duration;

use tidings_deliver::{AckId, Nack};
use tidings_event::{Code, Refusal};

/// Longest delay of a nack, longest ack deadline, longest extension of one.
const DAY_MS: u64 = 86_400_000;

/// Shortest ack deadline.
const DEADLINE_MIN_MS: u64 = 1_000;

/// A value within its bounds.
pub(crate) fn within(field: &str, value: u64, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::new(Code::FieldInvalid, format!("{value} is not in {min}..={max}"))
        .at_field(field))
}

/// How deliveries are given back.
pub(crate) fn nack(delay_ms: Option<u64>, detail: &str) -> Result<Nack, Refusal> {
    let millis = delay_ms.unwrap_or(0);
    within("delay_ms", millis, 0, DAY_MS)?;
    Ok(Nack::new(Duration::from_millis(millis), detail))
}

/// The ack deadline of a stream.
pub(crate) fn ack_deadline(field: &str, millis: Option<u64>) -> Result<Option<Duration>, Refusal> {
    let Some(millis) = millis else { return Ok(None) };
    within(field, millis, DEADLINE_MIN_MS, DAY_MS)?;
    Ok(Some(Duration::from_millis(millis)))
}

/// How far from now a deadline is moved.
pub(crate) fn extension(field: &str, millis: u64) -> Result<Duration, Refusal> {
    within(field, millis, 1, DAY_MS)?;
    Ok(Duration::from_millis(millis))
}

/// Ack ids; the first that is none is named.
pub(crate) fn ack_ids(field: &str, texts: &[String]) -> Result<Vec<AckId>, Refusal> {
    let parsed = texts.iter().enumerate().map(|(at, text)| {
        text.parse::<AckId>().map_err(|refusal| refusal.at_field(format!("{field}[{at}]")))
    });
    parsed.collect()
}

/// Refuses a list that names no delivery.
pub(crate) fn some(texts: &[String]) -> Result<(), Refusal> {
    if texts.is_empty() {
        let refusal = Refusal::new(Code::FieldMissing, "`ack_ids` names no delivery");
        return Err(refusal.at_field("ack_ids"));
    }
    Ok(())
}
