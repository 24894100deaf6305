//! A generated day has every kind, all of it admissible, with gapless counts.

use std::collections::{BTreeMap, BTreeSet};

use tidings_event::v1::Kind;
use tidings_event::{Timestamp, encode, scan};

use super::{Session, SessionOptions};
use crate::MarketOptions;

#[test]
fn a_day_reports_every_kind_without_a_gap_per_key() {
    let market = MarketOptions { seed: 42, instruments: 40, trades: 4.0 };
    let mut session = Session::new(&SessionOptions { market, source: "demo".to_owned() });
    let (mut kinds, mut next, mut ids) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for minute in 0..200 {
        let mut events = Vec::new();
        session.minute(Timestamp(1_000_000_000 * (minute + 1)), &mut events);
        for event in &events {
            let bytes = encode(event);
            let envelope = scan(&bytes).unwrap_or_else(|refusal| panic!("{refusal}: {event:?}"));
            kinds.insert(envelope.kind.as_str_name());
            assert!(ids.insert(envelope.id));
            let key = (envelope.key_hash(), envelope.kind == Kind::Correlation);
            let want = next.entry(key).or_insert(0);
            assert_eq!(envelope.key_seq, Some(*want));
            *want += 1;
        }
    }
    let all = ["ANOMALY", "CORRELATION", "INDICATORS", "INTERVAL_COMPLETE", "PATTERNS", "SUMMARY"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}
