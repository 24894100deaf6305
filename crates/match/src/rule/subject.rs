//! The event that is being judged: looks values up where they lie, decoding nothing else.

use std::borrow::Cow;

use tidings_event::key::NO_VENUE;
use tidings_event::v1::Kind;
use tidings_event::{Envelope, Raw, Timestamp, fields};

use super::expression::Name;
use super::schema::{Entry, Field, Place, Presence, Type};

/// What a name or a computation gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Time(i128),
    Duration(i128),
    Id([u8; 16]),
    Choice(u8),
}

/// An event, and the pattern of it that is judged where the filter names one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub envelope: &'a Envelope<'a>,
    pub event: &'a [u8],
    pub pattern: Option<&'a [u8]>,
}

impl<'a> Subject<'a> {
    /// The payload's bytes, if it is of this kind.
    pub(super) fn payload(&self, kind: Kind) -> Option<&'a [u8]> {
        if self.envelope.kind != kind {
            return None;
        }
        self.event.get(self.envelope.payload.clone())
    }

    /// What the name stands for; `None` where it is absent.
    pub(super) fn value(&self, name: &Name) -> Option<Value<'a>> {
        match name {
            Name::Entry(entry) => self.entry(entry),
            Name::Label(label) => {
                let entry = keyed(self.event, 21, label)?;
                Some(Value::Text(text(bytes_of(entry, 2).unwrap_or_default())?.into()))
            }
            Name::Value(name, part) => {
                let entry = keyed(self.payload(Kind::Indicators)?, 1, name)?;
                let value = bytes_of(entry, 2)?;
                decode(part.of, first(value, part.number)?)
            }
            Name::Figure(figures, key) => {
                let entry = keyed(self.payload(Kind::Summary)?, figures.number, key)?;
                match first(entry, 2) {
                    Some(raw) => decode(Type::Number, raw),
                    None => Some(Value::Number(0.0)),
                }
            }
        }
    }

    fn entry(&self, entry: &Entry) -> Option<Value<'a>> {
        let (raw, presence) = match entry.place {
            Place::Envelope(field) => return self.field(field),
            Place::Targets => return None,
            Place::Payload(kind, path, presence) => (found(self.payload(kind)?, path)?, presence),
            Place::Pattern(number, presence) => (first(self.pattern?, number), presence),
        };
        match (raw, presence, entry.of) {
            (Some(raw), ..) => decode(entry.of, raw),
            (None, Presence::Implicit, Type::Number) => Some(Value::Number(0.0)),
            (None, Presence::Implicit, Type::Bool) => Some(Value::Bool(false)),
            _ => None,
        }
    }

    /// The texts of a list; none for what is not a list.
    pub(super) fn texts(&self, name: &Name) -> impl Iterator<Item = &'a str> + use<'a> {
        let place = match name {
            Name::Entry(entry) => Some(entry.place),
            _ => None,
        };
        let list = match place {
            Some(Place::Targets) => Some((self.event, 20)),
            Some(Place::Payload(kind, &[number], _)) => {
                self.payload(kind).map(|payload| (payload, number))
            }
            _ => None,
        };
        let (message, wanted) = list.unwrap_or_default();
        fields(message).filter_map(move |(number, raw)| match raw {
            Raw::Bytes(bytes) if number == wanted => text(bytes),
            _ => None,
        })
    }

    fn field(&self, field: Field) -> Option<Value<'a>> {
        let envelope = self.envelope;
        match field {
            Field::Id => Some(Value::Id(envelope.id)),
            Field::Source => some_text(envelope.source),
            Field::Kind => choice(envelope.kind as i32),
            Field::SchemaVersion => or_text(envelope.schema_version, "1.0"),
            Field::Instrument => some_text(envelope.instrument),
            Field::Venue => or_text(envelope.venue, NO_VENUE),
            Field::Timeframe => some_text(envelope.timeframe),
            Field::IntervalStart => some_time(envelope.interval_start),
            Field::IntervalEnd => some_time(envelope.interval_end),
            Field::ProducedAt => some_time(envelope.produced_at),
            Field::KeySeq => envelope.key_seq.map(|count| Value::Number(count as f64)),
            Field::Priority => Some(Value::Number(f64::from(envelope.priority))),
            Field::Confidence => envelope.confidence.map(Value::Number),
            Field::ConfidenceTier => choice(match envelope.confidence_tier() {
                "high" => 4,
                "medium" => 3,
                "low" => 2,
                _ => 1,
            }),
            Field::Severity => choice(envelope.severity as i32),
            Field::IsFinal => Some(Value::Bool(envelope.is_final)),
            Field::Revision => Some(Value::Number(f64::from(envelope.revision))),
            Field::ExpiresAt => some_time(envelope.expires_at),
            Field::Region => some_text(envelope.region),
            Field::Traceparent => some_text(envelope.traceparent),
            Field::MatrixId => some_text(envelope.matrix_id),
            Field::CorrelationKind => choice(envelope.correlation_kind as i32),
        }
    }
}

fn some_text(text: &str) -> Option<Value<'_>> {
    (!text.is_empty()).then_some(Value::Text(Cow::Borrowed(text)))
}

fn or_text<'a>(text: &'a str, otherwise: &'static str) -> Option<Value<'a>> {
    some_text(if text.is_empty() { otherwise } else { text })
}

fn some_time<'a>(time: Timestamp) -> Option<Value<'a>> {
    (time.0 != 0).then(|| Value::Time(i128::from(time.0)))
}

/// An enum's number; 0 says that it is absent.
fn choice<'a>(number: i32) -> Option<Value<'a>> {
    u8::try_from(number).ok().filter(|number| *number != 0).map(Value::Choice)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The field of this number, which stands once.
fn first(message: &[u8], wanted: u32) -> Option<Raw<'_>> {
    fields(message).find(|(number, _)| *number == wanted).map(|(_, raw)| raw)
}

fn bytes_of(message: &[u8], wanted: u32) -> Option<&[u8]> {
    match first(message, wanted)? {
        Raw::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The field at the end of a path of messages: `None` where a message on the way is absent.
fn found<'a>(message: &'a [u8], path: &[u32]) -> Option<Option<Raw<'a>>> {
    match path {
        [number] => Some(first(message, *number)),
        [number, rest @ ..] => found(bytes_of(message, *number)?, rest),
        [] => None,
    }
}

/// The entry of a map with this key: the last, as decoders have it.
fn keyed<'a>(message: &'a [u8], map: u32, key: &str) -> Option<&'a [u8]> {
    fields(message)
        .filter_map(|(number, raw)| match raw {
            Raw::Bytes(entry) if number == map => Some(entry),
            _ => None,
        })
        .filter(|entry| bytes_of(entry, 1).unwrap_or_default() == key.as_bytes())
        .last()
}

fn decode(of: Type, raw: Raw<'_>) -> Option<Value<'_>> {
    match (of, raw) {
        (Type::Bool, Raw::Varint(value)) => Some(Value::Bool(value != 0)),
        (Type::Number, Raw::Varint(value)) => Some(Value::Number(value as f64)),
        (Type::Number, Raw::Fixed64(word)) => Some(Value::Number(f64::from_bits(word))),
        (Type::Text, Raw::Bytes(bytes)) => some_text(text(bytes)?),
        (Type::Time, Raw::Fixed64(word)) => some_time(Timestamp(word)),
        (Type::Choice(choices), Raw::Varint(value)) => u8::try_from(value)
            .ok()
            .filter(|number| (1..=choices.names.len()).contains(&usize::from(*number)))
            .map(Value::Choice),
        _ => None,
    }
}
