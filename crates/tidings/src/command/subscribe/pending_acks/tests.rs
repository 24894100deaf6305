//! Which acks are still to be answered.

use tidings_client::{Confirmed, Run};
use tidings_event::{Epoch, Offset, PartitionId, Position, TopicId};

use super::PendingAcks;

fn position(partition: u32, offset: u64) -> Position {
    Position {
        topic: TopicId(7),
        epoch: Epoch(1),
        partition: PartitionId(partition),
        offset: Offset(offset),
    }
}

fn run(partition: u32, first: u64, last: u64) -> Run {
    let Position { topic, epoch, partition, .. } = position(partition, first);
    Run { topic, epoch, partition, first: Offset(first), last: Offset(last) }
}

#[test]
fn each_partition_waits_for_its_own_answer() {
    let mut pending = PendingAcks::default();
    pending.sent(position(0, 4));
    pending.sent(position(1, 9));
    pending.answered(&Confirmed { runs: vec![run(0, 3, 4)], stale: Vec::new() });
    assert!(!pending.is_empty());
    pending.answered(&Confirmed { runs: Vec::new(), stale: vec![run(1, 9, 9)] });
    assert!(pending.is_empty());
}

#[test]
fn the_answer_to_an_earlier_ack_is_not_that_to_the_last() {
    let mut pending = PendingAcks::default();
    pending.sent(position(0, 4));
    pending.sent(position(0, 6));
    pending.answered(&Confirmed { runs: vec![run(0, 1, 4)], stale: Vec::new() });
    assert!(!pending.is_empty());
    pending.answered(&Confirmed { runs: vec![run(0, 5, 6)], stale: Vec::new() });
    assert!(pending.is_empty());
}

#[test]
fn what_a_broken_connection_asked_is_not_waited_for() {
    let mut pending = PendingAcks::default();
    pending.sent(position(0, 4));
    pending.forget();
    assert!(pending.is_empty());
}
