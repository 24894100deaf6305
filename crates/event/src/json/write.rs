//! Canonical bytes to JSON text: the wire is walked by the tables, and nothing is decoded first.

use std::collections::BTreeMap;
use std::fmt::{Arguments, Write};

use crate::scan::fault::{Fault, invalid, within};
use crate::scan::payload::{self, layout};
use crate::scan::reader::{Reader, Wire};
use crate::schema::{Field, Form, Label, Message, Shape};
use crate::{Timestamp, format_event_id};

/// How what may be spelled in several ways is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As people write it: a message with one field may be that field's value.
    Short,
    /// Each field by one type: a message is an object, an enum a text, also one whose number has no name yet.
    Uniform,
}

/// One occurrence of a field; the reader stands at its value.
struct Part<'a> {
    field: &'static Field,
    wire: Wire,
    reader: Reader<'a>,
}

/// Writes one message.
pub(super) fn message(
    table: &'static Message,
    reader: Reader<'_>,
    spelling: Spelling,
    out: &mut String,
) -> Result<(), Fault> {
    let mut parts = parts(table, reader)?;
    match (table.form, parts.as_mut_slice()) {
        (Form::Only, parts) => array(parts, spelling, out),
        (Form::Bare, [only]) if only.field.number == 1 && spelling == Spelling::Short => {
            value(only.field.shape, &mut only.reader, spelling, out)
        }
        (_, parts) => object(parts, spelling, out),
    }
}

/// The occurrences of known fields in number order, without those that mean absence.
fn parts<'a>(table: &'static Message, mut reader: Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    while let Some((number, wire)) = reader.tag()? {
        let here = reader.clone();
        reader.skip(wire)?;
        let Some(field) = table.field(number) else { continue };
        let packed = field.label == Label::Repeated && wire == Wire::Length;
        if wire != layout(field.shape) && !packed {
            return Err(payload::wrong_wire(here.offset()));
        }
        parts.push(Part { field, wire, reader: here });
    }
    parts.sort_by_key(|part| part.field.number);
    if let Some([_, again]) = parts.array_windows().find(|[first, second]| {
        first.field.number == second.field.number && first.field.is_singular()
    }) {
        return Err(payload::repeated(again.reader.offset()));
    }
    parts.retain(|part| !is_absent(part));
    Ok(parts)
}

/// Whether the part says what absence says: a zero, or a packed list of nothing.
fn is_absent(part: &Part<'_>) -> bool {
    let packed = part.wire != layout(part.field.shape);
    (part.field.label == Label::Plain || packed) && is_zero(part)
}

fn is_zero(part: &Part<'_>) -> bool {
    let mut reader = part.reader.clone();
    match part.field.shape {
        _ if part.wire == Wire::Length => reader.bytes().is_ok_and(<[u8]>::is_empty),
        Shape::Double => reader.fixed64().is_ok_and(|bits| f64::from_bits(bits) == 0.0),
        Shape::Time => reader.fixed64().is_ok_and(|nanos| nanos == 0),
        _ => reader.varint().is_ok_and(|value| value == 0),
    }
}

fn object(parts: &mut [Part<'_>], spelling: Spelling, out: &mut String) -> Result<(), Fault> {
    out.push('{');
    let fields = parts.chunk_by_mut(|a, b| a.field.number == b.field.number);
    for (index, parts) in fields.enumerate() {
        let [first, ..] = parts else { continue };
        let field = first.field;
        member(index, field.name, out);
        let written = match (field.label, field.shape) {
            (Label::Map, Shape::Message(entry)) => map(entry, parts, spelling, out),
            (Label::Map | Label::Repeated, _) => array(parts, spelling, out),
            (Label::Plain | Label::Optional, shape) => {
                value(shape, &mut first.reader, spelling, out)
            }
        };
        written.map_err(|fault| within(fault, field.name))?;
    }
    out.push('}');
    Ok(())
}

/// The start of an object's member.
fn member(index: usize, name: &str, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    quote(name, out);
    out.push(':');
}

/// Elements, each with its tag or packed.
fn array(parts: &mut [Part<'_>], spelling: Spelling, out: &mut String) -> Result<(), Fault> {
    out.push('[');
    let start = out.len();
    for Part { field, wire, reader } in parts {
        let packed = *wire != layout(field.shape);
        let mut elements = if packed { reader.nested()? } else { reader.clone() };
        let mut more = !elements.is_at_end();
        while more {
            if out.len() > start {
                out.push(',');
            }
            value(field.shape, &mut elements, spelling, out)?;
            more = packed && !elements.is_at_end();
        }
    }
    out.push(']');
    Ok(())
}

/// Members in key order; of two with one key the later one counts, as for any decoder.
fn map(
    entry: &'static Message,
    parts: &mut [Part<'_>],
    spelling: Spelling,
    out: &mut String,
) -> Result<(), Fault> {
    let [_, value_field] = entry.fields else { return Ok(()) };
    let mut members = BTreeMap::new();
    for part in parts {
        let (key, value) = read_entry(value_field, part.reader.nested()?)?;
        members.insert(key, value);
    }
    out.push('{');
    for (index, (key, mut reader)) in members.into_iter().enumerate() {
        member(index, key, out);
        value(value_field.shape, &mut reader, spelling, out).map_err(|fault| within(fault, key))?;
    }
    out.push('}');
    Ok(())
}

/// An entry's key, and a reader at its value.
fn read_entry<'a>(
    value_field: &Field,
    mut reader: Reader<'a>,
) -> Result<(&'a str, Reader<'a>), Fault> {
    // Zeros read as the zero of every shape: what an entry means that leaves its value out.
    let mut entry = ("", Reader::new(&[0; 8]));
    while let Some((number, wire)) = reader.tag()? {
        let here = reader.clone();
        reader.skip(wire)?;
        match (number, wire) {
            (1, Wire::Length) => entry.0 = here.clone().text()?,
            (2, wire) if wire == layout(value_field.shape) => entry.1 = here,
            (1 | 2, _) => return Err(payload::wrong_wire(here.offset())),
            _ => {}
        }
    }
    Ok(entry)
}

fn value(
    shape: Shape,
    reader: &mut Reader<'_>,
    spelling: Spelling,
    out: &mut String,
) -> Result<(), Fault> {
    match shape {
        Shape::Bool => show(format_args!("{}", payload::boolean(reader)?), out),
        Shape::Uint32 => show(format_args!("{}", payload::uint32(reader)?), out),
        Shape::Uint64 => show(format_args!("{}", payload::uint64(reader)?), out),
        Shape::Time => show(format_args!("\"{}\"", Timestamp(payload::time(reader)?)), out),
        // The shortest digits that read back, with a point or an exponent.
        Shape::Double => show(format_args!("{:?}", payload::finite64(reader)?), out),
        Shape::Float => show(format_args!("{:?}", payload::finite32(reader)?), out),
        Shape::Text => quote(reader.text()?, out),
        Shape::Bytes => hexadecimal(reader.bytes()?, out),
        Shape::Id => {
            let id = reader.bytes()?.as_array().ok_or_else(|| invalid("", "16 bytes"))?;
            quote(&format_event_id(id), out);
        }
        Shape::Enum(names) => {
            let number = payload::choice(reader)?;
            match names.name_of(number) {
                Some(name) => quote(name, out),
                None if spelling == Spelling::Uniform => quote(&number.to_string(), out),
                None => show(format_args!("{number}"), out),
            }
        }
        Shape::Message(table) => message(table, reader.nested()?, spelling, out)?,
    }
    Ok(())
}

fn show(what: Arguments<'_>, out: &mut String) {
    // A string takes whatever is written to it.
    out.write_fmt(what).unwrap_or_default();
}

fn hexadecimal(bytes: &[u8], out: &mut String) {
    out.push('"');
    for byte in bytes {
        show(format_args!("{byte:02x}"), out);
    }
    out.push('"');
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => show(format_args!("\\u{:04x}", u32::from(c)), out),
            _ => out.push(c),
        }
    }
    out.push('"');
}
