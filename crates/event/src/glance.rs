//! Reading events that were accepted before: the envelope without its checks, and single fields.
//!
//! What is in the log was scanned when it came in. Bytes that were not are read as far as they go;
//! nothing here panics.

use crate::scan::reader::{Reader, Wire};
use crate::v1::Kind;
use crate::{Envelope, Timestamp};

/// The envelope of an event that [`scan`](crate::scan()) accepted; for such an event the same, but
/// that [`Envelope::has_definitions`] is not looked for. `None` for what is not an event.
#[must_use]
pub fn glance(event: &[u8]) -> Option<Envelope<'_>> {
    let mut envelope = Envelope::empty();
    let mut reader = Reader::new(event);
    while let Some((number, wire)) = reader.tag().ok()? {
        match wire {
            Wire::Varint => number_field(number, reader.varint().ok()?, &mut envelope),
            Wire::Fixed64 => word_field(number, reader.fixed64().ok()?, &mut envelope),
            Wire::Length => {
                let bytes = reader.bytes().ok()?;
                let end = reader.offset();
                length_field(number, bytes, end, &mut envelope)?;
            }
            Wire::Fixed32 => drop(reader.fixed32().ok()?),
        }
    }
    if envelope.kind == Kind::Correlation {
        let payload = event.get(envelope.payload.clone()).unwrap_or_default();
        for (number, raw) in fields(payload) {
            match (number, raw) {
                (1, Raw::Bytes(id)) => envelope.matrix_id = text(id)?,
                (2, Raw::Varint(kind)) => envelope.correlation_kind = choice(kind),
                _ => {}
            }
        }
    }
    (envelope.kind != Kind::Unspecified).then_some(envelope)
}

#[inline]
fn number_field(number: u32, value: u64, envelope: &mut Envelope<'_>) {
    match number {
        3 => envelope.kind = choice(value),
        11 => envelope.key_seq = Some(value),
        12 => envelope.priority = u8::try_from(value).unwrap_or_default(),
        14 => envelope.severity = choice(value),
        15 => envelope.is_final = value != 0,
        16 => envelope.revision = u16::try_from(value).unwrap_or_default(),
        _ => {}
    }
}

#[inline]
fn word_field(number: u32, word: u64, envelope: &mut Envelope<'_>) {
    match number {
        8 => envelope.interval_start = Timestamp(word),
        9 => envelope.interval_end = Timestamp(word),
        10 => envelope.produced_at = Timestamp(word),
        13 => envelope.confidence = Some(f64::from_bits(word)),
        19 => envelope.expires_at = Timestamp(word),
        _ => {}
    }
}

#[inline]
fn length_field<'a>(
    number: u32,
    bytes: &'a [u8],
    end: usize,
    envelope: &mut Envelope<'a>,
) -> Option<()> {
    match number {
        1 => envelope.id = *bytes.as_array()?,
        2 => envelope.source = text(bytes)?,
        4 => envelope.schema_version = text(bytes)?,
        5 => envelope.instrument = text(bytes)?,
        6 => envelope.venue = text(bytes)?,
        7 => envelope.timeframe = text(bytes)?,
        17 => envelope.region = text(bytes)?,
        18 => envelope.traceparent = text(bytes)?,
        32..=37 => envelope.payload = end - bytes.len()..end,
        _ => {}
    }
    Some(())
}

fn text(bytes: &[u8]) -> Option<&str> {
    crate::text::read(bytes).ok()
}

/// The enum's value of this number, or its unspecified one.
fn choice<E: TryFrom<i32> + Default>(number: u64) -> E {
    // A negative enum number is written with ten bytes; the lower half is the number.
    E::try_from(number as i32).unwrap_or_default()
}

/// The value of one field, by how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    /// Integers, enums and booleans.
    Varint(u64),
    /// Doubles and times.
    Fixed64(u64),
    /// Strings, bytes, messages and packed lists.
    Bytes(&'a [u8]),
    /// Floats.
    Fixed32(u32),
}

/// The fields of a message in the order they stand; ends early at bytes that are no field.
#[must_use]
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { reader: Reader::new(message) }
}

/// Iterator of [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Raw<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (number, wire) = self.reader.tag().ok()??;
        let raw = match wire {
            Wire::Varint => Raw::Varint(self.reader.varint().ok()?),
            Wire::Fixed64 => Raw::Fixed64(self.reader.fixed64().ok()?),
            Wire::Length => Raw::Bytes(self.reader.bytes().ok()?),
            Wire::Fixed32 => Raw::Fixed32(self.reader.fixed32().ok()?),
        };
        Some((number, raw))
    }
}

#[cfg(test)]
mod tests;
