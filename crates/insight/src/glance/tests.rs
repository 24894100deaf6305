//! A glance sees what the scanner reads, and never panics.

use proptest::prelude::*;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{encode, scan};

use super::{glance, published};

fn event() -> impl Strategy<Value = v1::Event> {
    let names = ("[A-Z]{1,20}", prop::option::of("[A-Z0-9]{4}"), "[1-9][0-9]{0,2}(s|m|h|d|mo)");
    let times = (1u64..1 << 60, 1u64..1 << 40);
    let rest = (any::<[u8; 16]>(), "[a-z]{1,20}", any::<Option<bool>>(), any::<u16>(), 0..5u8);
    (names, times, rest).prop_map(|((instrument, venue, timeframe), (start, span), rest)| {
        let (id, source, is_final, revision, kind) = rest;
        let mark = v1::IntervalComplete { expected: 9, published: 7, ..Default::default() };
        let value = v1::Value { value: Some(1.0), ..Default::default() };
        let values = v1::Indicators {
            values: [("rsi_14".into(), value)].into(),
            bars_used: 300,
            ..Default::default()
        };
        let (kind, payload) = match kind {
            0 => (Kind::IntervalComplete, Payload::IntervalComplete(mark)),
            2 => (Kind::Anomaly, Payload::Anomaly(v1::Anomaly::default())),
            1 => (Kind::Summary, Payload::Summary(v1::Summary::default())),
            _ => (Kind::Indicators, Payload::Indicators(values)),
        };
        v1::Event {
            id: id.to_vec().into(),
            source,
            kind: kind.into(),
            severity: v1::Severity::High.into(),
            instrument,
            venue: venue.unwrap_or_default(),
            timeframe,
            interval_start: start,
            interval_end: start + span,
            produced_at: 1,
            confidence: Some(0.5),
            is_final,
            revision: revision.into(),
            payload: Some(payload),
            ..Default::default()
        }
    })
}

proptest! {
    #[test]
    fn a_glance_sees_what_the_scanner_reads(event in event()) {
        let bytes = encode(&event);
        let envelope = scan(&bytes).unwrap();
        let wanted = matches!(envelope.kind, Kind::Indicators | Kind::Anomaly | Kind::IntervalComplete);
        let seen = glance(&bytes);
        prop_assert_eq!(seen.is_some(), wanted);
        if let Some(seen) = seen {
            prop_assert_eq!(seen.kind, envelope.kind);
            prop_assert_eq!(seen.id, &envelope.id[..]);
            prop_assert_eq!(seen.source, envelope.source.as_bytes());
            prop_assert_eq!(seen.instrument, envelope.instrument.as_bytes());
            prop_assert_eq!(seen.venue, envelope.venue.as_bytes());
            prop_assert_eq!(seen.timeframe, envelope.timeframe.as_bytes());
            prop_assert_eq!((seen.start, seen.end), (envelope.interval_start.0, envelope.interval_end.0));
            prop_assert_eq!((seen.is_final, seen.revision), (envelope.is_final, envelope.revision));
            if seen.kind == Kind::IntervalComplete {
                prop_assert_eq!(published(seen.mark), Some(7));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _seen = glance(&bytes);
        let _counted = published(&bytes);
    }

    #[test]
    fn cut_or_changed_events_do_not_make_it_panic(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&event);
        let at = at.index(bytes.len());
        let _cut = glance(&bytes[..at]);
        bytes[at] = byte;
        let _changed = glance(&bytes);
    }
}
