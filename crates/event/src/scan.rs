//! The scanner: checks an event's bytes and reads its envelope in one pass.
//!
//! Nothing is allocated for an event that is accepted. A singular field may stand once only, at
//! every depth, so that the scanner and any decoder read the same values.

mod correlation;
pub(crate) mod fault;
pub(crate) mod payload;
mod plain;
pub(crate) mod reader;
mod validate;

use crate::block::EVENT_BYTES_MAX;
use crate::schema::{EVENT, Range, Shape};
use crate::v1::{Kind, Severity};
use crate::{Code, Envelope, Refusal, Timestamp};

use fault::{Fault, fault, invalid, within};
use reader::{Reader, Wire};

/// Checks an event and reads its envelope.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn scan(bytes: &[u8]) -> Result<Envelope<'_>, Refusal> {
    scan_event(bytes).map_err(|fault| *fault)
}

/// The envelope as far as it is read, with what only validation needs.
struct Scanned<'a> {
    envelope: Envelope<'a>,
    /// Bit n: field n stands there.
    seen: u64,
    has_id: bool,
    kind: i32,
    priority: u32,
    revision: u32,
    /// Field number of the payload; 0 before there is one.
    payload: u32,
    targets: usize,
    labels: usize,
}

fn scan_event(bytes: &[u8]) -> Result<Envelope<'_>, Fault> {
    if bytes.len() > EVENT_BYTES_MAX {
        let detail = format!("{} bytes are more than {EVENT_BYTES_MAX}", bytes.len());
        return Err(fault(Code::EventTooLarge, detail));
    }
    let mut scanned = empty();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag()? {
        field(number, wire, &mut reader, &mut scanned).map_err(|f| named(f, number))?;
    }
    validate::kind(&mut scanned)?;
    if scanned.envelope.kind == Kind::Correlation {
        correlation::read(bytes, &mut scanned.envelope).map_err(|f| within(f, "correlation"))?;
    }
    validate::envelope(&scanned)?;
    Ok(scanned.envelope)
}

fn empty<'a>() -> Scanned<'a> {
    Scanned {
        envelope: Envelope::empty(),
        seen: 0,
        has_id: false,
        kind: 0,
        priority: 0,
        revision: 0,
        payload: 0,
        targets: 0,
        labels: 0,
    }
}

/// Names the envelope field a fault lies in; the payload `patterns` is an array in paths.
#[cold]
fn named(fault: Fault, number: u32) -> Fault {
    within(fault, EVENT.field(number).map_or("", |field| field.name))
}

/// Reads one field of the envelope, or checks the payload.
fn field<'a>(
    number: u32,
    wire: Wire,
    reader: &mut Reader<'a>,
    into: &mut Scanned<'a>,
) -> Result<(), Fault> {
    let expected = match number {
        3 | 11 | 12 | 14 | 15 | 16 => Wire::Varint,
        8 | 9 | 10 | 13 | 19 => Wire::Fixed64,
        1..=22 | 32..=37 => Wire::Length,
        _ => return reader.skip(wire),
    };
    if wire != expected {
        return Err(payload::wrong_wire(reader.offset()));
    }
    let bit = 1 << number;
    if into.seen & bit != 0 && !matches!(number, 20 | 21) {
        return Err(payload::repeated(reader.offset()));
    }
    into.seen |= bit;
    if number >= 32 { read_payload(number, reader, into) } else { read(number, reader, into) }
}

#[inline]
fn read<'a>(number: u32, reader: &mut Reader<'a>, into: &mut Scanned<'a>) -> Result<(), Fault> {
    let envelope = &mut into.envelope;
    match number {
        1 => {
            let id = reader.bytes()?;
            envelope.id = *id.as_array().ok_or_else(|| validate::bad_id(id.len()))?;
            into.has_id = true;
        }
        2 => envelope.source = reader.text()?,
        3 => into.kind = payload::choice(reader).unwrap_or(-1),
        4 => envelope.schema_version = reader.text()?,
        5 => envelope.instrument = reader.text()?,
        6 => envelope.venue = reader.text()?,
        7 => envelope.timeframe = reader.text()?,
        8 => envelope.interval_start = Timestamp(payload::time(reader)?),
        9 => envelope.interval_end = Timestamp(payload::time(reader)?),
        10 => envelope.produced_at = Timestamp(payload::time(reader)?),
        11 => envelope.key_seq = Some(payload::uint64(reader)?),
        12 => into.priority = payload::uint32(reader)?,
        13 => envelope.confidence = Some(payload::double(reader, Range::Unit)?),
        14 => {
            let number = payload::choice(reader)?;
            envelope.severity = Severity::try_from(number)
                .map_err(|_| invalid("", format!("there is no severity {number}")))?;
        }
        15 => envelope.is_final = payload::boolean(reader)?,
        16 => into.revision = payload::uint32(reader)?,
        17 => envelope.region = reader.text()?,
        18 => envelope.traceparent = reader.text()?,
        19 => envelope.expires_at = Timestamp(payload::time(reader)?),
        20 => {
            reader.text()?;
            into.targets += 1;
        }
        21 => {
            validate::label(reader.nested()?)?;
            into.labels += 1;
        }
        _ => reader.text().map(drop)?,
    }
    Ok(())
}

fn read_payload<'a>(
    number: u32,
    reader: &mut Reader<'a>,
    into: &mut Scanned<'a>,
) -> Result<(), Fault> {
    if into.payload != 0 {
        return Err(fault(Code::PayloadMismatch, "an event has one payload, this one has two"));
    }
    into.payload = number;
    let message = reader.nested()?;
    into.envelope.payload = message.offset()..reader.offset();
    if let Some(Shape::Message(table)) = EVENT.field(number).map(|field| field.shape) {
        into.envelope.has_definitions = payload::check(table, message)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
