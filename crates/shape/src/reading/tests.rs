//! The requests of `tests/fixtures/v1/shapes` are read for ever as the events beside them, and
//! nothing made of them makes reading panic or gives an event that the scanner refuses.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use tidings_event::json::tree::{Tree, text};
use tidings_event::{Code, Refusal, encode, json, scan};

use crate::{Dialect, Given, cloud_event, read};

/// Kinds that a shape has.
const PLATFORM: [&str; 4] = ["indicators", "patterns", "anomaly", "correlation"];
const ALL: [&str; 6] =
    ["indicators", "patterns", "anomaly", "correlation", "summary", "interval_complete"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/v1/shapes")
}

/// Reads a request of a shape; ids that are assigned are all 7.
pub(crate) fn shaped(shape: &str, request: &[u8], given: &Given<'_>) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut tree = Tree::default();
    match shape {
        "binary" => return Ok(encode(&binary(request, given)?)),
        "structured" => {
            let document = tree.parse(text(request)?)?;
            return Ok(encode(&cloud_event::structured(document.root(), given)?));
        }
        _ => {
            let document = tree.parse(text(request)?)?;
            read(document.root(), given, &mut || Some([7; 16]), &mut out)?;
        }
    }
    Ok(out)
}

fn binary(request: &[u8], given: &Given<'_>) -> Result<tidings_event::v1::Event, Refusal> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.ok_or_else(|| Refusal::new(Code::RequestMalformed, "no headers"))?;
    let head = String::from_utf8_lossy(&request[..end]);
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let headers: Vec<_> =
        lines.clone().filter_map(|(n, v)| Some((n.strip_prefix("ce-")?, v.as_bytes()))).collect();
    let media = lines.clone().find(|(name, _)| *name == "content-type").map_or("", |(_, v)| v);
    let media = media.split(';').next().unwrap_or_default();
    cloud_event::binary(headers, media, &request[end + 4..], given)
}

fn request(shape: &str, kind: &str) -> Vec<u8> {
    let ending = if shape == "binary" { "http" } else { "json" };
    fs::read(folder().join(shape).join(kind).with_extension(ending)).unwrap()
}

#[track_caller]
fn check(shape: &str, kind: &str) {
    let bytes = shaped(shape, &request(shape, kind), &Given::default())
        .unwrap_or_else(|refusal| panic!("{shape} {kind}: {refusal}"));
    let envelope = scan(&bytes).unwrap_or_else(|refusal| panic!("{shape} {kind}: {refusal}"));
    assert_eq!(envelope.kind.as_str_name(), kind.to_ascii_uppercase());
    let written = json::to_json(&bytes).unwrap();
    let path = folder().join(shape).join(format!("{kind}.event.json"));
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        fs::write(&path, format!("{written}\n")).unwrap();
    }
    assert_eq!(written, fs::read_to_string(&path).unwrap().trim_end(), "{shape} {kind}");
    assert_eq!(json::json_to_canonical(written.as_bytes()).unwrap(), bytes, "{shape} {kind}");
}

#[test]
fn every_kind_of_shape_a_is_read_as_its_golden_event() {
    PLATFORM.iter().for_each(|kind| check("a", kind));
}

#[test]
fn every_kind_of_shape_b_is_read_as_its_golden_event() {
    PLATFORM.iter().for_each(|kind| check("b", kind));
}

#[test]
fn every_kind_of_structured_cloud_event_is_read_as_its_golden_event() {
    ALL.iter().for_each(|kind| check("structured", kind));
}

#[test]
fn every_kind_of_binary_cloud_event_is_read_as_its_golden_event() {
    ALL.iter().for_each(|kind| check("binary", kind));
}

#[test]
fn canonical_json_is_a_shape_too() {
    for kind in ALL {
        let file = folder().join("../event").join(kind).with_extension("json");
        let text = fs::read(file).unwrap();
        let bytes = shaped("canonical", &text, &Given::default()).unwrap();
        assert_eq!(bytes, json::json_to_canonical(&text).unwrap());
    }
}

#[test]
fn a_dialect_is_read_in_canonical_json() {
    let given =
        |dialect: &str| Given { dialect: Some(dialect.parse().unwrap()), ..Given::default() };
    let file = folder().join("../event/indicators.json");
    let text = fs::read_to_string(file).unwrap();
    let event = json::from_json(text.as_bytes()).unwrap();
    let frame = format!("\"timeframe\":\"{}\"", event.timeframe);
    for (dialect, written, want) in [
        ("tradingview", "240", "4h"),
        ("binance", "1M", "1mo"),
        ("platform", "1mo", "1mo"),
        ("binance", "1m", "1m"),
    ] {
        let text = text.replace(&frame, &format!("\"timeframe\":\"{written}\""));
        let bytes = shaped("canonical", text.as_bytes(), &given(dialect)).unwrap();
        assert_eq!(scan(&bytes).unwrap().timeframe, want);
        let refusal = shaped("canonical", text.replace(written, "1x").as_bytes(), &given(dialect));
        assert_eq!(refusal.unwrap_err().field, "timeframe");
    }
}

/// Every fixture with its shape.
fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let of = |shape, kinds: &[&str]| {
        kinds.iter().map(|kind| (shape, request(shape, kind))).collect::<Vec<_>>()
    };
    [of("a", &PLATFORM), of("b", &PLATFORM), of("structured", &ALL), of("binary", &ALL)].concat()
}

proptest! {
    #[test]
    fn damaged_requests_are_refused_or_read_into_sound_events(
        which in any::<Index>(),
        cuts in proptest::collection::vec((any::<Index>(), 0..4usize, any::<u8>()), 1..4),
        dialect in proptest::sample::select(vec![None, Some(Dialect::Platform), Some(Dialect::Tradingview)]),
    ) {
        let fixtures = fixtures();
        let (shape, mut request) = which.get(&fixtures).clone();
        for (at, what, byte) in cuts {
            let at = at.index(request.len());
            match what {
                0 => request[at] = byte,
                1 => drop(request.remove(at)),
                2 => request.insert(at, b"\"{}[]:,0e-."[usize::from(byte) % 11]),
                _ => {
                    let other = usize::from(byte) * request.len() / 256;
                    let part = request[at.min(other)..at.max(other)].to_vec();
                    request.splice(at..at, part);
                }
            }
        }
        let given = Given { dialect, ..Given::default() };
        if let Ok(bytes) = shaped(shape, &request, &given)
            && let Ok(envelope) = scan(&bytes)
        {
            // What is accepted has a JSON form that reads as the same event.
            prop_assert_ne!(envelope.id, [0; 16]);
            let text = json::to_json(&bytes).unwrap();
            prop_assert_eq!(json::json_to_canonical(text.as_bytes()).unwrap(), bytes);
        }
    }
}
