//! JSON to canonical bytes: each message's fields in number order, maps in key order.

mod value;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::nearest::did_you_mean;
use super::tree::{Kind, Node};
use crate::scan::fault::{Fault, fault, invalid, missing, within};
use crate::schema::{EVENT, Field, Form, Label, Message, Shape};
use crate::{Code, foreign_event_id, parse_event_id};

use value::{choice, double, expected, float, hexadecimal, integer, text, time};

/// The field of the first payload.
const FIRST_PAYLOAD: u32 = 32;

/// More than any message has.
const FIELDS_MAX: usize = 32;

/// Where in its table a message's members stand in the text; 0 for those that do not.
type Places = [u32; FIELDS_MAX];

/// Canonical bytes of an event, put after what is there. An event without an id gets one.
pub(super) fn event(
    node: Node<'_>,
    new_id: &mut dyn FnMut() -> Option<[u8; 16]>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let places = places(&EVENT, node)?;
    let payload = payload(&places)?;
    let (id, origin) = id(node, &places)?;
    for (field, place) in EVENT.fields.iter().zip(places) {
        match (field.number, place) {
            (1, _) => {
                if let Some(id) = id.or_else(&mut *new_id) {
                    put_length(field, &id, out);
                }
            }
            (22, _) => put_bytes(field, origin.as_bytes(), out),
            (3, 0) => {
                if let Some(payload) = payload {
                    // Kinds are numbered as their payloads are.
                    put_varint(field, u64::from(payload.number - FIRST_PAYLOAD + 1), out);
                }
            }
            (_, 0) => {}
            (_, place) => put_field(field, node.sibling(place), out)
                .map_err(|fault| within(fault, field.name))?,
        }
    }
    Ok(())
}

/// The bytes of one payload, as a field of the event.
pub(super) fn payload_of(name: &str, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let field = EVENT.named(name).filter(|field| field.number >= FIRST_PAYLOAD);
    let Some(field) = field else {
        return Err(fault(Code::KindUnknown, format!("there is no payload `{name}`")));
    };
    put_field(field, node, out)
}

/// The one payload, where there is one.
fn payload(places: &Places) -> Result<Option<&'static Field>, Fault> {
    let given = EVENT.fields.iter().zip(places).filter(|(_, place)| **place != 0);
    let mut present = given.map(|(field, _)| field).filter(|f| f.number >= FIRST_PAYLOAD);
    let first = present.next();
    match (first, present.next()) {
        (Some(first), Some(second)) => {
            let detail =
                format!("an event has one payload, not {} and {}", first.name, second.name);
            Err(fault(Code::PayloadMismatch, detail))
        }
        _ => Ok(first),
    }
}

/// The id, where there is one, and the text it was made of where it is no UUID.
fn id<'t>(event: Node<'t>, places: &Places) -> Result<(Option<[u8; 16]>, &'t str), Fault> {
    let written = |name: &str| {
        let fields = EVENT.fields.iter().zip(places);
        let place = fields.filter(|(field, _)| field.name == name).map(|(_, place)| *place).next();
        place.filter(|place| *place != 0).map(|place| event.sibling(place))
    };
    let text_of = |name: &'static str| {
        written(name).map(|node| text(node).map_err(|fault| within(fault, name))).transpose()
    };
    let origin = text_of("origin_id")?.unwrap_or_default();
    let Some(written_id) = text_of("id")? else { return Ok((None, origin)) };
    if written_id.is_empty() {
        return Err(invalid("id", "an id is not empty: leave it out to have one assigned"));
    }
    if let Some(id) = parse_event_id(written_id) {
        return Ok((Some(id), origin));
    }
    if !origin.is_empty() && origin != written_id {
        return Err(invalid("origin_id", "it says another id than `id`, which is not a UUID"));
    }
    let source = written("source").and_then(Node::text).unwrap_or_default();
    if source.is_empty() {
        return Err(missing("source", "an id that is not a UUID counts within its source"));
    }
    Ok((Some(foreign_event_id(source, written_id)), written_id))
}

/// Where each field's member stands; `null` is as good as absent, a name that the table does not
/// have is refused.
fn places(table: &'static Message, node: Node<'_>) -> Result<Places, Fault> {
    if node.kind() != Kind::Object {
        return Err(expected("an object", node));
    }
    let mut places = [0; FIELDS_MAX];
    // Members mostly come in the order of the fields: the search goes on after the last one found.
    let mut from = 0;
    for (key, value) in node.members() {
        let Some(found) = position(table, key, from) else { return Err(unknown(table, key)) };
        from = found + 1;
        if let Some(place) = places.get_mut(found).filter(|_| !value.is_null()) {
            *place = value.index();
        }
    }
    Ok(places)
}

/// Which field of a table has this name, looked for from one of them on.
#[inline]
fn position(table: &Message, name: &str, from: usize) -> Option<usize> {
    let is = |field: &Field| field.name == name;
    let later = table.fields.iter().skip(from).position(is).map(|at| at + from);
    later.or_else(|| table.fields.iter().position(is))
}

#[cold]
fn unknown(table: &'static Message, key: &str) -> Fault {
    let mut fault = fault(Code::FieldUnknown, format!("{} has no such field", table.name));
    fault.field = key.chars().take(200).collect();
    fault.hint = did_you_mean(key, table.fields.iter().map(|field| field.name));
    fault
}

fn message(table: &'static Message, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (table.form, table.fields) {
        (Form::Bare, [first, ..]) if node.kind() == Kind::Number => {
            put(first, node, Zero::Keep, out)
        }
        (Form::Only, [only]) => put_field(only, node, out),
        _ => {
            let places = places(table, node)?;
            for (field, place) in table.fields.iter().zip(places).filter(|(_, place)| *place != 0) {
                put_field(field, node.sibling(place), out)
                    .map_err(|fault| within(fault, field.name))?;
            }
            Ok(())
        }
    }
}

/// Whether a zero is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Skip,
    Keep,
}

fn put_field(field: &'static Field, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (field.label, field.shape) {
        (Label::Plain, _) => put(field, node, Zero::Skip, out),
        (Label::Optional, _) => put(field, node, Zero::Keep, out),
        (Label::Repeated, Shape::Float) => nested(field, Zero::Skip, out, |out| {
            each(node, |element| {
                out.extend(float(element)?.to_le_bytes());
                Ok(())
            })
        }),
        (Label::Repeated, _) => each(node, |element| put(field, element, Zero::Keep, out)),
        (Label::Map, Shape::Message(entry)) => put_map(field, entry, node, out),
        (Label::Map, _) => Ok(()),
    }
}

fn each<'t>(
    node: Node<'t>,
    mut put: impl FnMut(Node<'t>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if node.kind() != Kind::Array {
        return Err(expected("an array", node));
    }
    for (index, element) in node.elements().enumerate() {
        put(element).map_err(|fault| within(fault, &format!("[{index}]")))?;
    }
    Ok(())
}

fn put_map(
    field: &'static Field,
    entry: &'static Message,
    node: Node<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    if node.kind() != Kind::Object {
        return Err(expected("an object", node));
    }
    if node.members().is_sorted_by(|(first, _), (second, _)| first < second) {
        return node.members().try_for_each(|member| put_entry(field, entry, member, out));
    }
    let mut members: Vec<_> = node.members().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    members.into_iter().try_for_each(|member| put_entry(field, entry, member, out))
}

fn put_entry(
    field: &'static Field,
    entry: &'static Message,
    (key, value): (&str, Node<'_>),
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let [key_field, value_field] = entry.fields else { return Ok(()) };
    nested(field, Zero::Keep, out, |out| {
        put_bytes(key_field, key.as_bytes(), out);
        put(value_field, value, Zero::Skip, out).map_err(|fault| within(fault, key))
    })
}

/// One value under its tag.
fn put(field: &'static Field, node: Node<'_>, zero: Zero, out: &mut Vec<u8>) -> Result<(), Fault> {
    let keep = |is_zero: bool| !is_zero || zero == Zero::Keep;
    let varint = |number: u64, out: &mut Vec<u8>| {
        if keep(number == 0) {
            put_varint(field, number, out);
        }
    };
    match field.shape {
        Shape::Bool => {
            let flag = node.boolean().ok_or_else(|| expected("true or false", node))?;
            varint(u64::from(flag), out);
        }
        Shape::Uint32 => varint(integer(node, u64::from(u32::MAX))?, out),
        Shape::Uint64 => varint(integer(node, super::INTEGER_MAX)?, out),
        // Numbers below zero are sign-extended to 64 bits.
        Shape::Enum(names) => varint(i64::from(choice(names, node)?).cast_unsigned(), out),
        Shape::Time => {
            let nanos = time(node)?;
            if keep(nanos == 0) {
                put_fixed64(field, nanos.to_le_bytes(), out);
            }
        }
        Shape::Double => {
            let number = double(node)?;
            if keep(number == 0.0) {
                put_fixed64(field, number.to_le_bytes(), out);
            }
        }
        Shape::Float => {
            encode_key(field.number, WireType::ThirtyTwoBit, out);
            out.extend(float(node)?.to_le_bytes());
        }
        Shape::Text | Shape::Id => {
            let text = text(node)?;
            if keep(text.is_empty()) {
                put_length(field, text.as_bytes(), out);
            }
        }
        Shape::Bytes => put_bytes(field, &hexadecimal(node)?, out),
        Shape::Message(table) => nested(field, zero, out, |out| message(table, node, out))?,
    }
    Ok(())
}

/// A field whose length is known once it is written.
fn nested(
    field: &Field,
    zero: Zero,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = out.len();
    encode_key(field.number, WireType::LengthDelimited, out);
    let length_at = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - length_at - 1;
    if length == 0 && zero == Zero::Skip {
        out.truncate(start);
        return Ok(());
    }
    set_length(out, length_at);
    Ok(())
}

/// Writes the length of all that follows the byte at `length_at`, which was kept for it; where it
/// needs more than that byte, what follows makes room.
pub(super) fn set_length(out: &mut Vec<u8>, length_at: usize) {
    let length = out.len().saturating_sub(length_at + 1);
    let width = encoded_len_varint(length as u64);
    if width > 1 {
        let end = out.len();
        out.resize(end + width - 1, 0);
        out.copy_within(length_at + 1..end, length_at + width);
    }
    if let Some(mut place) = out.get_mut(length_at..length_at + width) {
        encode_varint(length as u64, &mut place);
    }
}

fn put_varint(field: &Field, value: u64, out: &mut Vec<u8>) {
    encode_key(field.number, WireType::Varint, out);
    encode_varint(value, out);
}

fn put_fixed64(field: &Field, bytes: [u8; 8], out: &mut Vec<u8>) {
    encode_key(field.number, WireType::SixtyFourBit, out);
    out.extend(bytes);
}

/// Bytes that are not written when there are none.
fn put_bytes(field: &Field, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        put_length(field, bytes, out);
    }
}

fn put_length(field: &Field, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(field.number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
