//! CloudEvents 1.0: attributes around an event's payload, or around the whole event.
//!
//! An attribute says what the data leaves out; where both say something they must agree. Extension
//! attributes that mean nothing here are kept as labels.

mod attributes;
mod write;

use tidings_event::json::tree::{Kind, Node, Tree, text};
use tidings_event::v1::{self, event::Payload};
use tidings_event::{Code, Refusal, Timestamp, json};

use crate::interval;
use crate::reading::{self, Given};
use attributes::{Attributes, kind_of};

pub use write::to_json;

/// What the attributes are around.
enum Data<'t> {
    Json(Node<'t>),
    /// A serialised `tidings.v1.Event`.
    Protobuf(&'t [u8]),
    Absent,
}

/// Reads a CloudEvent in structured mode: one JSON object.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn structured(node: Node<'_>, given: &Given<'_>) -> Result<v1::Event, Refusal> {
    if node.kind() != Kind::Object {
        return Err(Refusal::new(Code::FieldInvalid, "a CloudEvent is an object"));
    }
    let mut attributes = Attributes::default();
    for (name, value) in node.members().filter(|(name, _)| !name.starts_with("data")) {
        attributes.put_node(name, value)?;
    }
    for name in ["datacontenttype", "dataschema", "dataref", "dataclassification"] {
        if let Some(value) = node.member(name) {
            attributes.put_node(name, value)?;
        }
    }
    let known =
        ["data", "data_base64", "datacontenttype", "dataschema", "dataref", "dataclassification"];
    if let Some((name, _)) =
        node.members().find(|(n, _)| n.starts_with("data") && !known.contains(n))
    {
        let name: String = name.chars().take(40).collect();
        let refusal = Refusal::new(Code::FieldUnknown, "no attribute of a CloudEvent begins so");
        return Err(refusal.at_field(&name).with_hint(json::did_you_mean(&name, known)));
    }
    let bytes;
    let data = match (node.member("data"), node.member("data_base64")) {
        (Some(_), Some(_)) => {
            let refusal =
                Refusal::new(Code::FieldRepeated, "`data` and `data_base64` exclude each other");
            return Err(refusal.at_field("data_base64"));
        }
        (Some(data), None) => {
            attributes.json_content()?;
            Data::Json(data)
        }
        (None, Some(coded)) => {
            attributes.protobuf_content()?;
            bytes = coded.text().and_then(base64).ok_or_else(|| {
                Refusal::new(Code::FieldInvalid, "base64 is expected").at_field("data_base64")
            })?;
            Data::Protobuf(&bytes)
        }
        (None, None) => Data::Absent,
    };
    event(&attributes, data, given)
}

/// Reads a CloudEvent in binary mode: its attributes as headers without their `ce-`, the body and
/// the media type of it.
///
/// # Errors
/// As [`structured`].
pub fn binary<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    media_type: &str,
    body: &[u8],
    given: &Given<'_>,
) -> Result<v1::Event, Refusal> {
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        attributes.put_header(name, value)?;
    }
    let mut tree = Tree::default();
    match media_type {
        _ if body.is_empty() => event(&attributes, Data::Absent, given),
        "application/protobuf" | "application/x-protobuf" => {
            event(&attributes, Data::Protobuf(body), given)
        }
        _ => {
            let document = tree.parse(text(body)?)?;
            event(&attributes, Data::Json(document.root()), given)
        }
    }
}

fn event(
    attributes: &Attributes<'_>,
    data: Data<'_>,
    given: &Given<'_>,
) -> Result<v1::Event, Refusal> {
    attributes.check()?;
    let kind = kind_of(attributes.get("type").unwrap_or_default())?;
    let mut event = of_data(kind, data)?;
    let alone = event.kind == 0;
    if alone {
        event.kind = kind.into();
    }
    if event.kind != i32::from(kind) {
        let refusal = Refusal::new(Code::PayloadMismatch, "data and `type` are of different kinds");
        return Err(refusal.at_field("type"));
    }
    if let Some(dialect) = given.dialect.filter(|_| !event.timeframe.is_empty()) {
        event.timeframe = dialect.canonical(&event.timeframe)?;
    }
    attributes.fill(&mut event, given)?;
    // A payload alone says nothing of its bar: it is the one that had ended.
    let interval = interval::ended_at(&event.timeframe, Timestamp(event.produced_at));
    if let Some((start, end)) = interval.filter(|_| alone) {
        (event.interval_start, event.interval_end) = (start, end);
    }
    Ok(event)
}

/// The event as far as the data says it: all of it, or the payload.
fn of_data(kind: v1::Kind, data: Data<'_>) -> Result<v1::Event, Refusal> {
    let name = kind.as_str_name().to_ascii_lowercase();
    let within = |refusal: Refusal| {
        let dot = if refusal.field.is_empty() { "" } else { "." };
        let field = format!("data{dot}{}", refusal.field);
        refusal.at_field(field)
    };
    match data {
        Data::Json(node) if node.member(&name).is_some() => {
            let mut bytes = Vec::new();
            json::node_to_canonical(node, &mut || None, &mut bytes).map_err(within)?;
            reading::decode(&bytes)
        }
        Data::Json(node) => {
            let payload = json::node_to_payload(&name, node).map_err(within)?;
            Ok(v1::Event { payload: Some(payload), ..v1::Event::default() })
        }
        Data::Protobuf(bytes) => reading::decode(bytes).map_err(within),
        // A correlation may lie elsewhere: `dataref` says where.
        Data::Absent if kind == v1::Kind::Correlation => {
            let payload = Payload::Correlation(v1::Correlation::default());
            Ok(v1::Event { payload: Some(payload), ..v1::Event::default() })
        }
        Data::Absent => {
            let refusal = Refusal::new(Code::FieldMissing, "the event's payload, or all of it");
            Err(refusal.at_field("data"))
        }
    }
}

/// The bytes of standard base64 with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let stripped = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - stripped.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(stripped.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0);
    for byte in stripped.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(out)
}

#[cfg(test)]
mod tests;
