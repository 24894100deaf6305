//! A partition with nothing to do rests where it was, and is the same when it is awoken.

use tidings_catalog::Topic;
use tidings_event::{PartitionId, TopicId};

use super::*;
use crate::matching::Judge;

pub(super) const TAIL: u64 = 7;

pub(super) fn state(filter: Option<&str>) -> State {
    let limits = Limits { events: 10, bytes: 1 << 20, live_bytes: 1 << 20 };
    let spec = SubscriptionSpec::new("s", Vec::new());
    let subscription = Arc::new(rig::subscription(spec, filter));
    let mut state = State::new(subscription, limits, Epoch(1), 0);
    let cursor = Cursor { low: TAIL, ..Cursor::default() };
    state.add(PARTITION, rig::topic(), Window::new(cursor, TAIL, 20), TAIL);
    let consumer = Consumer {
        name: "c".into(),
        session: 1,
        is_stream: true,
        window: u64::MAX,
        hears_pauses: false,
    };
    state.claim(consumer, None, Duration::ZERO).unwrap();
    state
}

fn is_at_rest(state: &State) -> bool {
    state.slots.contains(&PARTITION) && state.slots.get(&PARTITION).is_none()
}

pub(super) fn send(state: &mut State) -> Option<Sent> {
    let budget = Budget { events: 10, bytes: 1 << 20 };
    match state.step(budget, 1, (Duration::ZERO, &|| Timestamp(0)), None) {
        Step::Send(sent) => Some(sent),
        _ => None,
    }
}

/// Has a save become durable.
fn save(state: &mut State) -> usize {
    let (cursors, ticket) = state.collect(&mut BytesMut::new());
    state.saved(ticket);
    cursors.len()
}

#[test]
fn a_partition_rests_from_the_start_and_again_once_all_is_saved() {
    let mut state = state(None);
    assert!(is_at_rest(&state));
    assert_eq!(state.slots.places(), [(PARTITION, TAIL, TAIL)]);
    // What is known already wakes nobody.
    state.reached(PARTITION, TAIL);
    state.offered_from(PARTITION, TAIL);
    state.offered_to(PARTITION, TAIL);
    assert!(is_at_rest(&state));
    let block = rig::block(TAIL, &[0, 1]);
    state.push(&block, &Selected::all(&block));
    let sent = send(&mut state).unwrap();
    assert_eq!(sent.delivery.offsets, [(Offset(TAIL), 2)]);
    assert!(sent.delivery.redelivered.is_empty(), "nothing was sent before");
    state.slots.rest();
    assert!(!is_at_rest(&state), "something is in flight");
    let run = Run {
        topic: PARTITION.topic,
        partition: PARTITION.partition,
        epoch: Epoch(1),
        first: Offset(TAIL),
        last: Offset(TAIL + 1),
    };
    assert_eq!(state.ack(1, run, false, Duration::ZERO).len(), 1);
    state.slots.rest();
    assert!(!is_at_rest(&state), "its cursor is not saved");
    assert_eq!(save(&mut state), 1);
    state.slots.rest();
    assert!(is_at_rest(&state));
    assert_eq!(state.slots.places(), [(PARTITION, TAIL + 2, TAIL + 2)]);
    assert_eq!(save(&mut state), 0);
    assert!(state.ack(1, run, false, Duration::ZERO).is_empty(), "it was settled before");
}

/// Hands over what its filter takes of a block.
pub(super) fn push(state: &mut State, block: &Committed) {
    let judge = Judge::of(&state.subscription, rig::topic().name.path()).unwrap();
    state.push(block, &judge.select(block));
}

#[test]
fn a_partition_that_is_behind_rests_until_somebody_consumes() {
    let mut state = state(None);
    let topic = Topic { id: TopicId(9), ..Topic::clone(&rig::topic()) };
    let behind = TopicPartition { topic: topic.id, partition: PartitionId(0) };
    let cursor = Cursor { low: 2, ..Cursor::default() };
    state.add(behind, Arc::new(topic), Window::new(cursor, TAIL, 3), TAIL);
    assert!(state.slots.contains(&behind) && state.slots.get(&behind).is_none());
    assert_eq!(state.slots.places()[1], (behind, 2, 2));
    assert!(send(&mut state).is_none());
    // Whoever comes to consume asks the log.
    state.offered_from(behind, TAIL);
    let slot = state.slots.get(&behind).unwrap();
    let next = slot.window.sendable(slot.tail).unwrap();
    assert_eq!((next.first, next.end, next.redelivered), (2, 5, true), "flagged as before");
}

#[test]
fn what_a_filter_passes_over_is_known_after_a_rest() {
    let mut state = state(Some("instrument == \"K1\""));
    state.offered_from(PARTITION, TAIL);
    assert!(is_at_rest(&state));
    // A block of which nothing is taken was offered to nobody.
    let block = rig::block(TAIL + 2, &[0, 1]);
    push(&mut state, &block);
    let sent = send(&mut state).unwrap();
    assert_eq!(sent.delivery.offsets, [(Offset(TAIL + 3), 1)]);
    assert!(send(&mut state).is_none());
}

#[test]
fn what_was_not_offered_before_a_rest_is_read_after_it() {
    let mut state = state(Some("instrument == \"K1\""));
    push(&mut state, &rig::block(TAIL + 2, &[0, 1]));
    let budget = Budget { events: 10, bytes: 1 << 20 };
    let step = state.step(budget, 1, (Duration::ZERO, &|| Timestamp(0)), None);
    assert!(matches!(step, Step::Read(PARTITION, TAIL, _)), "{step:?}");
}

#[test]
fn a_look_lays_to_rest_what_was_quiet_since_the_last() {
    let mut state = state(None);
    assert!(state.slots.get_mut(&PARTITION).is_some());
    assert!(!is_at_rest(&state));
    state.rest();
    assert!(!is_at_rest(&state), "it may have been busy a moment ago");
    state.rest();
    assert!(is_at_rest(&state));
}

#[test]
fn partitions_of_no_topic_are_neither_at_rest_nor_awake() {
    let mut state = state(None);
    let other = TopicPartition { partition: PartitionId(9), ..PARTITION };
    assert!(!state.slots.contains(&other));
    assert!(state.slots.get_mut(&other).is_none());
    assert!(state.slots.remove(PARTITION).is_some());
    assert!(!state.slots.contains(&PARTITION));
}
