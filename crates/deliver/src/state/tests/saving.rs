//! What becomes of acks whose save fails.

use bytes::BytesMut;
use tidings_event::{Code, Refusal};
use tidings_log::ReadError;

use super::resting::{TAIL, send, state};
use super::*;
use crate::slot::ReadFor;

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

#[test]
fn no_cursor_covers_a_gap_before_it_is_told() {
    let mut state = state(None);
    let block = rig::block(TAIL, &[0, 1, 2]);
    state.push(&block, &Selected::all(&block));
    let from = (PARTITION, TAIL, ReadFor::Fresh);
    let trim = Offset(TAIL + 2);
    state.filled(from, Err(ReadError::Trimmed { asked: Offset(TAIL), trim }));
    let mut room = BytesMut::new();
    let mut saved = |state: &mut State| {
        let (cursors, ticket) = state.collect(&mut room);
        let low = cursors.last().map(|(_, value)| Cursor::decode(value).unwrap().low);
        let ended: Vec<_> = ticket.ended.iter().map(|run| (run.first, run.end)).collect();
        state.saved(ticket);
        (low, ended)
    };
    assert_eq!(saved(&mut state), (Some(TAIL), vec![]));
    let budget = Budget { events: 10, bytes: 1 << 20 };
    let told = state.step(budget, 1, (Duration::ZERO, &|| Timestamp(0)), None);
    let Step::Out(Outgoing::Gap(gap)) = told else { panic!("no gap") };
    assert_eq!((gap.from, gap.to, gap.count), (Offset(TAIL), Offset(TAIL + 1), 2));
    assert_eq!(saved(&mut state), (Some(TAIL + 2), vec![(TAIL, TAIL + 2)]));
    assert_eq!(saved(&mut state), (None, vec![]));
}
