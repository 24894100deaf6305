//! Plain values are what encoders write, and nothing is plain that the tables refuse.

use proptest::prelude::*;
use prost::Message as _;

use super::is_plain;
use crate::scan::payload::check_by_tables;
use crate::scan::reader::Reader;
use crate::schema::{EVENT, Message, Shape};
use crate::v1;

/// The table of an entry of `Indicators.values`.
fn table() -> &'static Message {
    let nested = |message: &Message, name: &str| match message.named(name).unwrap().shape {
        Shape::Message(message) => message,
        other => panic!("{name} is {other:?}"),
    };
    nested(nested(&EVENT, "indicators"), "values")
}

/// Whether the tables accept an entry without a definition, which is what plain means to the scanner.
fn is_accepted(entry: &[u8]) -> bool {
    check_by_tables(table(), Reader::new(entry)).is_ok_and(|has_definitions| !has_definitions)
}

fn entry(name: &str, value: &v1::Value) -> Vec<u8> {
    let values = [(name.to_owned(), value.clone())].into();
    let whole = v1::Indicators { values, ..v1::Indicators::default() }.encode_to_vec();
    Reader::new(&whole[1..]).bytes().unwrap().to_vec()
}

#[test]
fn what_encoders_write_is_plain() {
    let value = |value, status: v1::ValueStatus| v1::Value {
        value,
        status: status.into(),
        ..v1::Value::default()
    };
    for (name, number, status, expected) in [
        ("rsi_14", Some(32.7), v1::ValueStatus::Ok, true),
        ("a", Some(0.0), v1::ValueStatus::Unspecified, true),
        (&"a".repeat(64), Some(f64::MIN), v1::ValueStatus::Ok, true),
        ("rsi_14", Some(32.7), v1::ValueStatus::Stale, false),
        ("rsi_14", None, v1::ValueStatus::NoData, false),
        ("rsi_14", Some(f64::NAN), v1::ValueStatus::Ok, false),
        ("rsi_14", Some(f64::INFINITY), v1::ValueStatus::Ok, false),
        ("RSI", Some(1.0), v1::ValueStatus::Ok, false),
        ("rsí", Some(1.0), v1::ValueStatus::Ok, false),
        ("", Some(1.0), v1::ValueStatus::Ok, false),
        (&"a".repeat(65), Some(1.0), v1::ValueStatus::Ok, false),
    ] {
        assert_eq!(is_plain(&entry(name, &value(number, status))), expected, "{name} {number:?}");
    }
    let defined =
        v1::Value { definition: vec![1; 8].into(), ..value(Some(1.0), v1::ValueStatus::Ok) };
    assert!(!is_plain(&entry("rsi_14", &defined)));
}

#[test]
fn nothing_that_is_one_byte_from_plain_is_plain_and_refused() {
    let value =
        v1::Value { value: Some(1.5), status: v1::ValueStatus::Ok.into(), ..v1::Value::default() };
    let bytes = entry("rsi_14", &value);
    assert!(is_plain(&bytes) && is_accepted(&bytes));
    let mut plain = 0;
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[at] = byte;
            plain += u32::from(is_plain(&changed));
            assert!(!is_plain(&changed) || is_accepted(&changed), "{at} {byte}");
        }
        assert!(!is_plain(&bytes[..at]) || is_accepted(&bytes[..at]), "cut at {at}");
    }
    // Other names and other numbers are as plain.
    assert!(plain > 6 * 30 + 8 * 200, "{plain}");
}

proptest! {
    #[test]
    fn any_bytes_that_are_plain_are_accepted(
        name in prop::collection::vec(any::<u8>(), 0..70),
        lengths in (0..80u8, 0..20u8),
        number: f64,
        tail in prop::collection::vec(any::<u8>(), 0..4),
        as_is: bool,
    ) {
        let (mut key, mut value) = lengths;
        if as_is {
            key = u8::try_from(name.len()).unwrap();
            value = u8::try_from(9 + tail.len()).unwrap();
        }
        let number = number.to_le_bytes();
        let entry = [&[0x0A, key], &name[..], &[0x12, value, 0x09], &number, &tail].concat();
        prop_assert!(!is_plain(&entry) || is_accepted(&entry));
    }
}
