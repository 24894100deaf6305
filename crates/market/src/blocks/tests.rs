//! Blocks hold every event of their load once, where its key belongs, in its order.

use std::collections::BTreeMap;

use tidings_event::{Timestamp, block, scan};

use super::*;
use crate::load::LoadOptions;

#[test]
fn every_event_is_in_the_block_of_its_timeframe_and_partition_in_order() {
    let options = LoadOptions { seed: 3, instruments: 50, timeframes: 4 };
    let mut blocks = Blocks::new(Load::named(options, "desk-7"), 8);
    let (mut shown, mut counts) = (0, BTreeMap::new());
    for turn in 0..3 {
        let made = blocks.next_events(200, Timestamp(9 + turn), |_| shown += 1);
        assert_eq!(made.iter().map(|block| block.count).sum::<u32>(), 200);
        for made in made {
            let events: Vec<_> = block::events(&made.body).map(Result::unwrap).collect();
            assert_eq!(events.len(), made.count as usize);
            for event in events {
                let envelope = scan(event).unwrap();
                assert_eq!((envelope.source, envelope.timeframe), ("desk-7", made.timeframe));
                assert_eq!(envelope.key_hash().partition(8).0, made.partition);
                let key = (made.timeframe, envelope.instrument.to_owned());
                let before = counts.insert(key, envelope.key_seq);
                assert!(before < Some(envelope.key_seq), "{envelope:?}");
            }
        }
    }
    assert_eq!(shown, 600);
}

#[test]
fn a_block_stays_within_what_a_body_may_have() {
    let options = LoadOptions { seed: 3, instruments: 1, timeframes: 1 };
    let made = Blocks::new(Load::new(options), 1).next_events(6_000, Timestamp(9), |_| ());
    assert!(made.len() > 1 && made.iter().all(|made| made.body.len() <= block::BODY_BYTES_MAX));
    assert_eq!(made.iter().map(|made| made.count).sum::<u32>(), 6_000);
}

#[test]
fn a_full_block_has_what_it_takes_to_be_full() {
    let options = LoadOptions { seed: 3, instruments: 40, timeframes: 2 };
    let mut blocks = Blocks::new(Load::new(options), 4);
    for _ in 0..20 {
        let full = blocks.next_full(Timestamp(9));
        assert!((BLOCK_BYTES..BLOCK_BYTES + 1_000).contains(&full.body.len()));
        assert_eq!(block::events(&full.body).count(), full.count as usize);
    }
}
