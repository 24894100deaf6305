//! Names, patterns and places: one meaning, one text.

use tidings_catalog::TopicPattern;
use tidings_deliver::AckId;
use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_event::{Position, TopicName, format_event_id, parse_event_id};
use tidings_wire::spelling::{format_duration, parse_duration, parse_time};

use super::texts;

fn text(input: &[u8]) -> &str {
    std::str::from_utf8(input).unwrap_or_default()
}

/// Whether a segment is `[a-z0-9][a-z0-9._-]{0,63}`.
fn is_segment(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = segment.as_bytes();
    let first = bytes.first().is_some_and(|b| plain(*b));
    first && bytes.len() <= 64 && bytes.iter().all(|b| plain(*b) || b"._-".contains(b))
}

/// A topic's name is accepted when it follows the grammar, and only then.
pub(super) fn topic(input: &[u8]) {
    let path = text(input);
    let wanted = path.len() <= 200
        && path.split('/').count() <= 8
        && path.split('/').all(is_segment)
        && !path.contains("-partition-");
    let name = TopicName::new(DEFAULT_TENANT, path);
    assert_eq!(name.is_ok(), wanted, "{path:?}");
    if let Ok(name) = name {
        assert_eq!(name.path(), path);
    }
}

pub(super) fn topic_seeds() -> Vec<Vec<u8>> {
    texts(&["analysis/indicators/5m", "a", "a/b/c/d/e/f/g/h", "x-partition-1", "a..b/c_d-e"])
}

/// Pattern and path, apart by a line's end: the pattern covers what a slow reading says it does.
pub(super) fn pattern(input: &[u8]) {
    let (pattern, path) = text(input).split_once('\n').unwrap_or((text(input), "a/b"));
    let Ok(parsed) = TopicPattern::parse(pattern) else { return };
    assert_eq!(parsed.as_str(), pattern);
    let wanted: Vec<&str> = pattern.split('/').collect();
    let segments: Vec<&str> = path.split('/').collect();
    assert_eq!(parsed.matches(path), covers(&wanted, &segments), "{pattern:?} {path:?}");
}

fn covers(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        (["*", pattern @ ..], [_, path @ ..]) => covers(pattern, path),
        ([wanted, pattern @ ..], [segment, path @ ..]) => {
            wanted == segment && covers(pattern, path)
        }
        _ => false,
    }
}

pub(super) fn pattern_seeds() -> Vec<Vec<u8>> {
    texts(&["analysis/**\nanalysis/indicators/5m", "*/b\na/b", "**\na", "a/*/c\na/b/c", "a\na/b"])
}

/// A place that is read is written the same again; so is a delivery's id.
pub(super) fn position(input: &[u8]) {
    let text = text(input);
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
    if let Ok(id) = text.parse::<AckId>() {
        assert_eq!(id.to_string(), text);
    }
}

pub(super) fn position_seeds() -> Vec<Vec<u8>> {
    texts(&["p1-1-1-0-ff", "p1-7-1-f-1fffffffffffff", "a1-1-1-0-ff-1-100000001-b7d1a5f0"])
}

/// An event's id that is read is written in its one form.
pub(super) fn event_id(input: &[u8]) {
    let Some(id) = parse_event_id(text(input)) else { return };
    let again = format_event_id(&id);
    assert!(again.eq_ignore_ascii_case(text(input)), "{again} {:?}", text(input));
    assert_eq!(parse_event_id(&again), Some(id));
}

pub(super) fn event_id_seeds() -> Vec<Vec<u8>> {
    texts(&["01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-00000000000A"])
}

/// Durations and times that are read keep their value when they are written.
pub(super) fn spelling(input: &[u8]) {
    if let Ok(duration) = parse_duration(text(input)) {
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
    if let Ok(time) = parse_time(text(input)) {
        assert_eq!(parse_time(&time.to_string()), Ok(time));
    }
}

pub(super) fn spelling_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "250ms",
        "7d",
        "0s",
        "18446744073709551615ms",
        "2026-01-02T03:04:05.123456789Z",
        "1970-01-01T00:00:00Z",
    ])
}
