//! The slow reading: JSON to canonical bytes by way of a parsed document. What the fast one is held
//! against.

use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::{Map, Value};

use crate::json::INTEGER_MAX;
use crate::json::nearest::did_you_mean;
use crate::scan::fault::{Fault, fault, invalid, missing, within};
use crate::schema::{EVENT, Enum, Field, Form, Label, Message, Shape};
use crate::{Code, Timestamp, foreign_event_id, parse_event_id};

type Object = Map<String, Value>;

/// The field of the first payload.
const FIRST_PAYLOAD: u32 = 32;

/// Canonical bytes of an event.
pub(crate) fn event(value: &Value) -> Result<Vec<u8>, Fault> {
    let object = known_object(&EVENT, value)?;
    let payload = payload(object)?;
    let (id, origin) = id(object)?;
    let mut out = Vec::with_capacity(256);
    for field in EVENT.fields {
        let given = member(object, field);
        match (field.name, given) {
            ("id", _) => put_bytes(field, &id, &mut out),
            ("origin_id", _) => put_bytes(field, origin.as_bytes(), &mut out),
            ("kind", None) => {
                let name = payload.map(|field| field.name.to_ascii_uppercase());
                if let Some(name) = name {
                    put(field, &Value::String(name), Zero::Skip, &mut out)?;
                }
            }
            (_, Some(value)) => {
                put_field(field, value, &mut out).map_err(|fault| within(fault, field.name))?;
            }
            (_, None) => {}
        }
    }
    Ok(out)
}

/// The one payload, where there is one.
fn payload(event: &Object) -> Result<Option<&'static Field>, Fault> {
    let mut present = EVENT
        .fields
        .iter()
        .filter(|field| field.number >= FIRST_PAYLOAD && member(event, field).is_some());
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

/// The id's bytes, empty where there is none, and the text it was made of where it is no UUID.
fn id(event: &Object) -> Result<(Vec<u8>, &str), Fault> {
    let origin = match event.get("origin_id") {
        None | Some(Value::Null) => "",
        Some(value) => text(value).map_err(|fault| within(fault, "origin_id"))?,
    };
    let written = match event.get("id") {
        None | Some(Value::Null) => return Ok((Vec::new(), origin)),
        Some(value) => text(value).map_err(|fault| within(fault, "id"))?,
    };
    if written.is_empty() {
        return Err(invalid("id", "an id is not empty: leave it out to have one assigned"));
    }
    if let Some(id) = parse_event_id(written) {
        return Ok((id.to_vec(), origin));
    }
    if !origin.is_empty() && origin != written {
        return Err(invalid("origin_id", "it says another id than `id`, which is not a UUID"));
    }
    let source = event.get("source").and_then(Value::as_str).unwrap_or_default();
    if source.is_empty() {
        return Err(missing("source", "an id that is not a UUID counts within its source"));
    }
    Ok((foreign_event_id(source, written).to_vec(), written))
}

/// A member that is there; `null` is as good as absent.
fn member<'a>(object: &'a Object, field: &Field) -> Option<&'a Value> {
    object.get(field.name).filter(|value| !value.is_null())
}

/// The value as an object without unknown members.
fn known_object<'a>(table: &'static Message, value: &'a Value) -> Result<&'a Object, Fault> {
    let object = value.as_object().ok_or_else(|| expected("an object", value))?;
    match object.keys().find(|key| table.named(key).is_none()) {
        None => Ok(object),
        Some(key) => {
            let mut fault = fault(Code::FieldUnknown, format!("{} has no such field", table.name));
            key.clone_into(&mut fault.field);
            fault.hint = did_you_mean(key, table.fields.iter().map(|field| field.name));
            Err(fault)
        }
    }
}

fn message(table: &'static Message, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (table.form, table.fields) {
        (Form::Bare, [first, ..]) if value.is_number() => put(first, value, Zero::Keep, out),
        (Form::Only, [only]) => put_field(only, value, out),
        _ => {
            let object = known_object(table, value)?;
            for field in table.fields {
                if let Some(value) = member(object, field) {
                    put_field(field, value, out).map_err(|fault| within(fault, field.name))?;
                }
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

fn put_field(field: &'static Field, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (field.label, field.shape) {
        (Label::Plain, _) => put(field, value, Zero::Skip, out),
        (Label::Optional, _) => put(field, value, Zero::Keep, out),
        (Label::Repeated, Shape::Float) => put_packed(field, value, out),
        (Label::Repeated, _) => each(value, |element| put(field, element, Zero::Keep, out)),
        (Label::Map, Shape::Message(entry)) => put_map(field, entry, value, out),
        (Label::Map, _) => Ok(()),
    }
}

/// Does the same with each element of an array.
fn each(value: &Value, mut put: impl FnMut(&Value) -> Result<(), Fault>) -> Result<(), Fault> {
    let array = value.as_array().ok_or_else(|| expected("an array", value))?;
    for (index, element) in array.iter().enumerate() {
        put(element).map_err(|fault| within(fault, &format!("[{index}]")))?;
    }
    Ok(())
}

fn put_packed(field: &Field, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut packed = Vec::new();
    each(value, |element| {
        packed.extend(float(element)?.to_le_bytes());
        Ok(())
    })?;
    put_bytes(field, &packed, out);
    Ok(())
}

fn put_map(
    field: &Field,
    entry: &'static Message,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let object = value.as_object().ok_or_else(|| expected("an object", value))?;
    let [key_field, value_field] = entry.fields else { return Ok(()) };
    for (key, value) in object {
        let mut body = Vec::new();
        put_bytes(key_field, key.as_bytes(), &mut body);
        put(value_field, value, Zero::Skip, &mut body).map_err(|fault| within(fault, key))?;
        put_length(field, &body, out);
    }
    Ok(())
}

/// One value under its tag.
fn put(field: &'static Field, value: &Value, zero: Zero, out: &mut Vec<u8>) -> Result<(), Fault> {
    let skip = |is_zero: bool| is_zero && zero == Zero::Skip;
    match field.shape {
        Shape::Bool => {
            let flag = value.as_bool().ok_or_else(|| expected("true or false", value))?;
            put_varint(field, u64::from(flag), zero, out);
        }
        Shape::Uint32 => put_varint(field, integer(value, u64::from(u32::MAX))?, zero, out),
        Shape::Uint64 => put_varint(field, integer(value, INTEGER_MAX)?, zero, out),
        // Numbers below zero are sign-extended to 64 bits.
        Shape::Enum(names) => {
            let number = choice(names, value)?;
            put_varint(field, i64::from(number).cast_unsigned(), zero, out);
        }
        Shape::Time => {
            let nanos = time(value)?;
            if !skip(nanos == 0) {
                encode_key(field.number, WireType::SixtyFourBit, out);
                out.extend(nanos.to_le_bytes());
            }
        }
        Shape::Double => {
            let number = double(value)?;
            if !skip(number == 0.0) {
                encode_key(field.number, WireType::SixtyFourBit, out);
                out.extend(number.to_le_bytes());
            }
        }
        Shape::Float => {
            encode_key(field.number, WireType::ThirtyTwoBit, out);
            out.extend(float(value)?.to_le_bytes());
        }
        Shape::Text | Shape::Id => {
            let text = text(value)?;
            if !skip(text.is_empty()) {
                put_length(field, text.as_bytes(), out);
            }
        }
        Shape::Bytes => put_bytes(field, &hexadecimal(value)?, out),
        Shape::Message(table) => {
            let mut body = Vec::new();
            message(table, value, &mut body)?;
            if !skip(body.is_empty()) {
                put_length(field, &body, out);
            }
        }
    }
    Ok(())
}

fn put_varint(field: &Field, value: u64, zero: Zero, out: &mut Vec<u8>) {
    if value != 0 || zero == Zero::Keep {
        encode_key(field.number, WireType::Varint, out);
        encode_varint(value, out);
    }
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
    out.extend(bytes);
}

fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| expected("a string", value))
}

/// A whole number, as a number or as its digits in a string.
fn integer(value: &Value, max: u64) -> Result<u64, Fault> {
    let number = match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        other => return Err(expected("a whole number", other)),
    };
    number
        .filter(|number| *number <= max)
        .ok_or_else(|| invalid("", format!("{value} is not a whole number of 0 to {max}")))
}

fn double(value: &Value) -> Result<f64, Fault> {
    if let Some("NaN" | "Infinity" | "-Infinity") = value.as_str() {
        let mut fault = fault(Code::NumberNotFinite, format!("{value} is not a number to publish"));
        fault.hint = "leave the value out and say why in `status`".to_owned();
        return Err(fault);
    }
    value.as_f64().ok_or_else(|| expected("a number", value))
}

fn float(value: &Value) -> Result<f32, Fault> {
    let number = double(value)? as f32;
    if number.is_finite() {
        return Ok(number);
    }
    Err(invalid("", format!("{value} does not fit 32 bits")))
}

fn time(value: &Value) -> Result<u64, Fault> {
    let text = text(value)?;
    let time = text.parse::<Timestamp>();
    time.map(|time| time.0).map_err(|error| invalid("", format!("{text:?} is {error}")))
}

/// An enum's number, by its name or, known or not, as it is.
fn choice(names: &Enum, value: &Value) -> Result<i32, Fault> {
    let number = value.as_i64().map(i32::try_from);
    if let Some(Ok(number)) = number {
        return Ok(number);
    }
    let Some(name) = value.as_str() else { return Err(expected("a name", value)) };
    names.number_of(name).ok_or_else(|| {
        let code = if names.name == "Kind" { Code::KindUnknown } else { Code::FieldInvalid };
        let mut fault = fault(code, format!("{} has no {value}", names.name));
        fault.hint = did_you_mean(name, names.names.iter().map(|(_, name)| *name));
        fault
    })
}

fn hexadecimal(value: &Value) -> Result<Vec<u8>, Fault> {
    let text = text(value)?;
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<_>>().ok_or_else(|| invalid("", "pairs of hexadecimal digits"))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cold]
fn expected(what: &str, value: &Value) -> Fault {
    let given = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    invalid("", format!("{what} is expected, not {given}"))
}
