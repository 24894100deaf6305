//! The Protobuf wire format: tags, varints, fixed words and lengths, each checked against the end
//! of the message it stands in. Reference: <https://protobuf.dev/programming-guides/encoding/>.

use super::fault::{Fault, malformed};
use crate::text;

/// How a field's bytes are laid out. Groups are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Varint,
    Fixed64,
    Length,
    Fixed32,
}

/// Reads one message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` starts in the event, for offsets in refusals.
    base: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// Offset in the event of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next field's number and layout; `None` at the end.
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<Option<(u32, Wire)>, Fault> {
        let Some(&first) = self.bytes.get(self.at) else { return Ok(None) };
        let start = self.at;
        let tag = if first < 0x80 {
            self.at += 1;
            u64::from(first)
        } else {
            self.varint()?
        };
        let wire = match tag & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Length,
            5 => Wire::Fixed32,
            _ => return Err(malformed(self.base + start, "a group or an unknown wire type")),
        };
        match u32::try_from(tag) {
            Ok(tag) if tag >= 8 => Ok(Some((tag >> 3, wire))),
            _ => Err(malformed(self.base + start, "no such field number")),
        }
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for (index, &byte) in self.bytes.iter().skip(self.at).take(10).enumerate() {
            // The tenth byte holds the 64th bit and nothing else.
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(malformed(self.offset(), "a varint that does not end, or is wider than 64 bits"))
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(word) => {
                self.at += 8;
                Ok(u64::from_le_bytes(*word))
            }
            None => Err(malformed(self.offset(), "8 bytes are needed, fewer are left")),
        }
    }

    #[inline]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Fault> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(word) => {
                self.at += 4;
                Ok(u32::from_le_bytes(*word))
            }
            None => Err(malformed(self.offset(), "4 bytes are needed, fewer are left")),
        }
    }

    /// The bytes after a length.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.offset();
        let length = self.varint()?;
        let field = usize::try_from(length)
            .ok()
            .and_then(|n| self.at.checked_add(n))
            .and_then(|end| Some((self.bytes.get(self.at..end)?, end)));
        match field {
            Some((bytes, end)) => {
                self.at = end;
                Ok(bytes)
            }
            None => Err(malformed(start, "a length that reaches past the end")),
        }
    }

    /// A reader of the message after a length.
    #[inline]
    pub(crate) fn nested(&mut self) -> Result<Self, Fault> {
        let bytes = self.bytes()?;
        Ok(Self { bytes, at: 0, base: self.offset() - bytes.len() })
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.bytes()?;
        text::read(bytes).map_err(|error| {
            let at = self.offset() - bytes.len() + error.valid_up_to();
            malformed(at, "a string that is not UTF-8")
        })
    }

    /// Passes over a field nobody here knows.
    pub(crate) fn skip(&mut self, wire: Wire) -> Result<(), Fault> {
        match wire {
            Wire::Varint => self.varint().map(drop),
            Wire::Fixed64 => self.fixed64().map(drop),
            Wire::Length => self.bytes().map(drop),
            Wire::Fixed32 => self.fixed32().map(drop),
        }
    }
}
