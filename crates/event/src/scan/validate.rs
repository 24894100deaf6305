//! What the envelope's fields must say, once their types are right.

use super::Scanned;
use super::fault::{Fault, fault, invalid, missing};
use super::payload;
use super::reader::{Reader, Wire};
use crate::Code;
use crate::v1::{Kind, Severity};

/// Settles the kind, and that the payload is the kind's.
pub(super) fn kind(scanned: &mut Scanned<'_>) -> Result<(), Fault> {
    let kind = match Kind::try_from(scanned.kind) {
        Ok(Kind::Unspecified) => return Err(missing("kind", "every event has a kind")),
        Ok(kind) => kind,
        Err(_) => {
            let mut fault = fault(Code::KindUnknown, "there is no kind of this number");
            fault.field = "kind".to_owned();
            return Err(fault);
        }
    };
    let payload = match kind {
        Kind::Indicators => 32,
        Kind::Patterns => 33,
        Kind::Anomaly => 34,
        Kind::Correlation => 35,
        Kind::Summary => 36,
        Kind::IntervalComplete => 37,
        _ => {
            let detail = format!("{} is reserved, not served yet", kind.as_str_name());
            let mut fault = fault(Code::KindNotEnabled, detail);
            fault.field = "kind".to_owned();
            return Err(fault);
        }
    };
    if scanned.payload != payload {
        let what = if scanned.payload == 0 { "missing" } else { "of another kind" };
        let detail = format!("the payload of a {} event is {what}", kind.as_str_name());
        return Err(fault(Code::PayloadMismatch, detail));
    }
    scanned.envelope.kind = kind;
    scanned.envelope.priority = u8::try_from(scanned.priority)
        .ok()
        .filter(|p| *p <= 9)
        .ok_or_else(|| invalid("priority", "0 to 9"))?;
    scanned.envelope.revision =
        u16::try_from(scanned.revision).map_err(|_| invalid("revision", "at most 65535"))?;
    Ok(())
}

/// Checks the fields against their grammars, and each other.
pub(super) fn envelope(scanned: &Scanned<'_>) -> Result<(), Fault> {
    let envelope = &scanned.envelope;
    if !scanned.has_id {
        return Err(bad_id(0));
    }
    match envelope.source.len() {
        0 => return Err(missing("source", "every event names its source")),
        1..=200 => {}
        _ => return Err(invalid("source", "at most 200 bytes")),
    }
    instrument(scanned)?;
    let venue = envelope.venue.as_bytes();
    let upper = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if !venue.is_empty() && (venue.len() != 4 || !venue.iter().all(upper)) {
        return Err(invalid("venue", "four characters of A-Z and 0-9 (ISO 10383), or absent"));
    }
    if !is_version(envelope.schema_version) {
        return Err(invalid("schema_version", "1.MINOR, such as 1.0"));
    }
    times(scanned)?;
    if envelope.kind == Kind::Anomaly && envelope.severity == Severity::Unspecified {
        return Err(missing("severity", "an anomaly is LOW, MEDIUM, HIGH or CRITICAL"));
    }
    if scanned.targets > 16 {
        return Err(invalid("targets", "at most 16"));
    }
    if scanned.labels > 16 {
        return Err(invalid("labels", "at most 16"));
    }
    Ok(())
}

fn instrument(scanned: &Scanned<'_>) -> Result<(), Fault> {
    let instrument = scanned.envelope.instrument;
    let optional = matches!(scanned.envelope.kind, Kind::Correlation | Kind::IntervalComplete);
    if instrument.is_empty() && !optional {
        return Err(missing("instrument", "this kind needs an instrument"));
    }
    if instrument.len() > 50 || instrument.chars().any(char::is_control) {
        return Err(invalid("instrument", "1 to 50 bytes, no control characters"));
    }
    Ok(())
}

/// Timeframe, interval and the producer's clock.
fn times(scanned: &Scanned<'_>) -> Result<(), Fault> {
    let envelope = &scanned.envelope;
    let barred =
        matches!(envelope.kind, Kind::Indicators | Kind::Patterns | Kind::IntervalComplete);
    if barred && envelope.timeframe.is_empty() {
        return Err(missing("timeframe", "this kind needs a timeframe, such as 5m"));
    }
    if !envelope.timeframe.is_empty() && !is_timeframe(envelope.timeframe) {
        let mut fault = invalid("timeframe", "a number and one of s, m, h, d, w, mo");
        fault.hint = "case matters: 1m is a minute, 1mo a month".to_owned();
        return Err(fault);
    }
    let (start, end) = (envelope.interval_start.0, envelope.interval_end.0);
    if barred && start == 0 {
        return Err(missing("interval_start", "required where a timeframe is"));
    }
    if barred && end == 0 {
        return Err(missing("interval_end", "required where a timeframe is"));
    }
    if (start, end) != (0, 0) && end <= start {
        let mut fault = fault(Code::TimeOrder, "the interval ends before it has begun");
        fault.field = "interval_end".to_owned();
        return Err(fault);
    }
    if envelope.produced_at.0 == 0 {
        return Err(missing("produced_at", "the producer's clock"));
    }
    Ok(())
}

/// `^[1-9]\d*(s|m|h|d|w|mo)$`, at most 8 characters.
fn is_timeframe(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - unit.len();
    digits > 0
        && text.len() <= 8
        && !text.starts_with('0')
        && matches!(unit, "s" | "m" | "h" | "d" | "w" | "mo")
}

/// Empty, or `1.` and a minor version without a leading zero.
fn is_version(text: &str) -> bool {
    let Some(minor) = text.strip_prefix("1.") else { return text.is_empty() };
    let digits = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
    digits && minor.len() <= 6 && (minor == "0" || !minor.starts_with('0'))
}

/// `[a-z0-9][a-z0-9_.]{0,63}`
#[inline]
pub(super) fn is_indicator_name(name: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = name.first().is_some_and(plain);
    first && name.len() <= 64 && name.iter().all(|b| plain(b) || matches!(b, b'_' | b'.'))
}

#[inline]
pub(super) fn indicator_name(name: &str) -> Result<(), Fault> {
    if is_indicator_name(name.as_bytes()) {
        return Ok(());
    }
    Err(invalid("", "an indicator's name is [a-z0-9][a-z0-9_.]{0,63}, such as rsi_14"))
}

/// One entry of `labels`.
pub(super) fn label(mut entry: Reader<'_>) -> Result<(), Fault> {
    let mut seen = 0u32;
    while let Some((number, wire)) = entry.tag()? {
        match (number, wire) {
            (1 | 2, Wire::Length) => {
                if seen & (1 << number) != 0 {
                    return Err(payload::repeated(entry.offset()));
                }
                seen |= 1 << number;
                if entry.text()?.len() > 200 {
                    return Err(invalid("", "names and values have at most 200 bytes"));
                }
            }
            (1 | 2, _) => return Err(payload::wrong_wire(entry.offset())),
            _ => entry.skip(wire)?,
        }
    }
    Ok(())
}

/// An id that is not there, or not 16 bytes.
#[cold]
pub(super) fn bad_id(length: usize) -> Fault {
    let mut fault = fault(Code::EventIdMissing, format!("an id has 16 bytes, this one {length}"));
    fault.hint = "give each event a UUID, version 7 preferred".to_owned();
    fault
}
