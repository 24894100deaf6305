//! What a filter takes of several blocks goes together when they are here, and each event is told with
//! the time of its own block.

use super::resting::{TAIL, push, send, state};
use super::*;
use tidings_event::block::events;

/// A block at an offset that was taken in at a time.
fn block(first: u64, keys: &[u64], ingested_at: u64) -> Committed {
    let mut block = rig::block(first, keys);
    block.block.header.ingested_at = Timestamp(ingested_at);
    block
}

#[test]
fn what_a_filter_takes_of_blocks_that_are_here_goes_together() {
    let mut state = state(Some("instrument == \"K1\""));
    state.offered_from(PARTITION, TAIL);
    push(&mut state, &block(TAIL, &[0, 1], 100));
    push(&mut state, &block(TAIL + 2, &[1, 1, 0], 100));
    push(&mut state, &block(TAIL + 5, &[1, 0, 1], 200));
    let Sent { delivery, .. } = send(&mut state).unwrap();
    let at = |offset| (Offset(TAIL + offset), Timestamp(200));
    assert_eq!(delivery.offsets, [1, 5, 7].map(|n| (Offset(TAIL + n), if n == 1 { 3 } else { 1 })));
    assert_eq!((delivery.count, events(&delivery.body).count()), (5, 5));
    assert_eq!((delivery.ingested_at, delivery.later.as_slice()), (Timestamp(100), &[at(5)][..]));
    let times = [1, 2, 3, 5, 7].map(|n| delivery.ingested_at(TAIL + n).0);
    assert_eq!(times, [100, 100, 100, 200, 200]);
    assert!(send(&mut state).is_none());
    let all = Run {
        topic: PARTITION.topic,
        epoch: Epoch(1),
        partition: PARTITION.partition,
        first: Offset(TAIL + 1),
        last: Offset(TAIL + 7),
    };
    let acked = state.ack(1, all, true, Duration::ZERO);
    assert_eq!(acked.iter().map(Run::count).sum::<u64>(), 5);
    assert_eq!(state.slots.places(), [(PARTITION, TAIL + 8, TAIL + 8)]);
}

#[test]
fn what_goes_together_keeps_to_credit() {
    let mut state = state(Some("instrument == \"K1\""));
    state.offered_from(PARTITION, TAIL);
    (0..9).for_each(|n| push(&mut state, &block(TAIL + 2 * n, &[1, 0], n)));
    let budget = Budget { events: 4, bytes: 1 << 20 };
    let counts = std::iter::from_fn(|| {
        match state.step(budget, 1, (Duration::ZERO, &|| Timestamp(0)), None) {
            Step::Send(sent) => Some(sent.delivery.count),
            _ => None,
        }
    });
    assert_eq!(counts.take(3).collect::<Vec<_>>(), [4, 4, 1]);
}
