//! Last values: the event's own document with its place added.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::EventSchema;

/// Where a last value lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsOf {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// Epoch of the log.
    pub epoch: u32,
}

/// A last value as it is described: the event's own document, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct LastValueDocument {
    /// The event.
    #[serde(flatten)]
    pub event: EventSchema,
    /// Where it lies.
    pub as_of: AsOf,
}

/// An event's JSON object with `"as_of"` as its last member: the event's own text is not touched.
///
/// # Errors
/// When `event` is not an object's text, or the place cannot be written.
pub fn as_of_appended(event: &str, as_of: &AsOf) -> Result<String, serde_json::Error> {
    let as_of = serde_json::to_string(as_of)?;
    let Some(open) = event.trim_end().strip_suffix('}') else {
        return Err(serde::de::Error::custom("an event's document is an object"));
    };
    let comma = if open.trim_end().ends_with('{') { "" } else { "," };
    Ok(format!("{open}{comma}\"as_of\":{as_of}}}"))
}
