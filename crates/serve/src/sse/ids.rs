//! Ids of events that are sent with a cursor: `<session>-<n>`.

use std::fmt;
use std::str::FromStr;

use tidings_deliver::SessionId;
use tidings_event::{Code, Refusal};

/// The n-th event of a session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentId {
    pub(crate) session: SessionId,
    pub(crate) number: u64,
}

impl fmt::Display for SentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.session, self.number)
    }
}

impl FromStr for SentId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let read = || {
            let (session, number) = text.split_once('-')?;
            let id = Self { session: session.parse().ok()?, number: number.parse().ok()? };
            // One id, one text.
            (id.to_string() == text).then_some(id)
        };
        read().ok_or_else(|| invalid(text))
    }
}

/// The refusal of an id that is not one.
pub(super) fn invalid(text: &str) -> Refusal {
    let shown: String = text.chars().take(40).collect();
    Refusal::new(Code::StreamIdInvalid, format!("`{shown}` is not an event id of a stream"))
        .at_field("last-event-id")
        .with_hint("use ids unchanged, as the stream gave them out, with the same `ephemeral`")
}

#[cfg(test)]
mod tests;
