//! The scanner against a slow reference: the decoded message, checked field by field, and a walk by
//! the descriptors that sees what a decoder does not report (repeats, numbers cut to 32 bits).

use std::cell::Cell;

use bytes::Buf;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorSet};

use crate::block::EVENT_BYTES_MAX;
use crate::json::INTEGER_MAX;
use crate::schema::tests::{descriptor, descriptors, type_name};
use crate::time::TIME_MAX;
use crate::v1::event::Payload;
use crate::v1::{CorrelationKind, Kind, Severity};
use crate::{Envelope, Timestamp, encode, sample, scan, v1};

/// Whether the event is to be accepted.
fn accepts(files: &FileDescriptorSet, bytes: &[u8]) -> bool {
    bytes.len() <= EVENT_BYTES_MAX
        && walk(files, "Event", bytes).is_some()
        && v1::Event::decode(bytes).is_ok_and(|event| is_valid(&event))
}

/// Walks a message; `None` for one that is refused.
fn walk(files: &FileDescriptorSet, name: &str, mut bytes: &[u8]) -> Option<()> {
    let mut met: Vec<i32> = Vec::new();
    while bytes.has_remaining() {
        let (number, wire) = decode_key(&mut bytes).ok()?;
        let number = number as i32;
        let known = descriptor(files, name).field.iter().find(|f| f.number() == number);
        let Some(field) = known else {
            take(wire, &mut bytes)?;
            continue;
        };
        if met.contains(&number) && field.label() != Label::Repeated {
            return None;
        }
        met.push(number);
        let mut value = take(wire, &mut bytes)?;
        if wire == wire_of(field.r#type()) {
            check_value(files, field, value)?;
        } else if wire == WireType::LengthDelimited && field.label() == Label::Repeated {
            while value.has_remaining() {
                let one = take(wire_of(field.r#type()), &mut value)?;
                check_value(files, field, one)?;
            }
        } else {
            return None;
        }
    }
    let count = |number| met.iter().filter(|n| **n == number).count();
    match name {
        "Event" => {
            let payloads = met.iter().filter(|n| **n >= 32).count();
            (payloads <= 1 && count(20) <= 16 && count(21) <= 16).then_some(())
        }
        _ => Some(()),
    }
}

/// The bytes of one value, without the length before them.
fn take<'a>(wire: WireType, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = match wire {
        WireType::Varint => {
            let mut rest = *bytes;
            decode_varint(&mut rest).ok()?;
            bytes.len() - rest.len()
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

fn wire_of(of: Type) -> WireType {
    match of {
        Type::Bool | Type::Uint32 | Type::Uint64 | Type::Enum => WireType::Varint,
        Type::Fixed64 | Type::Double => WireType::SixtyFourBit,
        Type::Float => WireType::ThirtyTwoBit,
        _ => WireType::LengthDelimited,
    }
}

fn check_value(
    files: &FileDescriptorSet,
    field: &FieldDescriptorProto,
    mut bytes: &[u8],
) -> Option<()> {
    let fits = match field.r#type() {
        Type::Bool => decode_varint(&mut bytes).ok()? <= 1,
        Type::Uint32 => decode_varint(&mut bytes).ok()? <= u64::from(u32::MAX),
        Type::Uint64 => decode_varint(&mut bytes).ok()? <= INTEGER_MAX,
        Type::Enum => i32::try_from(decode_varint(&mut bytes).ok()? as i64).is_ok(),
        Type::Fixed64 => bytes.get_u64_le() <= TIME_MAX.0,
        Type::Double => bytes.get_f64_le().is_finite(),
        Type::Float => bytes.get_f32_le().is_finite(),
        Type::String => std::str::from_utf8(bytes).is_ok(),
        Type::Message => {
            walk(files, type_name(field), bytes)?;
            match type_name(field) {
                "Indicators.ValuesEntry" => is_indicator(bytes)?,
                "Event.LabelsEntry" => is_label(bytes)?,
                _ => true,
            }
        }
        _ => true,
    };
    fits.then_some(())
}

/// The last bytes under a number.
fn field_of(mut message: &[u8], number: u32) -> Option<&[u8]> {
    let mut found: &[u8] = &[];
    while message.has_remaining() {
        let (at, wire) = decode_key(&mut message).ok()?;
        let value = take(wire, &mut message)?;
        found = if at == number { value } else { found };
    }
    Some(found)
}

fn is_indicator(entry: &[u8]) -> Option<bool> {
    let name = std::str::from_utf8(field_of(entry, 1)?).ok()?;
    let value = v1::Value::decode(field_of(entry, 2)?).ok()?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let named = (1..=64).contains(&name.len())
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || c == '_' || c == '.');
    Some(
        named
            && unit(value.confidence)
            && matches!(value.definition.len(), 0 | 8..=32)
            && (value.value.is_some() || ![0, 1].contains(&value.status)),
    )
}

fn is_label(entry: &[u8]) -> Option<bool> {
    Some(field_of(entry, 1)?.len() <= 200 && field_of(entry, 2)?.len() <= 200)
}

fn unit(value: Option<f64>) -> bool {
    value.is_none_or(|value| (0.0..=1.0).contains(&value))
}

fn named(text: &str, least: usize) -> bool {
    (least..=50).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_valid(event: &v1::Event) -> bool {
    let Ok(kind) = Kind::try_from(event.kind) else { return false };
    let barred = matches!(kind, Kind::Indicators | Kind::Patterns | Kind::IntervalComplete);
    let nameless = matches!(kind, Kind::Correlation | Kind::IntervalComplete);
    let venue = event.venue.as_bytes();
    let upper = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let (start, end) = (event.interval_start, event.interval_end);
    event.id.len() == 16
        && (1..=200).contains(&event.source.len())
        && is_version(&event.schema_version)
        && named(&event.instrument, usize::from(!nameless))
        && (venue.is_empty() || venue.len() == 4 && venue.iter().all(upper))
        && (is_timeframe(&event.timeframe) || !barred && event.timeframe.is_empty())
        && (!barred || start != 0 && end != 0)
        && (start < end || (start, end) == (0, 0))
        && event.produced_at != 0
        && event.priority <= 9
        && event.revision <= 65_535
        && unit(event.confidence)
        && Severity::try_from(event.severity).is_ok()
        && (kind != Kind::Anomaly || event.severity != 0)
        && event.payload.as_ref().is_some_and(|payload| is_valid_payload(kind, payload))
}

fn is_version(text: &str) -> bool {
    let number = |minor: &str| {
        minor.len() <= 6 && minor.parse::<u32>().is_ok_and(|n| n.to_string() == minor)
    };
    text.is_empty() || text.strip_prefix("1.").is_some_and(number)
}

fn is_timeframe(text: &str) -> bool {
    let units = ["s", "mo", "m", "h", "d", "w"];
    let count = units.iter().find_map(|unit| text.strip_suffix(unit));
    count.is_some_and(|n| n.parse::<u64>().is_ok_and(|v| v > 0 && v.to_string() == n))
        && text.len() <= 8
}

fn is_valid_payload(kind: Kind, payload: &Payload) -> bool {
    match payload {
        Payload::Indicators(p) => {
            kind == Kind::Indicators
                && !p.values.is_empty()
                && unit(p.completeness)
                && unit(p.accuracy)
        }
        Payload::Patterns(p) => {
            let fine = |p: &v1::Pattern| {
                !p.r#type.is_empty()
                    && unit(p.confidence)
                    && unit(p.completion)
                    && unit(p.success_rate)
            };
            kind == Kind::Patterns && !p.patterns.is_empty() && p.patterns.iter().all(fine)
        }
        Payload::Anomaly(p) => kind == Kind::Anomaly && unit(p.confidence),
        Payload::Correlation(p) => {
            let (names, values) = (p.instruments.len(), p.triangle.len());
            let counted = names * names.saturating_sub(1) / 2;
            kind == Kind::Correlation
                && named(&p.matrix_id, 1)
                && matches!(p.kind, 1..=3)
                && p.chunk < p.chunks.max(1)
                && matches!(p.sha256.len(), 0 | 32)
                && (values == 0 || p.chunks != 0 || values == counted)
        }
        Payload::Summary(p) => {
            kind == Kind::Summary && p.trend_alignment.is_none_or(|v| (-1.0..=1.0).contains(&v))
        }
        Payload::IntervalComplete(_) => kind == Kind::IntervalComplete,
    }
}

/// One change to a message's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Cut(Index),
    /// A field, with its tag, once more at the end.
    Repeat(Index),
    /// One more field, or the same once more with another value.
    Append(u64, Vec<u8>),
    /// A change to the body of a field that has a length, which still fits afterwards.
    Within(Index, Box<Change>),
}

/// A value of any wire type, near the limits of what is allowed or beyond them.
fn raw_value() -> impl Strategy<Value = (u64, Vec<u8>)> {
    let numbers =
        [0, 1, 2, 9, 65_535, u64::from(u32::MAX), 1 << 32, INTEGER_MAX, 1 << 53, u64::MAX];
    let number = prop_oneof![proptest::sample::select(numbers.to_vec()), any::<u64>()];
    let varint = number.prop_map(|number| {
        let mut bytes = Vec::new();
        encode_varint(number, &mut bytes);
        (0, bytes)
    });
    let wide = Just((0, vec![0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]));
    let doubles = [0.0, -0.0, 1.0, 1.5, -1.0, f64::NAN, f64::INFINITY, f64::MAX];
    let double = proptest::sample::select(doubles.to_vec());
    let double = double.prop_map(|value: f64| (1, value.to_le_bytes().to_vec()));
    let time = proptest::sample::select(vec![0, 1, TIME_MAX.0, TIME_MAX.0 + 1]);
    let time = time.prop_map(|nanos: u64| (1, nanos.to_le_bytes().to_vec()));
    let text = vec(any::<u8>(), 0..4).prop_map(|bytes| {
        let mut value = vec![bytes.len() as u8];
        value.extend(bytes);
        (2, value)
    });
    let float = any::<u32>().prop_map(|bits| (5, bits.to_le_bytes().to_vec()));
    prop_oneof![4 => varint, 1 => wide, 3 => double, 2 => time, 2 => text, 1 => float]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let number = prop_oneof![4 => 1..15u64, 1 => 0..64u64];
    let flat = prop_oneof![
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (at(), 1..10usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => at().prop_map(Change::Cut),
        2 => at().prop_map(Change::Repeat),
        4 => (number, raw_value()).prop_map(|(number, (wire, value))| {
            Change::Append(number << 3 | wire, value)
        }),
    ];
    flat.prop_recursive(3, 4, 1, move |inner| {
        (at(), inner).prop_map(|(at, inner)| Change::Within(at, Box::new(inner)))
    })
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            Self::Append(tag, value) => {
                encode_varint(*tag, bytes);
                bytes.extend(value);
            }
            _ if bytes.is_empty() => {}
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Remove(at, count) => {
                let start = at.index(length);
                bytes.drain(start..(start + count).min(length));
            }
            Self::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Repeat(at) => {
                let fields = fields(bytes);
                if !fields.is_empty() {
                    bytes.extend_from_within(at.get(&fields).start..at.get(&fields).end);
                }
            }
            Self::Within(at, inner) => {
                // The payload is the last one, and where most of the rules are.
                let mut fields = fields(bytes);
                fields.retain(|field| field.body.is_some());
                let last = fields.len().saturating_sub(3);
                let Some(field) = fields.get(last + at.index(3)) else { return };
                let mut body = field.body.clone().unwrap_or_default();
                inner.make(&mut body);
                let mut whole = Vec::new();
                encode_key(field.number, WireType::LengthDelimited, &mut whole);
                encode_varint(body.len() as u64, &mut whole);
                whole.extend(body);
                bytes.splice(field.start..field.end, whole);
            }
        }
    }
}

/// Where a field stands, with its tag, and its body when it has a length.
struct Place {
    number: u32,
    start: usize,
    end: usize,
    body: Option<Vec<u8>>,
}

/// The fields of a message as far as they can be told apart.
fn fields(bytes: &[u8]) -> Vec<Place> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    while rest.has_remaining() {
        let start = bytes.len() - rest.len();
        let Ok((number, wire)) = decode_key(&mut rest) else { break };
        let Some(value) = take(wire, &mut rest) else { break };
        let body = (wire == WireType::LengthDelimited).then(|| value.to_vec());
        fields.push(Place { number, start, end: bytes.len() - rest.len(), body });
    }
    fields
}

/// An event's bytes with a few changes, or none.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (sample::event(), vec(change(), 0..5)).prop_map(|(event, changes)| {
        let mut bytes = encode(&event);
        changes.iter().for_each(|change| change.make(&mut bytes));
        bytes
    })
}

#[track_caller]
fn same(envelope: &Envelope<'_>, event: &v1::Event) {
    assert_eq!(envelope.id.as_slice(), event.id.as_ref());
    assert_eq!(envelope.kind as i32, event.kind);
    assert_eq!(envelope.severity as i32, event.severity);
    assert_eq!(envelope.is_final, event.is_final.unwrap_or(true));
    assert_eq!(envelope.key_seq, event.key_seq);
    assert_eq!(u32::from(envelope.priority), event.priority);
    assert_eq!(u32::from(envelope.revision), event.revision);
    assert_eq!(envelope.confidence, event.confidence);
    let times = [event.interval_start, event.interval_end, event.produced_at, event.expires_at];
    let read =
        [envelope.interval_start, envelope.interval_end, envelope.produced_at, envelope.expires_at];
    assert_eq!(read, times.map(Timestamp));
    let texts = [&event.source, &event.schema_version, &event.instrument, &event.venue];
    let read = [envelope.source, envelope.schema_version, envelope.instrument, envelope.venue];
    assert_eq!(read, texts.map(String::as_str));
    let texts = [&event.timeframe, &event.region, &event.traceparent];
    assert_eq!(
        [envelope.timeframe, envelope.region, envelope.traceparent],
        texts.map(String::as_str)
    );
    let (matrix, kind) = match &event.payload {
        Some(Payload::Correlation(p)) => (p.matrix_id.as_str(), p.kind),
        _ => ("", CorrelationKind::Unspecified as i32),
    };
    assert_eq!((envelope.matrix_id, envelope.correlation_kind as i32), (matrix, kind));
    assert_eq!(envelope.has_definitions, has_definitions(event));
}

fn has_definitions(event: &v1::Event) -> bool {
    let Some(Payload::Indicators(payload)) = &event.payload else { return false };
    payload.values.values().any(|value| !value.definition.is_empty())
}

/// Both judge alike, and read the same of what they accept. Whether it was accepted.
#[track_caller]
fn check(files: &FileDescriptorSet, bytes: &[u8]) -> bool {
    let scanned = scan(bytes);
    assert_eq!(scanned.is_ok(), accepts(files, bytes), "{bytes:02x?}: {scanned:?}");
    if let Ok(envelope) = &scanned {
        same(envelope, &v1::Event::decode(bytes).unwrap());
    }
    scanned.is_ok()
}

#[test]
fn the_scanner_judges_as_the_reference_does() {
    use proptest::test_runner::{Config, TestRunner};
    let files = descriptors();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(3_000) });
    let result = runner.run(&mutated(), |bytes| {
        let outcome = if check(&files, &bytes) { &accepted } else { &refused };
        outcome.set(outcome.get() + 1);
        Ok(())
    });
    result.unwrap();
    let counts = (accepted.get(), refused.get());
    assert!(counts.0 > 200 && counts.1 > 200, "either outcome came up seldom: {counts:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_scanned_without_a_panic(bytes in any::<Vec<u8>>()) {
        let _judged = check(&descriptors(), &bytes);
    }
}
