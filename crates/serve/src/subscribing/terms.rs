//! The terms of delivery between a subscription's document and the catalog's form.

use std::time::Duration;

use tidings_catalog::{Batching, Compression, Folding, Mode, OnParkFull, Retry, Sharing};
use tidings_event::{Code, Refusal};
use tidings_wire::rest::{BatchDocument, FoldDocument, RetryDocument};

const MODES: &[(&str, Mode)] = &[("ordered", Mode::Ordered), ("parallel", Mode::Parallel)];

const SHARINGS: &[(&str, Sharing)] = &[
    ("exclusive", Sharing::Exclusive),
    ("failover", Sharing::Failover),
    ("group", Sharing::Group),
];

const PARKS: &[(&str, OnParkFull)] =
    &[("pause", OnParkFull::Pause), ("dead_letter", OnParkFull::DeadLetter)];

const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("lz4", Compression::Lz4)];

/// The value of a name; the refusal names what there is.
fn named<T: Copy>(field: &str, given: &str, all: &[(&str, T)]) -> Result<T, Refusal> {
    all.iter().find(|(name, _)| *name == given).map(|(_, value)| *value).ok_or_else(|| {
        let shown: String = given.chars().take(40).collect();
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        Refusal::new(Code::FieldInvalid, format!("`{shown}` is not one of its values"))
            .at_field(field)
            .with_hint(names.join(", "))
    })
}

/// The name of a value; every value of the tables above has one.
fn name<T: PartialEq>(value: &T, all: &[(&'static str, T)]) -> String {
    all.iter().find(|(_, known)| known == value).map_or("", |(name, _)| *name).to_owned()
}

pub(crate) fn mode(given: Option<&str>) -> Result<Mode, Refusal> {
    given.map_or(Ok(Mode::Ordered), |text| named("mode", text, MODES))
}

pub(crate) fn mode_name(mode: Mode) -> String {
    name(&mode, MODES)
}

pub(crate) fn sharing(given: Option<&str>) -> Result<Sharing, Refusal> {
    given.map_or(Ok(Sharing::default()), |text| named("sharing", text, SHARINGS))
}

pub(crate) fn sharing_name(sharing: Sharing) -> String {
    name(&sharing, SHARINGS)
}

pub(crate) fn retry(given: RetryDocument) -> Result<Retry, Refusal> {
    let default = Retry::default();
    Ok(Retry {
        max_attempts: given.max_attempts.unwrap_or(default.max_attempts),
        min_backoff: given.min_backoff_ms.map_or(default.min_backoff, Duration::from_millis),
        max_backoff: given.max_backoff_ms.map_or(default.max_backoff, Duration::from_millis),
        max_age: given.max_age_ms.map(Duration::from_millis),
        on_park_full: given
            .on_park_full
            .map_or(Ok(default.on_park_full), |text| named("retry.on_park_full", &text, PARKS))?,
    })
}

pub(crate) fn retry_document(retry: &Retry) -> RetryDocument {
    RetryDocument {
        max_attempts: Some(retry.max_attempts),
        min_backoff_ms: Some(millis(retry.min_backoff)),
        max_backoff_ms: Some(millis(retry.max_backoff)),
        max_age_ms: retry.max_age.map(millis),
        on_park_full: Some(name(&retry.on_park_full, PARKS)),
    }
}

pub(crate) fn batching(given: BatchDocument) -> Result<Batching, Refusal> {
    Ok(Batching {
        max_events: given.max_events,
        max_bytes: given.max_bytes,
        max_delay: Duration::from_millis(given.max_delay_ms.unwrap_or(0)),
        compression: compression("batch.compression", given.compression.as_deref())?
            .unwrap_or_default(),
    })
}

pub(crate) fn compression(
    field: &str,
    given: Option<&str>,
) -> Result<Option<Compression>, Refusal> {
    given.map(|text| named(field, text, COMPRESSIONS)).transpose()
}

pub(crate) fn batch_document(batching: &Batching) -> BatchDocument {
    BatchDocument {
        max_events: batching.max_events,
        max_bytes: batching.max_bytes,
        max_delay_ms: Some(millis(batching.max_delay)),
        compression: Some(name(&batching.compression, COMPRESSIONS)),
    }
}

pub(crate) fn folding(given: &FoldDocument) -> Folding {
    Folding { window: Duration::from_millis(given.window_ms) }
}

pub(crate) fn fold_document(folding: Folding) -> FoldDocument {
    FoldDocument { window_ms: millis(folding.window) }
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
