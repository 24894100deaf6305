//! What came back, the same for every door.

use std::fmt;

use serde_json::Value;

/// An answer: its status, and the problem in it.
#[derive(Clone, Default)]
pub(super) struct Answered {
    /// HTTP or gRPC status, close code or exit code; `0` when nothing came back at all.
    pub(super) status: String,
    /// The problem document, or null.
    pub(super) problem: Value,
    /// Everything, for messages.
    pub(super) text: String,
}

impl Answered {
    pub(super) fn code(&self) -> &str {
        self.problem["code"].as_str().unwrap_or_default()
    }

    /// The field, or `@` and the byte.
    pub(super) fn place(&self) -> String {
        match (&self.problem["field"], &self.problem["offset"]) {
            (Value::String(field), _) if !field.is_empty() => field.clone(),
            (_, Value::Null) => String::new(),
            // Protobuf's JSON form writes 64-bit numbers as text.
            (_, Value::String(offset)) => format!("@{offset}"),
            (_, offset) => format!("@{offset}"),
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text.chars().take(400).collect();
        write!(f, "{} {} {} {text}", self.status, self.code(), self.place())
    }
}
