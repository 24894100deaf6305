//! A glance at an event: the few envelope fields that insight needs, and no more.
//!
//! The log holds only events that the scanner accepted, so that nothing is checked again here:
//! bytes that are no event give `None`. Wire format: <https://protobuf.dev/programming-guides/encoding/>.

use tidings_event::v1::Kind;

/// What was seen of an `INDICATORS`, `ANOMALY` or `INTERVAL_COMPLETE` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: &'a [u8],
    pub(crate) source: &'a [u8],
    pub(crate) instrument: &'a [u8],
    pub(crate) venue: &'a [u8],
    pub(crate) timeframe: &'a [u8],
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_final: bool,
    pub(crate) revision: u16,
    /// The message `interval_complete`, where it is that.
    pub(crate) mark: &'a [u8],
}

/// One field of a message.
#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Short,
}

/// Looks at an event; `None` for every other kind, and for bytes that are no event.
pub(crate) fn glance(event: &[u8]) -> Option<Glance<'_>> {
    let mut seen = Glance {
        kind: Kind::Unspecified,
        id: b"",
        source: b"",
        instrument: b"",
        venue: b"",
        timeframe: b"",
        start: 0,
        end: 0,
        is_final: true,
        revision: 0,
        mark: b"",
    };
    let mut rest = event;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Field::Bytes(id)) => seen.id = id,
            (2, Field::Bytes(source)) => seen.source = source,
            (3, Field::Number(number)) => {
                seen.kind = match number {
                    1 => Kind::Indicators,
                    3 => Kind::Anomaly,
                    6 => Kind::IntervalComplete,
                    _ => return None,
                }
            }
            (5, Field::Bytes(instrument)) => seen.instrument = instrument,
            (6, Field::Bytes(venue)) => seen.venue = venue,
            (7, Field::Bytes(timeframe)) => seen.timeframe = timeframe,
            (8, Field::Number(start)) => seen.start = start,
            (9, Field::Number(end)) => seen.end = end,
            (15, Field::Number(is_final)) => seen.is_final = is_final != 0,
            (16, Field::Number(revision)) => seen.revision = u16::try_from(revision).ok()?,
            (37, Field::Bytes(mark)) => seen.mark = mark,
            _ => {}
        }
    }
    (seen.kind != Kind::Unspecified).then_some(seen)
}

/// How many instruments a mark's message says have published.
pub(crate) fn published(mark: &[u8]) -> Option<u32> {
    let (mut rest, mut published) = (mark, 0);
    while !rest.is_empty() {
        if let (2, Field::Number(number)) = field(&mut rest)? {
            published = u32::try_from(number).ok()?;
        }
    }
    Some(published)
}

#[inline]
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(rest)?;
    let field = match tag & 7 {
        0 => Field::Number(varint(rest)?),
        1 => {
            let (word, after) = rest.split_first_chunk()?;
            *rest = after;
            Field::Number(u64::from_le_bytes(*word))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Field::Bytes(bytes)
        }
        5 => {
            let (_, after) = rest.split_first_chunk::<4>()?;
            *rest = after;
            Field::Short
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (&first, after) = rest.split_first()?;
    if first < 0x80 {
        *rest = after;
        return Some(u64::from(first));
    }
    let mut value = 0u64;
    for (at, &byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            *rest = &rest[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
