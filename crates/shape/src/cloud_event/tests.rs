//! Attributes and data, both ways, and what contradicts itself.

use serde_json::{Value, json};
use tidings_event::{Code, encode, json, scan};

use super::{base64, to_json};
use crate::Given;
use crate::reading::tests::shaped;

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "/ta", "type": "tidings.anomaly.v1",
        "subject": "XNAS:AAPL", "time": "2026-01-02T15:00:00Z", "severitytext": "HIGH",
        "data": {"type": "SPIKE"},
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut event = event();
    event[name] = value;
    event
}

#[track_caller]
fn read(event: &Value) -> Value {
    let bytes = shaped("structured", event.to_string().as_bytes(), &Given::default()).unwrap();
    scan(&bytes).unwrap();
    serde_json::from_str(&json::to_json(&bytes).unwrap()).unwrap()
}

#[track_caller]
fn refused(event: &Value, code: Code, field: &str) {
    let read = shaped("structured", event.to_string().as_bytes(), &Given::default());
    let refusal = read.and_then(|bytes| scan(&bytes).map(drop)).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{refusal}");
}

#[test]
fn what_is_no_cloud_event_is_refused() {
    for name in ["specversion", "id", "source", "type"] {
        refused(&with(name, json!(null)), Code::FieldMissing, name);
    }
    refused(&with("specversion", json!("0.3")), Code::FieldInvalid, "specversion");
    refused(&with("type", json!("tidings.anomalies.v1")), Code::KindUnknown, "type");
    refused(&with("type", json!("RISK")), Code::KindUnknown, "type");
    refused(&with("data", json!(null)), Code::FieldMissing, "data");
    refused(&with("data", json!({"typ": "SPIKE"})), Code::FieldUnknown, "data.anomaly.typ");
    refused(&with("data_base64", json!("AA==")), Code::FieldRepeated, "data_base64");
    refused(&with("Data", json!("x")), Code::FieldUnknown, "Data");
    refused(&with("datas", json!("x")), Code::FieldUnknown, "datas");
}

#[test]
fn wrong_attributes_are_refused_by_name() {
    let invalid = |name: &str, value: Value| refused(&with(name, value), Code::FieldInvalid, name);
    invalid("time", json!("yesterday"));
    invalid("keysequence", json!("+1"));
    invalid("keysequence", json!("9007199254740992"));
    invalid("severitytext", json!("WORST"));
    invalid("partitionkey", json!("XNAS:MSFT"));
    invalid("datacontenttype", json!("text/plain"));
    invalid("desk", json!(["a"]));
    refused(&with("dataref", json!("https://x")), Code::NotAvailable, "dataref");
    refused(&with("dataschema", json!("https://x")), Code::NotAvailable, "dataschema");
    refused(&with("expirytime", json!("soon")), Code::FieldInvalid, "expirytime");
}

#[test]
fn extension_attributes_are_kept_as_labels() {
    let mut given = with("correlationid", json!("run-7"));
    given["sequence"] = json!(12);
    given["causationid"] = json!(null);
    assert_eq!(read(&given)["labels"], json!({"correlationid": "run-7", "sequence": "12"}));
}

#[test]
fn data_may_be_the_whole_event_and_may_not_contradict() {
    let whole = json!({
        "source": "/ta", "kind": "ANOMALY", "instrument": "AAPL", "venue": "XNAS",
        "produced_at": "2026-01-02T15:00:00Z", "severity": "HIGH", "anomaly": {"type": "SPIKE"},
    });
    assert_eq!(read(&with("data", whole.clone())), read(&event()));
    for (name, value, attribute) in [
        ("source", json!("/other"), "source"),
        ("venue", json!("XNYS"), "subject"),
        ("severity", json!("LOW"), "severitytext"),
        ("produced_at", json!("2026-01-02T15:00:01Z"), "time"),
        ("id", json!("01900000-0000-7000-8000-000000000001"), "id"),
    ] {
        let mut data = whole.clone();
        data[name] = value;
        refused(&with("data", data), Code::FieldInvalid, attribute);
    }
    let mut other = whole;
    other["kind"] = json!("SUMMARY");
    refused(&with("data", other), Code::PayloadMismatch, "type");
}

#[test]
fn a_payload_alone_is_of_the_bar_that_had_ended() {
    let mut bar = event();
    bar["type"] = json!("INDICATORS");
    bar["subject"] = json!("XNAS:AAPL/5m");
    bar["data"] = json!({"values": {"rsi_14": 32.7}});
    bar["time"] = json!("2026-01-02T15:04:59Z");
    let read = read(&bar);
    assert_eq!(read["interval_start"], "2026-01-02T14:55:00Z");
    assert_eq!(
        (&read["interval_end"], &read["timeframe"]),
        (&json!("2026-01-02T15:00:00Z"), &json!("5m"))
    );
}

#[test]
fn protobuf_data_is_read_from_base64() {
    let bytes = shaped("structured", event().to_string().as_bytes(), &Given::default()).unwrap();
    let mut coded = event();
    coded.as_object_mut().unwrap().remove("data");
    coded["data_base64"] = json!(to_base64(&bytes));
    refused(&coded, Code::FieldInvalid, "datacontenttype");
    coded["datacontenttype"] = json!("application/protobuf");
    assert_eq!(read(&coded), read(&event()));
    coded["data_base64"] = json!("AAA");
    refused(&coded, Code::FieldInvalid, "data_base64");
}

fn to_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(three);
        for at in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
            out.push(if at > chunk.len() { '=' } else { digit });
        }
    }
    out
}

#[test]
fn base64_is_read_strictly() {
    for bytes in [&b""[..], b"a", b"ab", b"abc", b"\xff\xfe\xfd\xfc"] {
        assert_eq!(base64(&to_base64(bytes)).as_deref(), Some(bytes));
    }
    for wrong in ["A", "AA", "AAA", "AAAAA", "A===", "====", "AB==", "A-==", "AA==AA==", "é==="] {
        assert_eq!(base64(wrong), None, "{wrong}");
    }
}

#[test]
fn an_event_survives_being_a_cloud_event() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/v1/event");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|ending| ending == "bin") {
            let bytes = std::fs::read(&file).unwrap();
            let text = to_json(&bytes).unwrap();
            let again = shaped("structured", text.as_bytes(), &Given::default());
            assert_eq!(again.as_deref(), Ok(&bytes[..]), "{file:?} {text}");
            seen += 1;
        }
    }
    assert!(seen >= 6);
    let bare = json::from_json(br#"{"id":"e-1","source":"s","instrument":"EUR/USD","produced_at":"2026-01-02T15:00:00Z","summary":{},"labels":{"tracestate":"x=1","Odd Name":"y"}}"#);
    let bytes = encode(&bare.unwrap());
    let text = to_json(&bytes).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["id"], &document["subject"], &document["tracestate"]),
        (&json!("e-1"), &json!("XXXX:EUR/USD"), &json!("x=1"))
    );
    assert_eq!(shaped("structured", text.as_bytes(), &Given::default()).unwrap(), bytes);
}
