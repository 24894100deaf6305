//! What becomes of acks whose save fails.

use bytes::BytesMut;
use tidings_event::{Code, Refusal};

use super::resting::{TAIL, send, state};
use super::*;

#[test]
fn what_could_not_be_settled_is_settled_with_the_next_save() {
    let mut state = state(None);
    let block = rig::block(TAIL, &[0, 1, 2]);
    state.push(&block, &Selected::all(&block));
    let sent = send(&mut state).unwrap();
    assert_eq!(sent.delivery.count, 3);
    let ack = |state: &mut State, offset: u64| {
        let run = Run {
            topic: PARTITION.topic,
            epoch: Epoch(1),
            partition: PARTITION.partition,
            first: Offset(offset),
            last: Offset(offset),
        };
        assert_eq!(state.ack(1, run, false, Duration::ZERO), [run]);
    };
    ack(&mut state, TAIL);
    let mut room = BytesMut::new();
    let (cursors, ticket) = state.collect(&mut room);
    assert_eq!((cursors.len(), ticket.ended.len(), ticket.count), (1, 1, 1));
    state.save_failed(ticket, Refusal::new(Code::LogReadOnly, "no room"));
    assert_eq!(state.unconfirmed, 1);
    // A cursor that covers it goes with what it covers, whether or not anything ended since.
    let (cursors, ticket) = state.collect(&mut room);
    let ended = |ticket: &super::super::Ticket| -> Vec<_> {
        ticket.ended.iter().map(|run| (run.first, run.end)).collect()
    };
    assert_eq!((cursors.len(), ended(&ticket)), (1, vec![(TAIL, TAIL + 1)]));
    state.save_failed(ticket, Refusal::new(Code::LogReadOnly, "no room"));
    ack(&mut state, TAIL + 2);
    let (_, ticket) = state.collect(&mut room);
    assert_eq!(ended(&ticket), [(TAIL, TAIL + 1), (TAIL + 2, TAIL + 3)]);
    state.saved(ticket);
    assert_eq!(state.unconfirmed, 0);
    let (_, ticket) = state.collect(&mut room);
    assert_eq!((ended(&ticket), ticket.count), (vec![], 0));
}
