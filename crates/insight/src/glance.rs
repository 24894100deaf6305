//! A glance at an event: the few envelope fields that insight needs, and no more.
//!
//! The log holds only events that the scanner accepted, so that nothing is checked again here:
//! other bytes are read as far as they go.

use tidings_event::v1::Kind;
use tidings_event::{Raw, fields};

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
    for (number, field) in fields(event) {
        match (number, field) {
            (1, Raw::Bytes(id)) => seen.id = id,
            (2, Raw::Bytes(source)) => seen.source = source,
            (3, Raw::Varint(kind)) => {
                seen.kind = match kind {
                    1 => Kind::Indicators,
                    3 => Kind::Anomaly,
                    6 => Kind::IntervalComplete,
                    _ => return None,
                }
            }
            (5, Raw::Bytes(instrument)) => seen.instrument = instrument,
            (6, Raw::Bytes(venue)) => seen.venue = venue,
            (7, Raw::Bytes(timeframe)) => seen.timeframe = timeframe,
            (8, Raw::Fixed64(start)) => seen.start = start,
            (9, Raw::Fixed64(end)) => seen.end = end,
            (15, Raw::Varint(is_final)) => seen.is_final = is_final != 0,
            (16, Raw::Varint(revision)) => seen.revision = u16::try_from(revision).ok()?,
            (37, Raw::Bytes(mark)) => seen.mark = mark,
            _ => {}
        }
    }
    (seen.kind != Kind::Unspecified).then_some(seen)
}

/// How many instruments a mark's message says have published.
pub(crate) fn published(mark: &[u8]) -> Option<u32> {
    let published = fields(mark).filter_map(|(number, field)| match field {
        Raw::Varint(count) if number == 2 => Some(count),
        _ => None,
    });
    u32::try_from(published.last().unwrap_or(0)).ok()
}

#[cfg(test)]
mod tests;
