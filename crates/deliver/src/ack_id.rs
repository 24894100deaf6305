//! Ack ids: opaque texts that name one delivery of one event.

use std::fmt;
use std::str::FromStr;

use tidings_event::block::crc32c;
use tidings_event::{Code, Epoch, Offset, PartitionId, Position, Refusal, TopicId};

/// One delivery: position, attempt and the consumer session it went to. Its text ends in a
/// checksum, so that a text this service did not give out is told from one that is only stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckId {
    position: Position,
    attempt: u32,
    session: u64,
}

impl AckId {
    pub(crate) const fn new(position: Position, attempt: u32, session: u64) -> Self {
        Self { position, attempt, session }
    }

    /// Where the event is.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Which attempt this was, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) const fn session(&self) -> u64 {
        self.session
    }

    fn body(&self) -> String {
        let p = &self.position;
        let mut text = String::with_capacity(64);
        text.push_str("a1");
        let small = [p.epoch.0, p.partition.0].map(u64::from);
        let attempt = u64::from(self.attempt);
        for number in [p.topic.0, small[0], small[1], p.offset.0, attempt, self.session] {
            text.push('-');
            push_hex(&mut text, number);
        }
        text
    }
}

/// Eight hexadecimal digits.
fn checksum(body: &str) -> String {
    let mut text = String::with_capacity(8);
    push_digits(&mut text, u64::from(crc32c(body.as_bytes())), 8);
    text
}

/// As few hexadecimal digits as it needs.
fn push_hex(text: &mut String, number: u64) {
    push_digits(text, number, (u64::BITS - number.leading_zeros()).div_ceil(4).max(1));
}

/// Without the formatter: one id is written for every event that leaves as JSON.
fn push_digits(text: &mut String, number: u64, digits: u32) {
    for at in (0..digits).rev() {
        // Four bits.
        let digit = (number >> (4 * at) & 0xF) as u8;
        text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
    }
}

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        f.write_str(&body)?;
        f.write_str("-")?;
        f.write_str(&checksum(&body))
    }
}

impl FromStr for AckId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let invalid = || {
            let shown: String = text.chars().take(80).collect();
            Refusal::new(Code::AckIdInvalid, format!("`{shown}` is not an ack id of this service"))
                .with_hint("use ack ids unchanged, as a pull gave them out")
        };
        let (body, checksum) = text.rsplit_once('-').ok_or_else(invalid)?;
        if checksum != self::checksum(body) {
            return Err(invalid());
        }
        let mut parts = body.strip_prefix("a1-").ok_or_else(invalid)?.split('-');
        let mut next = || {
            let part = parts.next().ok_or_else(invalid)?;
            u64::from_str_radix(part, 16).map_err(|_| invalid())
        };
        let small = |number: u64| u32::try_from(number).map_err(|_| invalid());
        let position = Position {
            topic: TopicId(next()?),
            epoch: Epoch(small(next()?)?),
            partition: PartitionId(small(next()?)?),
            offset: Offset(next()?),
        };
        let id = Self { position, attempt: small(next()?)?, session: next()? };
        // One id, one text.
        if id.body() == body { Ok(id) } else { Err(invalid()) }
    }
}

/// What became of an ack or a nack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckState {
    /// It counted, and the cursor that covers it is durable.
    Confirmed,
    /// The delivery was not in flight any more.
    Stale,
}

impl AckState {
    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests;
