//! A run is written once for each revision that it lies in, and nothing of it is counted twice.

use std::sync::Arc;

use tidings_catalog::{Boundary, Revision, SubscriptionId, SubscriptionSpec};
use tidings_event::Offset;

use super::*;
use crate::settlement::Outcome;

const AT: TopicPartition = TopicPartition::new(4, 2);

/// A subscription whose revisions begin at these offsets.
fn subscription(boundaries: &[u64]) -> Subscription {
    let revision = |(number, from): (u32, &u64)| Revision {
        number,
        at: Timestamp(number.into()),
        boundary: [(AT, Offset(*from))].into_iter().collect(),
        topics: Arc::default(),
        filter: None,
    };
    Subscription {
        id: SubscriptionId(9),
        tenant: "default".into(),
        spec: SubscriptionSpec::new("risk", Vec::new()),
        created_at: Timestamp(1),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: (1..).zip(boundaries).map(revision).collect(),
    }
}

fn run(first: u64, end: u64, count: u64) -> Settled {
    Settled {
        partition: AT,
        first,
        end,
        count,
        outcome: Outcome::Delivered,
        first_sent: Timestamp(5),
        attempts: 2,
        consumer: Arc::from("a"),
    }
}

/// The messages of a run.
fn encode(subscription: &Subscription, run: &Settled) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let mut encoder = Encoder::default();
    encoder.encode(subscription, Epoch(1), run, Timestamp(7), |message| messages.push(message));
    messages
}

#[test]
fn a_run_over_a_revisions_boundary_is_told_for_each() {
    let (subscription, run) = (subscription(&[0, 10, 12]), run(8, 20, 9));
    let told: Vec<(u32, u64, u64, u64)> = encode(&subscription, &run)
        .iter()
        .map(|bytes| v1::Settlement::decode(&bytes[..]).unwrap())
        .inspect(|said| {
            assert_eq!((said.subscription_id, said.topic_id, said.partition), (9, 4, 2));
            assert_eq!(said.outcome(), v1::settlement::Outcome::Delivered);
            assert_eq!((said.first_sent, said.settled_at, said.attempts), (5, 7, 2));
        })
        .map(|said| (said.revision, said.first, said.last, said.count))
        .collect();
    assert_eq!(told, [(1, 8, 9, 2), (2, 10, 11, 2), (3, 12, 19, 5)]);
}

#[test]
fn every_offset_is_told_under_the_revision_that_judged_it() {
    let told = |boundaries: &[u64], (first, end, count)| -> Vec<(u32, u64, u64, u64)> {
        let run = run(first, end, count);
        let messages = encode(&subscription(boundaries), &run);
        let read = messages.iter().map(|bytes| v1::Settlement::decode(&bytes[..]).unwrap());
        read.map(|said| (said.revision, said.first, said.last, said.count)).collect()
    };
    // Below the start of the first one it is the first one that judges.
    assert_eq!(told(&[30, 40], (10, 20, 10)), [(1, 10, 19, 10)]);
    assert_eq!(told(&[30, 40], (39, 41, 2)), [(1, 39, 39, 1), (2, 40, 40, 1)]);
    assert_eq!(told(&[0, 10], (9, 10, 1)), [(1, 9, 9, 1)]);
    assert_eq!(told(&[0, 10], (10, 12, 2)), [(2, 10, 11, 2)]);
    // Of two that begin at one place the later one; of one that goes back all but what is before.
    assert_eq!(told(&[0, 10, 10], (9, 12, 3)), [(1, 9, 9, 1), (3, 10, 11, 2)]);
    assert_eq!(told(&[0, 10, 5], (4, 12, 8)), [(1, 4, 4, 1), (3, 5, 11, 7)]);
    assert_eq!(told(&[], (3, 5, 2)), [(1, 3, 4, 2)]);
    // What the filter left out is told with the first parts: no part has more than it is long.
    assert_eq!(told(&[0, 2], (0, 10, 1)), [(1, 0, 1, 1), (2, 2, 9, 0)]);
}
