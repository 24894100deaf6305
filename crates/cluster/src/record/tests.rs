//! What is written is read as it was said, and nothing else is.

use proptest::prelude::*;
use tidings_event::Term;
use tidings_event::block::crc32c;

use super::{Beat, HEAD, Held, HeldState, MAGIC, RECORD_BYTES_MAX, RecordError};
use crate::assignment::{Assignment, CoordinatorTerm, Entry, Gone, Holder};
use crate::node_id::{Address, CallKey, Life, NodeId, NodeName};
use crate::partition_group::PartitionGroup;
use crate::view::MEMBERS_MAX;

fn node(name: &str, life: u64) -> NodeId {
    NodeId { name: NodeName::new(name).unwrap(), life: Life(life) }
}

fn beat() -> Beat {
    Beat {
        node: node("node-1", 7),
        number: 12,
        pace: 10,
        address: Address::new("10.0.0.1:8080").unwrap(),
        call_key: CallKey([9; 32]),
        is_joining: false,
        after: None,
        is_leaving: false,
        claim: Some(CoordinatorTerm(3)),
        held: vec![Held { group: PartitionGroup(2), term: Term(5), state: HeldState::Serving }],
        assignment: None,
    }
}

/// As much as may be said.
fn fullest() -> Beat {
    let name = |at: usize| format!("{at:03}{}", "x".repeat(60));
    let members: Vec<NodeId> = (0..MEMBERS_MAX).map(|at| node(&name(at), u64::MAX)).collect();
    let holder = |at: usize| Holder { node: members[at].clone(), is_closing: true };
    let entry = |at| Entry { term: Term(u64::MAX), holder: Some(holder(at)) };
    let gone = |at: usize| Gone { node: members[at].clone(), number: u64::MAX };
    let outdated = HeldState::Outdated { newest: Term(u64::MAX) };
    let held = |at| Held { group: PartitionGroup(at), term: Term(u64::MAX), state: outdated };
    Beat {
        node: members[0].clone(),
        number: u64::MAX - 1,
        pace: u64::MAX,
        address: Address::new(&format!("{}:65535", "h".repeat(249))).unwrap(),
        held: (0..16).map(held).collect(),
        assignment: Some(Assignment {
            by: CoordinatorTerm(u64::MAX),
            version: u64::MAX,
            entries: (40..56).map(entry).collect(),
            gone: (0..16).map(gone).collect(),
            members: members.clone(),
        }),
        ..beat()
    }
}

/// The message of a record with another inside.
fn resealed(record: &[u8]) -> Vec<u8> {
    let mut out = record.to_vec();
    let crc = crc32c(&out[HEAD..]);
    out[MAGIC.len()..HEAD].copy_from_slice(&crc.to_le_bytes());
    out
}

#[test]
fn the_fullest_beat_is_within_the_bound() {
    let bytes = fullest().encode();
    assert!(bytes.len() <= RECORD_BYTES_MAX, "{} bytes", bytes.len());
    assert_eq!(Beat::decode(&bytes), Ok(fullest()));
}

#[test]
fn what_is_damaged_foreign_or_too_much_is_told() {
    let bytes = beat().encode();
    assert_eq!(Beat::decode(b"TPG1 and more"), Err(RecordError::Foreign));
    assert_eq!(Beat::decode(&bytes[..6]), Err(RecordError::Damaged));
    for at in MAGIC.len()..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert_eq!(Beat::decode(&changed), Err(RecordError::Damaged), "byte {at}");
    }
    let mut long = bytes;
    long.resize(RECORD_BYTES_MAX + 1, 0);
    assert_eq!(Beat::decode(&long), Err(RecordError::TooLarge { bytes: RECORD_BYTES_MAX + 1 }));
    assert!(matches!(Beat::decode(&resealed(b"TCB1....\xFF\xFF")), Err(RecordError::Field { .. })));
}

#[test]
fn what_nobody_can_mean_is_refused_by_name() {
    let refused = |beat: Beat| match Beat::decode(&beat.encode()) {
        Err(RecordError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let held = |group, term, state| Held { group: PartitionGroup(group), term: Term(term), state };
    let serving = HeldState::Serving;
    assert_eq!(refused(Beat { pace: 14, ..beat() }), "pace");
    let twice = vec![held(1, 5, serving), held(1, 6, serving)];
    assert_eq!(refused(Beat { held: twice, ..beat() }), "held");
    let unordered = vec![held(2, 5, serving), held(1, 5, serving)];
    assert_eq!(refused(Beat { held: unordered, ..beat() }), "held");
    assert_eq!(refused(Beat { held: vec![held(16, 5, serving)], ..beat() }), "held.group");
    assert_eq!(refused(Beat { held: vec![held(1, 0, serving)], ..beat() }), "held.term");
    let backward = held(1, 5, HeldState::Outdated { newest: Term(4) });
    assert_eq!(refused(Beat { held: vec![backward], ..beat() }), "held.state");

    let members = vec![node("a", 1), node("b", 2)];
    let holds = |at: usize| Entry {
        term: Term(1),
        holder: Some(Holder { node: members[at].clone(), is_closing: false }),
    };
    let good = Assignment {
        by: CoordinatorTerm(1),
        version: 1,
        members: members.clone(),
        gone: vec![],
        entries: vec![holds(0), holds(1)],
    };
    let of = |assignment| Beat { assignment: Some(assignment), ..beat() };
    assert_eq!(Beat::decode(&of(good.clone()).encode()), Ok(of(good.clone())));
    assert_eq!(refused(of(Assignment { version: 0, ..good.clone() })), "assignment");
    let three = vec![holds(0), holds(1), holds(0)];
    assert_eq!(refused(of(Assignment { entries: three, ..good.clone() })), "assignment.entries");
    let unordered = members.iter().rev().cloned().collect();
    let field = refused(of(Assignment { members: unordered, ..good.clone() }));
    assert_eq!(field, "assignment.members");
    let free = Entry { term: Term(0), ..holds(0) };
    let field = refused(of(Assignment { entries: vec![free], ..good }));
    assert_eq!(field, "assignment.entries.term");
}

fn any_node() -> impl Strategy<Value = NodeId> {
    ("[a-z0-9][a-z0-9.-]{0,20}", any::<u64>()).prop_map(|(name, life)| node(&name, life))
}

fn any_state() -> impl Strategy<Value = HeldState> {
    prop_oneof![
        Just(HeldState::Opening),
        Just(HeldState::Serving),
        Just(HeldState::Closing),
        Just(HeldState::Ended),
        Just(HeldState::Failed),
        Just(HeldState::Outdated { newest: Term(u64::MAX) }),
    ]
}

fn any_held() -> impl Strategy<Value = Vec<Held>> {
    let one = (1u64..u64::MAX, any_state());
    proptest::collection::btree_map(0u8..16, one, 0..16).prop_map(|held| {
        let of =
            |(group, (term, state))| Held { group: PartitionGroup(group), term: Term(term), state };
        held.into_iter().map(of).collect()
    })
}

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let members = proptest::collection::btree_map("[a-z]{1,9}", any::<u64>(), 1..9);
    let entries =
        proptest::collection::vec((1u64.., proptest::option::of(0usize..9), any::<bool>()), 8);
    let gone = proptest::collection::vec((any_node(), any::<u64>()), 0..5);
    (members, entries, gone, 1u64.., 1u64..).prop_map(|(members, entries, gone, by, version)| {
        let members: Vec<NodeId> = members.iter().map(|(name, life)| node(name, *life)).collect();
        let entries = entries.into_iter().map(|(term, holder, is_closing)| {
            let node = holder.and_then(|at| members.get(at)).cloned();
            Entry { term: Term(term), holder: node.map(|node| Holder { node, is_closing }) }
        });
        Assignment {
            by: CoordinatorTerm(by),
            version,
            entries: entries.collect(),
            gone: gone.into_iter().map(|(node, number)| Gone { node, number }).collect(),
            members,
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        node in any_node(),
        (number, pace) in any::<u64>().prop_flat_map(|n| (Just(n), 0..=n)),
        (is_joining, is_leaving) in any::<(bool, bool)>(),
        (after, claim) in (any::<Option<u64>>(), proptest::option::of(1u64..)),
        held in any_held(),
        assignment in proptest::option::of(any_assignment()),
    ) {
        let (claim, after) = (claim.map(CoordinatorTerm), after.map(Life));
        let said = Beat { node, number, pace, is_joining, after, is_leaving, claim, held, assignment, ..beat() };
        prop_assert_eq!(Beat::decode(&said.encode()), Ok(said));
    }

    #[test]
    fn no_bytes_are_read_as_something_that_cannot_be_said(
        mut message in proptest::collection::vec(any::<u8>(), 0..200),
        from_good in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        if from_good {
            message = fullest().encode().split_off(HEAD);
        }
        for (at, byte) in changes {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        let record = resealed(&[&MAGIC[..], &[0; 4], &message].concat());
        if let Ok(read) = Beat::decode(&record) {
            let again = read.encode();
            prop_assert!(again.len() <= RECORD_BYTES_MAX);
            prop_assert_eq!(Beat::decode(&again), Ok(read));
        }
    }
}
