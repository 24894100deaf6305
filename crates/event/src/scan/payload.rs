//! Checks payload messages by the tables: types, UTF-8, ranges, repeats, and each message's rule.

use super::fault::{Fault, fault, invalid, join, malformed, missing, within};
use super::reader::{Reader, Wire};
use super::{plain, validate};
use crate::Code;
use crate::json::INTEGER_MAX;
use crate::schema::{Field, Form, Label, Message, Range, Rule, Shape};
use crate::time::TIME_MAX;
use crate::v1::ValueStatus;

/// What a message's rule needs to know of it.
#[derive(Default)]
struct Seen<'a> {
    /// Bit n: field n stands there.
    fields: u64,
    /// The enum's number; no message has two.
    choice: i32,
    /// The string in field 1.
    first: &'a str,
    /// How long the bytes are; no message has two such fields.
    bytes: usize,
    /// Whether an indicator's definition stands here or below.
    defined: bool,
}

/// Checks one message to its end. Whether an indicator's definition stands in it.
#[inline]
pub(super) fn check(message: &'static Message, reader: Reader<'_>) -> Result<bool, Fault> {
    if message.rule == Rule::Named && plain::is_plain(reader.rest()) {
        return Ok(false);
    }
    check_by_tables(message, reader)
}

pub(super) fn check_by_tables(
    message: &'static Message,
    mut reader: Reader<'_>,
) -> Result<bool, Fault> {
    let start = reader.clone();
    let mut seen = Seen::default();
    while let Some((number, wire)) = reader.tag()? {
        let Some(field) = message.field(number) else {
            reader.skip(wire)?;
            continue;
        };
        let here = reader.offset();
        check_field(field, wire, &mut reader, &mut seen)
            .map_err(|fault| within(fault, &place(message, field, start.clone(), here)))?;
    }
    check_rule(message.rule, &mut seen)?;
    Ok(seen.defined)
}

#[inline]
fn check_field<'a>(
    field: &'static Field,
    wire: Wire,
    reader: &mut Reader<'a>,
    seen: &mut Seen<'a>,
) -> Result<(), Fault> {
    let bit = 1 << field.number;
    if seen.fields & bit != 0 && field.is_singular() {
        return Err(repeated(reader.offset()));
    }
    seen.fields |= bit;
    let expected = layout(field.shape);
    if wire == expected {
        return check_value(field, reader, seen);
    }
    let packed = field.label == Label::Repeated && wire == Wire::Length;
    if !packed {
        return Err(wrong_wire(reader.offset()));
    }
    let mut values = reader.nested()?;
    while !values.is_at_end() {
        check_value(field, &mut values, seen)?;
    }
    Ok(())
}

#[inline]
fn check_value<'a>(
    field: &'static Field,
    reader: &mut Reader<'a>,
    seen: &mut Seen<'a>,
) -> Result<(), Fault> {
    match field.shape {
        Shape::Double => double(reader, field.range).map(drop),
        Shape::Float => finite32(reader).map(drop),
        Shape::Time => time(reader).map(drop),
        Shape::Bool => boolean(reader).map(drop),
        Shape::Uint32 => uint32(reader).map(drop),
        Shape::Uint64 => uint64(reader).map(drop),
        Shape::Bytes | Shape::Id => {
            seen.bytes = reader.bytes()?.len();
            Ok(())
        }
        Shape::Message(message) => {
            seen.defined |= check(message, reader.nested()?)?;
            Ok(())
        }
        Shape::Enum(_) => {
            seen.choice = choice(reader)?;
            Ok(())
        }
        Shape::Text => {
            let text = reader.text()?;
            if field.number == 1 {
                seen.first = text;
            }
            Ok(())
        }
    }
}

/// What must hold across a message's fields.
fn check_rule(rule: Rule, seen: &mut Seen<'_>) -> Result<(), Fault> {
    match rule {
        Rule::Free => Ok(()),
        // An encoder leaves out a value that is all defaults.
        Rule::Named if seen.fields & 4 == 0 => Err(no_reason()),
        Rule::Named => validate::indicator_name(seen.first),
        Rule::Reasoned => {
            // A status of a later version is a reason too.
            let silent = [ValueStatus::Unspecified as i32, ValueStatus::Ok as i32];
            let absent = seen.fields & 2 == 0;
            if absent && silent.contains(&seen.choice) {
                return Err(no_reason());
            }
            // Bytes without a length are bytes that are absent.
            seen.defined = seen.bytes != 0;
            if seen.defined { definition(seen.bytes) } else { Ok(()) }
        }
        Rule::Elements if seen.fields & 2 == 0 => Err(missing("", "at least one is required")),
        Rule::Typed if seen.first.is_empty() => Err(missing("type", "each pattern has a type")),
        Rule::Elements | Rule::Typed => Ok(()),
    }
}

/// The length of a definition's hash.
#[inline]
fn definition(length: usize) -> Result<(), Fault> {
    if (8..=32).contains(&length) {
        return Ok(());
    }
    Err(invalid("definition", format!("a definition's hash has 8 to 32 bytes, this one {length}")))
}

#[cold]
fn no_reason() -> Fault {
    let mut fault = missing("status", "a value that is absent needs a status that says why");
    fault.hint = "one of WARMING_UP, NO_DATA, STALE, ERROR".to_owned();
    fault
}

#[cold]
pub(crate) fn repeated(at: usize) -> Fault {
    let mut fault = fault(Code::FieldRepeated, "the field may stand once only");
    fault.offset = Some(at as u64);
    fault
}

#[cold]
pub(crate) fn wrong_wire(at: usize) -> Fault {
    malformed(at, "the field has another wire type")
}

/// The wire type of a value; sub-messages, strings and packed numbers have a length.
#[inline]
pub(crate) fn layout(shape: Shape) -> Wire {
    match shape {
        Shape::Bool | Shape::Uint32 | Shape::Uint64 | Shape::Enum(_) => Wire::Varint,
        Shape::Time | Shape::Double => Wire::Fixed64,
        Shape::Float => Wire::Fixed32,
        Shape::Text | Shape::Bytes | Shape::Id | Shape::Message(_) => Wire::Length,
    }
}

#[inline]
fn finite(value: f64) -> Result<f64, Fault> {
    if value.is_finite() {
        return Ok(value);
    }
    let mut fault = fault(Code::NumberNotFinite, format!("{value} is not a number to publish"));
    fault.hint = "leave the value out and say why in `status`".to_owned();
    Err(fault)
}

/// A float that is not NaN or infinite.
#[inline]
pub(crate) fn finite32(reader: &mut Reader<'_>) -> Result<f32, Fault> {
    let value = f32::from_bits(reader.fixed32()?);
    finite(f64::from(value)).map(|_| value)
}

/// A double that is not NaN or infinite.
#[inline]
pub(crate) fn finite64(reader: &mut Reader<'_>) -> Result<f64, Fault> {
    finite(f64::from_bits(reader.fixed64()?))
}

/// A finite double within its range.
#[inline]
pub(super) fn double(reader: &mut Reader<'_>, range: Range) -> Result<f64, Fault> {
    let value = finite64(reader)?;
    let (low, high) = match range {
        Range::Any => return Ok(value),
        Range::Unit => (0.0, 1.0),
        Range::Signed => (-1.0, 1.0),
    };
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(invalid("", format!("{value} is not within {low}..={high}")))
}

#[inline]
pub(crate) fn time(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let nanos = reader.fixed64()?;
    if nanos <= TIME_MAX.0 {
        return Ok(nanos);
    }
    Err(invalid("", format!("{nanos} ns lies after the year 2553")))
}

#[inline]
pub(crate) fn boolean(reader: &mut Reader<'_>) -> Result<bool, Fault> {
    match reader.varint()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(invalid("", format!("{other} is neither 0 nor 1"))),
    }
}

#[inline]
pub(crate) fn uint32(reader: &mut Reader<'_>) -> Result<u32, Fault> {
    let value = reader.varint()?;
    u32::try_from(value).map_err(|_| invalid("", format!("{value} is above 2^32 - 1")))
}

#[inline]
pub(crate) fn uint64(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let value = reader.varint()?;
    if value <= INTEGER_MAX {
        return Ok(value);
    }
    Err(invalid("", format!("{value} is above 2^53 - 1")))
}

/// An enum's number, known or not. Negative ones come sign-extended to 64 bits.
#[inline]
pub(crate) fn choice(reader: &mut Reader<'_>) -> Result<i32, Fault> {
    let value = reader.varint()?;
    i32::try_from(value.cast_signed())
        .map_err(|_| invalid("", format!("{value} is not an enum's number")))
}

/// The path of a field's occurrence at `at`: its name, its index, or its key.
#[cold]
fn place(message: &Message, field: &Field, mut reader: Reader<'_>, at: usize) -> String {
    let name = match message.form {
        Form::Entry if field.number == 2 => "",
        Form::Only => "",
        Form::Entry | Form::Object | Form::Bare => field.name,
    };
    let mut index = 0;
    while let Ok(Some((number, wire))) = reader.tag() {
        let here = reader.offset() == at;
        if number == field.number && here && field.label == Label::Map {
            let key = reader.nested().ok().and_then(key_of);
            return join(name, key.unwrap_or_default());
        }
        if here || reader.skip(wire).is_err() {
            break;
        }
        index += u32::from(number == field.number);
    }
    if field.label == Label::Repeated { format!("{name}[{index}]") } else { name.to_owned() }
}

/// The key of a map's entry, where it can be read.
fn key_of(mut entry: Reader<'_>) -> Option<&str> {
    while let Ok(Some((number, wire))) = entry.tag() {
        match (number, wire) {
            (1, Wire::Length) => return entry.text().ok(),
            _ => entry.skip(wire).ok()?,
        }
    }
    None
}
