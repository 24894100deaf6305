//! The highest (interval start, revision, offset) wins, in whatever order events arrive.

use proptest::prelude::*;
use tidings_event::Position;
use tidings_event::v1::{self, Kind};

use super::{Arrival, Found, Store};
use crate::last_value::LastValueQuery;

fn event(start: u64, revision: u32, timeframe: &str, is_final: bool) -> Vec<u8> {
    tidings_event::encode(&v1::Event {
        id: vec![7; 16].into(),
        source: "test".into(),
        kind: Kind::Indicators as i32,
        instrument: "AAPL".into(),
        timeframe: timeframe.into(),
        interval_start: start,
        interval_end: start + 60,
        produced_at: 1,
        revision,
        is_final: Some(is_final),
        payload: Some(v1::event::Payload::Indicators(v1::Indicators {
            values: [("rsi_14".to_owned(), v1::Value { value: Some(1.0), ..v1::Value::default() })]
                .into(),
            ..v1::Indicators::default()
        })),
        ..v1::Event::default()
    })
}

fn put(store: &mut Store, offset: u64, event: &[u8]) {
    let position: Position = format!("p1-1-1-0-{offset:x}").parse().unwrap();
    store.put("default", &tidings_event::scan(event).unwrap(), Arrival { position, event });
}

fn offset(store: &mut Store, timeframe: Option<&str>, final_only: bool) -> Option<u64> {
    let query = LastValueQuery {
        kind: Kind::Indicators,
        instrument: "AAPL",
        timeframe,
        venue: None,
        final_only,
    };
    match store.find("default", &query) {
        Found::One(position, _) => Some(position.offset.0),
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_highest_rank_wins_in_any_order(arrivals in proptest::collection::vec((1u64..5, 0u32..4, any::<bool>()), 1..30)) {
        let mut store = Store::new(100);
        for (at, &(start, revision, is_final)) in arrivals.iter().enumerate() {
            put(&mut store, at as u64, &event(start, revision, "1m", is_final));
        }
        let best = |final_only: bool| {
            let all = arrivals.iter().enumerate().filter(|(_, a)| a.2 || !final_only);
            all.max_by_key(|(at, a)| (a.0, a.1, *at)).map(|(at, _)| at as u64)
        };
        prop_assert_eq!(offset(&mut store, Some("1m"), false), best(false));
        prop_assert_eq!(offset(&mut store, None, true), best(true));
    }
}

#[test]
fn the_oldest_intervals_are_given_up_first() {
    let mut store = Store::new(2);
    put(&mut store, 0, &event(300, 0, "1m", true));
    put(&mut store, 1, &event(100, 0, "5m", true));
    put(&mut store, 2, &event(200, 0, "1h", true));
    assert_eq!(offset(&mut store, Some("5m"), false), None);
    assert_eq!(offset(&mut store, Some("1m"), false), Some(0));
    assert_eq!(offset(&mut store, Some("1h"), false), Some(2));
    assert_eq!(offset(&mut store, None, false), None);
}
