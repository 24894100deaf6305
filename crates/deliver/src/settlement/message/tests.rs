//! A run is written once for each revision that it lies in, and nothing of it is counted twice.

use std::sync::Arc;

use tidings_catalog::{Boundary, Revision, SubscriptionId, SubscriptionSpec};
use tidings_event::Offset;

use super::*;
use crate::settlement::Outcome;

#[test]
fn a_run_over_a_revisions_boundary_is_told_for_each() {
    let at = TopicPartition::new(4, 2);
    let revision = |number, from| Revision {
        number,
        at: Timestamp(number.into()),
        boundary: [(at, Offset(from))].into_iter().collect(),
        topics: Arc::default(),
        filter: None,
    };
    let subscription = Subscription {
        id: SubscriptionId(9),
        tenant: "default".into(),
        spec: SubscriptionSpec::new("risk", Vec::new()),
        created_at: Timestamp(1),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: vec![revision(1, 0), revision(2, 10), revision(3, 12)],
    };
    let run = Settled {
        partition: at,
        first: 8,
        end: 20,
        count: 9,
        outcome: Outcome::Delivered,
        first_sent: Timestamp(5),
        attempts: 2,
        consumer: Arc::from("a"),
    };
    let told: Vec<(u32, u64, u64, u64)> = encode(&subscription, Epoch(1), &run, Timestamp(7))
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
