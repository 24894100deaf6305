//! What the log's errors are called at the doors.

use tidings_catalog::Durability;
use tidings_event::{Code, Refusal, TopicName};
use tidings_log::ReadError;
use tidings_wire::input::not_available;

/// A failed read of one partition, as its reader is told.
pub(crate) fn of_read(error: &ReadError) -> Refusal {
    let detail = error.to_string();
    match error {
        ReadError::UnknownPartition(_) => {
            Refusal::new(Code::FieldInvalid, detail).at_field("partition")
        }
        ReadError::Trimmed { trim, .. } => Refusal::new(Code::OffsetTrimmed, detail)
            .at_field("offset")
            .with_hint(format!("the first offset kept is {trim}")),
        ReadError::OutOfRange { durable_tail, .. } => Refusal::new(Code::OffsetOutOfRange, detail)
            .at_field("offset")
            .with_hint(format!("the next offset is {durable_tail}")),
        ReadError::DataLoss { to, .. } => Refusal::new(Code::DataLoss, detail)
            .with_hint(format!("reading goes on at offset {}", to.0.saturating_add(1))),
        ReadError::Io(_) => Refusal::new(Code::Internal, detail),
    }
}

/// A topic of the caller from what it wrote: `:` stands for `/`.
pub(crate) fn topic_name(tenant: &str, text: &str, field: &str) -> Result<TopicName, Refusal> {
    TopicName::new(tenant, &text.replace(':', "/"))
        .map_err(|error| Refusal::new(Code::TopicNameInvalid, error.to_string()).at_field(field))
}

/// The refusal of a topic that is not there.
pub(crate) fn topic_unknown(path: &str) -> Refusal {
    Refusal::new(Code::TopicUnknown, format!("there is no topic `{path}`"))
}

/// A durability from its name.
pub(crate) fn durability(text: &str) -> Result<Durability, Refusal> {
    match text {
        "memory" => Ok(Durability::Memory),
        "durable" => Ok(Durability::Durable),
        "replicated" => {
            Err(not_available("durability", "`replicated` needs an engine that is not served yet"))
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            Err(Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a durability"))
                .at_field("durability")
                .with_hint("memory or durable"))
        }
    }
}

/// The refusal of a body that its sender did not finish.
pub(crate) fn cut_off() -> Refusal {
    Refusal::new(Code::RequestMalformed, "the body ended before it was complete")
}

/// The end of a stream when the service stops.
pub(crate) fn shutting_down() -> Refusal {
    Refusal::new(Code::ShuttingDown, "the service is stopping").with_hint("connect again")
}
