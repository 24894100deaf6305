//! A consumer that does not read: what waits for it is bounded, and nothing of the rest is lost.

use bytes::BytesMut;

use super::resting::{TAIL, state};
use super::*;

#[test]
fn what_waits_for_who_does_not_read_is_bounded_and_the_rest_is_read_later() {
    let mut state = state(None);
    let blocks: Vec<_> = (0..40).map(|n| rig::block(TAIL + 10 * n, &[0; 10])).collect();
    let weight = size_of::<crate::feed::Piece>() + blocks[39].block.body.len();
    state.limits.live_bytes = 3 * weight;
    for block in &blocks {
        state.push(block, &Selected::all(block));
        assert!(state.queued_bytes <= state.limits.live_bytes, "{} bytes", state.queued_bytes);
    }
    let (mut next, mut reads) = (TAIL, 0);
    while next < TAIL + 400 {
        let budget = Budget { events: 10, bytes: 1 << 20 };
        match state.step(budget, 1, (Duration::ZERO, &|| Timestamp(0)), None) {
            Step::Read(partition, from, why) => {
                let left = blocks.iter().filter(|block| block.end_offset().0 > from);
                state.filled((partition, from, why), Ok(left.take(2).cloned().collect()));
                reads += 1;
            }
            Step::Send(sent) => {
                assert_eq!(sent.delivery.offsets, [(Offset(next), 10)]);
                let run = Run {
                    topic: PARTITION.topic,
                    epoch: Epoch(1),
                    partition: PARTITION.partition,
                    first: Offset(next),
                    last: Offset(next + 9),
                };
                assert_eq!(state.ack(1, run, false, Duration::ZERO), [run]);
                let (_, ticket) = state.collect(&mut BytesMut::new());
                state.saved(ticket);
                next += 10;
            }
            other => panic!("{other:?} at {next}"),
        }
    }
    assert!(reads > 10, "{reads} reads");
}
