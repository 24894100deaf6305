//! The load: admissible events of one length, with gapless counts and unique ids.

use std::collections::BTreeSet;

use tidings_event::{Timestamp, scan};

use super::{FIRST_COUNT, Load, LoadOptions};

fn check(mut load: Load, timeframes: &[&str]) {
    let count = |turn| u64::from(FIRST_COUNT) + turn / 10;
    let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for turn in 0..200_u64 {
        let now = Timestamp(1_767_623_400_000_000_000 + turn);
        let event = load.next_event(now);
        let envelope = scan(event.bytes).unwrap();
        assert_eq!((event.key, event.timeframe), (envelope.key_hash(), envelope.timeframe));
        assert_eq!(envelope.instrument, format!("I{:06}", turn % 10));
        assert_eq!(envelope.key_seq, Some(count(turn)));
        assert_eq!(envelope.produced_at, now);
        assert_eq!((event.instrument as u64, u64::from(event.count)), (turn % 10, count(turn)));
        assert!((200..=212).contains(&event.bytes.len()), "{} bytes", event.bytes.len());
        assert!(ids.insert(envelope.id));
        seen.insert(event.timeframe);
    }
    assert_eq!(seen, timeframes.iter().copied().collect());
}

#[test]
fn dense_and_spread_events_are_admissible() {
    let [dense, spread] = [LoadOptions::DENSE, LoadOptions::SPREAD]
        .map(|options| LoadOptions { instruments: 10, ..options });
    check(Load::new(dense), &["1m"]);
    check(Load::new(spread), &super::TIMEFRAMES);
    check(Load::within(spread, "2h"), &["2h"]);
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let bytes = |seed| {
        let mut load = Load::new(LoadOptions { seed, ..LoadOptions::DENSE });
        load.next_event(Timestamp(9)).bytes.to_vec()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}
