//! The log's refusals as callers see them.

use tidings_event::{Code, Refusal};
use tidings_log::{AppendError, CommitError};

pub(crate) fn append(error: &AppendError) -> Refusal {
    let code = match error {
        AppendError::UnknownPartition(_) => Code::TopicUnknown,
        AppendError::Full { retry_after } => {
            let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1);
            return Refusal::new(Code::ResourceExhausted, error.to_string()).retry_after_ms(millis);
        }
        AppendError::StorageFull => {
            return Refusal::new(Code::StorageFull, error.to_string()).retry_after_ms(1_000);
        }
        AppendError::ReadOnly => Code::LogReadOnly,
        AppendError::Closed | AppendError::Fenced { .. } => Code::ShuttingDown,
        AppendError::NotAtTail { .. } | AppendError::InvalidBlock { .. } => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}

pub(crate) fn commit(error: &CommitError) -> Refusal {
    match error {
        CommitError::Append(error) => append(error),
        CommitError::TooLarge { .. } => Refusal::new(Code::Internal, error.to_string()),
        CommitError::Fenced { .. } => Refusal::new(Code::ShuttingDown, error.to_string()),
    }
}

pub(crate) fn unknown_outcome() -> Refusal {
    Refusal::new(Code::UnknownOutcome, "the log failed before the events were durable")
        .with_hint("repeat with the same producer and sequence, or the same source and id")
}
