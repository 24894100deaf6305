//! Single values out of JSON, each refused with what was expected instead.

use crate::json::nearest::did_you_mean;
use crate::json::tree::{Kind, Node};
use crate::scan::fault::{Fault, fault, invalid};
use crate::schema::Enum;
use crate::{Code, Timestamp};

pub(super) fn text(node: Node<'_>) -> Result<&str, Fault> {
    node.text().ok_or_else(|| expected("a string", node))
}

/// A whole number, as a number or as its digits in a string.
pub(super) fn integer(node: Node<'_>, max: u64) -> Result<u64, Fault> {
    let Some(digits) = node.number().or_else(|| node.text()) else {
        return Err(expected("a whole number", node));
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    if !plain && node.kind() == Kind::Text {
        return Err(expected("a whole number", node));
    }
    let number = if plain { digits.parse().ok() } else { None };
    number
        .filter(|number| *number <= max)
        .ok_or_else(|| invalid("", format!("{node} is not a whole number of 0 to {max}")))
}

pub(super) fn double(node: Node<'_>) -> Result<f64, Fault> {
    if let Some("NaN" | "Infinity" | "-Infinity") = node.text() {
        let mut fault = fault(Code::NumberNotFinite, format!("{node} is not a number to publish"));
        fault.hint = "leave the value out and say why in `status`".to_owned();
        return Err(fault);
    }
    let number = node.number().and_then(|number| number.parse().ok());
    number.ok_or_else(|| expected("a number", node))
}

pub(super) fn float(node: Node<'_>) -> Result<f32, Fault> {
    let number = double(node)? as f32;
    if number.is_finite() {
        return Ok(number);
    }
    Err(invalid("", format!("{node} does not fit 32 bits")))
}

pub(super) fn time(node: Node<'_>) -> Result<u64, Fault> {
    let time = text(node)?.parse::<Timestamp>();
    time.map(|time| time.0).map_err(|error| invalid("", format!("{node} is {error}")))
}

/// An enum's number, by its name or, known or not, as it is.
pub(super) fn choice(names: &Enum, node: Node<'_>) -> Result<i32, Fault> {
    if let Some(Ok(number)) = node.number().map(str::parse) {
        return Ok(number);
    }
    let Some(name) = node.text() else { return Err(expected("a name", node)) };
    names.number_of(name).ok_or_else(|| {
        let code = if names.name == "Kind" { Code::KindUnknown } else { Code::FieldInvalid };
        let mut fault = fault(code, format!("{} has no {node}", names.name));
        fault.hint = did_you_mean(name, names.names.iter().map(|(_, name)| *name));
        fault
    })
}

pub(super) fn hexadecimal(node: Node<'_>) -> Result<Vec<u8>, Fault> {
    let pairs = text(node)?.as_bytes().chunks(2);
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
pub(super) fn expected(what: &str, node: Node<'_>) -> Fault {
    let given = match node.kind() {
        Kind::Null => "null",
        Kind::Bool => "true or false",
        Kind::Number => "a number",
        Kind::Text => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    invalid("", format!("{what} is expected, not {given}"))
}
