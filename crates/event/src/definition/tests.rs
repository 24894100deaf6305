//! Definitions are read as a decoder reads them, of any event.

use proptest::prelude::*;

use crate::v1::event::Payload;
use crate::{Code, encode, sample, scan};

use super::*;

proptest! {
    #[test]
    fn definitions_are_those_of_the_message(event in sample::event()) {
        let bytes = encode(&event);
        let envelope = scan(&bytes).unwrap();
        let mut read: Vec<_> = definitions(&bytes, &envelope).collect();
        read.sort_unstable();
        let values = match &event.payload {
            Some(Payload::Indicators(payload)) => payload.values.clone(),
            _ => Default::default(),
        };
        let wanted: Vec<_> = values
            .iter()
            .filter(|(_, value)| !value.definition.is_empty())
            .map(|(name, value)| (name.as_str(), value.definition.as_ref()))
            .collect();
        prop_assert_eq!(envelope.has_definitions, !wanted.is_empty());
        prop_assert_eq!(read, wanted);
    }
}

#[track_caller]
fn check(length: usize, accepted: bool) {
    let hash = "ab".repeat(length);
    let text = format!(
        r#"{{"id":"01900000-0000-7000-8000-000000000001","source":"s","instrument":"A","timeframe":"5m",
        "interval_start":"2026-01-02T03:00:00Z","interval_end":"2026-01-02T03:05:00Z",
        "produced_at":"2026-01-02T03:05:01Z",
        "indicators":{{"values":{{"rsi_14":{{"value":1,"definition":"{hash}"}}}}}}}}"#
    );
    let bytes = crate::json::json_to_canonical(text.as_bytes()).unwrap();
    let scanned = scan(&bytes).map(|envelope| envelope.has_definitions);
    match scanned {
        Ok(defined) => assert!(accepted && defined == (length > 0), "{length}"),
        Err(refusal) => {
            let place = "indicators.values.rsi_14.definition";
            assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, place));
            assert!(!accepted, "{length}");
        }
    }
}

#[test]
fn a_definition_has_8_to_32_bytes() {
    for (length, accepted) in
        [(0, true), (1, false), (7, false), (8, true), (32, true), (33, false)]
    {
        check(length, accepted);
    }
}
