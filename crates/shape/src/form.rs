//! Forms: canonical Protobuf, which is what the log stores, and JSON.

use bytes::Bytes;
use tidings_event::{Refusal, json};

/// What a consumer wants events to look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// The stored bytes, untouched.
    #[default]
    Protobuf,
    /// Canonical JSON text.
    Json,
}

/// One event in a form. Protobuf shares the stored bytes.
///
/// # Errors
/// When the bytes are not a canonical event.
pub fn encode(form: Form, event: &Bytes) -> Result<Bytes, Refusal> {
    match form {
        Form::Protobuf => Ok(event.clone()),
        Form::Json => json::to_json(event).map(Bytes::from),
    }
}

#[cfg(test)]
mod tests;
