//! The JSON frames of a stream: what a client sends, read strictly, and what it is sent, written
//! straight into the frame.

mod said;

use serde::{Deserialize, Serialize};
use tidings_event::Refusal;

use crate::input;

pub use said::{BatchHead, EventLine, Frame, RunLine};

/// Most bytes of one frame of a client.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum StreamRequest {
    /// First and once: which subscription, and who consumes it.
    Open {
        /// Name of an existing subscription.
        subscription: String,
        /// Name of this consumer, for health and logs.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        consumer: String,
        /// How bodies may be packed: `none`; these frames never are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compression: Option<String>,
        /// What is not settled in this time failed; without it, it stays in flight as long as the stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ack_deadline_ms: Option<u64>,
    },
    /// Permission to send, added to what is left.
    Credit {
        /// Events.
        events: u64,
        /// Bytes; without it bytes are not counted from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    /// Settles deliveries.
    Ack {
        /// Everything delivered on this stream at or below each, in its own partition.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        up_to: Vec<String>,
        /// Exactly these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ack_ids: Vec<String>,
    },
    /// Gives deliveries back.
    Nack {
        /// Exactly these.
        ack_ids: Vec<String>,
        /// Delay before the next attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_ms: Option<u64>,
        /// Why; the first 256 bytes are kept with the attempt.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// Gives deliveries more time, on a stream with an ack deadline.
    Extend {
        /// Exactly these.
        ack_ids: Vec<String>,
        /// From now.
        by_ms: u64,
    },
}

impl StreamRequest {
    /// Reads a frame.
    ///
    /// # Errors
    /// As [`input::read`].
    pub fn read(text: &[u8]) -> Result<Self, Refusal> {
        // Acks come as often as events leave: what is wrong is looked for only where something is.
        match serde_json::from_slice(text) {
            Ok(request) if text.trim_ascii_start().starts_with(b"{") => Ok(request),
            _ => input::read(text),
        }
    }
}

#[cfg(test)]
mod tests;
